import { describe, expect, it } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import { LinkRate } from '../../src/core/link-rate.js';

/**
 * A link with an endless queue, as modems have: data leaves at the link's rate and arrives half a round trip later.
 */
class Pipe {
  nowMs = 0;
  readonly rate = new LinkRate();
  #freeAtMs = 0;
  readonly #arrivals: { atMs: number; written: number; asks: boolean }[] = [];
  /** How long the last byte written waited for the link. */
  waitMs = 0;

  constructor(
    public bytesPerSecond: number,
    public roundTripMs: number,
  ) {}

  write(bytes: number, kind: 'urgent' | 'bulk' = 'bulk'): void {
    const asks = kind === 'bulk' && this.rate.shouldAsk(bytes, this.nowMs);
    this.rate.wrote(bytes, this.nowMs, asks ? 'asking' : kind);
    this.waitMs = Math.max(0, this.#freeAtMs - this.nowMs);
    this.#freeAtMs = Math.max(this.nowMs, this.#freeAtMs) + (1_000 * bytes) / this.bytesPerSecond;
    this.#arrivals.push({ atMs: this.#freeAtMs + this.roundTripMs, written: this.rate.written, asks });
  }

  /** Sends as much as the rule allows, for this long. Returns the bytes that have arrived. */
  run(forMs: number, { hasMore = true } = {}): number {
    const before = this.rate.arrived;
    const untilMs = this.nowMs + forMs;
    for (;;) {
      while (hasMore && this.rate.mayWrite()) this.write(this.rate.partBytes);
      const next = this.#arrivals[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#arrivals.shift();
      this.nowMs = next.atMs;
      if (next.asks) this.rate.answered(next.written, this.nowMs);
      else this.rate.heard(next.written, this.nowMs);
    }
    this.nowMs = untilMs;
    return this.rate.arrived - before;
  }
}

/** From 32 kbit/s to 1 Gbit/s, in bytes a second. */
const rates = [4_000, 8_000, 64_000, 125_000, 1_250_000, 125_000_000];
const roundTrips = [1, 50, 600, 5_000];
const links = rates.flatMap((rate) => roundTrips.map((roundTripMs) => [rate, roundTripMs] as const));

describe('link rate', () => {
  it.each(links)('a link of %d bytes/s with a round trip of %d ms -> is filled, and no more', (rate, trip) => {
    const pipe = new Pipe(rate, trip);
    pipe.rate.roundTrip(trip, 0);
    pipe.run(20_000 + 30 * trip);
    const carried = pipe.run(60_000) / 60;
    const most = Math.min(rate, (1_000 * limits.windowBytesMax) / trip);
    expect(carried).toBeGreaterThan(0.85 * most);
    // A write now waits for about as long as promised.
    const waits = Array.from({ length: 50 }, () => {
      pipe.run(97);
      return pipe.waitMs;
    });
    expect(Math.max(...waits)).toBeLessThanOrEqual(1.5 * limits.queueMsMax + (1_000 * limits.windowBytesMin) / rate);
    if (most === rate) {
      expect(pipe.rate.bytesPerSecond).toBeGreaterThan(0.8 * rate);
      expect(pipe.rate.bytesPerSecond).toBeLessThan(1.3 * rate);
    }
  });

  it('nothing measured yet -> few bytes in flight, and small batches', () => {
    const rate = new LinkRate();
    expect(rate.bytesPerSecond).toBeUndefined();
    expect(rate.windowBytes).toBe(limits.windowBytesFirst);
    expect(rate.batchBytes).toBe(limits.windowBytesFirst / 2);
    expect(rate.batchEntries).toBeLessThan(100);
    expect(rate.wholeBytesMax).toBe(limits.windowBytesFirst);
  });

  it('a fast link -> batches reach their maximum within a few round trips', () => {
    const pipe = new Pipe(125_000_000, 1);
    pipe.rate.roundTrip(1, 0);
    pipe.run(8);
    expect(pipe.rate.batchBytes).toBe(limits.batchBytesMax);
    expect(pipe.rate.batchEntries).toBe(limits.batchEntriesMax);
    expect(pipe.rate.partBytes).toBe(limits.partBytesMax);
    pipe.run(100);
    expect(pipe.rate.windowBytes).toBe(limits.windowBytesMax);
  });

  it('the slowest link -> parts and batches are small, but never empty', () => {
    const pipe = new Pipe(1_000, 10);
    pipe.rate.roundTrip(10, 0);
    pipe.run(25_000);
    expect(pipe.rate.windowBytes).toBe(limits.windowBytesMin);
    expect(pipe.rate.batchBytes).toBe(limits.windowBytesMin / 2);
    expect(pipe.rate.partBytes).toBe(limits.partBytesMin);
  });

  it('a link becomes a hundred times slower -> the queue in buffers shrinks, and the rate is known', () => {
    const pipe = new Pipe(1_250_000, 20);
    pipe.rate.roundTrip(20, 0);
    pipe.run(10_000);
    pipe.bytesPerSecond = 12_500;
    pipe.run(300_000);
    expect(pipe.rate.bytesPerSecond).toBeLessThan(1.5 * 12_500);
    expect(pipe.waitMs).toBeLessThan(2_000);
  });

  it('a link becomes faster -> the rate follows', () => {
    const pipe = new Pipe(8_000, 100);
    pipe.rate.roundTrip(100, 0);
    pipe.run(60_000);
    pipe.bytesPerSecond = 125_000;
    pipe.run(60_000);
    expect(pipe.run(10_000)).toBeGreaterThan(0.85 * 1_250_000);
  });

  it('the round trip grows permanently -> the link is filled again after a while', () => {
    const pipe = new Pipe(64_000, 20);
    pipe.rate.roundTrip(20, 0);
    pipe.run(30_000);
    pipe.roundTripMs = 4_000;
    pipe.run(3 * limits.roundTripExpiresMs + 60_000);
    expect(pipe.run(20_000)).toBeGreaterThan(0.85 * 20 * 64_000);
  });

  it('small writes only -> tell nothing about the rate', () => {
    const pipe = new Pipe(125_000, 5);
    for (let count = 0; count < 100; count += 1) {
      pipe.write(300);
      pipe.run(100, { hasMore: false });
    }
    expect(pipe.rate.bytesPerSecond).toBeUndefined();
    expect(pipe.rate.windowBytes).toBe(limits.windowBytesFirst);
  });

  it('too few bytes -> no question; and never more open questions than the maximum', () => {
    const rate = new LinkRate();
    expect(rate.shouldAsk(limits.askBytesMin - 1, 1_000)).toBe(false);
    for (let count = 0; count < limits.asksMax; count += 1) {
      expect(rate.shouldAsk(10_000, 0)).toBe(true);
      rate.wrote(10_000, 0, 'asking');
    }
    expect(rate.shouldAsk(10_000, 10_000)).toBe(false);
    rate.answered(10_000, 10_000);
    expect(rate.shouldAsk(10_000, 10_000)).toBe(true);
  });

  it('impossible numbers -> are ignored', () => {
    const rate = new LinkRate();
    rate.wrote(5_000, 0, 'asking');
    rate.answered(6_000, 1);
    expect(rate.arrived).toBe(0);
    rate.heard(4_000, 2);
    rate.heard(3_000, 3);
    rate.answered(Number.MAX_SAFE_INTEGER, 4);
    expect(rate.arrived).toBe(4_000);
    expect(rate.inFlightBytes).toBe(1_000);
  });

  it('nothing arrives -> the stall is measured; patience follows the link, within its bounds', () => {
    const rate = new LinkRate();
    expect(rate.stalledMs(1_000)).toBe(0);
    rate.wrote(100, 5_000, 'urgent');
    expect(rate.stalledMs(9_000)).toBe(4_000);
    rate.heard(50, 9_000);
    expect(rate.stalledMs(10_000)).toBe(1_000);
    expect(rate.patienceMs).toBe(limits.stallPatienceMinMs);
    rate.roundTrip(20_000, 10_000);
    expect(rate.patienceMs).toBe(80_000);
    rate.roundTrip(10_000_000, 10_000);
    expect(rate.patienceMs).toBe(limits.stallPatienceMaxMs);
  });

  it('a fresh look at the round trip before the rate is known -> does not overestimate the round trip', () => {
    const pipe = new Pipe(4_000, 100);
    pipe.rate.roundTrip(1, 0);
    pipe.run(limits.roundTripExpiresMs + 1_000, { hasMore: false });
    pipe.run(20_000);
    expect(pipe.waitMs).toBeLessThanOrEqual(1.5 * limits.queueMsMax + (1_000 * limits.windowBytesMin) / 4_000);
  });

  it('bytes in flight -> tell how long the next write will wait', () => {
    const pipe = new Pipe(8_000, 10);
    pipe.rate.roundTrip(10, 0);
    expect(pipe.rate.queueMs).toBe(0);
    pipe.run(60_000);
    expect(pipe.rate.queueMs).toBeGreaterThan(300);
    expect(pipe.rate.queueMs).toBeLessThanOrEqual(limits.queueMsMax);
  });

  it('far more in flight than the link seems to carry -> reports limits.queueMsMax', () => {
    const pipe = new Pipe(8_000, 10);
    pipe.rate.roundTrip(10, 0);
    pipe.run(60_000);
    pipe.write(100_000, 'urgent');
    expect(pipe.rate.queueMs).toBe(limits.queueMsMax);
  });
});
