/** The status of a node, read from the snapshots of its actors. No part of it is stored a second time. */
import type { SnapshotFrom } from 'xstate';
import type { Configuration } from '../configuration/schema.js';
import type { Uplink } from '../core/election-rule.js';
import { type ErrorCode, type Failure, failureOf, type PastFailure } from '../core/errors.js';
import { type Boot, type Cursor, compareCodeUnits, type NodeId } from '../core/ids.js';
import { isImpairment } from '../core/impairment.js';
import type { RefusalRecord } from '../core/refusals.js';
import type { GatewayState, PeerState } from '../core/states.js';
import type { GatewayMachine } from '../machines/gateway.machine.js';
import type { PeerMachine } from '../machines/peer.machine.js';
import type { ReceptionMachine } from '../machines/reception.machine.js';
import type { SenderMachine } from '../machines/sender.machine.js';
import type { Descriptors } from '../ports/ports.js';
import type { Store, StoreStatistics } from '../ports/store.js';
import type { QuarantinedDocument } from '../remote-peers/remote-peer.js';
import {
  electionIn,
  gatewaysIn,
  membershipIn,
  type NodeSnapshot,
  type NodeState,
  nodeStateOf,
  peersIn,
  receiverIn,
  receptionIn,
  reconfigurationStepOf,
  type SessionSnapshot,
  senderIn,
  sessionIn,
  topStateOf,
  uplinkIn,
} from './actor-tree.js';
import { type OwnCertificate, ownCertificateOf } from './certificates.js';

/** The status of one peer. `ours` and `we` mean this node. */
export interface PeerStatus {
  readonly nodeId: NodeId;
  readonly state: PeerState;
  /** `host:port` of the other end of the connection; undefined while it is not connected. */
  readonly remoteAddress: string | undefined;
  readonly direction: 'dialed' | 'accepted' | undefined;
  readonly roundTripMs: number | undefined;
  /** Lead of the peer's clock over ours, in ms; negative when it is behind. */
  readonly clockAheadMs: number | undefined;
  /** Entries sent in the current session; 0 while there is none. */
  readonly entriesSent: number;
  /** Entries received in the current session; 0 while there is none. */
  readonly entriesReceived: number;
  /** Whether the peer has confirmed every entry that we have. */
  readonly isCaughtUp: boolean;
  /**
   * Number of our entries that the peer has not confirmed, as far as it has said what it has. Entries in flight count,
   * too. At most 100,000. Undefined while it is not connected, and in `node.peers`, which does not read the database.
   */
  readonly backlog: number | undefined;
  /** Measured capacity of the link, in bytes a second; undefined until traffic has filled the link once. */
  readonly bytesPerSecond: number | undefined;
  /** Number of failed attempts in a row. */
  readonly attempt: number;
  /** Why the last attempt or session failed; undefined once a session has been of use. */
  readonly lastFailure: PastFailure | undefined;
  /**
   * Why the peer cannot read or write its database, as it reports itself; undefined while it can. Only nodes of our own
   * cluster report it.
   */
  readonly impairment: ErrorCode | undefined;
  /** On a cloud node: the subject of the session's access token. */
  readonly subject: string | undefined;
}

/** The status of one cloud peer. */
export interface GatewayStatus {
  readonly nodeId: NodeId;
  readonly address: string;
  readonly state: GatewayState;
  /** Entries sent in the current session; 0 while there is none. */
  readonly entriesSent: number;
  /** Entries received in the current session; 0 while there is none. */
  readonly entriesReceived: number;
  /** Whether the cloud peer has confirmed every entry that we have. */
  readonly isCaughtUp: boolean;
  /** Number of our entries that the cloud peer has not confirmed: see {@link PeerStatus.backlog}. */
  readonly backlog: number | undefined;
  readonly roundTripMs: number | undefined;
  /** Measured capacity of the link, in bytes a second; undefined until traffic has filled the link once. */
  readonly bytesPerSecond: number | undefined;
  /** When both sides last had the same entries, ms since 1970. */
  readonly lastSyncedAtMs: number | undefined;
  /** When the access token expires, ms since 1970; undefined without a token. No field shows the token itself. */
  readonly tokenExpiresAtMs: number | undefined;
  /** Number of failed attempts in a row. */
  readonly attempt: number;
  /** Why the last attempt or session failed; undefined once a session has been of use. */
  readonly lastFailure: PastFailure | undefined;
}

