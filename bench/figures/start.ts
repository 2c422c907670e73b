/**
 * Time from `start()` to running on an existing database, and time of `import 'statemesh'`, each in a fresh process.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Bench, type Figure, filledNodeId, nodeDefaults, type Result } from '../bench.js';
import type { Opening } from '../limits/opening.js';
import { interleave, median } from '../measure.js';
import { formatNumber } from '../report.js';

export const startFigure: Figure = {
  name: 'start',
  about: 'import, and from start() to running on an existing database',
  async measure(bench) {
    const documents = bench.quick ? 20_000 : 100_000;
    const { dataDir, path } = await bench.filledDatabase(documents);
    const rounds = bench.rounds({ quick: 3, full: 11 });
    const measured = await interleave(
      { rounds, warmUp: false, onRound: bench.show },
      { node: () => startOnce(bench, dataDir), bare: () => openOnce(bench, path) },
    );
    const scryptMs = median(measured.bare.map((opening) => opening.scryptMs));
    return [
      {
        name: `start, ${documents.toLocaleString('en-US')} documents`,
        unit: 'ms',
        value: median(measured.node),
        limit: median(measured.bare.map(({ fileMs, scryptMs }) => fileMs + scryptMs)),
        rounds,
        note: `limit: opening the file, then scrypt, which alone takes ${formatNumber(scryptMs)} ms`,
      },
      await importFigure(bench),
    ];
  },
};

/** A program that only imports the package, beside one that imports nothing. */
async function importFigure(bench: Bench): Promise<Result> {
  const rounds = bench.rounds({ quick: 5, full: 21 });
  const entry = new URL('../../../dist/index.js', import.meta.url).href;
  const measured = await interleave(
    { rounds, warmUp: true, onRound: bench.show },
    { statemesh: () => programMs(`import ${JSON.stringify(entry)};`), nothing: () => programMs('') },
  );
  return {
    name: 'a program that imports statemesh',
    unit: 'ms',
    value: median(measured.statemesh),
    limit: median(measured.nothing),
    rounds,
    note: 'limit: a program that imports nothing',
  };
}

async function programMs(code: string): Promise<number> {
  const began = performance.now();
  await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code]);
  return performance.now() - began;
}

async function startOnce({ workers }: Bench, dataDir: string): Promise<number> {
  const worker = workers.start('node');
  try {
    return await worker.call('startOnly', { ...nodeDefaults, nodeId: filledNodeId, dataDir });
  } finally {
    await worker.close();
  }
}

async function openOnce({ workers }: Bench, path: string): Promise<Opening> {
  const worker = workers.start('bare');
  try {
    return await worker.call('openBare', path, nodeDefaults.clusterKey, nodeDefaults.clusterSalt);
  } finally {
    await worker.close();
  }
}
