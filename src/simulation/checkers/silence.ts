/** A peer that falls silent is noticed: no session outlives a cut by more than the heartbeats that may be missed. */
import { limits } from '../../core/limits.js';
import type { CheckerFactory, View } from '../checker.js';

interface Sight {
  /** When the session was seen first. */
  readonly atMs: number;
  /** The longest that the weather took since, one way: who was far away is given time for a while after. */
  readonly latencyMaxMs: number;
}

/** In fair weather nothing takes longer, one way. */
const nearMs = 1;

/** Who is far away is heard later: two round trips, and what waits before each of the beats, by which the next one is announced later. */
function farPatienceMs({ slowest }: View, latencyMaxMs: number): number {
  const queuesMs = limits.heartbeatsMissedMax * limits.queueMsMax;
  const weatherMs = 5 * latencyMaxMs + (latencyMaxMs > nearMs ? queuesMs : 0);
  return slowest.latencyMs === 0 ? weatherMs : weatherMs + 5 * slowest.latencyMs + limits.firstBeatMs;
}

export const silence: CheckerFactory = (view, report) => {
  /** Sessions that synchronize, by the address of their node and their id. */
  let seen = new Map<string, Sight>();
  return {
    name: 'silence',
    kind: 'safety',
    look() {
      const before = seen;
      seen = new Map();
      for (const process of view.processes) {
        if (!process.isUp) continue;
        for (const { value, context } of view.insideOf(process).sessions) {
          if (value !== 'synchronizing') continue;
          const name = `${process.address} ${context.sessionId}`;
          const { atMs, latencyMaxMs: worstMs } = before.get(name) ?? { atMs: view.nowMs, latencyMaxMs: 0 };
          const latencyMaxMs = Math.max(worstMs, view.latencyMaxMs);
          seen.set(name, { atMs, latencyMaxMs });
          // Then nothing is cut.
          if (view.healthySinceMs !== undefined) continue;
          const other = view.processes.find(({ address }) => address === context.connection.remoteHost);
          const sinceMs = other === undefined ? undefined : view.cutSinceMs(other, process);
          if (other === undefined || sinceMs === undefined) continue;
          // Each side is judged by how often it beats itself.
          const theirs = other.options.heartbeatIntervalMs ?? 0;
          const intervalMs = Math.max(context.intervals.heartbeatIntervalMs, theirs);
          // One interval until the ticker looks, one for what was on its way when the cut came, one to spare.
          const expectedMs = (limits.heartbeatsMissedMax + 3) * intervalMs + farPatienceMs(view, latencyMaxMs);
          // Who may not have been heard before the cut may be about to be admitted on the other side.
          const isYoung = atMs > sinceMs - expectedMs;
          const patienceMs = isYoung ? expectedMs + limits.firstBeatMs : expectedMs;
          if (view.nowMs - sinceMs <= patienceMs) continue;
          report(
            `${process.nodeId} still has a session with ${other.nodeId}, of which nothing has come since ${sinceMs} ms.`,
          );
        }
      }
    },
  };
};
