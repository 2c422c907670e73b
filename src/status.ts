/** What a node is doing, read from the snapshots of its actors: nothing is kept twice. */
import type { ActorRefFrom, SnapshotFrom } from 'xstate';
import type { Failure } from './core/errors.js';
import type { Boot, NodeId } from './core/ids.js';
import type { MembershipMachine } from './machines/membership.machine.js';
import type { NodeMachine } from './machines/node.machine.js';
import type { PeerMachine } from './machines/peer.machine.js';
import type { ReceiverMachine } from './machines/receiver.machine.js';
import type { SenderMachine } from './machines/sender.machine.js';
import type { SessionMachine } from './machines/session.machine.js';
import type { StoreStatistics } from './protocol/store.js';

/** How things stand with one peer. */
export type PeerState = 'idle' | 'dialing' | 'connected' | 'diverged' | 'backingOff' | 'refused';

export interface PeerStatus {
  readonly nodeId: NodeId;
  readonly state: PeerState;
  /** `host:port` of the other end of the connection. */
  readonly remoteAddress: string | undefined;
  readonly direction: 'dialed' | 'accepted' | undefined;
  readonly roundTripMs: number | undefined;
  /** In this session. */
  readonly entriesSent: number;
  readonly entriesReceived: number;
  /** Whether everything we have is on its way or there. */
  readonly isCaughtUp: boolean;
  /** Attempts that failed in a row, and the last reason. */
  readonly attempt: number;
  readonly lastFailure: Failure | undefined;
}

/** `configuring`, `openingStore`, `listening`, `running`, `stopping`, `stopped` or `failed`. */
export type NodeState = 'configuring' | 'openingStore' | 'listening' | 'running' | 'stopping' | 'stopped' | 'failed';

export interface NodeStatus {
  readonly nodeId: NodeId | undefined;
  readonly boot: Boot;
  readonly state: NodeState;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly security: 'psk' | 'none' | 'server' | undefined;
  /** Equal on nodes that have the same entries. */
  readonly clockDigest: string | undefined;
  readonly cursor: number | undefined;
  readonly store: StoreStatistics | undefined;
  readonly peers: readonly PeerStatus[];
  readonly failure: Failure | undefined;
  readonly lastFailure: Failure | undefined;
}

type NodeSnapshot = SnapshotFrom<NodeMachine>;

export function nodeStateOf(snapshot: NodeSnapshot): NodeState {
  const { value } = snapshot;
  return (typeof value === 'string' ? value : Object.keys(value)[0]) as NodeState;
}

export async function nodeStatusOf(snapshot: NodeSnapshot): Promise<NodeStatus> {
  const { configuration, boot, listening, security, store, failure, lastFailure } = snapshot.context;
  return {
    nodeId: configuration?.nodeId as NodeId | undefined,
    boot,
    state: nodeStateOf(snapshot),
    host: listening?.host,
    port: listening?.port,
    security: security?.kind,
    clockDigest: store?.digest(['cluster', 'shared']),
    cursor: store?.cursor(),
    store: await store?.statistics(),
    peers: peerStatusesOf(snapshot),
    failure,
    lastFailure,
  };
}

export function peerStatusesOf(snapshot: NodeSnapshot): PeerStatus[] {
  const membership = snapshot.children.membership as ActorRefFrom<MembershipMachine> | undefined;
  const children = Object.values(membership?.getSnapshot().children ?? {});
  const actors = children as readonly (ActorRefFrom<PeerMachine> | ActorRefFrom<SessionMachine>)[];
  const sessions = new Map(actors.map((actor) => [actor.id, actor as ActorRefFrom<SessionMachine>]));
  return actors
    .filter((actor) => actor.id.startsWith('peer-'))
    .map((actor) => (actor as ActorRefFrom<PeerMachine>).getSnapshot())
    .map((peer) => peerStatusOf(peer, sessions.get(peer.context.session?.sessionId ?? '')?.getSnapshot()));
}

function peerStatusOf(peer: SnapshotFrom<PeerMachine>, session: SnapshotFrom<SessionMachine> | undefined): PeerStatus {
  const { nodeId, attempt, lastFailure } = peer.context;
  const sender = (session?.children.sender as ActorRefFrom<SenderMachine> | undefined)?.getSnapshot();
  const receiver = (session?.children.receiver as ActorRefFrom<ReceiverMachine> | undefined)?.getSnapshot();
  return {
    nodeId,
    state: peerStateOf(peer),
    remoteAddress: session?.context.connection.remoteAddress,
    direction: session?.context.direction,
    roundTripMs: session?.context.roundTripMs,
    entriesSent: sender?.context.entriesSent ?? 0,
    entriesReceived: receiver?.context.entriesApplied ?? 0,
    isCaughtUp: sender?.matches('caughtUp') === true && sender.context.progress.inFlight.length === 0,
    attempt,
    lastFailure,
  };
}

function peerStateOf(peer: SnapshotFrom<PeerMachine>): PeerState {
  if (peer.matches({ connected: { chains: 'diverged' } })) return 'diverged';
  const { value } = peer;
  return (typeof value === 'string' ? value : Object.keys(value)[0]) as PeerState;
}
