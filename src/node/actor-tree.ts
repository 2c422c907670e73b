/** Reads the actors of a node: what their snapshots and their children's snapshots say. */
import type { ActorRefFrom, AnyActorRef, AnyStateMachine, SnapshotFrom } from 'xstate';
import type { CloseInput } from '../actors/slots.js';
import { own } from '../core/own.js';
import type { ElectionMachine } from '../machines/election.machine.js';
import type { GatewayMachine } from '../machines/gateway.machine.js';
import type { MembershipMachine } from '../machines/membership.machine.js';
import type { NodeMachine } from '../machines/node.machine.js';
import { closeInputOf } from '../machines/node-context.js';
import type { PeerMachine } from '../machines/peer.machine.js';
import type { ReceiverMachine } from '../machines/receiver.machine.js';
import type { ReceptionMachine } from '../machines/reception.machine.js';
import { openPartsOf, type ReconfigurationMachine, replacedStoreOf } from '../machines/reconfiguration.machine.js';
import type { SenderMachine } from '../machines/sender.machine.js';
import type { SessionMachine } from '../machines/session.machine.js';
import type { UplinkMachine } from '../machines/uplink.machine.js';
import type { WardMachine } from '../machines/ward.machine.js';
import type { Store } from '../ports/store.js';

/** The root actor of a node. */
export type NodeActor = ActorRefFrom<NodeMachine>;
/** A snapshot of the root actor. */
export type NodeSnapshot = SnapshotFrom<NodeMachine>;
export type SessionSnapshot = SnapshotFrom<SessionMachine>;

/** The stages of a node's life. `stopped` and `failed` are the last ones: a node does not run twice. */
export type NodeState = 'configuring' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed';

/** The outermost state of a machine by the value of its snapshot. */
export function topStateOf<State extends string>(value: unknown): State {
  return (typeof value === 'string' ? value : Object.keys(value as object)[0]) as State;
}

export function nodeStateOf({ status, value }: NodeSnapshot): NodeState {
  // An actor that is stopped from outside, or breaks, keeps its last value.
  if (status === 'stopped') return 'stopped';
  return status === 'error' ? 'failed' : topStateOf(value);
}

/** The step of the reconfiguration under way, or `settled`; undefined while the node does not run. */
export function reconfigurationStepOf(snapshot: NodeSnapshot): string | undefined {
  const { running } = snapshot.value as { readonly running?: { readonly reconfiguration: unknown } };
  if (running === undefined) return undefined;
  const step = topStateOf(running.reconfiguration);
  return step === 'changing' ? topStateOf(reconfigurationIn(snapshot)?.value ?? step) : step;
}

/** True from when the old database finishes its writes until the new one, or again the old one, takes writes. */
export function areWritesHeld(snapshot: NodeSnapshot): boolean {
  return snapshot.context.areWritesHeld && nodeStateOf(snapshot) === 'running';
}

/** The database that a reconfiguration replaces, until it is closed. */
export function replacedStoreIn(snapshot: NodeSnapshot): Store | undefined {
  const reconfiguration = reconfigurationIn(snapshot);
  return reconfiguration && replacedStoreOf(reconfiguration.context);
}

export function reconfigurationIn({ children }: NodeSnapshot): SnapshotFrom<ReconfigurationMachine> | undefined {
  return (children.reconfiguration as ActorRefFrom<ReconfigurationMachine> | undefined)?.getSnapshot();
}

/** Everything that a node has open, including what a reconfiguration has opened. */
export function openPartsIn(snapshot: NodeSnapshot): CloseInput {
  const own = closeInputOf(snapshot.context);
  const opened = reconfigurationIn(snapshot);
  const others = opened === undefined || opened.status === 'done' ? undefined : openPartsOf(opened.context);
  return {
    listenings: [...new Set([...own.listenings, ...(others?.listenings ?? [])])],
    stores: [...new Set([...own.stores, ...(others?.stores ?? [])])],
  };
}

export function membershipIn({ children }: NodeSnapshot): SnapshotFrom<MembershipMachine> | undefined {
  return (children.membership as ActorRefFrom<MembershipMachine> | undefined)?.getSnapshot();
}

export function electionIn({ children }: NodeSnapshot): SnapshotFrom<ElectionMachine> | undefined {
  return (children.election as ActorRefFrom<ElectionMachine> | undefined)?.getSnapshot();
}

export function uplinkIn({ children }: NodeSnapshot): SnapshotFrom<UplinkMachine> | undefined {
  return (children.uplink as ActorRefFrom<UplinkMachine> | undefined)?.getSnapshot();
}

export function receptionIn({ children }: NodeSnapshot): SnapshotFrom<ReceptionMachine> | undefined {
  return (children.reception as ActorRefFrom<ReceptionMachine> | undefined)?.getSnapshot();
}

/** The gateways of a node. */
export function gatewaysIn(snapshot: NodeSnapshot): SnapshotFrom<GatewayMachine>[] {
  return snapshotsOf<GatewayMachine>(uplinkIn(snapshot), 'gateway-');
}

/** Every session of a node: with peers, with guests of a cloud node, and with cloud nodes. */
export function sessionsIn(snapshot: NodeSnapshot): SessionSnapshot[] {
  const parents = [membershipIn(snapshot), ...snapshotsOf<WardMachine>(receptionIn(snapshot), 'ward-')];
  return [
    ...parents.flatMap((parent) => snapshotsOf<SessionMachine>(parent, 'session-')),
    ...gatewaysIn(snapshot).flatMap((gateway) => snapshotsOf<SessionMachine>(gateway, 'session-')),
  ];
}

/** The peers of a membership, each with its session if it has one. */
export function peersIn(snapshot: NodeSnapshot): [SnapshotFrom<PeerMachine>, SessionSnapshot | undefined][] {
  const membership = membershipIn(snapshot);
  return snapshotsOf<PeerMachine>(membership, 'peer-').map((peer) => [
    peer,
    sessionIn(membership?.children ?? {}, peer.context.session?.sessionId),
  ]);
}

/** @param children The children of the actor that has the session */
export function sessionIn(children: object, sessionId: string | undefined): SessionSnapshot | undefined {
  const session = own(children as Readonly<Record<string, unknown>>, sessionId ?? '');
  return (session as ActorRefFrom<SessionMachine> | undefined)?.getSnapshot();
}

export function senderIn(session: SessionSnapshot | undefined): SnapshotFrom<SenderMachine> | undefined {
  return (session?.children.sender as ActorRefFrom<SenderMachine> | undefined)?.getSnapshot();
}

export function receiverIn(session: SessionSnapshot | undefined): SnapshotFrom<ReceiverMachine> | undefined {
  return (session?.children.receiver as ActorRefFrom<ReceiverMachine> | undefined)?.getSnapshot();
}

/** The snapshots of the children whose ids begin with a prefix. */
function snapshotsOf<Machine extends AnyStateMachine>(
  parent: { readonly children: object } | undefined,
  prefix: string,
): SnapshotFrom<Machine>[] {
  return Object.entries(parent?.children ?? {})
    .filter(([id, child]) => id.startsWith(prefix) && child !== undefined)
    .map(([, child]) => (child as AnyActorRef).getSnapshot() as SnapshotFrom<Machine>);
}
