/**
 * The slots: every service that a machine invokes, as a typed actor without an implementation. Machines name them in
 * `setup({ actors })`; `composeNode` provides them. A forgotten slot fails with an error that names it.
 */
import { type CallbackLogicFunction, type EventObject, fromCallback, fromPromise } from 'xstate';
import type { Configured, Intervals } from '../configuration/configured.js';
import type { Configuration, InspectorSettings } from '../configuration/schema.js';
import type { Scope } from '../core/author.js';
import { StatemeshError } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import type { ClusterKeys } from '../core/keys.js';
import type { LinkRate } from '../core/link-rate.js';
import type { Origin } from '../core/replication.js';
import type { Secret } from '../core/secret.js';
import type { Connection, ConnectionSecurity, Listening, ListenSecurity } from '../ports/ports.js';
import type { ReadOptions, ReadResult, Store } from '../ports/store.js';
import type { CloudPeer, RemotePeerDocument } from '../remote-peers/remote-peer.js';
import type { Identity } from '../wire/messages.js';
import type {
  Address,
  ApplierCommand,
  ApplierReport,
  CloudPeersReport,
  ControlReport,
  DiscoveryCommand,
  DiscoveryReport,
  FeedCommand,
  InspectionReport,
  KnownPeersReport,
  LinkCommand,
  LinkReport,
  ListenerReport,
  LivenessCommand,
  LivenessReport,
  Mailbox,
  MetricsReport,
  OplogReport,
  ProviderReport,
  ResealerReport,
  StoreHealthReport,
} from './mailboxes.js';

function promiseSlot<Input, Output>(name: string) {
  return fromPromise<Output, Input & {}>(() => Promise.reject(unprovided(name)));
}

function callbackSlot<Command extends { type: string }, Input>(name: string) {
  const fail: CallbackLogicFunction<Command, Command, Input & {}> = () => {
    throw unprovided(name);
  };
  return fromCallback<Command, Input & {}>(fail);
}

function unprovided(name: string): StatemeshError {
  return new StatemeshError('internal', `The service "${name}" was not provided: compose the node with composeNode().`);
}

// --- Node ----------------------------------------------------------------------------------------------------------

/**
 * Reads the user's configuration from the provider. The result is a function, because it contains secrets and a context
 * is shown.
 */
export const getConfiguration = promiseSlot<object, () => unknown>('getConfiguration');

/** Reports each later configuration of the provider, and each failure to read one. */
export const configurationFeed = callbackSlot<EventObject, { parent: Mailbox<ProviderReport> }>('configurationFeed');

/** Checks the configuration and derives the keys of the cluster. */
export const configure = promiseSlot<{ configuration: () => unknown }, Configured>('configure');

/** Opens the database of one NodeId, creating it if necessary. */
export const openStore = promiseSlot<OpenStoreInput, Store>('openStore');
/** Which database to open. */
export interface OpenStoreInput {
  readonly configuration: Configuration;
  /** Whether the node starts, and so may find another one in its data directory. */
  readonly isStart: boolean;
}

/** Copies a database into its successor while it still serves. */
export const copyStore = promiseSlot<SuccessionInput, void>('copyStore');
/** Finishes the pending writes, and copies the rest. */
export const drainStore = promiseSlot<SuccessionInput, void>('drainStore');
/** The database that serves, and its successor. */
export interface SuccessionInput {
  readonly store: Store;
  readonly successor: Store;
}

/** Watches whether the database takes writes: checks its files from time to time, and retries after a failure. */
export const storeHealth = callbackSlot<EventObject, StoreHealthInput>('storeHealth');
/** Which database to watch. */
export interface StoreHealthInput {
  readonly store: Store;
  readonly parent: Mailbox<StoreHealthReport>;
}

