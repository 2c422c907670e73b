/** Pulled cables, in both directions or in one, and the bytes that wait in them. */
import { describe, expect, it } from '@jest/globals';
import { expectEverywhere, meshed, newWorld, office, things, three, told } from './office.js';

describe('partition', () => {
  it('both sides: written on both -> each continues by itself, and all agree after the heal', async () => {
    const {
      world,
      nodes: [a, b, c],
    } = await office(101, three);
    world.partition([a], [b, c]);
    await things(a).put('from-a', 1);
    await things(b).put('from-b', 2);
    await world.run('10s');
    expect(await things(a).get('from-b')).toBeUndefined();
    expect(await things(c).get('from-a')).toBeUndefined();
    expect(await things(c).get('from-b')).toBe(2);
    world.heal();
    await world.settle({ within: '60s' });
    await expectEverywhere(world, 'from-a', 1);
    await expectEverywhere(world, 'from-b', 2);
  });

  it('one way: the side that receives nothing -> misses heartbeats; the other side gets the reason, and they reconnect', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(102, ['node-a', 'node-b']);
    world.partition([a], [b], { oneWay: true });
    await world.run('20s');
    expect(told(world, b, 'peer.disconnected')[0]?.failure.code).toBe('heartbeatMissed');
    // The closing of the silent side still reaches the other one, because that direction works.
    expect(told(world, a, 'peer.disconnected')).not.toHaveLength(0);
    await things(b).put('k', 'from the deaf side');
    world.heal();
    await world.settle({ within: '60s' });
    await expectEverywhere(world, 'k', 'from the deaf side');
  });

  it('shorter than the heartbeats that may be missed -> the sessions survive it', async () => {
    const {
      world,
      nodes: [a, b, c],
    } = await office(103, three);
    await world.run('2s');
    world.partition([a], [b, c]);
    await things(a).put('k', 1);
    await world.run('2s');
    world.heal();
    await world.settle({ within: '5s' });
    for (const node of [a, b, c]) expect(told(world, node, 'peer.disconnected')).toEqual([]);
    await expectEverywhere(world, 'k', 1);
  });

  it('three ways, then pairwise healed by crashes of the messenger -> all agree in the end', async () => {
    const {
      world,
      nodes: [a, b, c],
    } = await office(104, three);
    world.partition([a], [b, c]);
    world.partition([b], [c]);
    for (const [index, node] of [a, b, c].entries()) await things(node).put('same', index);
    await world.run('8s');
    world.crash(b);
    world.heal();
    await world.until(() => world.converged() && world.meshed(), { within: '60s' });
    world.restart(b);
    await world.settle({ within: '60s' });
    const winner = await things(a).get('same');
    await expectEverywhere(world, 'same', winner);
  });
});

describe('clog', () => {
  it('from one node to another: a write meanwhile -> arrives when it ends, and the sessions stay', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(105, ['node-a', 'node-b']);
    await world.run('2s');
    const startMs = world.nowMs;
    world.clog(a, b, '2s');
    await things(a).put('k', 1);
    await world.run('1s');
    expect(await things(b).get('k')).toBeUndefined();
    await world.until(() => world.converged(), { within: '2s' });
    expect(world.nowMs - startMs).toBeGreaterThanOrEqual(2_000);
    expect(told(world, b, 'peer.disconnected')).toEqual([]);
    await world.settle({ within: '10s' });
  });

  it('the other direction of the same pair -> flows', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(106, ['node-a', 'node-b']);
    world.clog(a, b, '2s');
    const startMs = world.nowMs;
    await things(b).put('k', 1);
    // Its own answer waits, but its data arrives at once.
    await world.until(() => world.converged(), { within: '1s' });
    expect(world.nowMs - startMs).toBeLessThan(100);
  });
});

describe('heal', () => {
  it('without any fault -> changes nothing', async () => {
    const world = newWorld(107);
    const [a] = world.lan('office', three);
    await meshed(world);
    world.heal();
    await things(a).put('k', 1);
    await world.settle({ within: '5s' });
  });
});
