/**
 * The mailboxes: what actors say to each other. `Mailbox<E>` is all that one actor knows of another.
 */
import type { ActorRef, Snapshot } from 'xstate';
import type { Configured, Intervals } from '../configuration/configured.js';
import type { Effect, Reconfiguration } from '../configuration/reconfiguration.js';
import type { ConfigurationInput } from '../configuration/schema.js';
import type { AuthorKey } from '../core/author.js';
import type { Standing, Uplink } from '../core/ballot.js';
import type { Entry, Run } from '../core/entry.js';
import type { ErrorCode, Failure } from '../core/errors.js';
import type { Boot, NodeId } from '../core/ids.js';
import type { LinkRate } from '../core/link-rate.js';
import type { Origin } from '../core/replication.js';
import type { Secret } from '../core/secret.js';
import type { Connection, ConnectionSecurity } from '../ports/ports.js';
import type { ApplyResult, Commit } from '../ports/store.js';
import type { CloudPeer, QuarantinedDocument } from '../remote-peers/remote-peer.js';
import type { Frame, Identity, Refusal } from '../wire/messages.js';

/** All that one actor knows of another: what it can be told. */
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
  /** Sends the payload of an entry in parts, beside everything else; `parcel.sent` tells when all of it is on its way. */
  | { readonly type: 'link.carry'; readonly entry: Entry }
  /** The entry on its way in parts is not needed any more. */
  | { readonly type: 'link.drop' }
  /** The other side is known and welcome: full frame size, heartbeats. */
  | { readonly type: 'link.admit'; readonly peerId: NodeId; readonly boot: Boot; readonly origin: Origin }
  | { readonly type: 'link.adjust'; readonly intervals: Intervals };

/** What links settle among themselves. */
type LinkFrame = 'frame.heartbeat' | 'frame.progress' | 'frame.parcel' | 'frame.part' | 'frame.parcelHeld';

export type LinkReport =
  | Exclude<Frame, { type: LinkFrame }>
  /** All parts of this entry are on their way: a batch that names it may follow. */
  | { readonly type: 'parcel.sent'; readonly hash: string }
  | { readonly type: 'link.closed'; readonly failure: Failure | undefined }
  /** Both sides have the same entries. */
  | { readonly type: 'heartbeat.matched' }
  /** They have not, and no vector clock has been sent for a sync interval. */
  | { readonly type: 'heartbeat.differed' }
  /** When it has changed: the round trip, smoothed, how far the clock of the other side is ahead of ours, and what the link carries. */
  | {
      readonly type: 'heartbeat.measured';
      readonly roundTripMs: number;
      readonly clockAheadMs: number;
      readonly bytesPerSecond: number | undefined;
    }
  | { readonly type: 'neighbours.changed'; readonly neighbours: ReadonlySet<NodeId> };

// --- Session -------------------------------------------------------------------------------------------------------

export type SessionCommand =
  | { readonly type: 'session.admit' }
  | { readonly type: 'session.refuse'; readonly refusal: Refusal }
  /** Are you alive? Somebody else claims your NodeId. */
  | { readonly type: 'session.probe' }
  | { readonly type: 'session.close'; readonly refusal: Refusal }
  /** To a cloud node: a fresh access token, which the other side puts in the place of the present one. */
  | { readonly type: 'session.renew'; readonly token: Secret }
  | { readonly type: 'session.adjust'; readonly intervals: Intervals }
  /** This node listens on another port: the other side is told. */
  | { readonly type: 'session.relocate'; readonly port: number };

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
  /** What its connection carries, as far as it is known. */
  readonly rate?: Pick<LinkRate, 'roundTripMs'>;
  /** Whom its access token names; undefined on the local network, and for the cloud node that we dialed. */
  readonly subject: string | undefined;
}

