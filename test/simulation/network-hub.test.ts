/**
 * Segments, processes that come and go, forged datagrams and records: features of the simulated network that no port
 * has.
 */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import type { Broadcast, Delivery } from '../../src/simulation/network/delivery.js';
import { bytesOf, record } from '../contracts/network.contract.js';
import { Bench, type BenchHost } from './network-bench.js';

let bench: Bench;

beforeEach(() => {
  bench = new Bench();
});

describe('segments', () => {
  test('two segments: a host of each and a bridge -> the bridge reaches both, they do not reach each other', async () => {
    const left = await bench.host('10.0.0.1', 'left');
    const right = await bench.host('10.0.1.1', 'right');
    const bridge = await bench.host('10.0.0.2', 'left', 'right');
    expect(await bench.outcome(left, bridge)).toBe('resolved');
    expect(await bench.outcome(bridge, right)).toBe('resolved');
    expect(await bench.outcome(left, right, 1_000)).toBe('connectionTimeout');
    left.datagrams.broadcast(bytesOf('from the left'));
    bridge.datagrams.broadcast(bytesOf('to all'));
    await bench.run(10);
    expect(right.heard).toEqual(['10.0.0.2: to all']);
    expect([...bridge.heard].sort()).toEqual(['10.0.0.1: from the left', '10.0.0.2: to all']);
  });

  test('two segments in common: a datagram -> arrives once', async () => {
    const a = await bench.host('10.0.0.1', 'cable', 'radio');
    const b = await bench.host('10.0.0.2', 'cable', 'radio');
    a.datagrams.broadcast(bytesOf('hello'));
    await bench.run(10);
    expect(b.heard).toEqual(['10.0.0.1: hello']);
  });

  test('ring: four hosts -> only neighbors reach each other; as a mesh again, all do, and bytes that waited arrive', async () => {
    const hosts = (await bench.hosts('10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4')) as [
      BenchHost,
      BenchHost,
      BenchHost,
      BenchHost,
    ];
    const [a, b, c, d] = hosts;
    const { near, farHeard } = await bench.pair(a, c);
    bench.hub.segment('office', 'ring');
    expect([b, c, d].map(({ address }) => bench.hub.reach(a.address, address))).toEqual([true, false, true]);
    expect(await bench.outcome(a, c, 1_000)).toBe('connectionTimeout');
    expect(await bench.outcome(a, d)).toBe('resolved');
    near.write(bytesOf('round the corner'));
    a.datagrams.broadcast(bytesOf('hello'));
    await bench.run(10);
    expect([b, c, d].map(({ heard }) => heard.length)).toEqual([1, 0, 1]);
    expect(farHeard.text()).toBe('');
    bench.hub.segment('office', 'mesh');
    await bench.run(10);
    expect(farHeard.text()).toBe('round the corner');
  });

  test('move: to another segment and back -> is cut off meanwhile', async () => {
    const [a, b] = (await bench.hosts('10.0.0.1', '10.0.0.2')) as [BenchHost, BenchHost];
    bench.hub.move(b.address, new Set(['train']));
    expect(await bench.outcome(a, b, 1_000)).toBe('connectionTimeout');
    bench.hub.move(b.address, new Set(['office']));
    expect(await bench.outcome(a, b, 1_000)).toBe('resolved');
  });

  test('an unknown address: dialed -> connectionTimeout, as of a machine that is switched off', async () => {
    const a = await bench.host('10.0.0.1');
    expect(await bench.outcome(a, { ...a, address: '10.9.9.9' }, 1_000)).toBe('connectionTimeout');
    expect(bench.hub.openStreams).toBe(0);
  });
});

