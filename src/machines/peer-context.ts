/** What a peer knows, and what follows from it. */
import type { Address, Mailbox, PeerReport, SessionIdentified, Source } from '../actors/mailboxes.js';
import { formatAddress } from '../core/address.js';
import type { ErrorCode, PastFailure } from '../core/errors.js';
import { compareCodeUnits, type NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { ConnectionSecurity } from '../ports/ports.js';

export interface PeerInput {
  readonly nodeId: NodeId;
  readonly selfId: NodeId;
  readonly parent: Mailbox<PeerReport>;
  readonly security: ConnectionSecurity;
  readonly random: () => number;
  /** Wall clock, ms since 1970. */
  readonly now: () => number;
}

export interface PeerContext extends PeerInput {
  /** Where it may be reached, by how we know; of beacons the newest first, since each of its networks may have one. */
  readonly addresses: Readonly<Partial<Record<Source, readonly Address[]>>>;
  readonly session: SessionIdentified | undefined;
  /** A connection of another process under the same NodeId, while the present session is asked whether it lives. */
  readonly contender: SessionIdentified | undefined;
  /** Attempts that failed in a row. */
  readonly attempt: number;
  /** Attempts that failed since the last news of where it is. */
  readonly turn: number;
  readonly lastFailure: PastFailure | undefined;
  /** Whether there was a sign since the last attempt that it may be reachable again. */
  readonly isStirred: boolean;
}

export const duplicateConnection = {
  code: 'duplicateConnection',
  message: 'There is another connection between the two nodes, which stays.',
} as const;

export const cameToNothing = {
  code: 'handshakeTimeout',
  message: 'A connection opened, but no session came of it.',
} as const;

/** How often a peer is dialed of which we know nothing but a session that is over. */
export const attemptsAfterSession = 5;

/** The attempts, counted from the last success, of which the failure is told. */
export const attemptsTold: ReadonlySet<number> = new Set([2, 16, 128, 1_024, 8_192, 65_536]);

/** Failures that time alone does not mend: tried again, but rarely. */
export const refusals: ReadonlySet<ErrorCode> = new Set([
  'wrongClusterKey',
  'duplicateNodeId',
  'protocolUnsupported',
  'nodeIdMismatch',
  'selfConnection',
]);

/**
 * Of two connections to one process, the one dialed by the smaller NodeId stays. Both sides apply this rule, so both
 * keep the same one. Of two dialed by the same side the newer stays: it would not have dialed had the older one lived.
 */
export function isSurplus({ session, selfId, nodeId }: PeerContext, newcomer: SessionIdentified): boolean {
  if (session === undefined || session.identity.boot !== newcomer.identity.boot) return false;
  if (session.direction === newcomer.direction) return false;
  const dialedBySmaller = compareCodeUnits(selfId, nodeId) < 0 ? 'dialed' : 'accepted';
  return newcomer.direction !== dialedBySmaller;
}

/** The addresses in turn, one an attempt, from the freshest: what a beacon says holds now, what a session said held then. */
export function addressOf({ addresses, turn }: Pick<PeerContext, 'addresses' | 'turn'>): Address | undefined {
  const candidates = candidatesOf(addresses);
  return candidates[turn % candidates.length];
}

export type Addresses = PeerContext['addresses'];

/** Each address once. */
export function candidatesOf({ beacon = [], known = [], session = [] }: Addresses): readonly Address[] {
  const all = [...beacon, ...known, ...session];
  return all.filter((address, index) => all.findIndex((other) => isSame(other, address)) === index);
}

/** Beacons come from each network that both are on; the other sources know one address. */
export function withAddress(before: readonly Address[] = [], source: Source, address: Address): readonly Address[] {
  if (source !== 'beacon') return [address];
  // One host has one port: that of the latest beacon.
  return [address, ...before.filter(({ host }) => host !== address.host)].slice(0, limits.addressesPerPeerMax);
}

export function isSame(one: Address, other: Address): boolean {
  return one.host === other.host && one.port === other.port;
}

export function knownOnly({ known }: Addresses): Addresses {
  return known === undefined ? {} : { known };
}

/** Without the address at which another node answered. A configured address stays: the peer tries it again, and complains. */
export function without(addresses: Addresses, remoteAddress: string): Addresses {
  const kept = Object.entries(addresses).map(([source, list]): [string, readonly Address[]] => [
    source,
    source === 'known' ? list : list.filter((address) => formatAddress(address) !== remoteAddress),
  ]);
  return Object.fromEntries(kept.filter(([, list]) => list.length > 0));
}
