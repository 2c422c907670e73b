/**
 * The throughput of one connection, measured while it works. It is the one rule behind the size of batches, the bytes
 * that may be in flight, how long the other side may take, and what is reported of a slow link. It has no clock of its
 * own: each call passes the time.
 *
 * The other side tells how many bytes of the connection it has read: in its heartbeats, in its acknowledgements, and
 * when asked. These numbers yield the rate, the round trip, and the bytes still in flight.
 *
 * Invariants, as in BBR (Cardwell et al., "BBR: Congestion-Based Congestion Control", 2016):
 * - No more is in flight than the link carries in its round trip plus `queueMsMax`. So the next write waits in buffers
 *   for about that long at most, however large the buffers are.
 * - Before anything is measured, the window is `windowBytesFirst`; on the slowest link it is `windowBytesMin`.
 * - Impossible numbers from the other side are ignored: they neither decrease nor exceed what was written.
 */
import { limits } from './limits.js';

/** A place in the stream at which the other side is asked how far it has come. */
interface Ask {
  /** Bytes written up to the question, the question included. */
  readonly written: number;
  readonly atMs: number;
  /** What had arrived by then, and since when that was known. */
  readonly arrived: number;
  readonly arrivedAtMs: number;
  /** The round of a fresh look at the round trip to which this question belongs; 0 outside of one. */
  readonly round: number;
}

/**
 * A queue this long, or this large a share of the round trip, was made by the link: what arrives meanwhile is what the
 * link carries. A shorter queue may come from writing much at once.
 */
const queueMsSeen = 250;
const queueShareSeen = 0.25;
/** A stamp, a hash and a key. */
const bytesBesidePayload = 100;
/** How fast the window may grow: by at most this factor per round trip. */
const growthMax = 4;
/** The weight of a rate lower than before. A higher rate counts at once. */
const fallingWeight = 0.25;
/**
 * How much of the round trip is filled during a fresh look: part of what looked like the round trip may have been a
 * queue.
 */
const drainedShare = 0.75;
/**
 * The least number of round trips between two fresh looks. A look itself takes two, so it costs little of the time.
 */
const tripsBetweenLooks = 20;

export class LinkRate {
  #written = 0;
  #arrived = 0;
  /** When `arrived` last rose, or when the first byte in flight was written. */
  #movedAtMs = 0;
  /** Since when `arrived` is known, or when the first bulk data was written: the next measurement counts from here. */
  #baseAtMs = 0;
  /** Up to where bulk data was written: only bulk data tells anything about the rate. */
  #bulkWritten = 0;
  #bytesPerSecond: number | undefined;
  #roundTripMinMs: number | undefined;
  #roundTripMinAtMs = 0;
  #roundTripMs: number | undefined;
  #windowBytes: number = limits.windowBytesFirst;
  /** No queue was seen yet: the window at least doubles. */
  #isStarting = true;
  /** The window grows once per round trip: only questions after this place let it grow. */
  #growsFrom = 0;
  readonly #asks: Ask[] = [];
  #askedAt = 0;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  /** What was written when the window last held something back. */
  #limitedAt = 0;
  /**
   * 0, or the round of a fresh look at the round trip: in the first the queue runs empty, in the second it is measured.
   */
  #round = 0;

  /** Bytes a second that the link carried while it was the bottleneck; undefined while it never was. */
  get bytesPerSecond(): number | undefined {
    return this.#bytesPerSecond;
  }

  /** The round trip, smoothed as in RFC 6298, including the queues on its path. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  get written(): number {
    return this.#written;
  }

  /** Bytes that the other side has read. */
  get arrived(): number {
    return this.#arrived;
  }

  get inFlightBytes(): number {
    return this.#written - this.#arrived;
  }

