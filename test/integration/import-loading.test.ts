/** What `import 'statemesh'` loads: the number of files determines how long it takes. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { temporaryDirectory } from './cli-fixture.js';
import { loadingTo, readLoaded } from './loading-fixture.js';

const entry = (path: string) => JSON.stringify(pathToFileURL(join(process.cwd(), 'dist', path)).href);

async function evaluate(code: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const options = { env: { ...process.env, ...env } };
  return (await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code], options)).stdout;
}

describe('what an import loads', () => {
  test('the package: imported -> a few files of ours, and the packages that every node needs', async () => {
    const file = join(await temporaryDirectory(), 'loaded');
    await evaluate(`import ${entry('index.js')};`, loadingTo(file));
    const { packages, files, modules } = await readLoaded(file);
    expect(modules.length).toBeGreaterThan(150);
    expect(files.length).toBeLessThanOrEqual(30);
    expect(packages).toEqual(['immer', 'oauth4webapi', 'xstate']);
  });

  test('package and simulation: in one process -> no module is there twice', async () => {
    const file = join(await temporaryDirectory(), 'loaded');
    const code = `
      import { StatemeshError } from ${entry('index.js')};
      import { workerPlayer } from ${entry('simulation/index.js')};
      try {
        workerPlayer({ unknown: 1 });
      } catch (error) {
        console.log(error instanceof StatemeshError);
      }`;
    expect(await evaluate(code, loadingTo(file))).toBe('true\n');
    const { modules } = await readLoaded(file);
    expect(modules.filter((path, index) => modules.indexOf(path) !== index)).toEqual([]);
  });
});
