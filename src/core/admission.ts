/**
 * Admission to a listener: which connections it keeps, and which one gives up its place when there are too many.
 *
 * A connection waits from the moment it is accepted until its other side has proved its identity. TLS, an HTTP upgrade,
 * a hello and the verification of a token all lie in between. Waiting connections never keep a newcomer out: when all
 * places are taken, one waiting connection of the address that holds the most places gives way. It is drawn at random
 * from the older half of them. So a handshake that is quick enough always completes, and a slow one has a chance
 * however many strangers arrive in a second.
 *
 * Half of the places belong to addresses of known peers, the other half to all other addresses, and neither group
 * crowds out the other. Strangers who share an address with a known peer take places of the peers' half only.
 */
import { addressRange } from './address-range.js';
import type { Failure } from './errors.js';

/** How many connections a listener keeps. */
export interface ConnectionLimits {
  /** Maximum of connections whose other side has proved its identity, from all addresses. */
  readonly connectionsMax: number;
  /** The same maximum for one address. */
  readonly connectionsPerAddressMax: number;
  /**
   * Maximum of connections whose other side has not proved its identity. Beyond it, one gives way for each newcomer.
   */
  readonly unauthenticatedMax: number;
}

/** A new connection: its remote address without the port, and whether a known peer lives at that address. */
export interface Newcomer {
  readonly host: string;
  readonly isFamiliar: boolean;
}

/** The outcome for a newcomer: it has a place, which another connection may have to give up, or there is none. */
export type Placing<Holder> = { readonly yields: Holder | undefined } | { readonly failure: Failure };

/** The waiting connections of one address, in order of arrival. */
interface Range<Holder> {
  readonly waiting: Set<Holder>;
  isFamiliar: boolean;
}

/** The places of one listener. A holder is the value by which the listener knows a connection. */
export class Places<Holder> {
  /** Lowering a maximum takes no place away: a connection that has one keeps it. */
  limits: ConnectionLimits;
  readonly #random: () => number;
  readonly #ranges = new Map<string, Range<Holder>>();
  /** The address of every connection that waits. */
  readonly #waiting = new Map<Holder, string>();
  readonly #admitted = new Map<Holder, string>();
  readonly #admittedByRange = new Map<string, number>();

  /** @param random From the randomness port, in [0, 1) */
  constructor(limits: ConnectionLimits, random: () => number) {
    this.limits = limits;
    this.#random = random;
  }

  /** Number of connections whose other side has not proved its identity yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Number of connections whose other side has proved its identity. */
  get admitted(): number {
    return this.#admitted.size;
  }

  /** Gives a new connection a place. If another connection yields, it has already lost its place when this returns. */
  enter(holder: Holder, { host, isFamiliar }: Newcomer): Placing<Holder> {
    const address = addressRange(host);
    const failure = this.#excess(address);
    if (failure !== undefined) return { failure };
    const yields = this.#waiting.size >= this.limits.unauthenticatedMax ? this.#draw() : undefined;
    if (yields !== undefined) this.leave(yields);
    const range = this.#ranges.get(address) ?? { waiting: new Set(), isFamiliar };
    range.isFamiliar ||= isFamiliar;
    range.waiting.add(holder);
    this.#ranges.set(address, range);
    this.#waiting.set(holder, address);
    return { yields };
  }

  /**
   * Records that the other side has proved its identity.
   *
   * @returns Why the connection cannot stay, if other connections took the last places first; it then has no place
   */
  admit(holder: Holder): Failure | undefined {
    const address = this.#waiting.get(holder);
    if (address === undefined) return undefined;
    const failure = this.#excess(address);
    this.leave(holder);
    if (failure !== undefined) return failure;
    this.#admitted.set(holder, address);
    this.#admittedByRange.set(address, (this.#admittedByRange.get(address) ?? 0) + 1);
    return undefined;
  }

  /** Frees the place of a connection that has ended, at any stage. */
  leave(holder: Holder): void {
    const waitedAt = this.#waiting.get(holder);
    if (waitedAt !== undefined) {
      this.#waiting.delete(holder);
      const range = this.#ranges.get(waitedAt);
      range?.waiting.delete(holder);
      if (range?.waiting.size === 0) this.#ranges.delete(waitedAt);
    }
    const admittedAt = this.#admitted.get(holder);
    if (admittedAt === undefined) return;
    this.#admitted.delete(holder);
    const others = (this.#admittedByRange.get(admittedAt) ?? 1) - 1;
    if (others === 0) this.#admittedByRange.delete(admittedAt);
    else this.#admittedByRange.set(admittedAt, others);
  }

  #excess(address: string): Failure | undefined {
    const { connectionsMax, connectionsPerAddressMax } = this.limits;
    if (this.#admitted.size >= connectionsMax) return limitReached(`all ${connectionsMax} connections are in use`);
    const near = this.#admittedByRange.get(address) ?? 0;
    if (near >= connectionsPerAddressMax) return limitReached(`${near} connections come from ${address} already`);
    return undefined;
  }

  /** Picks the waiting connection that gives way. */
  #draw(): Holder | undefined {
    const ranges = [...this.#ranges.values()];
    const familiar = ranges.filter(({ isFamiliar }) => isFamiliar);
    const atFamiliar = familiar.reduce((sum, { waiting }) => sum + waiting.size, 0);
    const isKeptFor = atFamiliar * 2 <= this.#waiting.size;
    const yielding = isKeptFor ? ranges.filter(({ isFamiliar }) => !isFamiliar) : familiar;
    const most = yielding.reduce((max, { waiting }) => Math.max(max, waiting.size), 0);
    const crowds = yielding.filter(({ waiting }) => waiting.size === most).map(({ waiting }) => waiting);
    const crowd = crowds.length === 1 ? [...(crowds[0] as Set<Holder>)] : this.#inOrder(crowds);
    return crowd[Math.floor(this.#random() * Math.ceil(crowd.length / 2))];
  }

  /** The waiting connections of several addresses in one order of arrival. */
  #inOrder(crowds: readonly ReadonlySet<Holder>[]): Holder[] {
    const among = new Set(crowds);
    return [...this.#waiting].flatMap(([holder, address]) =>
      among.has(this.#ranges.get(address)?.waiting as Set<Holder>) ? [holder] : [],
    );
  }
}

/** Picks the oldest of the connections that may have to give way. */
export const theOldest = (): number => 0;

/** The failure that ends a connection that gave way. */
export const madeWay: Failure = {
  code: 'connectionLimit',
  message: 'The other side did not prove its identity before another connection needed its place.',
};

function limitReached(reason: string): Failure {
  return { code: 'connectionLimit', message: `The node takes no more connections: ${reason}.` };
}
