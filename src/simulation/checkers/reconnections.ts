/**
 * A peer that becomes reachable is dialed soon. When the world has healed, no peer waits for long before it tries
 * again, because a beacon, the peer's own dial or another sign of life ends the wait. A backoff alone would take up to
 * half a minute.
 */
import type { CheckerFactory, View } from '../checker.js';
import type { NodeProcess } from '../node.js';

/** Two beacon intervals, and a moment. */
const waitMsMax = 10_000;
/** Actions on a world that is healing: each may start another wait, none keeps a peer unreachable. */
const mending = /^(heal$|restart |free |vacate |skew |spare |reconfigure )/;

interface Wait {
  readonly attempt: number;
  readonly sinceMs: number;
}

export const reconnections: CheckerFactory = (view, report) => {
  /** Since when the only trouble has been what nodes repair themselves; undefined while there are faults. */
  let healedAtMs: number | undefined;
  let waits = new Map<string, Wait>();
  return {
    name: 'reconnections',
    kind: 'liveness',
    meddled(what) {
      if (what === 'heal') healedAtMs = view.nowMs;
      else if (!mending.test(what)) healedAtMs = undefined;
      else if (healedAtMs !== undefined) healedAtMs = view.nowMs;
    },
    ended() {
      if (healedAtMs !== undefined) healedAtMs = view.nowMs;
    },
    look() {
      if (healedAtMs === undefined) return;
      const now = new Map<string, Wait>();
      for (const process of view.processes) {
        for (const peer of view.insideOf(process).peers) {
          const { nodeId, attempt } = peer.context;
          if (peer.value !== 'backingOff' || !isReachable(view, process, nodeId)) continue;
          const name = `${process.address} ${nodeId}`;
          const before = waits.get(name);
          const wait = before?.attempt === attempt ? before : { attempt, sinceMs: view.nowMs };
          now.set(name, wait);
          const waitedMs = view.nowMs - Math.max(wait.sinceMs, healedAtMs);
          if (waitedMs <= waitMsMax + 5 * view.slowest.latencyMs) continue;
          report(`${process.nodeId} has backed off from ${nodeId}, which is reachable, for ${waitedMs.toFixed(0)} ms.`);
        }
      }
      waits = now;
    },
  };
};

/** Whether the peer runs on the same local network, under this NodeId. */
function isReachable({ processes, hopsBetween }: View, process: NodeProcess, nodeId: string): boolean {
  const peer = processes.find((other) => other !== process && other.isUp && other.nodeId === nodeId);
  return process.isUp && peer !== undefined && hopsBetween(process, peer) === 1;
}
