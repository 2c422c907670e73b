/** The context of a peer, and values derived from it. */
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
  /** Known addresses by source. Those from beacons are sorted newest first, and there may be one for each network. */
  readonly addresses: Readonly<Partial<Record<Source, readonly Address[]>>>;
  readonly session: SessionIdentified | undefined;
  /** Another process with the same NodeId has connected. It waits while the present session is probed. */
  readonly contender: SessionIdentified | undefined;
  /** Number of failed attempts in a row. */
  readonly attempt: number;
  /** Number of failed attempts since the last news of the peer's address. */
  readonly turn: number;
  readonly lastFailure: PastFailure | undefined;
  /** Whether there was a sign, since the last attempt, that the peer may be reachable again. */
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

/** Number of attempts to dial a peer that is known from an ended session only. */
export const attemptsAfterSession = 5;

/** The attempts, counted from the last success, whose failure is reported. */
export const attemptsTold: ReadonlySet<number> = new Set([2, 16, 128, 1_024, 8_192, 65_536]);

/** Failures that waiting alone does not cure: the peer is retried, but rarely. */
export const refusals: ReadonlySet<ErrorCode> = new Set([
  'wrongClusterKey',
  'duplicateNodeId',
  'protocolUnsupported',
  'nodeIdMismatch',
  'selfConnection',
]);

/**
 * Of two connections to one process, the one that the smaller NodeId dialed stays. Both sides apply this rule, so they
 * keep the same one. Of two that one side dialed, the newer stays: that side would not have dialed again had the older
 * one lived.
 */
export function isSurplus({ session, selfId, nodeId }: PeerContext, newcomer: SessionIdentified): boolean {
  if (session === undefined || session.identity.boot !== newcomer.identity.boot) return false;
  if (session.direction === newcomer.direction) return false;
  const dialedBySmaller = compareCodeUnits(selfId, nodeId) < 0 ? 'dialed' : 'accepted';
  return newcomer.direction !== dialedBySmaller;
}

/**
 * The address for the next attempt. The addresses take turns, the freshest first: a beacon tells a present address, a
 * session a past one.
 */
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

/** A peer sends beacons on each network that both nodes share; the other sources tell one address. */
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

/**
 * Removes the address at which another node answered. A configured address stays: the peer tries it again and
 * complains.
 */
export function without(addresses: Addresses, remoteAddress: string): Addresses {
  const kept = Object.entries(addresses).map(([source, list]): [string, readonly Address[]] => [
    source,
    source === 'known' ? list : list.filter((address) => formatAddress(address) !== remoteAddress),
  ]);
  return Object.fromEntries(kept.filter(([, list]) => list.length > 0));
}
