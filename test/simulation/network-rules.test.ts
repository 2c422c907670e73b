/** What the rules of the simulated network do to streams, dials and datagrams, alone and together. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { drawLatencyMs } from '../../src/simulation/network/latency.js';
import type { Rule, Verdict } from '../../src/simulation/network/rule.js';
import {
  bothWays,
  clog,
  cut,
  duplicating,
  latency,
  lossy,
  oneWay,
  refusing,
  reordering,
  resetting,
} from '../../src/simulation/network/rules.js';
import { fairWeather } from '../../src/simulation/network/weather.js';
import { randomStream } from '../../src/simulation/random.js';
import { bytesOf } from '../contracts/network.contract.js';
import { Bench, type BenchHost } from './network-bench.js';

let bench: Bench;
let a: BenchHost;
let b: BenchHost;
let c: BenchHost;

beforeEach(async () => {
  bench = new Bench();
  [a, b, c] = (await bench.hosts('10.0.0.1', '10.0.0.2', '10.0.0.3')) as [BenchHost, BenchHost, BenchHost];
});

/** Answers everything with one verdict, and counts how often it was asked. */
function always(verdict: Verdict | undefined, place: Rule['place'] = 'barrier'): Rule & { asked: number } {
  const rule = {
    name: 'always',
    place,
    asked: 0,
    judge() {
      rule.asked += 1;
      return verdict;
    },
  };
  return rule;
}

describe('the list', () => {
  test('rules: the first has an answer -> the others are not asked', async () => {
    const [silent, first, second] = [always(undefined), always({ verdict: 'drop' }), always({ verdict: 'drop' })];
    for (const rule of [silent, first, second]) bench.hub.rules.add(rule);
    a.datagrams.broadcast(bytesOf('hello'));
    await bench.run(10);
    expect([silent.asked, first.asked, second.asked]).toEqual([2, 2, 0]);
    expect([...b.heard, ...c.heard]).toEqual([]);
  });

  test('rules: added in any order -> barriers before damage before pace', () => {
    for (const place of ['pace', 'damage', 'barrier', 'damage', 'barrier'] as const) {
      bench.hub.rules.add(always(undefined, place));
    }
    const places = bench.hub.rules.rules.map(({ rule }) => rule.place);
    expect(places).toEqual(['barrier', 'barrier', 'damage', 'damage', 'pace']);
  });

  test('rules: a pair that they do not concern -> are not asked', async () => {
    const rule = { ...always({ verdict: 'drop' }), concerns: oneWay(a.address, b.address) };
    bench.hub.rules.add(rule);
    a.datagrams.broadcast(bytesOf('hello'));
    await bench.run(10);
    expect([b.heard, c.heard]).toEqual([[], ['10.0.0.1: hello']]);
  });

  test('rule: would drop or duplicate a part of a stream -> is an error, because no network can', async () => {
    const { near } = await bench.pair(a, b);
    for (const verdict of ['drop', 'duplicate'] as const) {
      const end = bench.hub.rules.add(always({ verdict }));
      expect(() => near.write(bytesOf('x'))).toThrow(/can only hold it/);
      end();
    }
  });

  test('rules: two hold the same bytes, one ends -> the other still holds them', async () => {
    const { near, farHeard } = await bench.pair(a, b);
    const endFirst = bench.hub.cut(a.address, b.address);
    const endSecond = bench.hub.cut(a.address, b.address);
    near.write(bytesOf('held'));
    endFirst();
    await bench.run(100);
    expect(farHeard.text()).toBe('');
    endSecond();
    await bench.run(10);
    expect(farHeard.text()).toBe('held');
  });

  test('rule: taken out twice -> once', () => {
    const end = bench.hub.cut(a.address, b.address);
    bench.hub.cut(b.address, a.address);
    end();
    end();
    expect(bench.hub.rules.rules).toHaveLength(1);
  });

  test('heal: several rules, bad weather -> all gone, and what they held arrives in order', async () => {
    const { near, farHeard } = await bench.pair(a, b);
    bench.hub.cut(a.address, b.address);
    bench.hub.clog(a.address, b.address, 60_000);
    bench.hub.weather = { ...fairWeather, latencyMs: 500, loss: 1, duplication: 1 };
    for (const text of ['one ', 'two ', 'three']) near.write(bytesOf(text));
    await bench.run(1_000);
    expect(farHeard.text()).toBe('');
    bench.hub.heal();
    await bench.run(1);
    expect(farHeard.text()).toBe('one two three');
    expect(bench.hub.rules.rules).toEqual([]);
    expect(bench.hub.weather).toEqual(fairWeather);
    expect(bench.clock.nextAtMs).toBeUndefined();
  });
});

