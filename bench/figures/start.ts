/** Time from `start()` to running on an existing database, each time in a fresh process. */
import { type Bench, type Figure, filledNodeId, nodeDefaults } from '../bench.js';
import type { Opening } from '../limits/opening.js';
import { interleave, median } from '../measure.js';
import { formatNumber } from '../report.js';

export const startFigure: Figure = {
  name: 'start',
  about: 'from start() to running on an existing database',
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
    ];
  },
};

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
