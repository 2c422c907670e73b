/** Nodes that change their NodeIds in ways that a careful user would avoid: every write must survive all of them. */
import { mkdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import { type NodePorts, systemPorts } from '../../src/node/node-options.js';
import {
  createFixture,
  type Fixture,
  isConnected,
  portOf,
  type TestNode,
  until,
  untilConverged,
  untilMeshed,
} from './cluster-fixture.js';
import { codeOf } from './database-fixture.js';

let fixture: Fixture;
beforeEach(() => {
  fixture = createFixture();
});
afterEach(() => fixture.close());

/** The ports of a machine whose clock is wrong, by less than the refused drift. */
function portsAhead(aheadMs: number): NodePorts {
  const ports = systemPorts();
  return { ...ports, time: { ...ports.time, now: () => ports.time.now() + aheadMs } };
}

function rename(node: TestNode, nodeId: string) {
  return node.reconfigure({ nodeId });
}

describe('the clock', () => {
  it('a peer with a clock ahead was heard -> writes under the new NodeId are later nevertheless', async () => {
    const a = await fixture.start('a');
    const ahead = await fixture.start('ahead', {}, { ports: portsAhead(limits.clockDriftMaxMs / 2) });
    await untilMeshed([a, ahead]);
    await ahead.collection('things').put('from the future', 1);
    await untilConverged([a, ahead]);
    const things = a.collection('things');
    const before = await things.put('x', 'before');
    await rename(a, 'a-2');
    const after = await things.put('x', 'after');
    expect(after?.hlc).toBeGreaterThan(before?.hlc ?? Number.POSITIVE_INFINITY);
    await untilMeshed([a, ahead]);
    await untilConverged([a, ahead]);
    expect(await ahead.collection('things').get('x')).toBe('after');
    await rename(a, 'a');
    await things.put('x', 'at last');
    await untilMeshed([a, ahead]);
    await untilConverged([a, ahead]);
    expect(await ahead.collection('things').get('x')).toBe('at last');
  });
});

describe('the names', () => {
  it('two nodes swap theirs -> are met under them, and both have everything', async () => {
    const [a, b] = [await fixture.start('a'), await fixture.start('b')];
    await untilMeshed([a, b]);
    await a.collection('things').put('from a', 1);
    await b.collection('things').put('from b', 2);
    await untilConverged([a, b]);
    for (const [node, nodeId] of [
      [a, 'x'],
      [b, 'a'],
      [a, 'b'],
    ] as const) {
      await rename(node, nodeId);
      await untilMeshed([a, b]);
      await untilConverged([a, b]);
    }
    await a.collection('things').put('from a as b', 3);
    await untilConverged([a, b]);
    expect(await b.collection('things').count()).toBe(3);
    expect([a.peers, b.peers].map((peers) => peers.map(({ nodeId }) => nodeId))).toEqual([['a'], ['b']]);
  });

  it('the NodeId of a running node -> is refused by the others, and reported; back again -> all works', async () => {
    const [a, b, c] = [await fixture.start('a'), await fixture.start('b'), await fixture.start('c')];
    await untilMeshed([a, b, c]);
    await rename(a, 'b');
    await until('a and b know of their double', () =>
      [a, b].every(({ nodeEvents }) => nodeEvents.some(({ type }) => type === 'node.duplicated')),
    );
    expect(isConnected(b, 'c')).toBe(true);
    await a.collection('things').put('by a double', 1);
    await rename(a, 'a');
    await untilMeshed([a, b, c]);
    await a.collection('things').put('by a', 1);
    await untilConverged([a, b, c]);
    expect(await c.collection('things').get('by a')).toBe(1);
  });

  it('two nodes change to and fro at once, during writes -> every write is somewhere, and in the end everywhere', async () => {
    const nodes = [await fixture.start('a'), await fixture.start('b')] as const;
    await untilMeshed(nodes);
    let isOver = false;
    const written: string[] = [];
    const write = async (node: TestNode, name: string): Promise<void> => {
      for (let index = 0; !isOver; index += 1) {
        const key = `${name}-${index}`;
        await node.collection('things').put(key, index);
        written.push(key);
      }
    };
    const writing = nodes.map((node, index) => write(node, `writer-${index}`));
    for (let round = 1; round <= 8; round += 1) {
      await until('more is written', () => written.length >= 20 * round);
      await Promise.all(nodes.map((node, index) => rename(node, `${'ab'[index]}${round % 2 === 0 ? '' : '-2'}`)));
    }
    isOver = true;
    await Promise.all(writing);
    await untilMeshed(nodes);
    await untilConverged(nodes);
    const things = nodes[0].collection('things');
    expect(await things.count()).toBe(written.length);
  });

  it('in the middle of a first sync -> the new identity has everything, too', async () => {
    const a = await fixture.start('a');
    const count = 20_000;
    await a.collection('things').putMany(Array.from({ length: count }, (_, index) => [`k${index}`, index] as const));
    const b = await fixture.start('b');
    await until('some of it is there', async () => (await b.collection('things').count()) > 0);
    await rename(b, 'b-2');
    await untilMeshed([a, b]);
    await untilConverged([a, b]);
    expect(await b.collection('things').count()).toBe(count);
  });

  it('a static peer is configured under the old name of a node -> is met under the new one', async () => {
    const b = await fixture.start('b', { discovery: false });
    const knownPeers = [{ nodeId: 'b', address: `127.0.0.1:${portOf(b)}` }];
    const a = await fixture.start('a', { discovery: false, knownPeers });
    await untilMeshed([a, b]);
    await rename(b, 'c');
    await untilMeshed([a, b]);
    await b.collection('things').put('x', 1);
    await untilConverged([a, b]);
  });
});

describe('writes that wait', () => {
  it('more than may wait while the identity changes -> writeQueueFull, and all others are kept', async () => {
    const a = await fixture.start('a');
    const things = a.collection<number>('things');
    const most = limits.writesQueuedMax;
    let writing: Promise<string>[] = [];
    const subscription = a.actor.subscribe(({ context }) => {
      if (!context.areWritesHeld || writing.length > 0) return;
      writing = Array.from({ length: most + 2 }, (_, index) => codeOf(() => things.put(`k${index}`, index)));
    });
    await rename(a, 'a-2');
    subscription.unsubscribe();
    const outcomes = await Promise.all(writing);
    expect(outcomes.filter((code) => code === 'writeQueueFull')).toHaveLength(2);
    expect(outcomes.filter((code) => code === 'none')).toHaveLength(most);
    expect(await things.count()).toBe(most);
  }, 60_000);

  it('an update, a deletion and many puts at the switch -> each sees the result of the one before it', async () => {
    const a = await fixture.start('a');
    const things = a.collection<number>('things');
    let working: Promise<unknown>[] = [];
    const subscription = a.actor.subscribe(({ context }) => {
      if (!context.areWritesHeld || working.length > 0) return;
      working = [
        things.put('n', 1),
        things.update('n', (n) => (n ?? 0) + 1),
        things.putMany(Array.from({ length: 1_200 }, (_, index) => [`k${index}`, index] as const)),
        things.delete('k0'),
        things.update('n', (n) => (n ?? 0) + 1),
      ];
    });
    await rename(a, 'a-2');
    subscription.unsubscribe();
    await Promise.all(working);
    expect(await things.get('n')).toBe(3);
  });

  it('the new database cannot be opened -> writes meanwhile are in the old one, and need not wait', async () => {
    const a = await fixture.start('a');
    mkdirSync(`${fixture.directoryOf('a')}/a-2.db`);
    const things = a.collection<number>('things');
    let writing: Promise<unknown> | undefined;
    const subscription = a.actor.subscribe(({ context }) => {
      if (context.underway !== undefined) writing ??= things.put('x', 1);
    });
    expect(await codeOf(() => rename(a, 'a-2'))).toMatch(/^database/);
    subscription.unsubscribe();
    await writing;
    expect([await things.get('x'), (await a.status()).nodeId]).toEqual([1, 'a']);
  });
});

describe('reads', () => {
  it('a digest, statistics, an index, asked for at every step of a change -> are answered', async () => {
    const a = await fixture.start('a');
    const things = a.collection<{ n: number }>('things');
    await things.putMany(Array.from({ length: 20_000 }, (_, n) => [`k${n}`, { n }] as const));
    const asking: Promise<string>[] = [];
    const subscription = a.actor.subscribe(() => {
      for (const ask of [
        () => a.contentDigest(),
        () => a.status(),
        () => things.createIndex('n'),
        () => things.find({ where: { n: { $lt: 10 } } }),
      ]) {
        asking.push(codeOf(ask));
      }
    });
    await rename(a, 'a-2');
    await rename(a, 'a');
    await until('it is settled', async () => (await a.status()).reconfiguration === 'settled');
    subscription.unsubscribe();
    const outcomes = await Promise.all(asking);
    expect(outcomes.length).toBeGreaterThan(40);
    expect(outcomes.filter((code) => code !== 'none')).toEqual([]);
    expect(await things.count()).toBe(20_000);
  });
});
