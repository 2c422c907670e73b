/** A peer that falls silent is noticed: no session outlives a cut by more than the heartbeats that may be missed. */
import { limits } from '../../core/limits.js';
import type { CheckerFactory } from '../checker.js';

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
        const patienceMs = (limits.heartbeatsMissedMax + 3) * intervalMs + view.latencyMaxMs;
        if (view.nowMs - sinceMs <= patienceMs) continue;
        report(
          `${process.nodeId} still has a session with ${other.nodeId}, of which nothing has come since ${sinceMs} ms.`,
        );
      }
    }
  },
});
