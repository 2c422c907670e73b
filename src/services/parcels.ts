/**
 * Large documents in transfer, on both sides of a connection.
 *
 * Invariants: memory is allocated for bytes that have arrived, never for a size that was announced. The announced size,
 * at most `parcelBytesMax`, bounds what is accepted. Parts left by broken sessions are bounded by
 * `parcelsKeptBytesMax`, and only the same peer can continue them, so a peer that sends garbage spoils only its own
 * documents. The hash of a document is checked when it is applied.
 */
import { StatemeshError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Origin } from '../core/replication.js';
import type { Frame, Parcel, ParcelHeld, Part } from '../wire/messages.js';

/** The sending side: the payload of one entry, part by part. */
export class OutgoingParcel {
  readonly hash: string;
  readonly #bytes: Uint8Array;
  #offset = 0;
  #isAnnounced = false;

  constructor(entry: { readonly hash: string; readonly payload: string }) {
    this.hash = entry.hash;
    this.#bytes = new TextEncoder().encode(entry.payload);
  }

  get isSent(): boolean {
    return this.#isAnnounced && this.#offset >= this.#bytes.length;
  }

  /** The maximum length of the next part. */
  get bytesLeft(): number {
    return this.#bytes.length - this.#offset;
  }

  /** Continues after the bytes that the other side already has. */
  skip({ hash, held }: ParcelHeld): void {
    if (hash !== this.hash || held <= this.#offset || held > this.#bytes.length) return;
    this.#offset = held;
    this.#isAnnounced = false;
  }

  /** The announcement that must precede the next part, if any. */
  announce(): Parcel | undefined {
    if (this.#isAnnounced) return undefined;
    this.#isAnnounced = true;
    return { type: 'frame.parcel', hash: this.hash, size: this.#bytes.length, offset: this.#offset };
  }

  next(bytesMax: number, wantsProgress: boolean): Part {
    const bytes = this.#bytes.subarray(this.#offset, this.#offset + bytesMax);
    this.#offset += bytes.length;
    return wantsProgress ? { type: 'frame.part', bytes, wantsProgress } : { type: 'frame.part', bytes };
  }
}

/** The received part of one document. */
interface Incoming {
  readonly hash: string;
  readonly size: number;
  readonly parts: Uint8Array[];
  held: number;
}

/** The partial documents that a node keeps from broken sessions. */
export class KeptParcels {
  readonly #kept = new Map<string, Incoming>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  keep(origin: Origin, parcel: Incoming): void {
    if (parcel.held === 0) return;
    this.take(origin, parcel);
    this.#kept.set(keyOf(origin, parcel), parcel);
    this.#bytes += parcel.held;
    for (const [key, { held }] of this.#kept) {
      if (this.#bytes <= limits.parcelsKeptBytesMax) return;
      this.#kept.delete(key);
      this.#bytes -= held;
    }
  }

  take(origin: Origin, parcel: Pick<Incoming, 'hash' | 'size'>): Incoming | undefined {
    const key = keyOf(origin, parcel);
    const found = this.#kept.get(key);
    if (found === undefined) return undefined;
    this.#kept.delete(key);
    this.#bytes -= found.held;
    return found;
  }
}

/** The receiving side of one connection: one document at a time. */
export class IncomingParcels {
  readonly #origin: Origin;
  readonly #kept: KeptParcels;
  #parcel: Incoming | undefined;
  /** Bytes that are already here and are sent again. */
  #surplus = 0;

  constructor(origin: Origin, kept: KeptParcels) {
    this.#origin = origin;
    this.#kept = kept;
  }

  /** Bytes of the document that is not complete. */
  get heldBytes(): number {
    return this.#parcel?.held ?? 0;
  }

  /** Starts another document, or the same one from another position. Returns the frame to answer with. */
  begin({ hash, size, offset }: Parcel): Frame | undefined {
    if (this.#parcel?.hash !== hash || this.#parcel.size !== size) {
      this.#parcel = this.#kept.take(this.#origin, { hash, size }) ?? { hash, size, parts: [], held: 0 };
    }
    const { held } = this.#parcel;
    if (offset > held) throw refusal('a parcel continues at a position that was not received');
    this.#surplus = held - offset;
    return this.#surplus === 0 ? undefined : { type: 'frame.parcelHeld', hash, held };
  }

  add({ bytes }: Part): void {
    const parcel = this.#parcel;
    if (parcel === undefined) throw refusal('a part belongs to no parcel');
    const known = Math.min(this.#surplus, bytes.length);
    this.#surplus -= known;
    if (known === bytes.length) return;
    parcel.held += bytes.length - known;
    if (parcel.held > parcel.size) throw refusal('a parcel is longer than announced');
    // A copy, because the bytes are a view of a larger buffer.
    parcel.parts.push(bytes.slice(known));
  }

  /** The payload of an entry whose parts have all come. */
  open(hash: string): string {
    const parcel = this.#parcel;
    if (parcel?.hash !== hash || parcel.held !== parcel.size) throw refusal('an entry has not come in parts');
    this.#parcel = undefined;
    const bytes = new Uint8Array(parcel.size);
    let offset = 0;
    for (const part of parcel.parts) {
      bytes.set(part, offset);
      offset += part.length;
    }
    try {
      // Invalid UTF-8 is refused, not replaced: the replacement would be longer than the received bytes.
      return new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(bytes);
    } catch {
      throw refusal('a document is not UTF-8');
    }
  }

  /** The session has ended: the next one may use the received parts. */
  leave(): void {
    if (this.#parcel !== undefined) this.#kept.keep(this.#origin, this.#parcel);
    this.#parcel = undefined;
  }
}

/** NUL is in no origin and in no hash. */
function keyOf(origin: Origin, { hash, size }: Pick<Incoming, 'hash' | 'size'>): string {
  return `${origin}\0${hash}\0${size}`;
}

function refusal(why: string): StatemeshError {
  return new StatemeshError('frameMalformed', `A frame is refused: ${why}.`);
}
