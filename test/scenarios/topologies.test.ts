/** Networks in which not all nodes reach each other: writes travel through others. */
import { describe, expect, it } from '@jest/globals';
import type { Topology } from '../../src/simulation/index.js';
import { expectEverywhere, meshed, newWorld, things, told } from './office.js';

const six = ['node-a', 'node-b', 'node-c', 'node-d', 'node-e', 'node-f'] as const;

describe('topology', () => {
  it.each<[Topology, readonly number[]]>([
    ['ring', [2, 2, 2, 2, 2, 2]],
    ['chain', [1, 2, 2, 2, 2, 1]],
    ['star', [5, 1, 1, 1, 1, 1]],
  ])('%s: a write at either end -> reaches all, over sessions with neighbors only', async (topology, neighbors) => {
    const world = newWorld(301);
    const nodes = world.lan('office', six, { topology });
    await meshed(world);
    const connected = nodes.map(({ node }) => node.peers.filter(({ state }) => state === 'connected').length);
    expect(connected).toEqual(neighbors);
    await world.run('10s');
    await things(nodes[0]).put('first', 1);
    await things(nodes[5]).put('last', 6);
    await world.until(() => world.converged(), { within: '1s' });
    await world.settle({ within: '10s' });
    await expectEverywhere(world, 'first', 1);
    await expectEverywhere(world, 'last', 6);
  });

  it('chain: its middle is down -> the halves continue, and connect when it is back', async () => {
    const world = newWorld(302);
    const [a, b, c, d, e] = world.lan('office', ['node-a', 'node-b', 'node-c', 'node-d', 'node-e'], {
      topology: 'chain',
    });
    await meshed(world);
    world.crash(c);
    await things(a).put('left', 1);
    await things(e).put('right', 2);
    await world.run('10s');
    expect(await things(b).get('left')).toBe(1);
    expect(await things(d).get('left')).toBeUndefined();
    world.restart(c);
    await world.settle({ within: '60s' });
    await expectEverywhere(world, 'left', 1);
    await expectEverywhere(world, 'right', 2);
  });
});

describe('two local networks', () => {
  it('joined by one machine on both -> writes cross, beacons do not; split by its crash, each continues', async () => {
    const world = newWorld(303);
    const [a, b] = world.lan('office', ['node-a', 'node-b']);
    const [x, y] = world.lan('shop', ['node-x', 'node-y']);
    world.bridge(b, 'shop');
    await meshed(world);
    await things(a).put('k', 'from the office');
    await world.until(() => world.converged(), { within: '2s' });
    await expectEverywhere(world, 'k', 'from the office');
    await world.run('20s');
    expect(a.node.peers.map(({ nodeId }) => nodeId)).toEqual(['node-b']);
    world.crash(b);
    await things(x).put('k', 'from the shop');
    await world.run('5s');
    expect(await things(y).get('k')).toBe('from the shop');
    expect(await things(a).get('k')).toBe('from the office');
    world.restart(b);
    await world.settle({ within: '60s' });
    await expectEverywhere(world, 'k', 'from the shop');
    expect(told(world, a, 'failure')).toEqual([]);
  });
});
