/** What the command line loads to tell of itself: its own words, and nothing of a node. */
import { cp, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { run, temporaryDirectory } from './cli-fixture.js';

const hook = pathToFileURL(join(process.cwd(), 'test/integration/loaded-modules.mjs')).href;
const own = pathToFileURL(join(process.cwd(), 'dist/')).href;

async function loadedBy(...args: string[]): Promise<{ packages: string[]; files: string[] }> {
  const file = join(await temporaryDirectory(), 'loaded');
  const { exitCode, stderr } = await run(args, { env: { LOADED: file, NODE_OPTIONS: `--import=${hook}` } });
  expect([exitCode, stderr]).toEqual([0, '']);
  const lines = (await readFile(file, 'utf8')).split('\n');
  const packages = lines.flatMap((line) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(line)?.[1] ?? []);
  const files = lines.filter((line) => line.startsWith(own)).map((line) => line.slice(own.length));
  return { packages: [...new Set(packages)].sort(), files };
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
  ])('%s --help: -> nothing of a node', async (command) => {
    const { packages, files } = await loadedBy(command, '--help');
    const ofBar = [
      'ansi-regex',
      'cli-progress',
      'emoji-regex',
      'is-fullwidth-code-point',
      'string-width',
      'strip-ansi',
    ];
    expect(packages.filter((name) => !['commander', ...ofBar].includes(name))).toEqual([]);
    const rooms = new Set(files.map((file) => (file.includes('/') ? file.split('/')[0] : file)));
    expect([...rooms].filter((room) => !['cli', 'core', 'protocol', 'simulation'].includes(`${room}`))).toEqual([]);
    expect(files.filter((file) => file.startsWith('simulation/')).length).toBeLessThanOrEqual(8);
  });
});
