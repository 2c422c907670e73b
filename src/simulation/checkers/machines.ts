/** No machine is in `error`, and nothing that an actor holds grows beyond its maximum. */
import { limits } from '../../core/limits.js';
import { receiverIn, type SessionSnapshot, senderIn } from '../../node/actor-tree.js';
import type { CheckerFactory } from '../checker.js';
import { actorsOf } from '../inside.js';

export const machines: CheckerFactory = (view, report) => ({
  name: 'machines',
  kind: 'safety',
  look() {
    for (const process of view.processes) {
      if (!process.isUp) continue;
      const { sessions, peers, gateways } = view.insideOf(process);
      const connectionsMax = process.isCloud ? limits.guestsMax : limits.connectionsMax;
      bound(['sessions', sessions.length, connectionsMax + limits.unauthenticatedMax], () => process.nodeId, report);
      bound(['gateways', gateways.length, limits.gatewaysMax], () => process.nodeId, report);
      bound(['peers', peers.length, limits.peersMax], () => process.nodeId, report);
      for (const session of sessions) lookAt(session, process.nodeId, report);
    }
  },
  // Looks at every actor once, when nothing should be in flight any more.
  async settled() {
    for (const process of view.processes) {
      for (const { path, actor } of actorsOf(process.node.actor)) {
        const { status, error } = actor.getSnapshot();
        if (status === 'error') report(`${process.nodeId}/${path} is in error: ${String(error)}`);
      }
      const { sessions } = view.insideOf(process);
      const done = sessions.filter(({ status }) => status !== 'active');
      if (done.length > 0) report(`${process.nodeId} keeps ${done.length} sessions that have ended.`);
    }
  },
});

function lookAt(session: SessionSnapshot, nodeId: string, report: (message: string) => void): void {
  const { sessionId, connection } = session.context;
  const sender = senderIn(session);
  const receiver = receiverIn(session);
  for (const actor of [session, sender, receiver]) {
    if (actor?.status === 'error') report(`${nodeId}/${sessionId} is in error: ${String(actor.error)}`);
  }
  const waiting = (receiver?.context.queue.length ?? 0) + (receiver?.context.current.length ?? 0);
  const counts: readonly Count[] = [
    ['batches in flight', sender?.context.progress.inFlight.length ?? 0, limits.batchesInFlightMax],
    ['batches waiting', waiting, limits.batchesInFlightMax],
    ['bytes queued', connection.queuedBytes, limits.sendQueueBytesMax],
  ];
  for (const count of counts) bound(count, () => `${nodeId}/${sessionId}`, report);
}

type Count = readonly [what: string, count: number, max: number];

function bound([what, count, max]: Count, where: () => string, report: (message: string) => void): void {
  if (count > max) report(`${where()} has ${count} ${what}, more than ${max}.`);
}
