/**
 * The mailboxes: what actors say to each other. `Mailbox<E>` is all that one actor knows of another.
 */
import type { ActorRef, Snapshot } from 'xstate';
import type { AuthorKey } from '../core/author.js';
import type { Run } from '../core/entry.js';
import type { Failure } from '../core/errors.js';
import type { Boot, NodeId } from '../core/ids.js';
import type { Frame, Identity, Refusal } from './messages.js';
import type { Connection } from './ports.js';
import type { ApplyResult, Commit } from './store.js';

// biome-ignore lint/suspicious/noExplicitAny: an actor reference accepts what its owner accepts; variance needs `any` here.
export type Mailbox<E extends { type: string }> = ActorRef<Snapshot<unknown>, E, any>;

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** How we came to know of a peer. */
export type Source = 'beacon' | 'known' | 'session';

/** Who opened a connection: we, or the other side. */
export type Direction = 'dialed' | 'accepted';

// --- Link: one connection's frames --------------------------------------------------------------------------------

export type LinkCommand =
  | { readonly type: 'link.send'; readonly frame: Frame }
  /** The other side is known and welcome: full frame size, heartbeats. */
  | { readonly type: 'link.admit'; readonly peerId: NodeId };

export type LinkReport =
  | Exclude<Frame, { type: 'frame.heartbeat' }>
  | { readonly type: 'link.closed'; readonly failure: Failure | undefined }
  /** Both sides have the same entries. */
  | { readonly type: 'heartbeat.matched' }
  /** They have not, and no vector clock has been sent for a sync interval. */
  | { readonly type: 'heartbeat.differed' }
  /** When it has changed: smoothed. */
  | { readonly type: 'heartbeat.roundTrip'; readonly milliseconds: number }
  | { readonly type: 'neighbours.changed'; readonly neighbours: ReadonlySet<NodeId> };

// --- Session -------------------------------------------------------------------------------------------------------

export type SessionCommand =
  | { readonly type: 'session.admit' }
  | { readonly type: 'session.refuse'; readonly refusal: Refusal }
  /** Are you alive? Somebody else claims your NodeId. */
  | { readonly type: 'session.probe' }
  | { readonly type: 'session.close'; readonly refusal: Refusal };

/** The other side has said who it is; it waits for `session.admit` or `session.refuse`. */
export interface SessionIdentified {
  readonly type: 'session.identified';
  readonly sessionId: string;
  readonly session: Mailbox<SessionCommand>;
  readonly identity: Identity;
  readonly direction: Direction;
  /** Whom we dialed, if we did. */
  readonly expected: NodeId | undefined;
  /** `host:port` of its end of the connection; its listening port is in `identity`. */
  readonly remoteAddress: string;
  readonly remoteHost: string;
}

export type SessionReport =
  | SessionIdentified
  | { readonly type: 'session.answered'; readonly sessionId: string }
  | { readonly type: 'session.diverged'; readonly sessionId: string; readonly authors: readonly AuthorKey[] }
  | { readonly type: 'session.aligned'; readonly sessionId: string }
  /** The other side asks whether we are alive, since another process claims our NodeId. */
  | { readonly type: 'session.probed'; readonly sessionId: string }
  | Notice;

/** What a session that is over leaves behind. */
export interface SessionOutput {
  readonly sessionId: string;
  readonly peerId: NodeId | undefined;
  readonly expected: NodeId | undefined;
  readonly failure: Failure;
}

/** What sender and receiver tell their session. */
export type ReplicationReport =
  | { readonly type: 'replication.failed'; readonly failure: Failure }
  | { readonly type: 'replication.diverged'; readonly authors: readonly AuthorKey[] }
  | { readonly type: 'replication.parked'; readonly authors: readonly AuthorKey[] };

export type ApplierCommand = { readonly type: 'batch.apply'; readonly runs: readonly Run[] };

export type ApplierReport =
  | { readonly type: 'batch.applied'; readonly result: ApplyResult }
  | { readonly type: 'batch.failed'; readonly failure: Failure };

/** Relays of these authors need not be reported: the other side gets them elsewhere. */
export type FeedCommand = { readonly type: 'feed.leaveOut'; readonly authors: ReadonlySet<AuthorKey> };

export type OplogReport = { readonly type: 'oplog.appended'; readonly commit: Commit };

// --- Peer ----------------------------------------------------------------------------------------------------------

export type PeerCommand =
  | { readonly type: 'peer.sighted'; readonly source: Source; readonly address: Address }
  | { readonly type: 'peer.unsighted'; readonly source: Source }
  /** Somebody else answers at its address. */
  | { readonly type: 'peer.mistaken'; readonly failure: Failure }
  | SessionIdentified
  | Extract<SessionReport, { type: 'session.answered' | 'session.diverged' | 'session.aligned' }>
  | { readonly type: 'session.closed'; readonly sessionId: string; readonly failure: Failure };

export type PeerReport =
  | { readonly type: 'connection.dialed'; readonly connection: Connection; readonly expected: NodeId }
  | Notice;

// --- Membership ----------------------------------------------------------------------------------------------------

export type DiscoveryReport =
  | { readonly type: 'peer.discovered'; readonly nodeId: NodeId; readonly address: Address }
  /** No beacon for too long. */
  | { readonly type: 'peer.vanished'; readonly nodeId: NodeId }
  /** A beacon with our NodeId that is not ours. */
  | { readonly type: 'beacon.duplicated'; readonly host: string; readonly boot: Boot }
  | { readonly type: 'discovery.failed'; readonly failure: Failure };

export type KnownPeersReport =
  | {
      readonly type: 'knownPeers.changed';
      readonly peers: ReadonlyMap<NodeId, Address>;
      readonly problems: readonly Failure[];
    }
  | { readonly type: 'knownPeers.failed'; readonly failure: Failure };

export type MembershipCommand =
  | { readonly type: 'connection.accepted'; readonly connection: Connection }
  /** Say goodbye to everyone and end. */
  | { readonly type: 'membership.leave' };

// --- Node ----------------------------------------------------------------------------------------------------------

export type ListenerReport =
  | { readonly type: 'connection.accepted'; readonly connection: Connection }
  | { readonly type: 'connection.refused'; readonly remoteAddress: string; readonly failure: Failure };

/** What the outside world is told: these are the events of `node.on(...)`. */
export type Happening =
  | { readonly type: 'peer.connected'; readonly nodeId: NodeId; readonly remoteAddress: string }
  | { readonly type: 'peer.disconnected'; readonly nodeId: NodeId; readonly failure: Failure }
  /** It, or we, refused a session: for reasons that waiting alone does not mend. */
  | { readonly type: 'peer.refused'; readonly nodeId: NodeId; readonly failure: Failure }
  | { readonly type: 'peer.diverged'; readonly nodeId: NodeId; readonly authors: readonly AuthorKey[] }
  | { readonly type: 'node.duplicated'; readonly failure: Failure }
  | { readonly type: 'connection.refused'; readonly remoteAddress: string; readonly failure: Failure }
  | { readonly type: 'clock.drift'; readonly nodeId: NodeId; readonly authors: readonly AuthorKey[] }
  /** Something of ours failed and was contained. */
  | { readonly type: 'failure'; readonly where: string; readonly failure: Failure };

/** Carries a happening from the actor where it was noticed up to the root, which emits it. */
export interface Notice {
  readonly type: 'notice';
  readonly happening: Happening;
}

export type NodeCommand = { readonly type: 'node.stop' };
