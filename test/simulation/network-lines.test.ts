/** What a narrow or long line does to streams and datagrams, and how a sender notices it. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import { fairWeather } from '../../src/simulation/network/weather.js';
import { bytesOf } from '../contracts/network.contract.js';
import { Bench, type BenchHost, type Pair } from './network-bench.js';

const bytesPerSecond = 10_000;
const kernelBytes = 256 * 1024;

let bench: Bench;
let a: BenchHost;
let b: BenchHost;
let c: BenchHost;

beforeEach(async () => {
  bench = new Bench();
  [a, b, c] = (await bench.hosts('10.0.0.1', '10.0.0.2', '10.0.0.3')) as [BenchHost, BenchHost, BenchHost];
  bench.hub.weather = { ...fairWeather, latencyMs: 0, jitterMs: 0 };
});

function line(quality: { bytesPerSecond?: number; latencyMs?: number } = {}): void {
  bench.hub.line(a.address, b.address, { bytesPerSecond, latencyMs: 0, ...quality });
}

function heard({ farHeard }: Pair): number {
  return farHeard.text().length;
}

describe('a narrow line', () => {
  test('line: a long write -> arrives in pieces, at its rate', async () => {
    const pair = await bench.pair(a, b);
    line();
    pair.near.write(new Uint8Array(20_000));
    await bench.run(1_000);
    expect(heard(pair)).toBeGreaterThan(8_000);
    expect(heard(pair)).toBeLessThanOrEqual(10_000);
    await bench.run(1_000);
    expect(heard(pair)).toBe(20_000);
  });

  test('line: two streams -> share it, and a short write does not wait for a long one', async () => {
    const [long, short] = [await bench.pair(a, b), await bench.pair(a, b)];
    line();
    long.near.write(new Uint8Array(100_000));
    await bench.run(100);
    short.near.write(bytesOf('hello'));
    await bench.run(300);
    expect(short.farHeard.text()).toBe('hello');
    short.near.write(new Uint8Array(100_000));
    const before = heard(long);
    await bench.run(4_000);
    expect(Math.abs(heard(long) - before - heard(short))).toBeLessThan(4_000);
    expect(heard(long) - before + heard(short)).toBeGreaterThan(36_000);
  });

  test('line: the other direction, and other machines -> are as wide as before', async () => {
    const [pair, other] = [await bench.pair(a, b), await bench.pair(a, c)];
    line();
    pair.far.write(new Uint8Array(200_000));
    other.near.write(new Uint8Array(200_000));
    await bench.run(1);
    expect(pair.nearHeard.text()).toHaveLength(200_000);
    expect(heard(other)).toBe(200_000);
  });

  test('line: more than the system accepts -> is queued, and the writer is called when it has gone', async () => {
    const pair = await bench.pair(a, b);
    line({ bytesPerSecond: 100_000 });
    expect(pair.near.write(new Uint8Array(kernelBytes))).toBe(true);
    expect(pair.near.queuedBytes).toBe(0);
    expect(pair.near.write(new Uint8Array(limits.sendQueueHighBytes))).toBe(false);
    expect(pair.near.queuedBytes).toBe(limits.sendQueueHighBytes);
    await bench.run(1_000);
    expect(pair.near.queuedBytes).toBeLessThan(limits.sendQueueHighBytes - 90_000);
    expect(pair.nearHeard.drains).toBe(0);
    await bench.run(2_000);
    expect(pair.near.queuedBytes).toBe(0);
    expect(pair.nearHeard.drains).toBe(1);
  });

  test('line: both directions are full -> the news that bytes were read does not wait for the bytes', async () => {
    const pair = await bench.pair(a, b);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      bench.hub.line(from.address, to.address, { bytesPerSecond: 100_000, latencyMs: 0 });
    }
    for (const end of [pair.near, pair.far]) end.write(new Uint8Array(2 * kernelBytes));
    await bench.run(4_000);
    expect(heard(pair)).toBeGreaterThan(390_000);
    expect(pair.nearHeard.text().length).toBeGreaterThan(390_000);
  });

  test('line: is cut -> waiting bytes stay, and continue when it heals', async () => {
    const pair = await bench.pair(a, b);
    line();
    pair.near.write(new Uint8Array(20_000));
    await bench.run(500);
    const end = bench.hub.cut(a.address, b.address);
    await bench.run(200);
    const before = heard(pair);
    await bench.run(60_000);
    expect(heard(pair)).toBe(before);
    end();
    await bench.run(2_000);
    expect(heard(pair)).toBe(20_000);
  });

  test('line: the stream is reset -> waiting bytes are gone, and the next stream has the line for itself', async () => {
    const pair = await bench.pair(a, b);
    line();
    pair.near.write(new Uint8Array(100_000));
    await bench.run(500);
    bench.hub.reset(a.address, b.address);
    await bench.run(1_000);
    expect(heard(pair)).toBeLessThan(7_000);
    const next = await bench.pair(a, b);
    next.near.write(new Uint8Array(9_000));
    await bench.run(1_000);
    expect(heard(next)).toBe(9_000);
  });

  test('line: its sender is gone -> bytes that the system accepted arrive, unless the other side is gone, too', async () => {
    const [kept, given] = [await bench.pair(a, b), await bench.pair(a, b)];
    line();
    for (const { near } of [kept, given]) near.write(new Uint8Array(50_000));
    kept.near.destroy();
    given.near.destroy();
    await bench.run(100);
    given.far.destroy();
    await bench.run(6_000);
    expect(heard(kept)).toBe(50_000);
    expect(kept.farHeard.closures).toEqual([undefined]);
    expect(bench.hub.openStreams).toBe(0);
    expect(bench.clock.nextAtMs).toBeUndefined();
  });

  test('line: becomes as wide as all others -> waiting bytes go at once, in order', async () => {
    const pair = await bench.pair(a, b);
    line();
    pair.near.write(bytesOf('x'.repeat(4_000)));
    pair.near.write(bytesOf('end'));
    await bench.run(200);
    bench.hub.line(a.address, b.address, undefined);
    await bench.run(1);
    expect(pair.farHeard.text()).toBe(`${'x'.repeat(4_000)}end`);
    expect(bench.clock.nextAtMs).toBeUndefined();
  });

  test('line: heals -> is as narrow as before', async () => {
    const pair = await bench.pair(a, b);
    line();
    bench.hub.heal();
    pair.near.write(new Uint8Array(20_000));
    await bench.run(1_000);
    expect(heard(pair)).toBeLessThanOrEqual(10_000);
    expect(bench.hub.lineBetween(a.address, b.address)).toEqual({ bytesPerSecond, latencyMs: 0 });
    expect(bench.hub.lineBetween(b.address, a.address)).toBeUndefined();
  });

  test('line: its rate changes -> applies to bytes that are sent from then on', async () => {
    const pair = await bench.pair(a, b);
    line();
    pair.near.write(new Uint8Array(200_000));
    await bench.run(1_000);
    line({ bytesPerSecond: 1_000_000 });
    await bench.run(400);
    expect(heard(pair)).toBe(200_000);
  });
});

describe('a long line', () => {
  test('line: takes a second one way -> dials, bytes and datagrams take it, too', async () => {
    const slow = { bytesPerSecond: 1_000_000, latencyMs: 1_000 };
    bench.hub.line(a.address, b.address, slow);
    bench.hub.line(b.address, a.address, slow);
    expect(await bench.outcome(a, b, 1_900)).toBe('connectionTimeout');
    expect(await bench.outcome(a, b, 5_000)).toBe('resolved');
    a.datagrams.broadcast(bytesOf('hello'));
    await bench.run(999);
    expect(b.heard).toEqual([]);
    await bench.run(2);
    expect(b.heard).toEqual(['10.0.0.1: hello']);
  });

  test('line: wide and long -> carries no more at a time than the system accepts before it gets an acknowledgement', async () => {
    const pair = await bench.pair(a, b);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      bench.hub.line(from.address, to.address, { bytesPerSecond: 125_000_000, latencyMs: 1_000 });
    }
    pair.near.write(new Uint8Array(4 * kernelBytes));
    await bench.run(1_100);
    expect(heard(pair)).toBe(kernelBytes);
    await bench.run(6_000);
    expect(heard(pair)).toBe(4 * kernelBytes);
  });
});
