/**
 * Bytes that move bring entries nearer: while nobody meddles with the world, a node does not get the same bytes again and again. What
 * comes to it, beyond heartbeats and the like, turns into commits, but for what is still on its way: a large document, and some batches.
 *
 * Sessions that end and begin again without a fault are seen by this, too, when each of them begins with the same bytes.
 */
import { limits } from '../../core/limits.js';
import type { CheckerFactory } from '../checker.js';

/** Smaller pieces are heartbeats, acknowledgements, clocks and greetings, which go on when nothing else does. */
const pieceBytesMin = 1_000;
/** What is around a document on its way, and how often it may come: by two ways at once. */
const entryOverheadBytes = 1_000;
const ways = 2;
const batchesBytesMax = limits.batchesInFlightMax * limits.batchBytesMax;

export const progress: CheckerFactory = (view, report) => {
  /** By the address of who gets it, and of who sends it: what has come and is in no commit. */
  const moved = new Map<string, Map<string, number>>();
  let largestBytes = 0;
  return {
    name: 'progress',
    kind: 'liveness',
    delivered({ kind, from, to, bytes }) {
      if (kind !== 'bytes' || bytes === undefined || bytes.length < pieceBytesMin) return;
      const senders = moved.get(to) ?? new Map<string, number>();
      moved.set(to, senders);
      const all = (senders.get(from) ?? 0) + bytes.length;
      senders.set(from, all);
      if (all <= ways * (largestBytes + batchesBytesMax / 2)) return;
      const processAt = (address: string) => view.processes.find((process) => process.address === address);
      // Nothing becomes a commit there.
      const receiver = processAt(to);
      if (receiver?.isDiskFull || receiver?.diskFailure !== undefined) return;
      report(`${receiver?.nodeId} has got ${all} bytes of ${processAt(from)?.nodeId} that are in none of its commits.`);
    },
    committed({ address }, { runs, origin }) {
      const entries = runs.flatMap((run) => run.entries);
      if (origin === undefined) {
        largestBytes = Math.max(largestBytes, ...entries.map(({ payload }) => payload.length));
        return;
      }
      const senders = moved.get(address);
      const bytes = ways * entries.reduce((sum, { payload }) => sum + payload.length + entryOverheadBytes, 0);
      for (const [from, all] of senders ?? []) senders?.set(from, Math.max(0, all - bytes));
    },
    meddled: () => moved.clear(),
    ended: () => moved.clear(),
    opened: () => moved.clear(),
  };
};
