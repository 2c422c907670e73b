/**
 * Initial sync: an empty node in one process, a full node in another, TLS on loopback between them, both on disk.
 *
 * The sender is a process that has opened an existing database, so its memory is that of sending, not of writing. Every
 * round is a new pair of processes with cold code, and the limit is a new process, too.
 */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, type Figure, filledNodeId, nodeDefaults, type Result } from '../bench.js';
import { interleave, median } from '../measure.js';
import { formatNumber } from '../report.js';

export const syncFigure: Figure = {
  name: 'sync',
  about: 'initial sync of an empty node: entries per second, and the memory of both sides',
  async measure(bench) {
    const small = await measureSync(bench, 10_000);
    const large = await measureSync(bench, bench.quick ? 20_000 : 100_000);
    return [small.speed, large.speed, ...small.memory, ...large.memory];
  },
};

/** The number of entries that a node sends in one batch. */
const batchEntries = 500;

async function measureSync(bench: Bench, documents: number): Promise<{ speed: Result; memory: Result[] }> {
  const rounds = bench.rounds({ quick: 3, full: 5 });
  await bench.filledDatabase(documents);
  const size = documents.toLocaleString('en-US');
  const onRound = (text: string): void => bench.show(`${size} documents, ${text}`);
  const measured = await interleave(
    { rounds, warmUp: false, onRound },
    { nodes: () => syncOnce(bench, documents), bare: () => applyOnce(bench, documents) },
  );
  const medianOf = (select: (sample: SyncSample) => number): number => median(measured.nodes.map(select));
  const memory = (side: string, bytesOf: (sample: SyncSample) => number): Result => ({
    name: `peak RSS of the ${side}, ${size} documents`,
    unit: 'MB',
    value: medianOf(bytesOf) / 1e6,
    rounds,
    note: `a node that does not sync: ${formatNumber(medianOf(({ idleRssBytes }) => idleRssBytes) / 1e6)}`,
  });
  const connectMs = medianOf(({ fromRunningMs, fromConnectedMs }) => fromRunningMs - fromConnectedMs);
  return {
    speed: {
      name: `initial sync, ${size} documents`,
      unit: 'entries/s',
      value: (documents * 1_000) / medianOf(({ fromConnectedMs }) => fromConnectedMs),
      limit: (documents * 1_000) / median(measured.bare),
      target: { atLeast: 0.9 },
      rounds,
      note: `from connected on; connecting takes ${formatNumber(connectMs)} ms before`,
    },
    memory: [
      memory('sender', ({ senderPeakBytes }) => senderPeakBytes),
      memory('receiver', ({ receiverPeakBytes }) => receiverPeakBytes),
    ],
  };
}

export interface SyncSample {
  readonly fromRunningMs: number;
  readonly fromConnectedMs: number;
  /** The sender's memory while it runs and before it syncs. */
  readonly idleRssBytes: number;
  readonly senderPeakBytes: number;
  readonly receiverPeakBytes: number;
}

/** The options of one sync. */
export interface SyncVariant {
  /** Both nodes have an inspector. */
  readonly isInspected?: boolean;
  /** A browser watches its page. */
  readonly isWatched?: boolean;
}

export async function syncOnce(bench: Bench, documents: number, variant: SyncVariant = {}): Promise<SyncSample> {
  const { isInspected = false, isWatched = false } = variant;
  const inspected = isInspected ? { inspector: { port: 0 } } : {};
  const { dataDir } = await bench.filledDatabase(documents);
  const receiverDir = bench.workspace.directory('receiver');
  const [sender, receiver] = [bench.workers.start('node'), bench.workers.start('node')];
  try {
    const { port } = await sender.call('start', { ...nodeDefaults, ...inspected, nodeId: filledNodeId, dataDir });
    if (isWatched) await sender.call('watch');
    const idleRssBytes = await sender.call('peakRssBytes');
    const knownPeers = [{ nodeId: filledNodeId, address: `127.0.0.1:${port}` }];
    const options = { ...nodeDefaults, ...inspected, nodeId: 'receiver', dataDir: receiverDir, knownPeers };
    const times = await receiver.call('receive', options, documents, isWatched);
    const [senderPeakBytes, receiverPeakBytes] = [
      await sender.call('peakRssBytes'),
      await receiver.call('peakRssBytes'),
    ];
    const [sent, received] = [await sender.call('contentDigest'), await receiver.call('contentDigest')];
    if (sent.digest !== received.digest || received.documents !== documents) {
      throw new Error(`After the sync the nodes differ: ${JSON.stringify({ sent, received })}`);
    }
    return { ...times, idleRssBytes, senderPeakBytes, receiverPeakBytes };
  } finally {
    await Promise.all([sender.close(), receiver.close()]);
    rmSync(receiverDir, { recursive: true });
  }
}

async function applyOnce(bench: Bench, documents: number): Promise<number> {
  const directory = bench.workspace.directory('bare');
  const worker = bench.workers.start('bare');
  try {
    return await worker.call('applyEntries', join(directory, 'bare.db'), documents, batchEntries);
  } finally {
    await worker.close();
    rmSync(directory, { recursive: true });
  }
}