describe('what a rule draws', () => {
  /** Which of a hundred datagrams b has received from a. */
  async function heardWith(...rules: Rule[]): Promise<string[]> {
    bench = new Bench();
    [a, b] = (await bench.hosts('10.0.0.1', '10.0.0.2')) as [BenchHost, BenchHost];
    for (const rule of rules) bench.hub.rules.add(rule);
    for (let count = 0; count < 100; count += 1) {
      a.datagrams.broadcast(bytesOf(`${count}`));
      await bench.run(10);
    }
    return b.heard;
  }

  test('draws: another rule is taken out of the run -> are the same', async () => {
    const lost = lossy(0.5, undefined, 'lost');
    const alone = await heardWith(lost);
    expect(alone.length).toBeGreaterThan(30);
    expect(alone.length).toBeLessThan(70);
    const noisy = always(undefined);
    const drawing: Rule = {
      ...noisy,
      judge: (_, { random }) => {
        random.float();
        return undefined;
      },
    };
    expect(await heardWith(drawing, lost)).toEqual(alone);
    expect(await heardWith(latency({ kind: 'constant', ms: 1 }), lost)).toEqual(alone);
  });

  test('draws: two rules of one name at once -> each has a label of its own', () => {
    for (let count = 0; count < 3; count += 1) bench.hub.rules.add(lossy(0.5, undefined, 'lost'));
    expect(new Set(bench.hub.rules.rules.map(({ label }) => label)).size).toBe(3);
  });

  test('draws: more is sent on another route -> are the same', async () => {
    const arrivals = async (isBusy: boolean) => {
      bench = new Bench();
      [a, b, c] = (await bench.hosts('10.0.0.1', '10.0.0.2', '10.0.0.3')) as [BenchHost, BenchHost, BenchHost];
      const atMs: number[] = [];
      bench.hub.onDelivery = ({ to, from, kind, atMs: at }) => {
        if (to === b.address && from === a.address && kind === 'datagram') atMs.push(at);
      };
      for (let count = 0; count < 10; count += 1) {
        if (isBusy) c.datagrams.broadcast(bytesOf('noise'));
        a.datagrams.broadcast(bytesOf('signal'));
        await bench.run(10);
      }
      return atMs;
    };
    expect(await arrivals(true)).toEqual(await arrivals(false));
  });
});