/** Opens the listener. While it is open, `parent` hears of accepted and refused connections. */
export const listen = promiseSlot<ListenInput, Listening>('listen');
/** Where to listen, and which actor hears of connections. */
export interface ListenInput {
  readonly configuration: Configuration;
  readonly security: ListenSecurity;
  readonly parent: Mailbox<ListenerReport>;
}

/**
 * Closes listeners, which frees their ports while accepted connections stay open; then closes databases, after their
 * pending writes. It closes all of them, even if some fail.
 */
export const close = promiseSlot<CloseInput, void>('close');
/** Listeners and databases that are no longer needed. */
export interface CloseInput {
  readonly listenings: readonly Listening[];
  readonly stores: readonly Store[];
}

/** Owns every socket of the node during its life, and closes the remaining ones at its end. */
export const connections = callbackSlot<EventObject, object>('connections');

/** Answers the command line on a socket in the data directory. */
export const control = callbackSlot<EventObject, { configuration: Configuration; parent: Mailbox<ControlReport> }>(
  'control',
);

/** Lets browsers on this machine watch the actors of the node, as its configuration allows. */
export const inspection = callbackSlot<EventObject, InspectionInput>('inspection');
/** Which observation is allowed, and how. */
export interface InspectionInput {
  /** Undefined: observation is off. */
  readonly settings: InspectorSettings | undefined;
  /** Names the process in the records. */
  readonly nodeId: NodeId;
  readonly parent: Mailbox<InspectionReport>;
}

/** Serves the node's metrics to Prometheus, on loopback. */
export const metrics = callbackSlot<EventObject, MetricsInput>('metrics');
/** Where metrics are served. */
export interface MetricsInput {
  /** 0 lets the system choose a port; undefined: nothing is measured. */
  readonly port: number | undefined;
  readonly parent: Mailbox<MetricsReport>;
}

// --- Membership ----------------------------------------------------------------------------------------------------

/** Announces this node by beacons and reports those of other nodes. */
export const discovery = callbackSlot<DiscoveryCommand, DiscoveryInput>('discovery');
/** What to announce, and where. */
export interface DiscoveryInput {
  readonly parent: Mailbox<DiscoveryReport>;
  readonly identity: Identity;
  readonly configuration: Configuration;
  readonly keys: ClusterKeys | undefined;
}

/**
 * Stores the initial remote peers that the cluster has never heard of. Then reports the known peers of the
 * configuration and of the synced collection, now and at each change.
 */
export const knownPeers = callbackSlot<EventObject, KnownPeersInput>('knownPeers');
/** Which stored peers to follow. */
export interface KnownPeersInput {
  readonly parent: Mailbox<KnownPeersReport>;
  readonly store: Store;
  readonly configuration: Configuration;
  readonly initialPeers: readonly RemotePeerDocument[];
}

// --- Election ------------------------------------------------------------------------------------------------------

/**
 * Sends this node's member state in every heartbeat, and reports the live nodes: at each change, and every
 * `electionIntervalMs`.
 */
export const liveness = callbackSlot<LivenessCommand, LivenessInput>('liveness');
/** The node that takes part in the election. */
export interface LivenessInput {
  readonly parent: Mailbox<LivenessReport>;
  readonly identity: Identity;
  readonly electionIntervalMs: number;
}

// --- Uplink and gateways -------------------------------------------------------------------------------------------

/** Reports the cloud peers of the synced collection, now and at each change. */
export const cloudPeers = callbackSlot<EventObject, CloudPeersInput>('cloudPeers');
/** Which stored cloud peers to follow. */
export interface CloudPeersInput {
  readonly parent: Mailbox<CloudPeersReport>;
  readonly store: Store;
}

/** Reseals secrets that are not sealed with the first cluster key, now and when the remote peers change. */
export const resealer = callbackSlot<EventObject, ResealerInput>('resealer');
/** Which secrets to reseal, and with which keys. */
export interface ResealerInput {
  readonly parent: Mailbox<ResealerReport>;
  readonly store: Store;
  readonly keys: ClusterKeys | undefined;
}