describe('processes', () => {
  let a: BenchHost;
  let b: BenchHost;

  beforeEach(async () => {
    [a, b] = (await bench.hosts('10.0.0.1', '10.0.0.2')) as [BenchHost, BenchHost];
  });

  test('leave: streams are open -> the other side receives the end; the process that left gets no call', async () => {
    const { near, far, nearHeard, farHeard } = await bench.pair(a, b);
    near.write(bytesOf('last words'));
    far.write(bytesOf('too late'));
    bench.hub.leave(a.host);
    await bench.run(10);
    expect([farHeard.text(), farHeard.closures.length]).toEqual(['last words', 1]);
    expect([nearHeard.text(), nearHeard.closures]).toEqual(['', []]);
    expect(near.write(bytesOf('ghost'))).toBe(false);
    expect(bench.hub.openStreams).toBe(0);
  });

  test('leave: into a partition -> the other side receives the end after the heal', async () => {
    const { farHeard } = await bench.pair(a, b);
    bench.hub.cut(a.address, b.address);
    bench.hub.leave(a.host);
    await bench.run(5_000);
    expect([farHeard.closures.length, bench.hub.openStreams]).toEqual([0, 1]);
    bench.hub.heal();
    await bench.run(10);
    expect([farHeard.closures.length, bench.hub.openStreams]).toEqual([1, 0]);
  });

  test('leave: one dial in flight, one requested afterwards -> neither settles, and nothing is accepted', async () => {
    const settled: string[] = [];
    const note = (name: string, promise: Promise<unknown>) =>
      promise.then(
        () => settled.push(name),
        () => settled.push(name),
      );
    void note('before', bench.dial(a, b));
    bench.hub.leave(a.host);
    void note('after', bench.dial(a, b));
    void note('closeAll', a.network.closeAll());
    await bench.run(20_000);
    expect([settled, b.accepted, bench.hub.openStreams]).toEqual([[], [], 0]);
    expect(bench.clock.nextAtMs).toBeUndefined();
  });

  test('leave: and another process of the same machine starts -> it takes the port and the place in the ring', async () => {
    const [c] = (await bench.hosts('10.0.0.3', '10.0.0.4')) as [BenchHost];
    bench.hub.segment('office', 'ring');
    bench.hub.leave(b.host);
    expect(await bench.outcome(a, b)).toBe('connectionRefused');
    const again = await bench.host(b.address);
    expect(await bench.outcome(a, again)).toBe('resolved');
    expect([bench.hub.reach(a.address, b.address), bench.hub.reach(a.address, c.address)]).toEqual([true, false]);
    a.datagrams.broadcast(bytesOf('hello'));
    await bench.run(10);
    expect([b.heard, again.heard]).toEqual([[], ['10.0.0.1: hello']]);
  });

  test.each([
    ['much is on its way to it', 0],
    ['much has arrived, and nobody reads it', 10],
  ])('destroy: %s -> the writer learns at once that the stream broke', async (_, afterMs) => {
    const dialing = bench.dial(a, b);
    await bench.run(10);
    const near = await dialing;
    const heard = record();
    near.attach(heard);
    while (near.write(new Uint8Array(64 * 1024)));
    await bench.run(afterMs);
    b.accepted[0]?.destroy();
    await bench.run(10);
    expect(heard.closures).toMatchObject([{ code: 'connectionLost' }]);
    expect(bench.hub.openStreams).toBe(0);
  });

  test('destroy: the other side has ended, unread -> it receives a normal end', async () => {
    const dialing = bench.dial(a, b);
    await bench.run(10);
    const near = await dialing;
    const heard = record();
    near.attach(heard);
    near.end();
    await bench.run(10);
    b.accepted[0]?.destroy();
    await bench.run(10);
    expect(heard.closures).toStrictEqual([undefined]);
  });

  test('write: much at once -> arrives in parts, as from a socket', async () => {
    const { near, farHeard } = await bench.pair(a, b);
    near.write(new Uint8Array(200_000));
    await bench.run(10);
    expect(farHeard.chunks.map(({ length }) => length)).toEqual([65_536, 65_536, 65_536, 3_392]);
  });
});

