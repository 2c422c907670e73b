/**
 * The slots: every service that a machine invokes, as a typed actor that nobody has provided yet. Machines name them in
 * `setup({ actors })`; `composeNode` fills them. A slot that was forgotten fails with its name.
 */
import { type CallbackLogicFunction, type EventObject, fromCallback, fromPromise } from 'xstate';
import type { Configured, Intervals } from '../configuration/configured.js';
import type { Configuration, InspectorSettings } from '../configuration/schema.js';
import type { Scope } from '../core/author.js';
import { type Failure, StatemeshError } from '../core/errors.js';
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
  DiscoveryCommand,
  DiscoveryReport,
  FeedCommand,
  KnownPeersReport,
  LinkCommand,
  LinkReport,
  ListenerReport,
  LivenessCommand,
  LivenessReport,
  Mailbox,
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

/** Asks the provider for the configuration as the user wrote it. A function, since it holds secrets and a context is shown. */
export const getConfiguration = promiseSlot<object, () => unknown>('getConfiguration');

/** Reports each configuration that the provider gives later, and what keeps it from giving one. */
export const configurationFeed = callbackSlot<EventObject, { parent: Mailbox<ProviderReport> }>('configurationFeed');

/** Checks the configuration and derives the keys of the cluster. */
export const configure = promiseSlot<{ configuration: () => unknown }, Configured>('configure');

/** Opens the database of one NodeId, creating it if need be. */
export const openStore = promiseSlot<OpenStoreInput, Store>('openStore');
/** Whose database to open. */
export interface OpenStoreInput {
  readonly configuration: Configuration;
}

/** Copies what is in a database into the one that takes its place, while it serves. */
export const copyStore = promiseSlot<SuccessionInput, void>('copyStore');
/** Finishes the writes at hand, and copies what is left. */
export const drainStore = promiseSlot<SuccessionInput, void>('drainStore');
/** The database that serves, and the one that takes its place. */
export interface SuccessionInput {
  readonly store: Store;
  readonly successor: Store;
}

/** Follows whether the database takes writes: looks at its files now and then, and tries where something has failed. */
export const storeHealth = callbackSlot<EventObject, StoreHealthInput>('storeHealth');
/** Whose database is followed. */
export interface StoreHealthInput {
  readonly store: Store;
  readonly parent: Mailbox<StoreHealthReport>;
}

/** Opens the listener; what it accepts and refuses goes to `parent` for as long as it is open. */
export const listen = promiseSlot<ListenInput, Listening>('listen');
/** Where to listen, and who hears of connections. */
export interface ListenInput {
  readonly configuration: Configuration;
  readonly security: ListenSecurity;
  readonly parent: Mailbox<ListenerReport>;
}

/**
 * Closes listeners, whose ports are free then while what they have accepted stays open; then databases, when their writes at hand
 * are finished. All of them, whatever fails.
 */
export const close = promiseSlot<CloseInput, void>('close');
/** What is not needed any more. */
export interface CloseInput {
  readonly listenings: readonly Listening[];
  readonly stores: readonly Store[];
}

/** Owns every socket of the node for as long as it lives, and closes what is left when it ends. */
export const connections = callbackSlot<EventObject, object>('connections');

/** Answers the command line on a socket in the data directory. */
export const control = callbackSlot<EventObject, { configuration: Configuration; parent: Mailbox<ControlReport> }>(
  'control',
);
/** What becomes of the control socket. */
export type ControlReport = { readonly type: 'control.failed'; readonly error: unknown };

/** Lets this machine's browsers watch the actors of the node, as its configuration says. */
export const inspection = callbackSlot<EventObject, InspectionInput>('inspection');
/** Who may watch, and how. */
export interface InspectionInput {
  /** Undefined: nobody is to watch. */
  readonly settings: InspectorSettings | undefined;
  /** Of the process in the records. */
  readonly nodeId: NodeId;
  readonly parent: Mailbox<InspectionReport>;
}
/** What becomes of the inspector. */
export type InspectionReport =
  /** The url lets in whoever has it; it is undefined when there is no page of its own. */
  | { readonly type: 'inspection.opened'; readonly url: Secret | undefined }
  | { readonly type: 'inspection.failed'; readonly failure: Failure };

/** Exposes what is measured of the node to Prometheus, on loopback. */
export const metrics = callbackSlot<EventObject, MetricsInput>('metrics');
/** Where metrics are served. */
export interface MetricsInput {
  /** 0 lets the system choose one; undefined: nothing is measured. */
  readonly port: number | undefined;
  readonly parent: Mailbox<MetricsReport>;
}
/** What becomes of the metrics. */
export type MetricsReport =
  | { readonly type: 'metrics.opened'; readonly port: number }
  | { readonly type: 'metrics.failed'; readonly failure: Failure };

// --- Membership ----------------------------------------------------------------------------------------------------

/** Announces this node by beacons and reports those of others. */
export const discovery = callbackSlot<DiscoveryCommand, DiscoveryInput>('discovery');
/** Who is announced, and where. */
export interface DiscoveryInput {
  readonly parent: Mailbox<DiscoveryReport>;
  readonly identity: Identity;
  readonly configuration: Configuration;
  readonly keys: ClusterKeys | undefined;
}

