/** The mailboxes: the events that actors send each other. One actor knows another only as a `Mailbox<E>`. */
import type { ActorRef, Snapshot } from 'xstate';
import type { Configured, Intervals } from '../configuration/configured.js';
import type { Effect, Plan, Reconfiguration } from '../configuration/reconfiguration.js';
import type { ConfigurationInput } from '../configuration/schema.js';
import type { AuthorKey } from '../core/author.js';
import type { Candidacy, MemberState, Uplink } from '../core/election-rule.js';
import type { Entry, Run } from '../core/entry.js';
import type { ErrorCode, Failure } from '../core/errors.js';
import type { Boot, NodeId } from '../core/ids.js';
import type { LinkRate } from '../core/link-rate.js';
import type { Origin } from '../core/replication.js';
import type { Secret } from '../core/secret.js';
import type { Connection, ConnectionSecurity, Listening } from '../ports/ports.js';
import type { ApplyResult, Commit, Store } from '../ports/store.js';
import type { CloudPeer, QuarantinedDocument } from '../remote-peers/remote-peer.js';
import type { Frame, Identity, linkFrames, Refusal } from '../wire/messages.js';

/** The events that an actor can be sent. This is all that one actor knows of another. */
// biome-ignore lint/suspicious/noExplicitAny: an actor accepts what its owner accepts, and variance needs `any` here.
export type Mailbox<E extends { type: string }> = ActorRef<Snapshot<unknown>, E, any>;

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** How this node learned of a peer. */
export type Source = 'beacon' | 'known' | 'session';

/** Which side opened a connection: `dialed` means this node, `accepted` the other one. */
export type Direction = 'dialed' | 'accepted';

// --- Link: one connection's frames --------------------------------------------------------------------------------

export type LinkCommand =
  | { readonly type: 'link.send'; readonly frame: Frame }
  /**
   * Sends the payload of an entry in parts, alongside other frames; `parcel.sent` reports when all of it is in flight.
   */
  | { readonly type: 'link.carry'; readonly entry: Entry }
  /** The entry in flight in parts is no longer needed. */
  | { readonly type: 'link.drop' }
  /** The other side is known and admitted: allows full frame sizes, starts heartbeats. */
  | { readonly type: 'link.admit'; readonly peerId: NodeId; readonly boot: Boot; readonly origin: Origin }
  | { readonly type: 'link.adjust'; readonly intervals: Intervals };

export type LinkReport =
  | Exclude<Frame, { type: (typeof linkFrames)[number] }>
  /** All parts of this entry are in flight: a batch that names it may follow. */
  | { readonly type: 'parcel.sent'; readonly hash: string }
  | { readonly type: 'link.closed'; readonly failure: Failure | undefined }
  /** Both sides have the same entries. */
  | { readonly type: 'heartbeat.matched' }
  /** The sides differ, and no vector clock has been sent for a sync interval. */
  | { readonly type: 'heartbeat.differed' }
  /**
   * Sent at each change: the smoothed round trip, how far the other side's clock is ahead of ours, and what the link
   * carries.
   */
  | {
      readonly type: 'heartbeat.measured';
      readonly roundTripMs: number;
      readonly clockAheadMs: number;
      readonly bytesPerSecond: number | undefined;
    }
  | { readonly type: 'neighbors.changed'; readonly neighbors: ReadonlySet<NodeId> };

// --- Session -------------------------------------------------------------------------------------------------------

export type SessionCommand =
  | { readonly type: 'session.admit' }
  | { readonly type: 'session.refuse'; readonly refusal: Refusal }
  /** Asks whether the peer is still there, because another process claims its NodeId. */
  | { readonly type: 'session.probe' }
  | { readonly type: 'session.close'; readonly refusal: Refusal }
  /** For a cloud node: a new access token, which replaces the present one on the other side. */
  | { readonly type: 'session.renew'; readonly token: Secret }
  | { readonly type: 'session.adjust'; readonly intervals: Intervals }
  /** This node listens on another port, and tells the other side. */
  | { readonly type: 'session.relocate'; readonly port: number };

/** The other side has identified itself; it waits for `session.admit` or `session.refuse`. */
export interface SessionIdentified {
  readonly type: 'session.identified';
  readonly sessionId: string;
  readonly session: Mailbox<SessionCommand>;
  readonly identity: Identity;
  readonly direction: Direction;
  /** The peer that this node dialed; undefined for accepted connections. */
  readonly expected: NodeId | undefined;
  /** `host:port` of its end of the connection; its listening port is in `identity`. */
  readonly remoteAddress: string;
  readonly remoteHost: string;
  /** What its connection carries, as far as it is known. */
  readonly rate?: Pick<LinkRate, 'roundTripMs'>;
  /** The subject of its access token; undefined on the local network, and for a cloud node that this node dialed. */
  readonly subject: string | undefined;
}

