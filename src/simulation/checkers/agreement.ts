/**
 * When everything has healed and the nodes agree, nothing is pending: everything is sent and acknowledged, nothing
 * waits to be applied, and no peer counts as diverged.
 */

import { receiverIn, senderIn } from '../../node/actor-tree.js';
import type { CheckerFactory } from '../checker.js';
import { insideOf } from '../inside.js';
import type { NodeProcess } from '../node.js';

export const agreement: CheckerFactory = (view, report) => ({
  name: 'agreement',
  kind: 'liveness',
  async settled() {
    for (const process of view.processes) {
      const pending = pendingIn(process);
      if (pending !== undefined) report(`${process.nodeId} ${pending}`);
    }
  },
});

/** What a node has not finished, in words; undefined when nothing is pending. */
export function pendingIn(process: NodeProcess): string | undefined {
  const { sessions, peers } = insideOf(process);
  const diverged = peers.find((peer) => peer.matches({ connected: { chains: 'diverged' } }));
  if (diverged !== undefined) return `counts ${diverged.context.nodeId} as diverged.`;
  for (const session of sessions) {
    const name = `${session.context.sessionId} with ${session.context.peer?.nodeId}`;
    const sender = senderIn(session);
    const receiver = receiverIn(session);
    if (sender === undefined || receiver === undefined) return `has ${name} in ${JSON.stringify(session.value)}.`;
    const inFlight = sender.context.progress.inFlight.length;
    if (sender.value !== 'caughtUp' || inFlight > 0) {
      return `is still sending over ${name}: ${sender.value}, ${inFlight} batches in flight.`;
    }
    if (receiver.value !== 'waiting') return `is still receiving over ${name}: ${receiver.value}.`;
  }
  return undefined;
}