describe('barriers', () => {
  test('cut one way: bytes and datagrams -> wait and are lost; the other way is not affected', async () => {
    const { near, far, nearHeard, farHeard } = await bench.pair(a, b);
    const end = bench.hub.cut(a.address, b.address);
    near.write(bytesOf('there'));
    far.write(bytesOf('back'));
    a.datagrams.broadcast(bytesOf('there'));
    b.datagrams.broadcast(bytesOf('back'));
    await bench.run(1_000);
    expect([farHeard.text(), nearHeard.text()]).toEqual(['', 'back']);
    expect([b.heard, a.heard.includes('10.0.0.2: back')]).toEqual([['10.0.0.2: back'], true]);
    end();
    await bench.run(10);
    expect(farHeard.text()).toBe('there');
    expect(b.heard).toEqual(['10.0.0.2: back']);
  });

  test('partition: dials across it -> connectionTimeout on the way there, and on the way back', async () => {
    const end = bench.hub.rules.add(cut(bothWays([a.address], [b.address, c.address])));
    expect(await bench.outcome(a, b, 100)).toBe('connectionTimeout');
    expect(await bench.outcome(b, c, 100)).toBe('resolved');
    end();
    bench.hub.cut(b.address, a.address);
    expect(await bench.outcome(a, b, 100)).toBe('connectionTimeout');
    bench.hub.heal();
    // The waiting steps belong to dials that have been given up: they have no effect.
    await bench.run(10_000);
    expect([a.accepted, b.accepted]).toEqual([[], []]);
  });

  test('cut: while bytes are waiting -> the writer has to wait, and is drained after the heal', async () => {
    const { near, nearHeard, farHeard } = await bench.pair(a, b);
    bench.hub.cut(b.address, a.address);
    const chunk = new Uint8Array(64 * 1024);
    let written = 0;
    while (written < 100 && near.write(chunk)) written += 1;
    await bench.run(1_000);
    // The way there is open, but no acknowledgement comes back.
    expect(farHeard.byteCount).toBeLessThan(written * chunk.length);
    expect(nearHeard.drains).toBe(0);
    bench.hub.heal();
    await bench.run(1_000);
    expect(farHeard.byteCount).toBe((written + 1) * chunk.length);
    expect([nearHeard.drains, near.queuedBytes]).toEqual([1, 0]);
  });

  test('clog: bytes and datagrams -> wait for its time, then arrive at once and in order; then the rule is gone', async () => {
    const { near, farHeard } = await bench.pair(a, b);
    bench.hub.rules.add(clog(oneWay(a.address, b.address), bench.clock.nowMs + 500));
    near.write(bytesOf('one '));
    bench.hub.weather = { ...fairWeather, jitterMs: 0 };
    for (const text of ['1', '2', '3']) a.datagrams.broadcast(bytesOf(text));
    await bench.run(490);
    near.write(bytesOf('two'));
    expect([farHeard.text(), b.heard]).toEqual(['', []]);
    await bench.run(11);
    expect(farHeard.text()).toBe('one two');
    expect(b.heard).toEqual(['10.0.0.1: 1', '10.0.0.1: 2', '10.0.0.1: 3']);
    expect(bench.hub.rules.rules).toEqual([]);
  });

  test('refusing: a dial -> connectionRefused; an open stream -> continues', async () => {
    const { near, farHeard } = await bench.pair(a, b);
    bench.hub.rules.add(refusing(oneWay(a.address, b.address)));
    expect(await bench.outcome(a, b)).toBe('connectionRefused');
    near.write(bytesOf('still here'));
    await bench.run(10);
    expect(farHeard.text()).toBe('still here');
  });

  test('resetting: bytes -> a part of them arrives, then both sides learn that the stream broke', async () => {
    const { near, far, nearHeard, farHeard } = await bench.pair(a, b);
    const end = bench.hub.rules.add(resetting(1, oneWay(a.address, b.address)));
    near.write(new Uint8Array(10_000));
    near.write(new Uint8Array(10_000));
    far.write(bytesOf('on its way'));
    await bench.run(100);
    expect(farHeard.byteCount).toBeGreaterThan(0);
    expect(farHeard.byteCount).toBeLessThan(10_000);
    for (const { closures, callsAfterClosed } of [nearHeard, farHeard]) {
      expect(closures).toMatchObject([{ code: 'connectionLost' }]);
      expect(callsAfterClosed).toBe(0);
    }
    expect([near.write(bytesOf('x')), bench.hub.openStreams]).toEqual([false, 0]);
    end();
    expect(await bench.outcome(a, b)).toBe('resolved');
  });

  test('a reset of a dial -> connectionLost', async () => {
    bench.hub.rules.add(always({ verdict: 'reset', afterBytes: 0 }));
    expect(await bench.outcome(a, b)).toBe('connectionLost');
    expect(bench.hub.openStreams).toBe(0);
  });

  test('hub reset: all streams of two hosts -> break now, others do not', async () => {
    const [first, second, other] = [await bench.pair(a, b), await bench.pair(b, a), await bench.pair(a, c)];
    bench.hub.cut(a.address, b.address);
    first.near.write(bytesOf('held'));
    bench.hub.reset(a.address, b.address);
    await bench.run(10);
    for (const { nearHeard, farHeard } of [first, second]) {
      expect([nearHeard.closures.length, farHeard.closures.length]).toEqual([1, 1]);
    }
    expect(other.nearHeard.closures).toEqual([]);
    bench.hub.heal();
    await bench.run(10);
    expect([first.farHeard.text(), first.farHeard.callsAfterClosed]).toEqual(['', 0]);
  });
});

