/** `statemesh completion`, in the installed shells. */
import { spawnSync } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { run, startNode, temporaryDirectory } from './cli-fixture.js';

/** What bash offers for the words so far, the last of which is incomplete. */
async function offered(words: readonly string[], place?: string, typed = 'statemesh'): Promise<string[]> {
  const cwd = place ?? (await temporaryDirectory());
  await writeFile(join(cwd, 'completion'), (await run(['completion', 'bash'])).stdout);
  await writeFile(
    join(cwd, 'statemesh'),
    `#!/bin/sh\nexec "${process.execPath}" "${process.cwd()}/dist/cli/main.js" "$@"\n`,
  );
  await chmod(join(cwd, 'statemesh'), 0o755);
  const program = `source ./completion; alias sm='statemesh'; COMP_WORDS=(${typed} ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}
    _statemesh; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = { PATH: `${cwd}:${process.env.PATH}`, LANG: 'C.UTF-8' };
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', program], { cwd, encoding: 'utf8', env });
  expect(stderr).toBe('');
  return stdout.trimEnd().split('\n');
}

const nothing = [''];

describe('completion', () => {
  test('bash: an incomplete command, its options, its subcommands, and files where they belong -> are offered', async () => {
    expect(await offered(['rem'])).toEqual(['remote-peers', 'remove-peer']);
    expect(await offered(['comp'])).toEqual(['completion']);
    expect(await offered(['find', '--o'])).toEqual(['--order-by', '--offset']);
    expect(await offered(['start', '--inspect'])).toEqual(['--inspect-url', '--inspect', '--inspect-trace']);
    expect(await offered(['config', 's'])).toEqual(['show', 'set', 'schema']);
    expect(await offered(['config', 'get', 'heartbeat'])).toEqual(['heartbeatIntervalMs']);
    expect(await offered(['inspect', 'compl'])).toEqual(['completion']);
    expect(await offered(['status', '--config', 'compl'])).toEqual(['completion']);
    expect(await offered(['nonsense', 'x'])).toEqual(nothing);
  });

  test('bash: values that are known without a node -> are offered', async () => {
    expect(await offered(['logs', 'de'])).toEqual(['debug']);
    expect(await offered(['completion', ''])).toEqual(['bash', 'zsh', 'fish']);
    expect(await offered(['start', '--log-level', 'wa'])).toEqual(['warn']);
    expect(await offered(['start', '--role', '=', 'cl'])).toEqual(['cloud']);
    expect(await offered(['config', 'set', 'heartbeat'])).toEqual(['heartbeatIntervalMs=']);
    // Bash splits words at the equals sign.
    expect(await offered(['reconfigure', 'port', '=', '1', 'logLevel', '='])).toContain('silent');
    expect(await offered(['reconfigure', 'logLevel', '=', 'si'])).toEqual(['silent']);
    expect(await offered(['reconfigure', 'eligible', '=', ''])).toEqual(['true', 'false']);
    expect(await offered(['reconfigure', 'clusterK'])).toEqual(nothing);
    expect(await offered(['errors', 'notR'])).toEqual(['notRunning']);
  }, 30_000);

  test('bash: an alias, and keys with colons, at which bash splits words -> as without', async () => {
    const node = await startNode();
    await node.run(['put', 'articles', 'urn:isbn:1', '1']);
    await node.run(['put', 'articles', 'urn:isbn:22', '1']);
    expect(await offered(['get', 'articles', 'urn', ':', 'is'], node.directory)).toEqual(['isbn:1', 'isbn:22']);
    expect(await offered(['get', 'articles', 'urn', ':', 'isbn', ':', '2'], node.directory)).toEqual(['22']);
    expect(await offered(['get', 'articles', 'urn', ':'], node.directory)).toEqual(['isbn:1', 'isbn:22']);
    expect(await offered(['comp'], node.directory, 'sm')).toEqual(['completion']);
  }, 30_000);

  test('bash: collections, keys and peers -> those of the running node; without one, nothing', async () => {
    const node = await startNode();
    await node.run(['put', 'articles', 'espresso', '1']);
    await node.run(['put', 'articles', "odd 'key'; $(x)", '1']);
    await node.run(['put', 'my articles', 'k', '1']);
    await node.run(['add-static-peer', '--node-id', 'till-9', '--address', '127.0.0.1:1']);
    const here = (...words: string[]) => offered(words, node.directory);
    expect(await here('find', '')).toEqual(['articles', 'my\\ articles']);
    expect(await here('get', 'articles', 'e')).toEqual(['espresso']);
    expect(await here('get', 'articles', 'o')).toEqual(["odd\\ \\'key\\'\\;\\ \\$\\(x\\)"]);
    expect(await here('put', 'articles', 'k', '')).toEqual(nothing);
    expect(await here('remove-peer', 't')).toEqual(['till-9']);
    const elsewhere = await temporaryDirectory();
    expect(await offered(['find', ''], elsewhere)).toEqual(nothing);
    expect(await offered(['find', '--data-dir', join(node.directory, 'data'), 'art'], elsewhere)).toEqual(['articles']);
  }, 30_000);

  test('every shell: its script, and an unknown shell -> printed, or refused with a list of shells', async () => {
    const cwd = await temporaryDirectory();
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { stdout, exitCode } = await run(['completion', shell]);
      expect([exitCode, stdout]).toEqual([0, expect.stringContaining(`complete ${shell} --`)]);
      await writeFile(join(cwd, shell), stdout);
      // Where the shell is installed, it can parse it.
      const { error, status, stderr } = spawnSync(shell, ['-n', join(cwd, shell)], { encoding: 'utf8' });
      if (error === undefined) expect([shell, status, stderr]).toEqual([shell, 0, '']);
    }
    const { exitCode, stderr } = await run(['completion', 'tcsh']);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('bash, zsh, fish')]);
  });
});