/**
 * Stores the initial remote peers, where nothing was ever known of them; then reports the known peers of the configuration and of
 * the synced collection, now and at each change.
 */
export const knownPeers = callbackSlot<EventObject, KnownPeersInput>('knownPeers');
/** Whose stored peers are followed. */
export interface KnownPeersInput {
  readonly parent: Mailbox<KnownPeersReport>;
  readonly store: Store;
  readonly configuration: Configuration;
  readonly initialPeers: readonly RemotePeerDocument[];
}

// --- Election ------------------------------------------------------------------------------------------------------

/** Says in every heartbeat how this node is, and reports who else is live: at each change, and every `electionIntervalMs`. */
export const liveness = callbackSlot<LivenessCommand, LivenessInput>('liveness');
/** Who takes part in the election. */
export interface LivenessInput {
  readonly parent: Mailbox<LivenessReport>;
  readonly identity: Identity;
  readonly electionIntervalMs: number;
}

// --- Uplink and gateways -------------------------------------------------------------------------------------------

/** Reports the cloud peers of the synced collection, now and at each change. */
export const cloudPeers = callbackSlot<EventObject, CloudPeersInput>('cloudPeers');
/** Whose stored cloud peers are followed. */
export interface CloudPeersInput {
  readonly parent: Mailbox<CloudPeersReport>;
  readonly store: Store;
}

/** Seals secrets again that are not sealed with the first cluster key, now and when the remote peers change. */
export const resealer = callbackSlot<EventObject, ResealerInput>('resealer');
/** Which secrets are sealed again, and with what keys. */
export interface ResealerInput {
  readonly parent: Mailbox<ResealerReport>;
  readonly store: Store;
  readonly keys: ClusterKeys | undefined;
}

/** Gets an access token by client credentials (RFC 6749, section 4.4). */
export const requestToken = promiseSlot<RequestTokenInput, AccessToken>('requestToken');
/** For which cloud peer a token is asked. */
export interface RequestTokenInput {
  readonly peer: CloudPeer;
  /** To open a sealed client secret. */
  readonly keys: ClusterKeys | undefined;
  readonly ca: string | undefined;
  /** What this machine's configuration allows: nothing else that a stored peer names is believed. */
  readonly configuration: Pick<Configuration, 'secretVariables' | 'authorityOrigins'>;
}
/** A token, and how long it is good. */
export interface AccessToken {
  readonly token: Secret;
  /** Wall clock of this node, ms since 1970. */
  readonly expiresAtMs: number;
  /** From now on, ms. */
  readonly lifetimeMs: number;
}

/** Opens a connection to a cloud peer: TLS with a verified certificate, by TCP or WebSocket. */
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

/** Speaks frames over a connection, with heartbeats once the other side is admitted. */
export const link = callbackSlot<LinkCommand, LinkInput>('link');
/** The connection over which a session speaks. */
export interface LinkInput {
  readonly parent: Mailbox<LinkReport>;
  readonly connection: Connection;
  readonly store: Store;
  readonly scopes: readonly Scope[];
  /** Whether the other side is a node of our cluster: only such count as live, and as neighbours. */
  readonly isLocal: boolean;
  readonly intervals: Intervals;
  /** What the connection carries. The link measures it. */
  readonly rate: LinkRate;
}

/** Checks an access token, on a cloud node: signature, issuer, audience, time and scope. */
export const verifyToken = promiseSlot<VerifyTokenInput, VerifiedToken>('verifyToken');
/** The token that somebody shows, and what it has to say. */
export interface VerifyTokenInput {
  readonly token: Secret;
  readonly configuration: Configuration;
  readonly ca: string | undefined;
}
/** Whom a token names, and until when. */
export interface VerifiedToken {
  /** `sub`: whom the token names. */
  readonly subject: string;
  /** Wall clock of this node, ms since 1970. */
  readonly expiresAtMs: number;
  /** From now on, ms. */
  readonly lifetimeMs: number;
}

/** Reads from the oplog what the other side lacks. */
export const readBatch = promiseSlot<ReadOptions & { store: Store }, ReadResult>('readBatch');

/**
 * Applies what the other side sent, one command at a time. It lives as long as its receiver: an actor for each batch would cost
 * more than most batches do.
 */
export const batchApplier = callbackSlot<ApplierCommand, ApplierInput>('batchApplier');
/** Into which database batches go, and from whom they come. */
export interface ApplierInput {
  readonly parent: Mailbox<ApplierReport>;
  readonly store: Store;
  readonly origin: Origin;
}

/** Reports each commit of the store that may be news to the other side. */
export const oplogFeed = callbackSlot<FeedCommand, OplogFeedInput>('oplogFeed');
/** Whose commits are followed. */
export interface OplogFeedInput {
  readonly parent: Mailbox<OplogReport>;
  readonly store: Store;
  /** What came from the other side itself is reported even if its author is left out. */
  readonly origin: Origin;
}