describe('damage and pace', () => {
  test('lossy: all of it -> datagrams are gone; bytes come when the loss ends, once and in order', async () => {
    const { near, farHeard } = await bench.pair(a, b);
    const end = bench.hub.rules.add(lossy(1));
    near.write(bytesOf('one '));
    near.write(bytesOf('two'));
    a.datagrams.broadcast(bytesOf('gone'));
    await bench.run(1_000);
    expect(farHeard.text()).toBe('');
    end();
    await bench.run(10);
    expect([farHeard.text(), b.heard]).toEqual(['one two', []]);
  });

  test('lossy: half of it -> a stream is slow, and complete', async () => {
    const { near, farHeard } = await bench.pair(a, b);
    bench.hub.rules.add(lossy(0.5));
    const text = Array.from({ length: 50 }, (_, index) => `${index} `);
    for (const word of text) near.write(bytesOf(word));
    await bench.run(190);
    expect(farHeard.text()).not.toBe(text.join(''));
    await bench.run(60_000);
    expect(farHeard.text()).toBe(text.join(''));
  });

  test('duplicating: a datagram -> comes twice, unless a partition is between', async () => {
    bench.hub.rules.add(duplicating(1));
    bench.hub.cut(a.address, c.address);
    a.datagrams.broadcast(bytesOf('twice'));
    await bench.run(10);
    expect(b.heard).toEqual(['10.0.0.1: twice', '10.0.0.1: twice']);
    expect(c.heard).toEqual([]);
  });

  test('reordering: datagrams one after the other -> arrive all, in another order; bytes keep theirs', async () => {
    const { near, farHeard } = await bench.pair(a, b);
    bench.hub.rules.add(reordering(0.5, 100));
    const sent = Array.from({ length: 20 }, (_, index) => String(index).padStart(2, '0'));
    for (const text of sent) {
      a.datagrams.broadcast(bytesOf(text));
      near.write(bytesOf(text));
      await bench.run(1);
    }
    await bench.run(200);
    const heard = b.heard.map((line) => line.slice(-2));
    expect(heard).not.toEqual(sent);
    expect([...heard].sort()).toEqual(sent);
    expect(farHeard.text()).toBe(sent.join(''));
  });

  test('latency: of one pair -> applies to that pair only; bytes stay in order with every draw', async () => {
    const { near, farHeard } = await bench.pair(a, b);
    const there = oneWay(a.address, b.address);
    bench.hub.rules.add(latency({ kind: 'lognormal', medianMs: 50, sigma: 2, maxMs: 2_000 }, there));
    const sent = Array.from({ length: 50 }, (_, index) => `${index} `);
    for (const text of sent) near.write(bytesOf(text));
    a.datagrams.broadcast(bytesOf('hello'));
    await bench.run(1);
    expect([farHeard.text(), c.heard]).toEqual(['', ['10.0.0.1: hello']]);
    await bench.run(2_000);
    expect(farHeard.text()).toBe(sent.join(''));
  });

  test('latency: a distribution -> has the stated median and bounds', () => {
    const draw = (distribution: Parameters<typeof drawLatencyMs>[0]) => {
      const random = randomStream(1, 'latency');
      return Array.from({ length: 10_000 }, () => drawLatencyMs(distribution, random)).sort((x, y) => x - y);
    };
    expect(new Set(draw({ kind: 'constant', ms: 3 }))).toEqual(new Set([3]));
    const uniform = draw({ kind: 'uniform', ms: 2, jitterMs: 4 });
    expect(uniform[0]).toBeGreaterThanOrEqual(2);
    expect(uniform.at(-1)).toBeLessThan(6);
    expect(uniform[5_000]).toBeCloseTo(4, 0);
    const tailed = draw({ kind: 'lognormal', medianMs: 10, sigma: 1, maxMs: 300 });
    expect(tailed[5_000]).toBeCloseTo(10, 0);
    // exp(2.326) medians: one in a hundred takes ten times as long as half of all.
    expect((tailed[9_900] as number) / 10).toBeCloseTo(10.2, -0.5);
    expect(tailed.at(-1)).toBe(300);
  });

  test('weather: loss and duplication -> affect datagrams between machines, not those within one', async () => {
    bench.hub.weather = { ...fairWeather, loss: 1 };
    a.datagrams.broadcast(bytesOf('hello'));
    await bench.run(10);
    expect([a.heard, b.heard]).toEqual([['10.0.0.1: hello'], []]);
    bench.hub.weather = { ...fairWeather, duplication: 1 };
    a.datagrams.broadcast(bytesOf('again'));
    await bench.run(10);
    expect(b.heard).toEqual(['10.0.0.1: again', '10.0.0.1: again']);
  });
});