export type SessionReport =
  | SessionIdentified
  | { readonly type: 'session.answered'; readonly sessionId: string }
  | { readonly type: 'session.diverged'; readonly sessionId: string; readonly authors: readonly AuthorKey[] }
  | { readonly type: 'session.aligned'; readonly sessionId: string }
  /** The other side asks whether we are alive, since another process claims our NodeId. */
  | { readonly type: 'session.probed'; readonly sessionId: string }
  /** Both sides have come to have the same entries. */
  | { readonly type: 'session.matched'; readonly sessionId: string }
  /** It is of use: a batch has been acknowledged, or both sides have the same. Once a session. */
  | { readonly type: 'session.advanced'; readonly sessionId: string }
  /** The other side listens on another port from now on. */
  | { readonly type: 'session.relocated'; readonly sessionId: string; readonly port: number }
  /** Whom the other side has sessions with: told when that has changed. */
  | { readonly type: 'session.neighbours'; readonly sessionId: string; readonly neighbours: ReadonlySet<NodeId> }
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
  /** A batch has been acknowledged, by us or by the other side. Each of the two says so once. */
  | { readonly type: 'replication.advanced' }
  | { readonly type: 'replication.diverged'; readonly authors: readonly AuthorKey[] }
  | { readonly type: 'replication.parked'; readonly authors: readonly AuthorKey[] };

export type CredentialCommand = { readonly type: 'credential.renew'; readonly token: Secret };

/** What becomes of the access token that the other side has shown. */
export type CredentialReport =
  | { readonly type: 'credential.verified'; readonly subject: string }
  /** It is refused, or has expired, or cannot be verified. */
  | { readonly type: 'credential.ended'; readonly failure: Failure };

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
  /** How it is dialed from now on. */
  | { readonly type: 'peer.secure'; readonly security: ConnectionSecurity }
  /** Not there any more; of a source that knows several addresses, at one of them. */
  | { readonly type: 'peer.unsighted'; readonly source: Source; readonly address?: Address }
  /** A sign that it may be reachable again: not worth to wait for long any more. */
  | { readonly type: 'peer.stirred' }
  /** Somebody else answers at an address of it, which so belongs to that one. */
  | { readonly type: 'peer.mistaken'; readonly remoteAddress: string; readonly failure: Failure }
  | SessionIdentified
  | Extract<
      SessionReport,
      {
        type: 'session.answered' | 'session.diverged' | 'session.aligned' | 'session.relocated' | 'session.advanced';
      }
    >
  | { readonly type: 'session.closed'; readonly sessionId: string; readonly failure: Failure };

export type PeerReport =
  | { readonly type: 'connection.dialed'; readonly connection: Connection; readonly expected: NodeId }
  | Notice;

// --- Membership ----------------------------------------------------------------------------------------------------

/** It announces another port from now on, and at once. */
export type DiscoveryCommand = { readonly type: 'discovery.relocate'; readonly port: number };

export type DiscoveryReport =
  | { readonly type: 'peer.discovered'; readonly nodeId: NodeId; readonly address: Address }
  /** It still announces itself. */
  | { readonly type: 'peer.heard'; readonly nodeId: NodeId }
  /** No beacon for too long: from one address while others are left, or from any. */
  | { readonly type: 'peer.vanished'; readonly nodeId: NodeId; readonly address?: Address }
  /** This machine has joined another network, or left one. */
  | { readonly type: 'interfaces.changed' }
  /** A beacon with our NodeId that is not ours. */
  | { readonly type: 'beacon.duplicated'; readonly host: string; readonly boot: Boot }
  /** A beacon that no key of ours has signed. Told once in an hour for each host. */
  | { readonly type: 'beacon.foreign'; readonly host: string; readonly failure: Failure }
  | { readonly type: 'discovery.failed'; readonly failure: Failure };

export type KnownPeersReport =
  | {
      readonly type: 'knownPeers.changed';
      readonly peers: ReadonlyMap<NodeId, Address>;
      /** The first `limits.quarantinedMax` of them. */
      readonly quarantined: readonly QuarantinedDocument[];
      /** Set while there are more peers than a node takes. */
      readonly surplus: Failure | undefined;
    }
  | { readonly type: 'knownPeers.failed'; readonly failure: Failure };

export type MembershipCommand =
  | { readonly type: 'connection.accepted'; readonly connection: Connection }
  | Adjustment
  /** Say goodbye to everyone and end. */
  | { readonly type: 'membership.leave'; readonly refusal: Refusal };

// --- Reception -----------------------------------------------------------------------------------------------------

