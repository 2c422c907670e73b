/** What the command line loads for its help: its own texts, and no code of a node. */
import { cp, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { run, temporaryDirectory } from './cli-fixture.js';
import { loadingTo, readLoaded } from './loading-fixture.js';

async function loadedBy(...args: string[]) {
  const file = join(await temporaryDirectory(), 'loaded');
  const { exitCode, stderr } = await run(args, { env: loadingTo(file) });
  expect([exitCode, stderr]).toEqual([0, '']);
  return readLoaded(file);
}

describe('what the command line loads', () => {
  test.each(['start', 'doctor', 'logs'])(
    '%s --help: from an installation without docs -> its options',
    async (command) => {
      const installation = await temporaryDirectory();
      await cp('dist', join(installation, 'dist'), { recursive: true });
      await cp('package.json', join(installation, 'package.json'));
      await symlink(join(process.cwd(), 'node_modules'), join(installation, 'node_modules'));
      const main = join(installation, 'dist/cli/main.js');
      const { exitCode, stderr } = await run([command, '--help'], { main });
      expect([exitCode, stderr]).toEqual([0, '']);
    },
  );

  test.each([['--version'], ['--help']])('%s: -> commander, and a few files', async (option) => {
    const { packages, files } = await loadedBy(option);
    expect(packages).toEqual(['commander']);
    expect(files).toContain('cli/main.js');
    expect(files.length).toBeLessThanOrEqual(20);
  });

  test.each([
    ...['start', 'doctor', 'simulate', 'config', 'init', 'logs', 'restore', 'inspect', 'remove-peer', 'reconfigure'],
    ...['status', 'import'],
  ])('%s --help: -> no code of a node', async (command) => {
    const { packages, modules } = await loadedBy(command, '--help');
    const ofBar = [
      'ansi-regex',
      'cli-progress',
      'emoji-regex',
      'is-fullwidth-code-point',
      'string-width',
      'strip-ansi',
    ];
    expect(packages.filter((name) => !['commander', ...ofBar].includes(name))).toEqual([]);
    const rooms = new Set(modules.map((path) => path.split('/')[0]));
    const small = ['cli', 'core', 'configuration', 'control', 'remote-peers', 'simulation'];
    expect([...rooms].filter((room) => !small.includes(`${room}`))).toEqual([]);
    expect(modules).toContain('cli/main.js');
    expect(modules).not.toContain('configuration/schema.js');
    expect(modules.filter((path) => path.startsWith('simulation/')).length).toBeLessThanOrEqual(8);
  });
});
