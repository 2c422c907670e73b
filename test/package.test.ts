/** The package as its users get it: packed, installed into an empty project, imported, typed, run. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import ts from 'typescript';

const project = resolve('.');
const directory = mkdtempSync(join(tmpdir(), 'statemesh-package-'));
const run = (command: string, args: readonly string[], cwd = directory) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

let packed: { filename: string; files: { path: string }[] };

beforeAll(() => {
  [packed] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', directory], project));
  writeFileSync(join(directory, 'package.json'), '{ "type": "module", "private": true }');
  // A real installation, so that a dependency that is not declared is missing. Only the compiling of better-sqlite3 is
  // left out: it takes minutes, so the binary comes from here, for the same version.
  const { version } = JSON.parse(readFileSync('node_modules/better-sqlite3/package.json', 'utf8')) as {
    version: string;
  };
  const tarball = join(directory, packed.filename);
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', tarball, `better-sqlite3@${version}`]);
  const binary = 'node_modules/better-sqlite3/build';
  cpSync(join(project, binary), join(directory, binary), { recursive: true });
}, 120_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The ten-line program of the README. */
function readmeProgram(): string {
  const [, program] = /```ts\n(import \{ createNode[\s\S]*?)```/.exec(readFileSync('README.md', 'utf8')) ?? [];
  if (program === undefined) throw new Error('README.md shows no program.');
  return program;
}

/** The blocks below the heading "Embed it". */
function embeddingBlocks(): string[] {
  const [, section = ''] = readFileSync('README.md', 'utf8').split('\n## Embed it\n');
  const [embedding = ''] = section.split('\n## ');
  return [...embedding.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code = '']) => code);
}

function withoutStop(code: string): string {
  expect(code).toMatch(/\nawait node\.stop\(\);\n$/);
  return code.replace(/await node\.stop\(\);\n$/, '');
}

function javascriptOf(code: string): string {
  const { ESNext: module } = ts.ModuleKind;
  return ts.transpileModule(code, { compilerOptions: { module, target: ts.ScriptTarget.ES2023 } }).outputText;
}

