/** The context of a membership, and values derived from it. */
import type {
  Address,
  DiscoveryReport,
  KnownPeersReport,
  Mailbox,
  MembershipCommand,
  Notice,
  PeerCommand,
  PeerReport,
  SessionCommand,
  SessionReport,
} from '../actors/mailboxes.js';
import type { Configuration } from '../configuration/schema.js';
import type { Scope } from '../core/author.js';
import type { Failure } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import type { ClusterKeys } from '../core/keys.js';
import { limits } from '../core/limits.js';
import type { ConnectionSecurity, Protection } from '../ports/ports.js';
import type { Store } from '../ports/store.js';
import type { QuarantinedDocument, RemotePeerDocument } from '../remote-peers/remote-peer.js';
import type { Identity } from '../wire/messages.js';

export interface MembershipInput {
  readonly parent: Mailbox<Notice>;
  readonly identity: Identity;
  readonly store: Store;
  readonly configuration: Configuration;
  readonly security: ConnectionSecurity;
  readonly keys: ClusterKeys | undefined;
  readonly random: () => number;
  /** Wall clock, ms since 1970. */
  readonly now: () => number;
  readonly initialPeers: readonly RemotePeerDocument[];
}

export interface MembershipContext extends MembershipInput {
  readonly peers: ReadonlyMap<NodeId, Mailbox<PeerCommand>>;
  readonly sessions: ReadonlyMap<string, SessionRow>;
  readonly sessionCount: number;
  readonly known: ReadonlyMap<NodeId, Address>;
  /** The unusable documents that the last reading found. */
  readonly quarantined: readonly QuarantinedDocument[];
  readonly surplus: Failure | undefined;
}

export type KnownPeers = Extract<KnownPeersReport, { type: 'knownPeers.changed' }>;

export interface SessionRow {
  readonly ref: Mailbox<SessionCommand>;
  readonly protection: Protection;
  /** The NodeId of the other side, once the session has identified it. */
  readonly peerId: NodeId | undefined;
}

export const retired = {
  code: 'clusterKeyRetired',
  message: 'The cluster key of this connection is not in use any more: connect with the present one.',
} as const;

export type MembershipEvent = MembershipCommand | DiscoveryReport | KnownPeersReport | SessionReport | PeerReport;

/** On the local network all entries are exchanged. Those of scope `cluster` stay there. */
export const scopes: readonly Scope[] = ['cluster', 'shared'];

export const tableFull = {
  code: 'connectionLimit',
  message: `The node knows ${limits.peersMax} peers already.`,
} as const;

/** @param address The address of the other process, if known: `host:port` */
export function duplicateNodeId(nodeId: NodeId, address?: string): Failure {
  const where = address === undefined ? '' : `, at ${address}`;
  return {
    code: 'duplicateNodeId',
    message: `Another live process uses our NodeId "${nodeId}"${where}: give each node its own.`,
  };
}

/** Refuses this node itself, and another process with its NodeId. */
export function refusalOf({ identity: own }: MembershipContext, identity: Identity): Failure | undefined {
  if (identity.boot === own.boot) return { code: 'selfConnection', message: 'The address is our own.' };
  return identity.nodeId === own.nodeId ? duplicateNodeId(own.nodeId) : undefined;
}

/** Whether a connection is protected as the present security demands. */
export function isInForce(protection: Protection, security: ConnectionSecurity): boolean {
  if (protection.kind !== 'psk' || security.kind !== 'psk') return protection.kind === security.kind;
  return security.keys.some(({ keyId }) => keyId === protection.keyId);
}

export function peerActorId(nodeId: NodeId): string {
  return `peer-${nodeId}`;
}

export function withRow(
  sessions: MembershipContext['sessions'],
  sessionId: string,
  row: SessionRow,
): MembershipContext['sessions'] {
  return new Map(sessions).set(sessionId, row);
}

export function without(sessions: MembershipContext['sessions'], sessionId: string): MembershipContext['sessions'] {
  return new Map([...sessions].filter(([other]) => other !== sessionId));
}

export function withoutPeer(peers: MembershipContext['peers'], actorId: string): MembershipContext['peers'] {
  return new Map([...peers].filter(([nodeId]) => peerActorId(nodeId) !== actorId));
}

export function quarantineKeyOf({ collection, documentKey, reason }: QuarantinedDocument): string {
  return JSON.stringify([collection, documentKey, reason]);
}