describe('datagrams', () => {
  test('too large: again and again -> reported once in datagramReportIntervalMs', async () => {
    const host = await bench.host('10.0.0.1');
    const failures: string[] = [];
    const options = { port: 25_001, scope: 'lan', received: () => {} } as const;
    const datagrams = await host.network.openDatagrams({ ...options, failed: ({ code }) => failures.push(code) });
    const send = async (afterMs: number) => {
      await bench.run(afterMs);
      datagrams.broadcast(new Uint8Array(70_000));
      await bench.run(0);
      return failures.length;
    };
    expect(await send(0)).toBe(1);
    expect(await send(limits.datagramReportIntervalMs - 1)).toBe(1);
    expect(await send(1)).toBe(2);
  });

  test('broadcast: recorded and replayed under another name -> all of the segment hear it, and no other host', async () => {
    const a = await bench.host('10.0.0.1', 'office');
    const b = await bench.host('10.0.0.2', 'office');
    const elsewhere = await bench.host('10.0.1.1', 'shop');
    const recorded: Broadcast[] = [];
    bench.hub.onBroadcast = (broadcast) => recorded.push(broadcast);
    a.datagrams.broadcast(bytesOf('I am a'));
    await bench.run(10);
    expect(recorded).toMatchObject([{ from: a.address, port: 25_000 }]);
    bench.inject('office', `${Buffer.from(recorded[0]?.bytes ?? [])}, too`, '10.0.0.66');
    await bench.run(10);
    expect(a.heard).toEqual(['10.0.0.1: I am a', '10.0.0.66: I am a, too']);
    expect(b.heard).toEqual(a.heard);
    expect(elsewhere.heard).toEqual([]);
  });

  test('scope: loopback -> is heard on the same machine only', async () => {
    const a = await bench.host('10.0.0.1');
    const b = await bench.host('10.0.0.2');
    const heard: string[] = [];
    const options = { port: 25_000, scope: 'loopback', failed: () => {} } as const;
    const local = await a.network.openDatagrams({
      ...options,
      received: (bytes) => heard.push(`${Buffer.from(bytes)}`),
    });
    local.broadcast(bytesOf('between us'));
    b.datagrams.broadcast(bytesOf('to all'));
    await bench.run(10);
    expect(heard).toEqual(['between us']);
    expect([a.heard.length, b.heard]).toEqual([2, ['10.0.0.2: to all']]);
  });

  test('ports: another one -> is not heard', async () => {
    const a = await bench.host('10.0.0.1');
    const heard: Uint8Array[] = [];
    await a.network.openDatagrams({
      port: 25_001,
      scope: 'lan',
      received: (bytes) => heard.push(bytes),
      failed: () => {},
    });
    a.datagrams.broadcast(bytesOf('hello'));
    await bench.run(10);
    expect([heard, a.heard.length]).toEqual([[], 1]);
  });
});

describe('onDelivery', () => {
  test('onDelivery: everything that arrives -> is reported, in order, with its bytes', async () => {
    const [a, b] = (await bench.hosts('10.0.0.1', '10.0.0.2')) as [BenchHost, BenchHost];
    const told: string[] = [];
    bench.hub.onDelivery = ({ from, to, kind, bytes }: Delivery) => {
      told.push(`${from} -> ${to} ${kind}${bytes === undefined ? '' : ` ${Buffer.from(bytes)}`}`);
    };
    const { near, far } = await bench.pair(a, b);
    near.write(bytesOf('hello'));
    a.datagrams.broadcast(bytesOf('all'));
    await bench.run(10);
    far.end();
    await bench.run(10);
    await bench.pair(a, b);
    bench.hub.reset(a.address, b.address);
    await bench.run(10);
    bench.hub.leave(b.host);
    await bench.outcome(a, b);
    const there = '10.0.0.1 -> 10.0.0.2';
    const back = '10.0.0.2 -> 10.0.0.1';
    expect(told.slice(0, 4).sort()).toEqual(
      [
        `${there} accepted`,
        `${there} bytes hello`,
        `${there} datagram all`,
        '10.0.0.1 -> 10.0.0.1 datagram all',
      ].sort(),
    );
    expect(told.slice(4, 7)).toEqual([`${back} closed`, `${there} closed`, `${there} accepted`]);
    expect(told.slice(7, 9).sort()).toEqual([`${there} reset`, `${back} reset`]);
    expect(told.slice(9)).toEqual([`${back} refused`]);
  });
});