/** The role of a node in the election. */
export type ElectionState = 'observer' | 'follower' | 'candidate' | 'leader';

/** The election, as this node knows it. */
export interface LeadershipStatus {
  readonly state: ElectionState;
  readonly isLeader: boolean;
  /** Undefined while no node leads. */
  readonly leaderId: NodeId | undefined;
  readonly term: number;
  /** The live nodes of the cluster, without this one. */
  readonly liveNodes: readonly NodeId[];
}

/** The status of a node: what `node.status()` returns and `statemesh status` shows. */
export interface NodeStatus {
  readonly nodeId: NodeId | undefined;
  readonly boot: Boot;
  readonly state: NodeState;
  readonly host: string | undefined;
  readonly port: number | undefined;
  /** `psk`: the cluster key. `server`: the certificate of a cloud node. `none`: security is off. */
  readonly security: 'psk' | 'none' | 'server' | undefined;
  /** Names of the cluster keys: first the one in use, then the other accepted ones. They are not secret. */
  readonly clusterKeyIds: readonly string[];
  readonly role: Configuration['role'] | undefined;
  /** Undefined on a cloud node. */
  readonly leadership: LeadershipStatus | undefined;
  /** The cluster's way to the cloud, as this node knows it. */
  readonly uplink: Uplink | undefined;
  readonly gateways: readonly GatewayStatus[];
  /**
   * Lead of our clock, in ms; undefined while no peer is connected. With one connected peer: over its clock. With more:
   * over the median of our clock and theirs.
   */
  readonly clockAheadMs: number | undefined;
  /** A digest of the vector clock: equal on nodes that have the same entries. */
  readonly clockDigest: string | undefined;
  /** The cursor of the last entry. */
  readonly cursor: Cursor | undefined;
  /** Undefined while there is no database, and while it cannot be read. */
  readonly store: StoreStatistics | undefined;
  readonly peers: readonly PeerStatus[];
  /** The step of the reconfiguration under way; `settled` when there is none. */
  readonly reconfiguration: string | undefined;
  /** The address of the inspector's page. It holds the page's access key. Undefined without an inspector. */
  readonly inspectorUrl: string | undefined;
  /** The validity of a cloud node's certificate with its chain; undefined without a certificate. */
  readonly certificate: OwnCertificate | undefined;
  /** The loopback port that serves metrics; undefined without metrics. */
  readonly metricsPort: number | undefined;
  /** Why the database takes no writes; undefined while it takes them. */
  readonly impairment: Failure | undefined;
  /** Why the node has failed; undefined while it has not. */
  readonly failure: Failure | undefined;
  /** The last failure while the node ran, however long ago. */
  readonly lastFailure: PastFailure | undefined;
  /**
   * Refused connections since the node started, by reason. They include other clusters that announce themselves here.
   */
  readonly refusals: readonly RefusalRecord[];
  /** File descriptors of the whole process; undefined where the system does not tell. */
  readonly descriptors: Descriptors | undefined;
  /** The first 100 unusable documents of `_system_` collections. They do no harm, and can be removed. */
  readonly quarantined: readonly QuarantinedDocument[];
}

/**
 * The status of a node by a snapshot of its root actor, for programs that run the actor themselves.
 *
 * @throws StatemeshError `storeClosed`
 */
