/** The actors inside a node, as checkers look at them: snapshots only, nothing is sent. */
import type { ActorRefFrom, AnyActorRef, SnapshotFrom } from 'xstate';
import type { MembershipMachine } from '../machines/membership.machine.js';
import type { PeerMachine } from '../machines/peer.machine.js';
import type { ReceiverMachine } from '../machines/receiver.machine.js';
import type { SenderMachine } from '../machines/sender.machine.js';
import type { SessionMachine } from '../machines/session.machine.js';
import type { NodeProcess } from './node.js';

export type SessionSnapshot = SnapshotFrom<SessionMachine>;
export type PeerSnapshot = SnapshotFrom<PeerMachine>;

export interface Inside {
  readonly sessions: readonly SessionSnapshot[];
  readonly peers: readonly PeerSnapshot[];
}

/** Looks into each node once an event, however many ask. */
export function insides(eventOf: () => number): (process: NodeProcess) => Inside {
  const seen = new Map<NodeProcess, Inside>();
  let seenAtEvent = -1;
  return (process) => {
    if (seenAtEvent !== eventOf()) {
      seen.clear();
      seenAtEvent = eventOf();
    }
    const known = seen.get(process) ?? insideOf(process);
    seen.set(process, known);
    return known;
  };
}

/** The peers and sessions of a node; none while it has no membership. */
export function insideOf(process: NodeProcess): Inside {
  const sessions: SessionSnapshot[] = [];
  const peers: PeerSnapshot[] = [];
  // A node that is down has no actor to look at.
  if (!process.isUp) return { sessions, peers };
  const membership = process.node.actor.getSnapshot().children.membership as
    | ActorRefFrom<MembershipMachine>
    | undefined;
  for (const [id, child] of Object.entries(membership?.getSnapshot().children ?? {})) {
    if (id.startsWith('session-')) sessions.push((child as ActorRefFrom<SessionMachine>).getSnapshot());
    else if (id.startsWith('peer-')) peers.push((child as ActorRefFrom<PeerMachine>).getSnapshot());
  }
  return { sessions, peers };
}

export function senderOf(session: SessionSnapshot): SnapshotFrom<SenderMachine> | undefined {
  return (session.children.sender as ActorRefFrom<SenderMachine> | undefined)?.getSnapshot();
}

export function receiverOf(session: SessionSnapshot): SnapshotFrom<ReceiverMachine> | undefined {
  return (session.children.receiver as ActorRefFrom<ReceiverMachine> | undefined)?.getSnapshot();
}

/** Every actor of a node, from the root down, with its path of names. */
export function* actorsOf(actor: AnyActorRef, path = ''): Generator<{ path: string; actor: AnyActorRef }> {
  yield { path, actor };
  const { children = {} } = actor.getSnapshot() as { children?: Record<string, AnyActorRef | undefined> };
  for (const [id, child] of Object.entries(children)) {
    if (child !== undefined) yield* actorsOf(child, path === '' ? id : `${path}/${id}`);
  }
}
