/** The actors inside a node, as checkers see them: snapshots only, no events are sent. */
import type { ActorRefFrom, AnyActorRef, SnapshotFrom } from 'xstate';
import { type MemberState, memberStateOf, newcomer } from '../core/election-rule.js';
import type { NodeId } from '../core/ids.js';
import type { PeerMachine } from '../machines/peer.machine.js';
import type { ReceiverMachine } from '../machines/receiver.machine.js';
import type { SenderMachine } from '../machines/sender.machine.js';
import type { SessionMachine } from '../machines/session.machine.js';
import type { NodeProcess } from './node.js';

export type SessionSnapshot = SnapshotFrom<SessionMachine>;
export type PeerSnapshot = SnapshotFrom<PeerMachine>;

/** The state of a node in the election of its cluster. */
export interface Vote extends MemberState {
  /** The NodeId for which it votes: still the old one while a node changes its NodeId. */
  readonly nodeId: NodeId;
  /** `observer`, `follower`, `candidate` or `leader`. */
  readonly state: string;
  readonly leaderId: NodeId | undefined;
  /** The other nodes that it considers live, and what they say about themselves. */
  readonly live: ReadonlyMap<NodeId, MemberState>;
}

/** A node's gateway to one cloud node. */
export interface GatewaySight {
  /** The cloud node. */
  readonly nodeId: string;
  /** `idle`, `authorizing`, `connecting`, `online`, `backingOff`, `rejected` or `disabled`. */
  readonly state: string;
  /** Its session over the cloud link, while there is one. */
  readonly session: SessionSnapshot | undefined;
}

export interface Inside {
  /** Sessions with nodes of the cluster, with the cloud and, in a cloud node, with its clients. */
  readonly sessions: readonly SessionSnapshot[];
  readonly peers: readonly PeerSnapshot[];
  readonly gateways: readonly GatewaySight[];
  /** Undefined in a cloud node, which has no election. */
  readonly vote: Vote | undefined;
}

/** Looks into each node at most once per event, however many checkers ask. */
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

/** What is inside a node; nothing while it is down. */
export function insideOf(process: NodeProcess): Inside {
  if (!process.isUp) return { sessions: [], peers: [], gateways: [], vote: undefined };
  const { membership, election, uplink, reception } = childrenOf(process.node.actor);
  const gateways = childrenNamed(uplink, 'gateway-').map(gatewayOf);
  const wards = childrenNamed(reception, 'ward-').map(([, ward]) => ward);
  const sessions = [membership, ...wards].flatMap((parent) => childrenNamed(parent, 'session-'));
  return {
    sessions: [
      ...sessions.map(([, actor]) => (actor as ActorRefFrom<SessionMachine>).getSnapshot()),
      ...gateways.flatMap(({ session }) => (session === undefined ? [] : [session])),
    ],
    peers: childrenNamed(membership, 'peer-').map(([, actor]) => (actor as ActorRefFrom<PeerMachine>).getSnapshot()),
    gateways,
    vote: election && voteOf(election, process),
  };
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
  for (const [id, child] of Object.entries(childrenOf(actor))) {
    if (child !== undefined) yield* actorsOf(child, path === '' ? id : `${path}/${id}`);
  }
}

type Children = Readonly<Record<string, AnyActorRef | undefined>>;

/** By name, because the children of a node depend on its role. */
function childrenOf(actor: AnyActorRef): Children {
  const { children = {} } = actor.getSnapshot() as { children?: Children };
  return children;
}

function childrenNamed(parent: AnyActorRef | undefined, prefix: string): readonly [name: string, AnyActorRef][] {
  if (parent === undefined) return [];
  return Object.entries(childrenOf(parent)).flatMap(([id, child]) =>
    id.startsWith(prefix) && child !== undefined ? [[id.slice(prefix.length), child]] : [],
  );
}

function gatewayOf([nodeId, actor]: readonly [string, AnyActorRef]): GatewaySight {
  const [[, session] = []] = childrenNamed(actor, 'session');
  return {
    nodeId,
    state: topStateOf(actor),
    session: (session as ActorRefFrom<SessionMachine> | undefined)?.getSnapshot(),
  };
}

function voteOf(election: AnyActorRef, process: NodeProcess): Vote {
  const { context } = election.getSnapshot() as { context: Partial<Vote & { identity: { nodeId: NodeId } }> };
  const { identity = process, leaderId, live = new Map() } = context;
  const memberState = memberStateOf({ ...newcomer, ...context });
  return { ...memberState, nodeId: identity.nodeId, state: topStateOf(election), leaderId, live };
}

/** The topmost active state of a machine. */
function topStateOf(actor: AnyActorRef): string {
  const { value } = actor.getSnapshot() as { value?: unknown };
  return typeof value === 'string' ? value : (Object.keys(value ?? {})[0] ?? '');
}