export type SessionReport =
  | SessionIdentified
  | { readonly type: 'session.answered'; readonly sessionId: string }
  | { readonly type: 'session.diverged'; readonly sessionId: string; readonly authors: readonly AuthorKey[] }
  | { readonly type: 'session.aligned'; readonly sessionId: string }
  /** The other side asks whether we are still there, because another process claims our NodeId. */
  | { readonly type: 'session.probed'; readonly sessionId: string }
  /** Both sides now have the same entries. */
  | { readonly type: 'session.matched'; readonly sessionId: string }
  /**
   * The session has made progress: a batch was acknowledged, or both sides have the same entries. Sent once per
   * session.
   */
  | { readonly type: 'session.advanced'; readonly sessionId: string }
  /** The other side listens on another port from now on. */
  | { readonly type: 'session.relocated'; readonly sessionId: string; readonly port: number }
  /** The nodes with which the other side has sessions. Sent at each change. */
  | { readonly type: 'session.neighbors'; readonly sessionId: string; readonly neighbors: ReadonlySet<NodeId> }
  | Notice;

/** The result of an ended session. */
export interface SessionOutput {
  readonly sessionId: string;
  readonly peerId: NodeId | undefined;
  readonly expected: NodeId | undefined;
  readonly failure: Failure;
}

/** Reports of sender and receiver to their session. */
export type ReplicationReport =
  | { readonly type: 'replication.failed'; readonly failure: Failure }
  /** A batch has been acknowledged, by us or by the other side. Sender and receiver each report it once. */
  | { readonly type: 'replication.advanced' }
  | { readonly type: 'replication.diverged'; readonly authors: readonly AuthorKey[] }
  | { readonly type: 'replication.parked'; readonly authors: readonly AuthorKey[] };

export type CredentialCommand = { readonly type: 'credential.renew'; readonly token: Secret };

/** The fate of the access token that the other side has shown. */
export type CredentialReport =
  | { readonly type: 'credential.verified'; readonly subject: string }
  /** The token was refused, has expired, or cannot be verified. */
  | { readonly type: 'credential.ended'; readonly failure: Failure };

export type ApplierCommand = { readonly type: 'batch.apply'; readonly runs: readonly Run[] };

export type ApplierReport =
  | { readonly type: 'batch.applied'; readonly result: ApplyResult }
  | { readonly type: 'batch.failed'; readonly failure: Failure };

/** Relays of these authors need not be reported: the other side gets them by another path. */
export type FeedCommand = { readonly type: 'feed.leaveOut'; readonly authors: ReadonlySet<AuthorKey> };

export type OplogReport = { readonly type: 'oplog.appended'; readonly commit: Commit };

// --- Peer ----------------------------------------------------------------------------------------------------------

export type PeerCommand =
  | { readonly type: 'peer.discovered'; readonly source: Source; readonly address: Address }
  /** How the peer is dialed from now on. */
  | { readonly type: 'peer.secure'; readonly security: ConnectionSecurity }
  /** The source no longer knows the peer, or no longer knows it at this one of several addresses. */
  | { readonly type: 'peer.vanished'; readonly source: Source; readonly address?: Address }
  /** A sign that the peer may be reachable again: ends a long wait. */
  | { readonly type: 'peer.stirred' }
  /** Another node answered at one of this peer's addresses; the address belongs to that node. */
  | { readonly type: 'peer.wrongAddress'; readonly remoteAddress: string; readonly failure: Failure }
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

/** Announces another port from now on, starting at once. */
export type DiscoveryCommand = { readonly type: 'discovery.relocate'; readonly port: number };

export type DiscoveryReport =
  | { readonly type: 'peer.discovered'; readonly nodeId: NodeId; readonly address: Address }
  /** The peer still announces itself. */
  | { readonly type: 'peer.heard'; readonly nodeId: NodeId }
  /** No beacon for too long: from this address while others are left, or from any. */
  | { readonly type: 'peer.vanished'; readonly nodeId: NodeId; readonly address?: Address }
  /** This machine has joined or left a network. */
  | { readonly type: 'interfaces.changed' }
  /** A beacon with our NodeId that we did not send. */
  | { readonly type: 'beacon.duplicated'; readonly address: Address; readonly boot: Boot }
  /** A beacon that no key of ours has signed. Reported once an hour for each host. */
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
  /** Say goodbye to all peers and end. */
  | { readonly type: 'membership.leave'; readonly refusal: Refusal };

// --- Reception -----------------------------------------------------------------------------------------------------

