/**
 * While all is well, a write is seen on every node within a moment. A lost wake-up shows nowhere else, since anti-entropy mends it
 * a sync interval later.
 */
import { type AuthorKey, authorKeyOf } from '../../core/author.js';
import { type Hlc, isTooFarAhead } from '../../core/hlc.js';
import { limits } from '../../core/limits.js';
import type { CheckerFactory } from '../checker.js';
import type { NodeProcess } from '../node.js';
import { worldEpochMs } from '../node-ports.js';

/** What a node takes for its own work, batches in a queue included. */
const patienceMs = 400;
/** Times that an entry crosses the network for each hop: it, the acknowledgements it waits for, and both again. */
const crossingsPerHop = 6;
/** Faults that are over still have their after-effects: what was queued, what was refused. */
const recoveryMs = 5_000;
const expectationsMax = 10_000;

interface Expectation {
  readonly from: NodeProcess;
  readonly to: NodeProcess;
  readonly author: AuthorKey;
  readonly hlc: Hlc;
  readonly atMs: number;
  readonly dueMs: number;
}

export const latency: CheckerFactory = (view, report) => {
  let expected: Expectation[] = [];
  const forget = () => {
    expected = [];
  };
  const hasLongBeenWell = () => view.healthySinceMs !== undefined && view.nowMs - view.healthySinceMs >= recoveryMs;
  return {
    name: 'latency',
    kind: 'latency',
    committed(from, { runs, origin }) {
      if (origin !== undefined || !hasLongBeenWell() || expected.length >= expectationsMax) return;
      for (const { author, entries } of runs) {
        const last = entries.at(-1);
        if (last === undefined) continue;
        for (const to of view.processes) {
          if (to === from || isTooFarAhead(last.hlc, worldEpochMs + view.nowMs + to.skewMs, limits.clockDriftMaxMs)) {
            continue;
          }
          const hops = view.hopsBetween(from, to);
          if (hops === undefined) continue;
          const dueMs = view.nowMs + patienceMs + hops * crossingsPerHop * view.latencyMaxMs;
          expected.push({ from, to, author: authorKeyOf(author), hlc: last.hlc, atMs: view.nowMs, dueMs });
        }
      }
    },
    meddled: forget,
    ended: forget,
    // Another database takes the place of one.
    opened: forget,
    look() {
      if (expected.length === 0) return;
      if (view.healthySinceMs === undefined) {
        forget();
        return;
      }
      expected = expected.filter(({ to, author, hlc }) => (to.store?.clock().get(author)?.hlc ?? 0) < hlc);
      const late = expected.find(({ dueMs }) => dueMs < view.nowMs);
      if (late === undefined) return;
      const { from, to, author, hlc, atMs } = late;
      const waitedMs = (view.nowMs - atMs).toFixed(0);
      report(`${to.nodeId} has not seen the write ${author} ${hlc} of ${from.nodeId} after ${waitedMs} ms.`);
    },
  };
};
