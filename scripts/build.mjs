// Compiles src to build/modules, bundles that into dist beside its declarations, and builds the inspector's page into
// dist. It skips every step whose inputs have not changed since the last build, because five commands in a row (types,
// tests, browser, demo, planted bugs) begin with a build. `build/` holds the facts for that decision.
//
// `node scripts/build.mjs demo` compiles demo/ as well, into build/; the same for bench, mutants and fuzz.
//
// Two rules keep an old build from hiding a mistake: outputs of a deleted source file are deleted, and a missing output
// causes a build from scratch.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const project = fileURLToPath(new URL('..', import.meta.url));
process.chdir(project);
mkdirSync('build', { recursive: true });

/** The compiler's record of its last run. */
const compilerState = 'build/modules.tsbuildinfo';
/** The unbundled modules, for the bundler, the charts and the planted bugs. */
const modules = 'build/modules';
const packageConfig = 'scripts/package.vite.config.mjs';
const page = 'dist/visualizer';

process.exitCode = buildStep({
  what: 'Compiling src to dist',
  stamp: 'build/compiled.json',
  inputs: ['src', 'tsconfig.json', 'tsconfig.build.json', packageConfig, 'package-lock.json'],
  outputs: () => [...filesIn(modules), ...filesIn('dist').filter((path) => !path.startsWith(page))],
  clean: () => rmSync(compilerState, { force: true }),
  build: compile,
});
process.exitCode ||= buildStep({
  what: "Bundling the inspector's page into dist/visualizer",
  stamp: 'build/page.json',
  // The page bundles pure functions of the inspector from src, which import types only.
  inputs: ['visualizer', 'src/inspector', 'src/core/plural.ts', 'package-lock.json'],
  outputs: () => filesIn(page),
  clean: () => {},
  build: () => bundle('visualizer'),
});

// These programs import modules of each other and of src, which are compiled as well.
const shared = ['src', 'bench', 'demo', 'test', 'tools'];
for (const program of process.argv.slice(2)) {
  process.exitCode ||= buildStep({
    what: `Compiling ${program} to build/${program}`,
    stamp: `build/${program}.json`,
    inputs: [...shared, program, 'tsconfig.json', `tsconfig.${program}.json`, 'package-lock.json'],
    outputs: () => [...shared, program].flatMap((folder) => filesIn(`build/${folder}`)),
    clean: () => {},
    build: () => run('node_modules/typescript/bin/tsc', '-p', `tsconfig.${program}.json`),
  });
}

/**
 * Builds, unless the inputs and outputs are those of the last build. Prints what it builds, because a build takes some
 * time. Returns an exit code.
 */
function buildStep({ what, stamp, inputs, outputs, clean, build }) {
  const digest = digestOf(inputs);
  const last = readStamp(stamp);
  const isComplete = last?.outputs.every((path) => existsSync(path)) ?? false;
  if (isComplete && last.digest === digest) return 0;
  if (!isComplete) clean();
  rmSync(stamp, { force: true });
  // On standard error: standard output may carry another command's JSON.
  process.stderr.write(`${what} ...\n`);
  const code = build();
  if (code === 0) writeFileSync(stamp, JSON.stringify({ digest, outputs: outputs() }));
  return code;
}

function compile() {
  const declarations = filesIn('dist').filter((path) => path.endsWith('.d.ts'));
  for (const path of [...filesIn(modules), ...declarations]) {
    const source = path.replace(/^(build\/modules|dist)/, 'src').replace(/(\.d\.ts|\.js)$/, '.ts');
    if (!existsSync(source)) rmSync(path);
  }
  const code = run(
    ...['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'],
    ...['--incremental', '--tsBuildInfoFile', compilerState],
  );
  if (code !== 0) return code;
  const bundled = bundle('scripts', '--config', packageConfig);
  if (bundled !== 0) return bundled;
  // npm makes commands executable only when it installs them.
  chmodSync('dist/cli/main.js', 0o755);
  return writeSchema();
}

/** The data for `--help`: the library of the schema takes long to load. */
function writeSchema() {
  const { status, stdout } = spawnSync(process.execPath, ['dist/cli/main.js', 'config', 'schema'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status === 0) writeFileSync('dist/configuration.schema.json', stdout);
  return status ?? 1;
}

function bundle(root, ...options) {
  return run('node_modules/vite/bin/vite.js', 'build', root, ...options, '--logLevel', 'warn');
}

function run(script, ...args) {
  return spawnSync(process.execPath, [script, ...args], { stdio: 'inherit' }).status ?? 1;
}

function digestOf(paths) {
  const hash = createHash('sha256');
  for (const path of paths.flatMap((path) => filesIn(path)))
    hash.update(`${path}\0`).update(readFileSync(path)).update('\0');
  return hash.digest('hex');
}

/** The files below a directory, or the file itself, in a fixed order. */
function filesIn(path) {
  if (!existsSync(path)) return [];
  const entries = readdirSyncOrFile(path);
  return entries === undefined ? [path] : entries.sort().flatMap((name) => filesIn(join(path, name)));
}

function readdirSyncOrFile(path) {
  try {
    return readdirSync(path);
  } catch (error) {
    if (error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function readStamp(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