export type ReceptionCommand =
  | { readonly type: 'connection.accepted'; readonly connection: Connection }
  | Adjustment
  /** Say goodbye to everyone and end. */
  | { readonly type: 'reception.leave'; readonly refusal: Refusal };

/** A ward has some of the sessions of a reception. */
export type WardCommand =
  | { readonly type: 'ward.open'; readonly sessionId: string; readonly connection: Connection }
  | Adjustment
  /** Say goodbye to everyone. */
  | { readonly type: 'ward.leave'; readonly refusal: Refusal };

export type WardReport =
  | { readonly type: 'session.closed'; readonly sessionId: string; readonly failure: Failure }
  /** It has broken, which is a bug, and is over. */
  | { readonly type: 'session.failed'; readonly sessionId: string; readonly failure: Failure };

// --- Election ------------------------------------------------------------------------------------------------------

export type LivenessCommand =
  /** What this node says of itself in its heartbeats from now on. */
  | { readonly type: 'standing.changed'; readonly standing: Standing }
  | { readonly type: 'electionInterval.changed'; readonly electionIntervalMs: number };

/** Who is live, ourselves not among them: at each change, and now and then. */
export type LivenessReport = {
  readonly type: 'liveness.changed';
  readonly live: ReadonlyMap<NodeId, Standing>;
};

export type ElectionCommand =
  /** Why the database cannot be read or written from now on; undefined when it can again. */
  | { readonly type: 'health.changed'; readonly impairment: ErrorCode | undefined }
  | { readonly type: 'uplink.changed'; readonly uplink: Uplink }
  | { readonly type: 'eligibility.changed'; readonly isEligible: boolean }
  | { readonly type: 'electionInterval.changed'; readonly electionIntervalMs: number };

/** Whoever leads has changed, as far as this node knows, or the term in which it does. */
export interface LeadershipChanged {
  readonly type: 'leadership.changed';
  /** Whether it is this node. */
  readonly isLeader: boolean;
  /** Undefined while nobody leads. */
  readonly leaderId: NodeId | undefined;
  /** Only grows. Advisory: it tells two leaderships apart. */
  readonly term: number;
}

// --- Uplink and gateways -------------------------------------------------------------------------------------------

export type CloudPeersReport =
  /** The cloud peers that are stored, disabled ones too. */
  | { readonly type: 'cloudPeers.changed'; readonly peers: ReadonlyMap<NodeId, CloudPeer> }
  | { readonly type: 'cloudPeers.failed'; readonly failure: Failure };

export type ResealerReport = { readonly type: 'resealing.failed'; readonly failure: Failure };

export type UplinkCommand =
  | LeadershipChanged
  | Adjustment
  /** Say goodbye to the cloud and end. */
  | { readonly type: 'uplink.leave' };

export type UplinkReport = { readonly type: 'uplink.changed'; readonly uplink: Uplink } | Notice;

export type GatewayCommand =
  | Adjustment
  /** This node leads: connect, and stay connected. */
  | { readonly type: 'gateway.open' }
  /** It does not, or not any more: say goodbye. */
  | { readonly type: 'gateway.rest' }
  /** It does not, but could it? Connect, and say goodbye at once. */
  | { readonly type: 'gateway.probe' }
  /** The stored peer has changed. */
  | { readonly type: 'gateway.revise'; readonly peer: CloudPeer };

/** How far a gateway has come; `trying` covers everything on the way and between attempts. */
export type GatewayCondition = 'disabled' | 'resting' | 'trying' | 'online' | 'rejected';

export type GatewayReport =
  | { readonly type: 'gateway.changed'; readonly nodeId: NodeId; readonly condition: GatewayCondition }
  | { readonly type: 'gateway.probed'; readonly nodeId: NodeId; readonly isReached: boolean }
  | Notice;

// --- Node ----------------------------------------------------------------------------------------------------------

/** What changes in a part that goes on serving. */
export interface Adjustment {
  readonly type: 'configuration.adjusted';
  readonly effects: ReadonlySet<Effect>;
  readonly identity: Identity;
  readonly configured: Configured;
}

export type ProviderReport =
  /** A function, since it holds secrets and events are shown. */
  | { readonly type: 'configuration.changed'; readonly requested: () => unknown }
  | { readonly type: 'configuration.failed'; readonly failure: Failure };