  /** How many bytes may be in flight. */
  get windowBytes(): number {
    if (this.#round === 0) return this.#windowBytes;
    // A link with an unknown rate may be slow.
    const drained = (drainedShare * (this.#bytesPerSecond ?? 0) * this.#tripMs()) / 1_000;
    return Math.max(limits.windowBytesMin, Math.min(this.#windowBytes, drained));
  }

  /** Whether bulk data may be written now. A refusal is remembered: it shows that the link is the bottleneck. */
  mayWrite(): boolean {
    if (this.inFlightBytes < this.windowBytes) return true;
    this.#limitedAt = this.#written;
    return false;
  }

  /** Maximum size of a batch in bytes: several batches are in flight at a time. */
  get batchBytes(): number {
    return clamp(this.#windowBytes / 2, limits.windowBytesMin / 2, limits.batchBytesMax);
  }

  /** Maximum number of entries in a batch: each adds some bytes besides its payload. */
  get batchEntries(): number {
    return Math.min(limits.batchEntriesMax, Math.ceil(this.batchBytes / bytesBesidePayload));
  }

  /** A larger document travels in parts, between which others get through. */
  get wholeBytesMax(): number {
    return Math.max(limits.windowBytesFirst, this.batchBytes);
  }

  /** The size of these parts: an eighth of the window. */
  get partBytes(): number {
    return Math.round(clamp(this.#windowBytes / 8, limits.partBytesMin, limits.partBytesMax));
  }

  /**
   * How long a write now will wait behind the bytes in flight, beyond the round trip; 0 while nothing is known. Capped,
   * because a link that has just become slow looks worse than it is for a while, and nothing should wait for minutes
   * because of that.
   */
  get queueMs(): number {
    if (this.#bytesPerSecond === undefined) return 0;
    return clamp((1_000 * this.inFlightBytes) / this.#bytesPerSecond - this.#tripMs(), 0, limits.queueMsMax);
  }

  /** How long nothing in flight may arrive before the connection counts as dead. */
  get patienceMs(): number {
    const { stallPatienceMinMs: min, stallPatienceMaxMs: max } = limits;
    const rate = this.#bytesPerSecond;
    const onItsWayMs = rate === undefined ? 0 : (1_000 * this.inFlightBytes) / rate;
    return clamp(4 * ((this.#roundTripMs ?? 0) + onItsWayMs), min, max);
  }

  /** For how long nothing in flight has arrived. */
  stalledMs(nowMs: number): number {
    return this.inFlightBytes === 0 ? 0 : nowMs - this.#movedAtMs;
  }

  /** Whether the next bulk write, of `bytes`, should ask the other side how far it has come. */
  shouldAsk(bytes: number, nowMs: number): boolean {
    const since = this.#written - this.#askedAt + bytes;
    if (this.#asks.length >= limits.asksMax || since < limits.askBytesMin) return false;
    return since >= this.windowBytes / 4 || nowMs - this.#askedAtMs >= queueMsSeen;
  }

  /**
   * Records a write.
   *
   * @param kind `bulk` for data that can wait, `asking` if it also asks the other side how far it has come
   */
  wrote(bytes: number, nowMs: number, kind: 'urgent' | 'bulk' | 'asking'): void {
    if (this.inFlightBytes === 0) this.#movedAtMs = nowMs;
    if (kind !== 'urgent') {
      // No bulk data was in flight, so the time until now tells nothing about the link.
      if (this.#arrived >= this.#bulkWritten) this.#baseAtMs = nowMs;
      this.#bulkWritten = this.#written + bytes;
    }
    this.#written += bytes;
    if (kind === 'asking') this.#ask(nowMs);
  }

  #ask(nowMs: number): void {
    this.#askedAt = this.#written;
    this.#askedAtMs = nowMs;
    this.#refresh(nowMs);
    this.#asks.push({
      written: this.#written,
      atMs: nowMs,
      arrived: this.#arrived,
      arrivedAtMs: this.#baseAtMs,
      round: this.#round,
    });
  }

  /**
   * A route may have changed, and a queue of ours looks like a longer route. So the queue is allowed to run empty now
   * and then.
   */
  #refresh(nowMs: number): void {
    if (this.#round === 0 && this.#isExpired(nowMs)) this.#round = 1;
  }

  #isExpired(nowMs: number): boolean {
    return nowMs - this.#roundTripMinAtMs > Math.max(limits.roundTripExpiresMs, tripsBetweenLooks * this.#tripMs());
  }

  /** Records how many bytes the other side has read. */
  heard(arrived: number, nowMs: number): void {
    if (arrived <= this.#arrived || arrived > this.#written) return;
    this.#arrived = arrived;
    this.#movedAtMs = nowMs;
    this.#baseAtMs = nowMs;
  }

  /** Like {@link heard}, in answer to a question. */
  answered(arrived: number, nowMs: number): void {
    this.heard(arrived, nowMs);
    let ask: Ask | undefined;
    while (this.#asks[0] !== undefined && this.#asks[0].written <= arrived) ask = this.#asks.shift();
    if (ask === undefined) return;
    const tripMs = Math.max(0, nowMs - ask.atMs);
    // During a fresh look, less is in flight than could be.
    if (this.#round === 0 && ask.round === 0) this.#learn(ask, tripMs, nowMs);
    this.roundTrip(tripMs, nowMs, ask.round);
  }

  /** Records a round trip, measured by a heartbeat (round 0) or by a question in a round of a fresh look. */
  roundTrip(milliseconds: number, nowMs: number, round = 0): void {
    const before = this.#roundTripMs;
    this.#roundTripMs = before === undefined ? milliseconds : (7 * before + milliseconds) / 8;
    const isEmpty = this.inFlightBytes < limits.askBytesMin;
    const isFresh = (round === 2 && this.#round === 2) || (isEmpty && this.#isExpired(nowMs));
    if (isFresh || this.#roundTripMinMs === undefined || milliseconds <= this.#roundTripMinMs) {
      this.#roundTripMinMs = milliseconds;
      this.#roundTripMinAtMs = nowMs;
    }
    if (round === 0 || round !== this.#round) return;
    this.#round = round === 1 ? 2 : 0;
  }

  #learn({ arrived, arrivedAtMs, written }: Ask, tripMs: number, nowMs: number): void {
    const queueMs = Math.max(0, tripMs - this.#tripMs());
    const isLimited = this.#limitedAt >= written;
    if (!isLimited && queueMs <= this.#queueMsSeen) return;
    const rate = (1_000 * (this.#arrived - arrived)) / Math.max(1, nowMs - arrivedAtMs);
    const before = this.#bytesPerSecond;
    // A long queue proves that the link is the bottleneck; otherwise we may have had little to send.
    const isSure = before === undefined || rate > before || queueMs > limits.queueMsMax;
    this.#bytesPerSecond = isSure ? rate : before + fallingWeight * (rate - before);
    if (queueMs > this.#queueMsSeen) this.#isStarting = false;
    this.#resize(queueMs, isLimited && written > this.#growsFrom);
  }

  #resize(queueMs: number, mayGrow: boolean): void {
    const window = this.#windowBytes;
    const carried = ((this.#bytesPerSecond as number) * (this.#tripMs() + limits.queueMsMax)) / 1_000;
    let next = window;
    if (queueMs > limits.queueMsMax) next = Math.min(window, carried);
    else if (queueMs <= this.#queueMsSeen && mayGrow) {
      // No queue stands, so the link may carry more than it was given.
      next = clamp(carried, this.#isStarting ? 2 * window : window, growthMax * window);
      this.#growsFrom = this.#written;
    }
    this.#windowBytes = clamp(next, limits.windowBytesMin, limits.windowBytesMax);
  }

  get #queueMsSeen(): number {
    return Math.max(queueMsSeen, queueShareSeen * this.#tripMs());
  }

  #tripMs(): number {
    return this.#roundTripMinMs ?? 0;
  }
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}
