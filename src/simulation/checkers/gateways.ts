/**
 * Only the leader holds a link to the cloud. A node that no longer leads has released its link a second later. A probe
 * says goodbye at once and never holds a link for that long. In the end the leader has a link to each cloud node that
 * runs and accepts it.
 */
import type { CheckerFactory } from '../checker.js';

/** How long a goodbye may take. */
const patienceMs = 1_000;
/** States in which a gateway waits for nothing more. */
const atRest: ReadonlySet<string> = new Set(['online', 'disabled', 'rejected']);

export const gateways: CheckerFactory = (view, report) => {
  /** Since when a node that does not lead has held a session over a cloud link. */
  let heldSinceMs = new Map<string, number>();
  return {
    name: 'gateways',
    kind: 'safety',
    look() {
      const held = new Map<string, number>();
      for (const process of view.processes) {
        const { vote, gateways: links } = view.insideOf(process);
        if (vote === undefined || vote.state === 'leader') continue;
        for (const { nodeId, session } of links) {
          if (session?.value !== 'synchronizing') continue;
          const link = `${process.address} ${nodeId} ${session.context.sessionId}`;
          const sinceMs = heldSinceMs.get(link) ?? view.nowMs;
          held.set(link, sinceMs);
          if (view.nowMs - sinceMs <= patienceMs) continue;
          report(`${process.nodeId}, a ${vote.state}, has held a link to ${nodeId} since ${sinceMs.toFixed(0)} ms.`);
        }
      }
      heldSinceMs = held;
    },
    missing() {
      const clouds = new Set(view.processes.flatMap(({ isCloud, isUp, nodeId }) => (isCloud && isUp ? [nodeId] : [])));
      const isWaiting = view.processes.some((process) => {
        const { vote, gateways: links } = view.insideOf(process);
        const isMissing = links.some(({ nodeId, state }) => clouds.has(nodeId as never) && !atRest.has(state));
        return vote?.state === 'leader' && isMissing;
      });
      return isWaiting ? 'connected with the cloud' : undefined;
    },
  };
};