export type ReceptionCommand =
  | { readonly type: 'connection.accepted'; readonly connection: Connection }
  | Adjustment
  /** Say goodbye to all guests and end. */
  | { readonly type: 'reception.leave'; readonly refusal: Refusal };

/** A ward holds some of the sessions of a reception. */
export type WardCommand =
  | { readonly type: 'ward.open'; readonly sessionId: string; readonly connection: Connection }
  | Adjustment
  /** Say goodbye to all guests. */
  | { readonly type: 'ward.leave'; readonly refusal: Refusal };

export type WardReport =
  | { readonly type: 'session.closed'; readonly sessionId: string; readonly failure: Failure }
  /** The session has ended with an error, which is a bug. */
  | { readonly type: 'session.failed'; readonly sessionId: string; readonly failure: Failure };

// --- Election ------------------------------------------------------------------------------------------------------

export type LivenessCommand =
  /** What this node tells about itself in its heartbeats from now on. */
  | { readonly type: 'memberState.changed'; readonly memberState: MemberState }
  | { readonly type: 'electionInterval.changed'; readonly electionIntervalMs: number };

/** The live nodes without this one: sent at each change, and from time to time. */
export type LivenessReport = {
  readonly type: 'liveness.changed';
  readonly live: ReadonlyMap<NodeId, MemberState>;
};

export type ElectionCommand =
  /** Why the database cannot be read or written from now on; undefined when it works again. */
  | { readonly type: 'health.changed'; readonly impairment: ErrorCode | undefined }
  | { readonly type: 'uplink.changed'; readonly uplink: Uplink }
  /** The settings of the configuration that is in force from now on. */
  | { readonly type: 'election.adjusted'; readonly candidacy: Candidacy; readonly electionIntervalMs: number };

/** The leader has changed, as far as this node knows, or the term of its leadership. */
export interface LeadershipChanged {
  readonly type: 'leadership.changed';
  /** Whether the leader is this node. */
  readonly isLeader: boolean;
  /** Undefined while there is no leader. */
  readonly leaderId: NodeId | undefined;
  /** Only grows. Advisory: it tells two leaderships apart. */
  readonly term: number;
}

// --- Uplink and gateways -------------------------------------------------------------------------------------------

export type CloudPeersReport =
  /** The stored cloud peers, including disabled ones. */
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
  /** This node does not lead, or no longer leads: say goodbye. */
  | { readonly type: 'gateway.idle' }
  /** This node does not lead, but tests whether it could: connect, and say goodbye at once. */
  | { readonly type: 'gateway.probe' }
  /** The stored peer has changed. */
  | { readonly type: 'gateway.revise'; readonly peer: CloudPeer };

/** How far a gateway has come. `trying` covers every step of an attempt and the time between attempts. */
export type GatewayCondition = 'disabled' | 'idle' | 'trying' | 'online' | 'rejected';

export type GatewayReport =
  | { readonly type: 'gateway.changed'; readonly nodeId: NodeId; readonly condition: GatewayCondition }
  | { readonly type: 'gateway.probed'; readonly nodeId: NodeId; readonly isReached: boolean }
  | Notice;

// --- Node ----------------------------------------------------------------------------------------------------------

/** A change for a part that keeps serving. */
export interface Adjustment {
  readonly type: 'configuration.adjusted';
  readonly effects: ReadonlySet<Effect>;
  readonly identity: Identity;
  readonly configured: Configured;
}

/** What a node runs by. */
export interface Parts {
  readonly configured: Configured;
  readonly store: Store;
  readonly listening: Listening;
}

/** What a node tells its reconfiguration. */
export type ReconfigurationCommand =
  /** The parts that serve have said goodbye. */
  { readonly type: 'service.left' };

export type ReconfigurationReport =
  /** Local writes wait from now on. */
  | { readonly type: 'writes.held' }
  /** They need not wait any more. */
  | { readonly type: 'writes.released' }
  /** Everything new stands, and is in force from now on. */
  | { readonly type: 'reconfiguration.switched'; readonly plan: Plan; readonly parts: Parts }
  /** The old configuration stays in force, with a new listener. */
  | { readonly type: 'reconfiguration.rebound'; readonly listening: Listening }
  /** The new configuration serves. What it replaced is still to be closed. */
  | (Reconfiguration & { readonly type: 'reconfiguration.completed'; readonly effects: ReadonlySet<Effect> })
  | Notice;

export type ProviderReport =
  /** A function, because it contains secrets and events are shown. */
  | { readonly type: 'configuration.changed'; readonly requested: () => unknown }
  | { readonly type: 'configuration.failed'; readonly failure: Failure };

export type ListenerReport =
  | { readonly type: 'connection.accepted'; readonly connection: Connection }
  | ConnectionRefused;

