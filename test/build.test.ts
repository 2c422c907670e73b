/** The build script, which is the first thing that `npm run demo` and others run: a person waits for it. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

describe('build', () => {
  const project = mkdtempSync(join(tmpdir(), 'statemesh-build-'));
  const build = (...programs: string[]) => {
    const script = join(project, 'scripts/build.mjs');
    return spawnSync(process.execPath, [script, ...programs], { encoding: 'utf8' });
  };

  beforeAll(() => {
    const compile = `process.stderr.write('compiler ' + process.argv[3] + '\\n');
      const { mkdirSync, writeFileSync } = require('node:fs');
      for (const path of ['dist/cli/main.js', 'build/demo/main.js']) {
        mkdirSync(require('node:path').dirname(path), { recursive: true });
        writeFileSync(path, '');
      }`;
    const bundle = "process.stderr.write('bundler ' + process.argv[3] + '\\n');";
    for (const [path, code] of [
      ['src/cli/main.ts', ''],
      ['node_modules/typescript/bin/tsc', compile],
      ['node_modules/vite/bin/vite.js', bundle],
    ] as const) {
      mkdirSync(join(project, path, '..'), { recursive: true });
      writeFileSync(join(project, path), code);
    }
    cpSync(resolve('scripts/build.mjs'), join(project, 'scripts/build.mjs'));
  });

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  it('a fresh clone: -> says what it builds before each step; built already -> is silent', () => {
    const first = build('demo');
    expect(first.stderr.trim().split('\n')).toEqual([
      'Compiling src to dist ...',
      'compiler tsconfig.build.json',
      'bundler scripts',
      "Bundling the inspector's page into dist/visualizer ...",
      'bundler visualizer',
      'Compiling demo to build/demo ...',
      'compiler tsconfig.demo.json',
    ]);
    const second = build('demo');
    expect([first.status, second.status, second.stderr + second.stdout]).toEqual([0, 0, '']);
  });
});
