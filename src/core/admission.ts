/**
 * The places of a listener: which connections it keeps, and which one makes way when there are too many.
 *
 * A connection waits from the moment it is accepted until its other side has proved who it is, whatever lies between: TLS, an HTTP
 * upgrade, a hello, the verification of a token. Those who wait never keep a newcomer out. When all places are taken, one of the
 * address that holds most of them makes way: one of its older half, drawn at random. So a handshake that is quick enough always
 * comes to its end, and a slow one has a chance however many strangers come in a second.
 *
 * Half of the places are kept for addresses of known peers, and the other half for all others: neither crowds out the other.
 * Strangers who share an address with a known peer take places of its half only.
 */
import { addressRange } from './address-range.js';
import type { Failure } from './errors.js';

/** How many connections there may be. */
export interface ConnectionLimits {
  /** Connections whose other side has proved who it is, from all addresses. */
  readonly connectionsMax: number;
  /** The same, from one address. */
  readonly connectionsPerAddressMax: number;
  /** Connections whose other side has not proved who it is: beyond them, one makes way for each newcomer. */
  readonly unauthenticatedMax: number;
}

/** Whoever comes in: the address without its port, and whether a peer is known to be there. */
export interface Newcomer {
  readonly host: string;
  readonly isFamiliar: boolean;
}

/** What comes of a newcomer: it has a place, perhaps that of another; or there is none. */
export type Placing<Holder> = { readonly yields: Holder | undefined } | { readonly failure: Failure };

/** Who waits at one address, in the order in which they came. */
interface Range<Holder> {
  readonly waiting: Set<Holder>;
  isFamiliar: boolean;
}

/** The places of one listener. A holder is what the listener knows a connection by. */
export class Places<Holder> {
  /** Those who have a place keep it when there are fewer from now on. */
  limits: ConnectionLimits;
  readonly #random: () => number;
  readonly #ranges = new Map<string, Range<Holder>>();
  /** Of every connection that has a place, its address. */
  readonly #waiting = new Map<Holder, string>();
  readonly #admitted = new Map<Holder, string>();
  readonly #admittedByRange = new Map<string, number>();

  /** @param random From the randomness port, in [0, 1) */
  constructor(limits: ConnectionLimits, random: () => number) {
    this.limits = limits;
    this.#random = random;
  }

  /** Connections whose other side has not proved yet who it is. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Connections whose other side has. */
  get admitted(): number {
    return this.#admitted.size;
  }

  /** A connection has come in. When another one has to make way for it, that one has lost its place already. */
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

  /** The other side has proved who it is. @returns why it cannot stay, when others were quicker; it has no place then */
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

  /** The connection has ended, however far it had come. */
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

  /** Who makes way. */
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

  /** Those of several addresses, in the order in which they came. */
  #inOrder(crowds: readonly ReadonlySet<Holder>[]): Holder[] {
    const among = new Set(crowds);
    return [...this.#waiting].flatMap(([holder, address]) =>
      among.has(this.#ranges.get(address)?.waiting as Set<Holder>) ? [holder] : [],
    );
  }
}

/** Draws the oldest of those who may have to make way. */
export const theOldest = (): number => 0;

/** What a connection ends with that has made way. */
export const madeWay: Failure = {
  code: 'connectionLimit',
  message: 'The other side did not say who it is before its place was needed for another connection.',
};

function limitReached(reason: string): Failure {
  return { code: 'connectionLimit', message: `The node takes no more connections: ${reason}.` };
}
