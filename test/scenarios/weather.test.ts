/** Bad networks: lost, duplicated, late and interrupted data. */
import { describe, expect, it } from '@jest/globals';
import { rules } from '../../src/simulation/index.js';
import { expectEverywhere, meshed, newWorld, office, things, three, told } from './office.js';

describe('weather', () => {
  it('a fifth of everything is lost: nodes start and write -> they find each other and agree', async () => {
    const world = newWorld(201);
    world.loss(0.2);
    const nodes = world.lan('office', three);
    await meshed(world);
    for (const [index, node] of nodes.entries()) await things(node).put(`k${index}`, index);
    await world.until(() => world.converged(), { within: '10s' });
    world.heal();
    await world.settle({ within: '60s' });
  });

  it('every second beacon comes twice, and all is slow -> agree, and no node counts as a double', async () => {
    const world = newWorld(202);
    world.weather({ latencyMs: 150, jitterMs: 100, duplication: 0.5 });
    const [a, b] = world.lan('office', three);
    await meshed(world);
    await things(a).put('k', 1);
    await things(b).put('k', 2);
    await world.until(() => world.converged(), { within: '5s' });
    expect(told(world, a, 'node.duplicated')).toEqual([]);
    await world.settle({ within: '10s' });
  });

  it('half of all beacons reordered by seconds -> peers are never considered gone', async () => {
    const world = newWorld(203);
    world.rule(rules.reordering(0.5, 20_000));
    const [a] = world.lan('office', three);
    await meshed(world);
    await world.run('60s');
    expect(told(world, a, 'peer.disconnected')).toEqual([]);
  });
});

describe('reset', () => {
  it('in the middle of a frame -> no part of it is kept, and all of it comes over the next connection', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(204, ['node-a', 'node-b']);
    await world.run('1s');
    const startMs = world.nowMs;
    // More than the network accepts at once, so that the frame comes in parts.
    const document = { text: 'x'.repeat(2_000_000) };
    world.weather({ latencyMs: 20, jitterMs: 0 });
    await things(a).put('large', document);
    await world.run('30ms');
    world.reset(a, b);
    await world.run('25ms');
    expect(told(world, b, 'peer.disconnected', startMs)).toHaveLength(1);
    expect(await things(b).get('large')).toBeUndefined();
    world.heal();
    await world.settle({ within: '30s' });
    await expectEverywhere(world, 'large', document);
  });

  it('repeatedly while 1,000 documents flow -> all of them arrive once', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(205, ['node-a', 'node-b']);
    const end = world.rule(rules.resetting(0.02));
    await things(a).putMany(Array.from({ length: 1_000 }, (_, index) => [`k${index}`, 'x'.repeat(2_000)] as const));
    await world.run('30s');
    expect(told(world, b, 'peer.disconnected').length).toBeGreaterThan(1);
    end();
    world.heal();
    await world.settle({ within: '60s' });
    expect(await things(b).count()).toBe(1_000);
  });
});