export async function nodeStatusOf(snapshot: NodeSnapshot): Promise<NodeStatus> {
  const { configured, boot, listening, store, inspectorUrl, metricsPort, impairment, failure, lastFailure } =
    snapshot.context;
  const { configuration, security } = configured ?? {};
  const peers = await Promise.all(peerRowsOf(snapshot).map((row) => withBacklog(row, store)));
  return {
    nodeId: configuration?.nodeId as NodeId | undefined,
    boot,
    state: nodeStateOf(snapshot),
    host: listening?.host,
    port: listening?.port,
    security: security?.kind,
    clusterKeyIds: configured?.keys?.all.map(({ keyId }) => keyId) ?? [],
    role: configuration?.role,
    leadership: leadershipOf(snapshot),
    uplink: uplinkIn(snapshot)?.context.uplink,
    gateways: await Promise.all(gatewayRowsOf(snapshot).map((row) => withBacklog(row, store))),
    clockAheadMs: clockAheadOf(peers),
    clockDigest: store?.digest(['cluster', 'shared']),
    cursor: store?.position(),
    store: (await unlessImpaired(store?.statistics())).value,
    peers,
    reconfiguration: reconfigurationStepOf(snapshot),
    inspectorUrl: inspectorUrl?.reveal(),
    certificate:
      security?.kind === 'server' ? ownCertificateOf(security.server.certificate, snapshot.context.now()) : undefined,
    metricsPort,
    impairment,
    failure,
    lastFailure,
    refusals: [...snapshot.context.refusals.values()],
    descriptors: undefined,
    quarantined: quarantinedOf(snapshot),
  };
}

function quarantinedOf(snapshot: NodeSnapshot): readonly QuarantinedDocument[] {
  return membershipIn(snapshot)?.context.quarantined ?? [];
}

function clockAheadOf(peers: readonly PeerStatus[]): number | undefined {
  const aheads = peers.flatMap(({ clockAheadMs }) => (clockAheadMs === undefined ? [] : [clockAheadMs]));
  if (aheads.length === 0) return undefined;
  // Of two clocks either may be off, so both nodes report the whole difference. Of three or more, the median counts as
  // right.
  const inOrder = (aheads.length === 1 ? aheads : [...aheads, 0]).sort((a, b) => a - b);
  const [low, high] = [inOrder[(inOrder.length - 1) >> 1], inOrder[inOrder.length >> 1]];
  if (low === undefined || high === undefined) return undefined;
  // With two equal halves, either half may be right, so all nodes report the difference. The subtraction avoids `-0`.
  return 0 - Math.round(Math.abs(low) > Math.abs(high) ? low : high);
}

export function leadershipOf(snapshot: NodeSnapshot): LeadershipStatus | undefined {
  const election = electionIn(snapshot);
  if (election === undefined) return undefined;
  const { value, context } = election;
  return {
    state: topStateOf<ElectionState>(value),
    isLeader: election.matches('leader'),
    leaderId: context.leaderId,
    term: context.term,
    liveNodes: [...context.live.keys()].sort(compareCodeUnits),
  };
}

export function gatewayStatusesOf(snapshot: NodeSnapshot): GatewayStatus[] {
  return gatewayRowsOf(snapshot).map(({ status }) => status);
}

function gatewayRowsOf(snapshot: NodeSnapshot): Row<GatewayStatus>[] {
  return gatewaysIn(snapshot).map(gatewayRowOf);
}

function gatewayRowOf(gateway: SnapshotFrom<GatewayMachine>): Row<GatewayStatus> {
  const { value, context } = gateway;
  const session = sessionIn(gateway.children, context.session?.sessionId);
  const { entriesSent, entriesReceived, isCaughtUp, roundTripMs, bytesPerSecond } = sessionStatusOf(session);
  const status: GatewayStatus = {
    nodeId: context.peer.nodeId,
    address: context.peer.address,
    state: topStateOf<GatewayState>(value),
    entriesSent,
    entriesReceived,
    isCaughtUp,
    backlog: undefined,
    roundTripMs,
    bytesPerSecond,
    lastSyncedAtMs: context.lastSyncedAtMs,
    tokenExpiresAtMs: context.token?.expiresAtMs,
    attempt: context.attempt,
    lastFailure: context.lastFailure,
  };
  return { status, session };
}

export function peerStatusesOf(snapshot: NodeSnapshot): PeerStatus[] {
  return peerRowsOf(snapshot).map(({ status }) => status);
}

interface Row<Status> {
  readonly status: Status;
  readonly session: SessionSnapshot | undefined;
}

type PeerRow = Row<PeerStatus>;

