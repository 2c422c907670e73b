/** The actors inside a node, as checkers see them: snapshots only, no events are sent. */
import type { AnyActorRef, SnapshotFrom } from 'xstate';
import { type MemberState, memberStateOf } from '../core/election-rule.js';
import type { NodeId } from '../core/ids.js';
import type { ElectionMachine } from '../machines/election.machine.js';
import type { GatewayMachine } from '../machines/gateway.machine.js';
import type { PeerMachine } from '../machines/peer.machine.js';
import {
  electionIn,
  gatewaysIn,
  peersIn,
  type SessionSnapshot,
  sessionIn,
  sessionsIn,
  topStateOf,
} from '../node/actor-tree.js';
import type { NodeProcess } from './node.js';

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
  const snapshot = process.node.actor.getSnapshot();
  const election = electionIn(snapshot);
  return {
    sessions: sessionsIn(snapshot),
    peers: peersIn(snapshot).map(([peer]) => peer),
    gateways: gatewaysIn(snapshot).map(gatewayOf),
    vote: election && voteOf(election),
  };
}

/** Every actor of a node, from the root down, with its path of names. */
export function* actorsOf(actor: AnyActorRef, path = ''): Generator<{ path: string; actor: AnyActorRef }> {
  yield { path, actor };
  for (const [id, child] of Object.entries(childrenOf(actor))) {
    if (child !== undefined) yield* actorsOf(child, path === '' ? id : `${path}/${id}`);
  }
}

/** By name, because the children of a node depend on its role. */
function childrenOf(actor: AnyActorRef): Readonly<Record<string, AnyActorRef | undefined>> {
  const { children = {} } = actor.getSnapshot() as { children?: Readonly<Record<string, AnyActorRef | undefined>> };
  return children;
}

function gatewayOf(gateway: SnapshotFrom<GatewayMachine>): GatewaySight {
  const session = sessionIn(gateway.children, gateway.context.session?.sessionId);
  return { nodeId: gateway.context.peer.nodeId, state: topStateOf(gateway.value), session };
}

function voteOf({ value, context }: SnapshotFrom<ElectionMachine>): Vote {
  const { identity, leaderId, live } = context;
  return { ...memberStateOf(context), nodeId: identity.nodeId, state: topStateOf(value), leaderId, live };
}
