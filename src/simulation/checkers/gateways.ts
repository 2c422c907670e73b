/**
 * Only who leads holds a link to the cloud. Whoever does not has let go of it a second later; a probe, which says goodbye at once, holds
 * none for so long. In the end who leads has a link to each cloud node that is there and wants it.
 */
import type { CheckerFactory } from '../checker.js';

/** How long it may take to say goodbye. */
const patienceMs = 1_000;
/** States in which a gateway has all that it will get. */
const atRest: ReadonlySet<string> = new Set(['online', 'disabled', 'rejected']);

export const gateways: CheckerFactory = (view, report) => {
  /** Since when a session over a cloud link has been held by who does not lead. */
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