function peerRowsOf(snapshot: NodeSnapshot): PeerRow[] {
  const reception = receptionIn(snapshot);
  if (reception !== undefined) return guestRowsOf(reception);
  const live = electionIn(snapshot)?.context.live;
  return peersIn(snapshot).map(([peer, session]) =>
    peerRowOf(peer, session, live?.get(peer.context.nodeId)?.impairment),
  );
}

/** The guests of a cloud node, which knows no other peers. */
function guestRowsOf({ context }: SnapshotFrom<ReceptionMachine>): PeerRow[] {
  const rows = [...context.guests].flatMap(([, sessionId]) => context.sessions.get(sessionId) ?? []);
  return rows
    .sort((a, b) => a.opened - b.opened)
    .flatMap(({ guest }) => (guest === undefined ? [] : [guest]))
    .map(({ identity, subject, session: ref }) => {
      const session = ref.getSnapshot() as SessionSnapshot;
      const status: PeerStatus = {
        nodeId: identity.nodeId,
        state: session.context.diverged.size > 0 ? 'diverged' : 'connected',
        ...sessionStatusOf(session),
        subject,
        backlog: undefined,
        impairment: undefined,
        attempt: 0,
        lastFailure: undefined,
      };
      return { status, session };
    });
}

function peerRowOf(
  peer: SnapshotFrom<PeerMachine>,
  session: SessionSnapshot | undefined,
  impairment: ErrorCode | undefined,
): PeerRow {
  const { nodeId, attempt, lastFailure } = peer.context;
  const status: PeerStatus = {
    nodeId,
    state: peerStateOf(peer),
    ...sessionStatusOf(session),
    subject: undefined,
    backlog: undefined,
    impairment,
    attempt,
    lastFailure,
  };
  return { status, session };
}

/** The largest backlog that a status reports. */
const backlogMax = 100_000;

async function withBacklog<Status>({ status, session }: Row<Status>, store: Store | undefined): Promise<Status> {
  const sender = senderIn(session);
  if (sender === undefined || store === undefined) return status;
  const { progress, scopes } = sender.context;
  const { value: lacking } = await unlessImpaired(store.lacking(progress.theirs, scopes, backlogMax));
  // Entries in flight may never arrive.
  const onTheirWay = progress.inFlight.reduce((total, { entries }) => total + entries, 0);
  return { ...status, backlog: lacking === undefined ? undefined : Math.min(backlogMax, lacking + onTheirWay) };
}

/** The result of a read; undefined when the disk fails, so that the status can still report the rest. */
async function unlessImpaired<T>(reading: Promise<T> | undefined): Promise<{ value: T | undefined }> {
  try {
    return { value: await reading };
  } catch (error) {
    if (!isImpairment(failureOf(error).code)) throw error;
    return { value: undefined };
  }
}

type SessionStatus = Omit<
  PeerStatus,
  'nodeId' | 'state' | 'backlog' | 'impairment' | 'subject' | 'attempt' | 'lastFailure'
>;

function sessionStatusOf(session: SessionSnapshot | undefined): SessionStatus {
  const sender = senderIn(session);
  const receiver = receiverIn(session);
  return {
    remoteAddress: session?.context.connection.remoteAddress,
    direction: session?.context.direction,
    roundTripMs: session?.context.roundTripMs,
    clockAheadMs: session?.context.clockAheadMs,
    entriesSent: sender?.context.entriesSent ?? 0,
    entriesReceived: receiver?.context.entriesApplied ?? 0,
    bytesPerSecond: session?.context.rate.bytesPerSecond,
    isCaughtUp: isIdle(sender),
  };
}

function isIdle(sender: SnapshotFrom<SenderMachine> | undefined): boolean {
  if (sender?.matches('caughtUp') !== true) return false;
  return sender.context.progress.inFlight.length === 0 && sender.context.carried === undefined;
}

function peerStateOf(peer: SnapshotFrom<PeerMachine>): PeerState {
  if (peer.matches({ connected: { chains: 'diverged' } })) return 'diverged';
  return topStateOf<PeerState>(peer.value);
}
