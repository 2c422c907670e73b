/** A peer that falls silent is noticed: no session outlives a cut by more than the heartbeats that may be missed. */
import { limits } from '../../core/limits.js';
import type { CheckerFactory, View } from '../checker.js';

interface Sight {
  /** When the session was first seen. */
  readonly atMs: number;
  /**
   * The longest latency of the weather since then, one way: a peer that was far away is given more time for a while.
   */
  readonly latencyMaxMs: number;
}

/** In fair weather nothing takes longer than this, one way. */
const nearMs = 1;

/**
 * Extra time for a peer that is far away: two round trips, and the queues before each heartbeat, because each heartbeat
 * announces the next one.
 */
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
          // Each side is judged by its own heartbeat interval.
          const theirs = other.options.heartbeatIntervalMs ?? 0;
          const intervalMs = Math.max(context.intervals.heartbeatIntervalMs, theirs);
          // One interval until the ticker looks, one for bytes in flight when the cut came, one to spare.
          const expectedMs = (limits.heartbeatsMissedMax + 3) * intervalMs + farPatienceMs(view, latencyMaxMs);
          // A node that the other side had not heard before the cut may be about to be admitted there.
          const isYoung = atMs > sinceMs - expectedMs;
          const patienceMs = isYoung ? expectedMs + limits.firstBeatMs : expectedMs;
          if (view.nowMs - sinceMs <= patienceMs) continue;
          report(
            `${process.nodeId} still has a session with ${other.nodeId}, which has sent nothing since ${sinceMs} ms.`,
          );
        }
      }
    },
  };
};
