/**
 * What one connection carries, measured while it works: the one rule behind the size of batches, the bytes that may be on their way, how
 * long the other side may take, and what is told of a slow link. No clock of its own: each call says what time it is.
 *
 * The other side says how many bytes of the connection it has read, in its heartbeats, in its acknowledgements, and when it is asked. Of
 * these numbers come the rate, the round trip, and what is still on its way.
 *
 * Invariants, as in BBR (Cardwell et al., "BBR: Congestion-Based Congestion Control", 2016):
 * - No more is on its way than the link carries in its round trip and `queueMsMax`. So whatever is written next waits in buffers for
 *   about that long at most, be they as large as they like.
 * - Before anything was measured, and on the slowest link, it is `windowBytesFirst` and `windowBytesMin`.
 * - Numbers of the other side that cannot be are ignored: they neither fall nor pass what was written.
 */
import { limits } from './limits.js';

/** A place in the stream at which the other side is asked how far it has come. */
interface Ask {
  /** Bytes written up to and with the question. */
  readonly written: number;
  readonly atMs: number;
  /** What had arrived then, and since when that was known. */
  readonly arrived: number;
  readonly arrivedAtMs: number;
  /** The round of a fresh look at the round trip that it belongs to: 0 outside of one. */
  readonly round: number;
}

/**
 * A queue that stands for so long, or for such a share of the round trip, has been made by the link: what arrives meanwhile is what it
 * carries. A shorter one may come of writing much at once.
 */
const queueMsSeen = 250;
const queueShareSeen = 0.25;
/** A stamp, a hash and a key. */
const bytesBesidePayload = 100;
/** How fast the window may grow: so many times a round trip. */
const growthMax = 4;
/** The weight of a lower rate than before; a higher one counts at once. */
const fallingWeight = 0.25;
/** While the round trip is looked at afresh, so much of it is filled: what looked like a part of it may have been a queue. */
const drainedShare = 0.75;
/** A fresh look takes two round trips, and may cost as little of the time as this. */
const tripsBetweenLooks = 20;

export class LinkRate {
  #written = 0;
  #arrived = 0;
  /** When `arrived` last rose, or the first of what is on its way was written. */
  #movedAtMs = 0;
  /** Since when `arrived` is known, or the first of what is large was written: from here the next measurement counts. */
  #baseAtMs = 0;
  /** Up to where large things were written: only they say something of the rate. */
  #bulkWritten = 0;
  #bytesPerSecond: number | undefined;
  #roundTripMinMs: number | undefined;
  #roundTripMinAtMs = 0;
  #roundTripMs: number | undefined;
  #windowBytes: number = limits.windowBytesFirst;
  /** No queue was seen yet: the window doubles at least. */
  #isStarting = true;
  /** The window grows once a round trip: with questions from here on. */
  #growsFrom = 0;
  readonly #asks: Ask[] = [];
  #askedAt = 0;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  /** What was written when the window last held something back. */
  #limitedAt = 0;
  /** 0, or the round of a fresh look at the round trip: in the first the queue runs empty, in the second it is measured. */
  #round = 0;

  /** Bytes a second that the link was seen to carry when it was what limits; undefined while it never was. */
  get bytesPerSecond(): number | undefined {
    return this.#bytesPerSecond;
  }

  /** The round trip, smoothed as in RFC 6298, with the queues on its way. */
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