/** Gets an access token by client credentials (RFC 6749, section 4.4). */
export const requestToken = promiseSlot<RequestTokenInput, AccessToken>('requestToken');
/** The cloud peer for which a token is requested. */
export interface RequestTokenInput {
  readonly peer: CloudPeer;
  /** To open a sealed client secret. */
  readonly keys: ClusterKeys | undefined;
  readonly ca: string | undefined;
  /** What this machine's configuration allows. A stored peer may name nothing else. */
  readonly configuration: Pick<Configuration, 'secretVariables' | 'authorityOrigins'>;
}
/** A token, and how long it is valid. */
export interface AccessToken {
  readonly token: Secret;
  /** Wall clock of this node, ms since 1970. */
  readonly expiresAtMs: number;
  /** From now on, ms. */
  readonly lifetimeMs: number;
}

/** Opens a connection to a cloud peer: TLS with a verified certificate, over TCP or WebSocket. */
export const dialCloud = promiseSlot<DialCloudInput, Connection>('dialCloud');
/** Which cloud node to connect to. */
export interface DialCloudInput {
  readonly address: string;
  readonly ca: string | undefined;
  /** Whether `tcp://` and `ws://` are allowed, on loopback. */
  readonly isPlaintextAllowed: boolean;
}

// --- Peer ----------------------------------------------------------------------------------------------------------

/** Opens a connection to a peer. */
export const dial = promiseSlot<DialInput, Connection>('dial');
/** Which peer to connect to. */
export interface DialInput {
  readonly address: Address;
  readonly security: ConnectionSecurity;
}

// --- Session -------------------------------------------------------------------------------------------------------

/** Exchanges frames over a connection, with heartbeats once the other side is admitted. */
export const link = callbackSlot<LinkCommand, LinkInput>('link');
/** The connection of a session. */
export interface LinkInput {
  readonly parent: Mailbox<LinkReport>;
  readonly connection: Connection;
  readonly store: Store;
  readonly scopes: readonly Scope[];
  /** Whether the other side is a node of our cluster. Only such nodes count as live, and as neighbors. */
  readonly isLocal: boolean;
  readonly intervals: Intervals;
  /** What the connection carries, as the link measures it. */
  readonly rate: LinkRate;
}

/** Verifies an access token on a cloud node: signature, issuer, audience, time and scope. */
export const verifyToken = promiseSlot<VerifyTokenInput, VerifiedToken>('verifyToken');
/** A token to verify, and what the configuration requires of it. */
export interface VerifyTokenInput {
  readonly token: Secret;
  readonly configuration: Configuration;
  readonly ca: string | undefined;
}
/** The subject of a token, and its end. */
export interface VerifiedToken {
  /** The claim `sub`, which names the subject. */
  readonly subject: string;
  /** Wall clock of this node, ms since 1970. */
  readonly expiresAtMs: number;
  /** From now on, ms. */
  readonly lifetimeMs: number;
}

/** Reads from the oplog what the other side lacks. */
export const readBatch = promiseSlot<ReadOptions & { store: Store }, ReadResult>('readBatch');

/**
 * Applies batches from the other side, one command at a time. It lives as long as its receiver, because one actor per
 * batch would cost more than most batches do.
 */
export const batchApplier = callbackSlot<ApplierCommand, ApplierInput>('batchApplier');
/** The database that batches go into, and the peer that they come from. */
export interface ApplierInput {
  readonly parent: Mailbox<ApplierReport>;
  readonly store: Store;
  readonly origin: Origin;
}

/** Reports each commit of the store that may be news to the other side. */
export const oplogFeed = callbackSlot<FeedCommand, OplogFeedInput>('oplogFeed');
/** Which store to follow. */
export interface OplogFeedInput {
  readonly parent: Mailbox<OplogReport>;
  readonly store: Store;
  /** The other side. Its own commits are reported even if their author is left out. */
  readonly origin: Origin;
}