describe('the package', () => {
  it('packed -> holds what runs and what informs, and nothing else', () => {
    const paths = packed.files.map(({ path }) => path);
    for (const path of [
      'package.json',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'docs/operations.md',
      'dist/index.js',
      'dist/index.d.ts',
      'dist/cli/main.js',
      'dist/licenses.md',
    ]) {
      expect(paths).toContain(path);
    }
    const strangers = paths.filter(
      (path) =>
        !/^(dist\/.*\.(js|d\.ts)|dist\/(configuration\.schema\.json|licenses\.md)|dist\/visualizer\/.*\.(html|css|svg|md)|docs\/.*\.(md|svg|png|json)|package\.json|LICENSE|(README|CHANGELOG|CONTRIBUTING)\.md)$/.test(
          path,
        ),
    );
    expect(strangers).toEqual([]);
  });

  it('links of the texts in it -> lead to files in it, so that they work offline', () => {
    const paths = packed.files.map(({ path }) => path);
    const texts = paths.filter((path) => /^(docs\/.*|[A-Z]+)\.md$/.test(path));
    const broken = texts.flatMap((text) =>
      [...readFileSync(text, 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)]
        .map(([, link = '']) => join(text, '..', link))
        .filter((target) => !paths.includes(target))
        .map((target) => `${text}: ${target}`),
    );
    expect([texts.length, broken]).toEqual([6, []]);
  });

  it('publint and attw -> find nothing wrong with what it exports and how it is typed', () => {
    const tarball = join(directory, packed.filename);
    const bin = (name: string) => join(project, 'node_modules', '.bin', name);
    expect(run(bin('publint'), ['--strict', tarball])).toContain('All good');
    // The package has modules only, and Node's `require` says so.
    expect(run(bin('attw'), [tarball, '--profile', 'esm-only'])).not.toMatch(/[❌🚫]/u);
  }, 60_000);

  it('`require` -> gives the same, since Node.js takes modules there too', () => {
    const code =
      "const { createNode, errorCodes } = require('statemesh'); console.log(typeof createNode, errorCodes.internal)";
    writeFileSync(join(directory, 'program.cjs'), code);
    expect(run('node', ['program.cjs'])).toMatch(/^function A bug/);
  });

  it('TypeDoc -> complains of nothing, and finds words about everything that is exported', () => {
    const bin = join(project, 'node_modules/.bin/typedoc');
    const kinds = ['Class', 'Enum', 'Interface', 'TypeAlias', 'Variable'];
    const required = kinds.flatMap((kind) => ['--requiredToBeDocumented', kind]);
    const options = ['--emit', 'none', '--validation.notDocumented', '--treatWarningsAsErrors', 'false', ...required];
    const { stdout, stderr } = spawnSync(bin, options, { cwd: project, encoding: 'utf8', maxBuffer: 2 ** 26 });
    const [undocumented, others] = [[] as string[], [] as string[]];
    for (const line of stripVTControlCharacters(`${stdout}${stderr}`).split('\n')) {
      if (!line.startsWith('[warning]') && !line.startsWith('[error]')) continue;
      if (!line.endsWith('does not have any documentation')) others.push(line);
      else if (/^\[warning\] (index|actors|inspector|simulation)\.\w+ \(/.test(line)) {
        undocumented.push(line);
      }
    }
    expect([undocumented, others]).toEqual([[], [expect.stringMatching(/Found 0 errors and \d+ warnings/)]]);
  }, 120_000);

  it('the program of the README: run in an empty project -> starts a node, puts, gets and stops', () => {
    writeFileSync(join(directory, 'program.mjs'), readmeProgram());
    expect(run('node', ['program.mjs'])).toContain('Espresso');
  }, 30_000);

  it('"Embed it" in the README: its two blocks, one after the other -> run to their end', () => {
    const [first = '', second = ''] = embeddingBlocks();
    // One program cannot declare a name twice.
    const going = second.replace('const articles =', 'const priced =').replaceAll('articles.', 'priced.');
    writeFileSync(join(directory, 'blocks.mjs'), javascriptOf(`${withoutStop(first)}${going}\nawait node.stop();`));
    const { status, stdout, stderr } = spawnSync('node', ['blocks.mjs'], {
      cwd: directory,
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain("document: { name: 'Espresso', price: 1.3 }");
  }, 30_000);

  it('"Embed it" in the README: the program without its last line, and a second one beside it -> find each other', async () => {
    const [first = ''] = embeddingBlocks();
    const program = `${withoutStop(first)}node.on('peer.connected', ({ nodeId }) => console.log('met', nodeId));`;
    writeFileSync(join(directory, 'one.mjs'), program);
    writeFileSync(join(directory, 'two.mjs'), program.replaceAll('till-1', 'till-2').replace('./data', './data-2'));
    const children = ['one.mjs', 'two.mjs'].map((name) => spawn('node', [name], { cwd: directory }));
    const met = children.map(
      (child) =>
        new Promise<string>((done) => {
          let text = '';
          child.stdout.setEncoding('utf8').on('data', (piece) => {
            text += piece;
            const [line] = /met till-\d/.exec(text) ?? [];
            if (line !== undefined) done(line);
          });
          child.once('exit', () => done(`ended: ${text}`));
        }),
    );
    try {
      expect(await Promise.all(met)).toEqual(['met till-2', 'met till-1']);
    } finally {
      for (const child of children) child.kill('SIGKILL');
    }
  }, 30_000);

  it('the program of the README, and every entry point: compiled under strict rules, types of libraries checked -> has all its types', () => {
    writeFileSync(join(directory, 'program.ts'), readmeProgram());
    const options = {
      module: 'nodenext',
      target: 'es2023',
      strict: true,
      noEmit: true,
      types: [],
      skipLibCheck: false,
    };
    // As in a user's project, unlike ours: no types except those of Node.js.
    mkdirSync(join(directory, 'node_modules/@types'), { recursive: true });
    for (const name of ['@types/node', 'undici-types']) {
      rmSync(join(directory, 'node_modules', name), { recursive: true, force: true });
      symlinkSync(realpathSync(join(project, 'node_modules', name)), join(directory, 'node_modules', name));
    }
    const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: Record<string, unknown> };
    const entries = Object.keys(exports).filter((path) => !path.endsWith('.json'));
    expect(entries).toEqual(['.', './actors', './inspector', './simulation']);
    const imports = entries.map((path, index) => `export * as entry${index} from 'statemesh${path.slice(1)}';\n`);
    writeFileSync(join(directory, 'entries.ts'), imports.join(''));
    writeFileSync(
      join(directory, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...options, types: ['node'] }, files: ['program.ts', 'entries.ts'] }),
    );
    const compiler = join(project, 'node_modules/typescript/bin/tsc');
    expect(spawnSync('node', [compiler, '-p', directory], { encoding: 'utf8' }).stdout).toBe('');
  }, 60_000);

  it('installed without scripts: a node, start -> nativeModuleMissing and what to run; doctor -> looks', () => {
    const built = join(directory, 'node_modules/better-sqlite3/build');
    const main = 'node_modules/statemesh/dist/cli/main.js';
    const node = (...args: string[]) => spawnSync('node', args, { cwd: directory, encoding: 'utf8' });
    renameSync(built, `${built}.hidden`);
    try {
      writeFileSync(join(directory, 'program.mjs'), readmeProgram());
      const program = node('program.mjs');
      expect(program.status).toBe(1);
      expect(program.stderr).toContain("code: 'nativeModuleMissing'");
      node(main, 'init', '--node-id', 'till-1');
      const started = node(main, 'start', '--json');
      expect(started.status).toBe(1);
      expect(JSON.parse(started.stdout)).toMatchObject({ event: 'failed', code: 'nativeModuleMissing' });
      const plain = node(main, 'start');
      expect(plain.stderr.trim().split('\n').at(-1)).toMatch(/^error: .* npm rebuild .* pnpm rebuild .* yarn rebuild /);
      writeFileSync(join(directory, 'data', 'till-1.db'), 'SQLite format 3');
      const looked = node(main, 'doctor', '--json');
      const findings = looked.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(findings[0]).toMatchObject({ check: 'installation', state: 'failed', code: 'nativeModuleMissing' });
      expect([looked.status, findings.filter(({ state }) => state === 'failed')]).toEqual([1, [findings[0]]]);
    } finally {
      renameSync(`${built}.hidden`, built);
      for (const path of ['data', 'statemesh.json']) rmSync(join(directory, path), { recursive: true, force: true });
    }
  }, 60_000);

  it('its command: asked for its version -> is that of the package', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(run('node', ['node_modules/statemesh/dist/cli/main.js', '--version']).trim()).toBe(version);
  });
});