  /** How many bytes may be on their way. */
  get windowBytes(): number {
    if (this.#round === 0) return this.#windowBytes;
    // What nobody knows yet may be slow.
    const drained = (drainedShare * (this.#bytesPerSecond ?? 0) * this.#tripMs()) / 1_000;
    return Math.max(limits.windowBytesMin, Math.min(this.#windowBytes, drained));
  }

  /** Whether something may be written now that can wait. What it holds back counts: the link is what limits. */
  mayWrite(): boolean {
    if (this.inFlightBytes < this.windowBytes) return true;
    this.#limitedAt = this.#written;
    return false;
  }

  /** What a batch may hold, in bytes: some of them are on their way at a time. */
  get batchBytes(): number {
    return clamp(this.#windowBytes / 2, limits.windowBytesMin / 2, limits.batchBytesMax);
  }

  /** How many entries a batch may hold: each is something besides its payload. */
  get batchEntries(): number {
    return Math.min(limits.batchEntriesMax, Math.ceil(this.batchBytes / bytesBesidePayload));
  }

  /** A document above it travels in parts, between which others come through. */
  get wholeBytesMax(): number {
    return Math.max(limits.windowBytesFirst, this.batchBytes);
  }

  /** How large these parts are: an eighth of what may wait before others. */
  get partBytes(): number {
    return Math.round(clamp(this.#windowBytes / 8, limits.partBytesMin, limits.partBytesMax));
  }

  /**
   * How long what is written now will wait behind what is on its way, beyond the round trip; 0 while nothing is known. A link that has
   * just become slow looks worse for a while than it is: nobody is to wait for minutes on that account.
   */
  get queueMs(): number {
    if (this.#bytesPerSecond === undefined) return 0;
    return clamp((1_000 * this.inFlightBytes) / this.#bytesPerSecond - this.#tripMs(), 0, limits.queueMsMax);
  }

  /** How long nothing of what is on its way may arrive before the connection counts as dead. */
  get patienceMs(): number {
    const { stallPatienceMinMs: min, stallPatienceMaxMs: max } = limits;
    const rate = this.#bytesPerSecond;
    const onItsWayMs = rate === undefined ? 0 : (1_000 * this.inFlightBytes) / rate;
    return clamp(4 * ((this.#roundTripMs ?? 0) + onItsWayMs), min, max);
  }

  /** For how long nothing of what is on its way has arrived. */
  stalledMs(nowMs: number): number {
    return this.inFlightBytes === 0 ? 0 : nowMs - this.#movedAtMs;
  }

  /** Whether the other side should be asked how far it has come, with what is about to be written: of `bytes`, that can wait. */
  shouldAsk(bytes: number, nowMs: number): boolean {
    const since = this.#written - this.#askedAt + bytes;
    if (this.#asks.length >= limits.asksMax || since < limits.askBytesMin) return false;
    return since >= this.windowBytes / 4 || nowMs - this.#askedAtMs >= queueMsSeen;
  }

  /** After writing. @param kind `bulk` for what can wait, `asking` if it asks as well */
  wrote(bytes: number, nowMs: number, kind: 'urgent' | 'bulk' | 'asking'): void {
    if (this.inFlightBytes === 0) this.#movedAtMs = nowMs;
    if (kind !== 'urgent') {
      // Nothing large was on its way: the time since then says nothing of the link.
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

  /** A route may have changed, and a queue of ours looks like a longer one: now and then it is let run empty. */
  #refresh(nowMs: number): void {
    if (this.#round === 0 && this.#isExpired(nowMs)) this.#round = 1;
  }

  #isExpired(nowMs: number): boolean {
    return nowMs - this.#roundTripMinAtMs > Math.max(limits.roundTripExpiresMs, tripsBetweenLooks * this.#tripMs());
  }

  /** The other side says how many bytes it has read. */
  heard(arrived: number, nowMs: number): void {
    if (arrived <= this.#arrived || arrived > this.#written) return;
    this.#arrived = arrived;
    this.#movedAtMs = nowMs;
    this.#baseAtMs = nowMs;
  }

  /** As {@link heard}, in answer to a question. */
  answered(arrived: number, nowMs: number): void {
    this.heard(arrived, nowMs);
    let ask: Ask | undefined;
    while (this.#asks[0] !== undefined && this.#asks[0].written <= arrived) ask = this.#asks.shift();
    if (ask === undefined) return;
    const tripMs = Math.max(0, nowMs - ask.atMs);
    // While a fresh look lasts less is on its way than could be.
    if (this.#round === 0 && ask.round === 0) this.#learn(ask, tripMs, nowMs);
    this.roundTrip(tripMs, nowMs, ask.round);
  }

  /** A round trip was measured: by a heartbeat (in no round), or by a question in a round of a fresh look. */
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
    // A long queue leaves no doubt that the link is what limits; else it may be us who had little to send.
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
      // No queue stands, so the link may carry more than was asked of it.
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
