/** `statemesh completion`, in the shells that are here. */
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { run, temporaryDirectory } from './cli-fixture.js';

/** What bash offers for the words so far, the last of which is being written. */
async function offered(words: readonly string[]): Promise<string[]> {
  const cwd = await temporaryDirectory();
  await writeFile(join(cwd, 'completion'), (await run(['completion', 'bash'])).stdout);
  const program = `source ./completion; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
    _statemesh; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', program], { cwd, encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout.trimEnd().split('\n');
}

describe('completion', () => {
  test('bash: a command begun, its options, its subcommands, and files for the rest -> are offered', async () => {
    expect(await offered(['statemesh', 'rem'])).toEqual(['remote-peers', 'remove-peer']);
    expect(await offered(['statemesh', 'find', '--o'])).toEqual(['--order-by', '--offset']);
    expect(await offered(['statemesh', 'start', '--inspect'])).toEqual([
      '--inspect-url',
      '--inspect',
      '--inspect-trace',
    ]);
    expect(await offered(['statemesh', 'config', 's'])).toEqual(expect.arrayContaining(['show', 'set', 'schema']));
    expect(await offered(['statemesh', 'inspect', 'compl'])).toEqual(['completion']);
  });

  test('every shell: its script -> names every command, and nothing that would end a quotation', async () => {
    const { stdout: helpText } = await run(['--help']);
    const listed = helpText.slice(helpText.indexOf('Commands:'), helpText.indexOf('help [command]'));
    const commands = [...listed.matchAll(/^ {2}([a-z-]+) {2,}/gm)].map(([, name]) => name as string);
    expect(commands.length).toBeGreaterThan(15);
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { stdout, exitCode } = await run(['completion', shell]);
      expect([shell, exitCode, commands.filter((name) => !stdout.includes(name))]).toEqual([shell, 0, []]);
      for (const line of stdout.split('\n')) expect([line, (line.match(/'/g)?.length ?? 0) % 2]).toEqual([line, 0]);
    }
  });

  test('another shell -> refused, with those that there are', async () => {
    const { exitCode, stderr } = await run(['completion', 'tcsh']);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('bash, zsh, fish')]);
  });
});
