// Draws the statechart of every machine into docs/charts, from the machine itself. With --check it only lists the
// outdated charts, and fails if there are any.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import ElkConstructor from 'elkjs/lib/elk.bundled.js';
import { createServer } from 'vite';

const project = fileURLToPath(new URL('..', import.meta.url));
const target = `${project}docs/charts`;
const isCheck = process.argv.includes('--check');
const server = await createServer({
  root: project,
  configFile: false,
  appType: 'custom',
  logLevel: 'error',
  server: { middlewareMode: true, watch: null, hmr: false, ws: false },
  optimizeDeps: { noDiscovery: true },
});
try {
  const { chartOf } = await import(`${project}build/modules/inspector/chart.js`);
  const { layoutChart } = await server.ssrLoadModule('/visualizer/src/chart/layout.ts');
  const { svgOf } = await server.ssrLoadModule('/visualizer/src/chart/take-away.tsx');
  const elk = new ElkConstructor();
  const drawn = new Map();
  for (const file of readdirSync(`${project}src/machines`)
    .filter((name) => name.endsWith('.machine.ts'))
    .sort()) {
    const name = basename(file, '.machine.ts');
    const module = await import(`${project}build/modules/machines/${name}.machine.js`);
    drawn.set(`${name}.svg`, svgOf(await layoutChart(chartOf(module[`${name}Machine`]).chart, elk)));
  }
  const present = new Map(existing().map((name) => [name, readFileSync(`${target}/${name}`, 'utf8')]));
  const stale = [...new Set([...drawn.keys(), ...present.keys()])].filter(
    (name) => drawn.get(name) !== present.get(name),
  );
  if (isCheck) {
    for (const name of stale) process.stdout.write(`docs/charts/${name} is stale: run \`npm run charts\`.\n`);
    process.exitCode = stale.length === 0 ? 0 : 1;
  } else {
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target, { recursive: true });
    for (const [name, svg] of drawn) writeFileSync(`${target}/${name}`, svg);
    process.stdout.write(`${drawn.size} charts in docs/charts, ${stale.length} of them new.\n`);
  }
} finally {
  await server.close();
}

function existing() {
  try {
    return readdirSync(target);
  } catch {
    return [];
  }
}
