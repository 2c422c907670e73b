/** Processes that are killed at the worst moment. */
import { describe, expect, it } from '@jest/globals';
import { expectEverywhere, office, things, three, told } from './office.js';

describe('crash', () => {
  it('at the commit, unreported -> the write is there after the restart, and then everywhere', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(501, three);
    world.crashAt(a, 'commit');
    a.node.collection('things').put('k', 1);
    await world.until(() => !world.isThere(a), { within: '1s' });
    await world.run('1s');
    expect(await things(b).get('k')).toBeUndefined();
    world.restart(a);
    await world.settle({ within: '30s' });
    await expectEverywhere(world, 'k', 1);
  });

  it('at the acknowledgement, before any other node has it -> is not lost, and comes from the disk', async () => {
    const {
      world,
      nodes: [a],
    } = await office(502, three);
    for (let round = 0; round < 10; round += 1) {
      world.crashAt(a, 'acknowledgement');
      await things(a).put(`k${round}`, round);
      expect(world.isThere(a)).toBe(false);
      world.restart(a);
      await world.until(() => a.isUp, { within: '1s' });
    }
    await world.settle({ within: '30s' });
    for (let round = 0; round < 10; round += 1) await expectEverywhere(world, `k${round}`, round);
  });

  it('at the commit of entries from a peer -> they are not applied twice', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(503, three);
    world.crashAt(b, 'commit');
    await things(a).putMany(Array.from({ length: 700 }, (_, index) => [`k${index}`, index] as const));
    await world.until(() => !world.isThere(b), { within: '5s' });
    world.restart(b);
    await world.settle({ within: '30s' });
    expect(await things(b).count()).toBe(700);
    expect((await world.complete(b.node.status())).store?.entries).toBe(700);
  });

  it('of all at once, during writes -> every acknowledged write is there, everywhere', async () => {
    const { world, nodes } = await office(504, three);
    const told: string[] = [];
    for (const node of nodes) {
      for (let index = 0; index < 50; index += 1) {
        const key = `${node.nodeId}-${index}`;
        node.node
          .collection('things')
          .put(key, index)
          .then(() => told.push(key));
      }
    }
    await world.run(1);
    for (const node of nodes) world.crash(node);
    await world.run('1s');
    for (const node of nodes) world.restart(node);
    await world.settle({ within: '30s' });
    expect(told.length).toBeGreaterThan(0);
    for (const key of told) expect(await things(nodes[0]).get(key)).toBeDefined();
  });

  it('spared in time -> continues', async () => {
    const {
      world,
      nodes: [a],
    } = await office(505, ['node-a']);
    world.crashAt(a, 'commit');
    world.spare(a);
    await things(a).put('k', 1);
    expect(a.isUp).toBe(true);
  });

  it('a graceful stop -> the peers receive a goodbye, and the node comes back with all its data', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(506, three);
    await things(a).put('k', 1);
    await world.stop(a);
    await world.run('1s');
    expect(told(world, b, 'peer.disconnected')[0]?.failure.code).toBe('goodbye');
    world.restart(a);
    await world.settle({ within: '30s' });
    await expectEverywhere(world, 'k', 1);
  });
});
