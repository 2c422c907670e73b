// Compiles src to dist, and builds the inspector's page into it, from nothing, so that a file that was renamed does not live on in the package, and makes the
// command executable, as npm does only when it installs.
import { spawnSync } from 'node:child_process';
import { chmodSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const project = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${project}dist`, { recursive: true, force: true });
const compiler = `${project}node_modules/typescript/bin/tsc`;
const { status } = spawnSync(process.execPath, [compiler, '-p', `${project}tsconfig.build.json`], { stdio: 'inherit' });
if (status === 0) chmodSync(`${project}dist/cli/main.js`, 0o755);
const page =
  status === 0
    ? spawnSync(
        process.execPath,
        [`${project}node_modules/vite/bin/vite.js`, 'build', 'visualizer', '--logLevel', 'warn'],
        { cwd: project, stdio: 'inherit' },
      )
    : { status };
process.exitCode = page.status ?? 1;