/**
 * A connection failed before it could serve. Reported once in ten seconds for each reason and each range of addresses.
 */
export interface ConnectionRefused {
  readonly type: 'connection.refused';
  readonly remoteAddress: string;
  readonly failure: Failure;
  /** How many more were refused since the previous report. */
  readonly suppressed: number;
}

/** The state of the control socket. */
export type ControlReport = { readonly type: 'control.failed'; readonly error: unknown };

/** The state of the inspector. */
export type InspectionReport =
  /** The url admits anyone who has it. It is undefined if the node serves no page of its own. */
  | { readonly type: 'inspection.opened'; readonly url: Secret | undefined }
  | { readonly type: 'inspection.failed'; readonly failure: Failure };

/** The state of the metrics. */
export type MetricsReport =
  | { readonly type: 'metrics.opened'; readonly port: number }
  | { readonly type: 'metrics.failed'; readonly failure: Failure };

/** Whether the database takes writes: sent at each change. A new node counts as healthy until it hears otherwise. */
export type StoreHealthReport =
  /** The disk is full, not writable or not readable, or the database is damaged, or its files are gone. */
  { readonly type: 'store.impaired'; readonly failure: Failure } | { readonly type: 'store.recovered' };

/** What the outside world hears: the events of `node.on(...)`. */
export type NodeEvent =
  | {
      readonly type: 'peer.connected';
      readonly nodeId: NodeId;
      readonly remoteAddress: string;
      /** The subject of its access token: on a cloud node. */
      readonly subject?: string;
    }
  | {
      readonly type: 'peer.disconnected';
      readonly nodeId: NodeId;
      readonly failure: Failure;
      readonly subject?: string;
    }
  /** The peer, or this node, refused a session for a reason that waiting alone does not cure. */
  | { readonly type: 'peer.refused'; readonly nodeId: NodeId; readonly failure: Failure }
  | { readonly type: 'peer.diverged'; readonly nodeId: NodeId; readonly authors: readonly AuthorKey[] }
  | { readonly type: 'node.duplicated'; readonly failure: Failure }
  | ConnectionRefused
  /** A peer cannot be reached: sent after the second attempt in a row, and then ever more rarely. */
  | {
      readonly type: 'peer.unreachable';
      readonly nodeId: NodeId;
      /** The address of the last attempt. */
      readonly address: string;
      readonly attempts: number;
      readonly failure: Failure;
    }
  /** On a cloud node: a connection was refused before admission. */
  | { readonly type: 'guest.refused'; readonly remoteAddress: string; readonly failure: Failure }
  | { readonly type: 'clock.drift'; readonly nodeId: NodeId; readonly authors: readonly AuthorKey[] }
  | LeadershipChanged
  /** Documents flow between this node, which leads, and a cloud peer. */
  | { readonly type: 'gateway.connected'; readonly nodeId: NodeId }
  | { readonly type: 'gateway.disconnected'; readonly nodeId: NodeId; readonly failure: Failure }
  /** A cloud peer cannot be reached. Sent once for each reason; the node keeps trying. */
  | { readonly type: 'gateway.failed'; readonly nodeId: NodeId; readonly failure: Failure }
  /**
   * The authority or the cloud peer refuses this node, so the configuration must be corrected. The node keeps trying,
   * but rarely.
   */
  | { readonly type: 'gateway.rejected'; readonly nodeId: NodeId; readonly failure: Failure }
  | { readonly type: 'uplink.changed'; readonly uplink: Uplink }
  | StoreHealthReport
  | ReconfigurationFinished
  | ReconfigurationFailed
  /** A document of a `_system_` collection cannot be used. Sent once for each reason. */
  | (QuarantinedDocument & { readonly type: 'document.quarantined' })
  /** A part of the node failed, and the failure was contained. */
  | { readonly type: 'failure'; readonly where: string; readonly failure: Failure };

/** The requested configuration is in force. */
export interface ReconfigurationFinished extends Reconfiguration {
  readonly type: 'reconfiguration.finished';
  /** The calls that requested it. */
  readonly requests: readonly number[];
}

/** The previous configuration stays in force. */
export interface ReconfigurationFailed {
  readonly type: 'reconfiguration.failed';
  readonly failure: Failure;
  readonly requests: readonly number[];
}

/** Carries an event from the actor that noticed it up to the root, which emits it. */
export interface Notice {
  readonly type: 'notice';
  readonly nodeEvent: NodeEvent;
}

export type NodeCommand =
  | { readonly type: 'node.stop' }
  /** Changes some fields of the configuration. A function, because it may contain secrets and events are shown. */
  | {
      readonly type: 'node.reconfigure';
      readonly partial: () => Partial<ConfigurationInput>;
      readonly request: number;
    };
