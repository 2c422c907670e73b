/** A peer that falls silent is noticed: no session outlives a cut by more than the heartbeats that may be missed. */
import { limits } from '../../core/limits.js';
import type { CheckerFactory, View } from '../checker.js';

/** Who is far away, or has just been admitted, is heard later: two round trips, and what is on the line besides. */
function farPatienceMs({ slowest }: View): number {
  return slowest.latencyMs === 0 ? 0 : 5 * slowest.latencyMs + firstBeatMs;
}

const firstBeatMs = 10_000;

export const silence: CheckerFactory = (view, report) => ({
  name: 'silence',
  kind: 'safety',
  look() {
    // Then nothing is cut.
    if (view.healthySinceMs !== undefined) return;
    for (const process of view.processes) {
      if (!process.isUp) continue;
      for (const { value, context } of view.insideOf(process).sessions) {
        if (value !== 'synchronizing') continue;
        const other = view.processes.find(({ address }) => address === context.connection.remoteHost);
        const sinceMs = other === undefined ? undefined : view.cutSinceMs(other, process);
        if (other === undefined || sinceMs === undefined) continue;
        // Each side is judged by how often it beats itself.
        const theirs = other.options.heartbeatIntervalMs ?? 0;
        const intervalMs = Math.max(context.intervals.heartbeatIntervalMs, theirs);
        // One interval until the ticker looks, one for what was on its way when the cut came, one to spare.
        const expectedMs = (limits.heartbeatsMissedMax + 3) * intervalMs + view.latencyMaxMs;
        const patienceMs = expectedMs + farPatienceMs(view);
        if (view.nowMs - sinceMs <= patienceMs) continue;
        report(
          `${process.nodeId} still has a session with ${other.nodeId}, of which nothing has come since ${sinceMs} ms.`,
        );
      }
    }
  },
});