export type ListenerReport =
  | { readonly type: 'connection.accepted'; readonly connection: Connection }
  | ConnectionRefused;

/** A connection came to nothing. Told once in ten seconds for each reason and each range of addresses. */
export interface ConnectionRefused {
  readonly type: 'connection.refused';
  readonly remoteAddress: string;
  readonly failure: Failure;
  /** How many more were refused since the last time that this was told. */
  readonly suppressed: number;
}

/** Whether the database takes writes: told at each change. A node that begins is well until it hears otherwise. */
export type StoreHealthReport =
  /** Disk full, not writable, not readable, damaged, or its files are gone. */
  { readonly type: 'store.impaired'; readonly failure: Failure } | { readonly type: 'store.recovered' };

/** What the outside world is told: these are the events of `node.on(...)`. */
export type Happening =
  | {
      readonly type: 'peer.connected';
      readonly nodeId: NodeId;
      readonly remoteAddress: string;
      /** Whom its access token names: on a cloud node. */
      readonly subject?: string;
    }
  | {
      readonly type: 'peer.disconnected';
      readonly nodeId: NodeId;
      readonly failure: Failure;
      readonly subject?: string;
    }
  /** It, or we, refused a session: for reasons that waiting alone does not mend. */
  | { readonly type: 'peer.refused'; readonly nodeId: NodeId; readonly failure: Failure }
  | { readonly type: 'peer.diverged'; readonly nodeId: NodeId; readonly authors: readonly AuthorKey[] }
  | { readonly type: 'node.duplicated'; readonly failure: Failure }
  | ConnectionRefused
  /** A peer cannot be reached: told after the second attempt in a row, and then ever more rarely. */
  | {
      readonly type: 'peer.unreachable';
      readonly nodeId: NodeId;
      /** Where it was tried last. */
      readonly address: string;
      readonly attempts: number;
      readonly failure: Failure;
    }
  /** On a cloud node: somebody connected, and was not let in. */
  | { readonly type: 'guest.refused'; readonly remoteAddress: string; readonly failure: Failure }
  | { readonly type: 'clock.drift'; readonly nodeId: NodeId; readonly authors: readonly AuthorKey[] }
  | LeadershipChanged
  /** Documents flow between this node, which leads, and a cloud peer. */
  | { readonly type: 'gateway.connected'; readonly nodeId: NodeId }
  | { readonly type: 'gateway.disconnected'; readonly nodeId: NodeId; readonly failure: Failure }
  /** A cloud peer cannot be reached; told once for each reason, and tried again. */
  | { readonly type: 'gateway.failed'; readonly nodeId: NodeId; readonly failure: Failure }
  /** The authority or the cloud peer does not want us: somebody has to correct the configuration. Tried again, but rarely. */
  | { readonly type: 'gateway.rejected'; readonly nodeId: NodeId; readonly failure: Failure }
  | { readonly type: 'uplink.changed'; readonly uplink: Uplink }
  | StoreHealthReport
  | ReconfigurationFinished
  | ReconfigurationFailed
  /** A document of a `_system_` collection cannot be used; told once for each reason. */
  | (QuarantinedDocument & { readonly type: 'document.quarantined' })
  /** Something of ours failed and was contained. */
  | { readonly type: 'failure'; readonly where: string; readonly failure: Failure };

/** The configuration that was asked for is in force. */
export interface ReconfigurationFinished extends Reconfiguration {
  readonly type: 'reconfiguration.finished';
  /** The calls that asked for it. */
  readonly requests: readonly number[];
}

/** The configuration that was in force still is. */
export interface ReconfigurationFailed {
  readonly type: 'reconfiguration.failed';
  readonly failure: Failure;
  readonly requests: readonly number[];
}

/** Carries a happening from the actor where it was noticed up to the root, which emits it. */
export interface Notice {
  readonly type: 'notice';
  readonly happening: Happening;
}

export type NodeCommand =
  | { readonly type: 'node.stop' }
  /** Changes some fields of the configuration. A function, since it may hold secrets and events are shown. */
  | {
      readonly type: 'node.reconfigure';
      readonly partial: () => Partial<ConfigurationInput>;
      readonly request: number;
    };
