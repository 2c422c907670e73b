/** Writes of nodes: many, at once, in conflict, and while one node is away. */
import { describe, expect, it } from '@jest/globals';
import { expectEverywhere, office, things, three } from './office.js';

const pairs = (count: number, value: string) =>
  Array.from({ length: count }, (_, index) => [`k${index}`, value] as const);

describe('long absence', () => {
  it.each(['crash', 'partition'] as const)('%s while 2,000 writes happen -> catches up within seconds', async (how) => {
    const {
      world,
      nodes: [a, b, c],
    } = await office(801, three);
    await things(c).put('before', 1);
    await world.settle({ within: '5s' });
    if (how === 'crash') world.crash(c);
    else world.partition([c], [a, b]);
    await things(a).putMany(pairs(1_500, 'a'));
    for (let index = 0; index < 500; index += 1) await things(b).put(`k${index % 50}`, `b${index}`);
    await world.run('60s');
    if (how === 'crash') world.restart(c);
    else world.heal();
    const startMs = world.nowMs;
    // A dial may be waiting for its next attempt, or for a beacon.
    await world.until(() => world.converged(), { within: '40s' });
    if (how === 'crash') expect(world.nowMs - startMs).toBeLessThan(2_000);
    await world.settle({ within: '40s' });
    expect(await things(c).count()).toBe(1_501);
    await expectEverywhere(world, 'k0', 'b450');
  });
});

describe('many keys', () => {
  it('5,000 documents, from every node at once -> all of them everywhere', async () => {
    const { world, nodes } = await office(802, three);
    const puts = nodes.map((node, which) =>
      node.node
        .collection('things')
        .putMany(Array.from({ length: 1_667 }, (_, index) => [`${which}-${index}`, index] as const)),
    );
    await world.complete(Promise.all(puts));
    await world.settle({ within: '30s' });
    for (const node of nodes) expect(await things(node).count()).toBe(5_001);
  });
});

describe('concurrent writes', () => {
  it('of one document at the same ms -> the same one wins everywhere: that of the larger NodeId', async () => {
    const {
      world,
      nodes: [a, b, c],
    } = await office(803, three);
    await world.run('2s');
    for (let round = 0; round < 10; round += 1) {
      const key = `k${round}`;
      const [first, second] = await world.complete(
        Promise.all([a.node.collection('things').put(key, 'a'), b.node.collection('things').put(key, 'b')]),
      );
      expect(first?.hlc).toBe(second?.hlc);
      await world.until(() => world.converged(), { within: '1s' });
      await expectEverywhere(world, key, 'b');
      await things(c).put('pause', round);
      await world.until(() => world.converged(), { within: '1s' });
    }
    await world.settle({ within: '5s' });
  });

  it('a delete against a put, in either order -> the later one wins everywhere', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(804, ['node-a', 'node-b']);
    await things(a).putMany([
      ['deleted last', 0],
      ['put last', 0],
    ]);
    await world.settle({ within: '5s' });
    world.partition([a], [b]);
    await things(a).put('deleted last', 1);
    await things(a).delete('put last');
    await world.run('100ms');
    await things(b).delete('deleted last');
    await things(b).put('put last', 1);
    world.heal();
    await world.settle({ within: '60s' });
    await expectEverywhere(world, 'deleted last', undefined);
    await expectEverywhere(world, 'put last', 1);
    for (const node of [a, b]) expect(await things(node).count()).toBe(1);
  });

  it('deleted by all, while one absent node changes it -> its change wins if it is later', async () => {
    const {
      world,
      nodes: [a, b, c],
    } = await office(805, three);
    await things(a).put('k', 1);
    await world.settle({ within: '5s' });
    world.partition([c], [a, b]);
    await things(a).delete('k');
    await world.run('10s');
    await things(c).put('k', 'changed');
    world.heal();
    await world.settle({ within: '60s' });
    await expectEverywhere(world, 'k', 'changed');
  });
});
