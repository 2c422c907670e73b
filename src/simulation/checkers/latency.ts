/**
 * While everything is healthy, a write is visible on every node within a moment. A lost wake-up shows nowhere else,
 * because anti-entropy repairs it one sync interval later.
 */
import { type AuthorKey, authorKeyOf } from '../../core/author.js';
import { type Hlc, isTooFarAhead } from '../../core/hlc.js';
import { limits } from '../../core/limits.js';
import { Backlog } from '../backlog.js';
import type { CheckerFactory } from '../checker.js';
import type { NodeProcess } from '../node.js';
import { worldEpochMs } from '../node-ports.js';

/** Time that a node takes for its own work, including batches in a queue. */
const patienceMs = 400;
/**
 * How often an entry crosses the network per hop: the entry, the acknowledgements that it waits for, and both again.
 */
const crossingsPerHop = 6;
/** Faults that have ended still have after-effects: queued and refused work. */
const recoveryMs = 5_000;
const expectationsMax = 10_000;
/**
 * On a narrow line: how often the bytes cross each hop at most, over two paths at once and with everything around them.
 */
const passagesPerHop = 3;
/**
 * On a long line: the sender measures it by doubling the bytes in flight once per round trip, and measures again from
 * time to time.
 */
const crossingsToMeasure = 22;
/** How long a heartbeat or a batch waits at most behind bytes that are already on a narrow line, each way. */
const queueMs = 2_000;

interface Expectation {
  readonly from: NodeProcess;
  readonly to: NodeProcess;
  readonly author: AuthorKey;
  readonly hlc: Hlc;
  readonly atMs: number;
  readonly dueMs: number;
  readonly hops: number;
  /** Bytes that a node lacked at that moment, and bytes that all nodes had written by then. */
  readonly lackedBytes: number;
  readonly writtenBytes: number;
}

export const latency: CheckerFactory = (view, report) => {
  let expected: Expectation[] = [];
  const backlog = new Backlog();
  /** A narrow line first carries older writes, and shares its capacity with writes that come meanwhile. */
  const dueMsOf = ({ dueMs, hops, lackedBytes, writtenBytes }: Expectation): number => {
    const { bytesPerSecond, latencyMs } = view.slowest;
    if (bytesPerSecond === Number.POSITIVE_INFINITY) return dueMs;
    const bytes = lackedBytes + backlog.writtenBytes - writtenBytes;
    const crossingMs = (crossingsPerHop + crossingsToMeasure) * latencyMs + 2 * queueMs;
    return dueMs + hops * (crossingMs + (passagesPerHop * bytes * 1_000) / bytesPerSecond);
  };
  const forget = () => {
    expected = [];
  };
  const hasLongBeenWell = () => view.healthySinceMs !== undefined && view.nowMs - view.healthySinceMs >= recoveryMs;
  return {
    name: 'latency',
    kind: 'latency',
    committed(from, { runs, origin }) {
      if (origin === undefined) for (const run of runs) backlog.wrote(run);
      if (origin !== undefined || !hasLongBeenWell() || expected.length >= expectationsMax) return;
      const isNarrow = view.slowest.bytesPerSecond < Number.POSITIVE_INFINITY;
      const lackedBytes = isNarrow ? Math.max(...view.processes.map((process) => backlog.lackedBy(process))) : 0;
      const { writtenBytes } = backlog;
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
          const write = { from, to, author: authorKeyOf(author), hlc: last.hlc, atMs: view.nowMs, dueMs };
          expected.push({ ...write, hops, lackedBytes, writtenBytes });
        }
      }
    },
    meddled: forget,
    ended: forget,
    // The store was replaced by another database.
    opened: forget,
    look() {
      if (expected.length === 0) return;
      if (view.healthySinceMs === undefined) {
        forget();
        return;
      }
      expected = expected.filter(({ to, author, hlc }) => (to.store?.clock().get(author)?.hlc ?? 0) < hlc);
      const late = expected.find((each) => each.dueMs < view.nowMs && dueMsOf(each) < view.nowMs);
      if (late === undefined) return;
      const { from, to, author, hlc, atMs } = late;
      const waitedMs = (view.nowMs - atMs).toFixed(0);
      report(`After ${waitedMs} ms, ${to.nodeId} has not seen the write ${author} ${hlc} of ${from.nodeId}.`);
    },
  };
};
