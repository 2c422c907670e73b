/** No machine is in `error`, and nothing that an actor holds grows beyond its maximum. */
import { limits } from '../../core/limits.js';
import type { CheckerFactory } from '../checker.js';
import { actorsOf, insideOf, receiverOf, type SessionSnapshot, senderOf } from '../inside.js';

export const machines: CheckerFactory = (view, report) => ({
  name: 'machines',
  kind: 'safety',
  look() {
    for (const process of view.processes) {
      if (!process.isUp) continue;
      const { sessions, peers } = insideOf(process);
      bounded('sessions', sessions.length, limits.connectionsMax, process.nodeId, report);
      bounded('peers', peers.length, limits.peersMax, process.nodeId, report);
      for (const session of sessions) lookAt(session, process.nodeId, report);
    }
  },
  // Every single actor is looked at once, when nothing should be on its way any more.
  async settled() {
    for (const process of view.processes) {
      for (const { path, actor } of actorsOf(process.node.actor)) {
        const { status, error } = actor.getSnapshot();
        if (status === 'error') report(`${process.nodeId}/${path} is in error: ${String(error)}`);
      }
      const { sessions } = insideOf(process);
      const done = sessions.filter(({ status }) => status !== 'active');
      if (done.length > 0) report(`${process.nodeId} keeps ${done.length} sessions that are over.`);
    }
  },
});

function lookAt(session: SessionSnapshot, nodeId: string, report: (message: string) => void): void {
  const { sessionId, error } = { ...session.context, error: session.error };
  if (session.status === 'error') report(`${nodeId}/${sessionId} is in error: ${String(error)}`);
  const sender = senderOf(session);
  const receiver = receiverOf(session);
  for (const actor of [sender, receiver]) {
    if (actor?.status === 'error') report(`An actor of ${nodeId}/${sessionId} is in error: ${String(actor.error)}`);
  }
  const inFlight = sender?.context.progress.inFlight.length ?? 0;
  bounded('batches in flight', inFlight, limits.batchesInFlightMax, `${nodeId}/${sessionId}`, report);
  const waiting = (receiver?.context.queue.length ?? 0) + (receiver?.context.current.length ?? 0);
  bounded('batches waiting', waiting, limits.batchesInFlightMax, `${nodeId}/${sessionId}`, report);
  const queued = session.context.connection.queuedBytes;
  bounded('bytes queued', queued, limits.sendQueueBytesMax, `${nodeId}/${sessionId}`, report);
}

function bounded(what: string, count: number, max: number, where: string, report: (message: string) => void): void {
  if (count > max) report(`${where} has ${count} ${what}, more than ${max}.`);
}
