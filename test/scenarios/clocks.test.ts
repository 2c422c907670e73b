/** Wall clocks that differ, jump and go back. */
import { describe, expect, it } from '@jest/globals';
import { expectEverywhere, office, things, three, told } from './office.js';

describe('skewed clock', () => {
  it.each(['20s', '-20s', '55s'] as const)('by %s, within the drift -> converges at once, unreported', async (skew) => {
    const {
      world,
      nodes: [a, b, c],
    } = await office(701, three);
    await world.run('6s');
    world.skew(c, Number.parseInt(skew, 10) * 1_000);
    await things(a).put('k', 'a');
    await things(c).put('l', 'c');
    await world.until(() => world.converged(), { within: '1s' });
    // A node that has seen the later stamp writes above it, whatever its own clock says.
    await things(b).put('l', 'b');
    await world.settle({ within: '5s' });
    await expectEverywhere(world, 'l', 'b');
    for (const node of [a, b, c]) expect(told(world, node, 'clock.drift')).toEqual([]);
  });

  it('beyond the drift -> its writes are parked and reported once, others flow, and they are applied in their time', async () => {
    const {
      world,
      nodes: [a, b, c],
    } = await office(702, three);
    await world.run('2s');
    const startMs = world.nowMs;
    world.skew(c, '90s');
    await things(c).put('future', 1);
    await things(a).put('present', 2);
    await world.run('20s');
    expect(await things(b).get('future')).toBeUndefined();
    expect(await things(b).get('present')).toBe(2);
    expect(await things(c).get('present')).toBe(2);
    for (const node of [a, b]) {
      const [drift, ...others] = told(world, node, 'clock.drift');
      expect(drift).toMatchObject({ nodeId: 'node-c', authors: [expect.stringContaining('node-c/')] });
      expect(others).toEqual([]);
    }
    await world.until(() => world.converged(), { within: '30s' });
    expect(world.nowMs - startMs).toBeGreaterThan(29_000);
    await world.settle({ within: '30s' });
    await expectEverywhere(world, 'future', 1);
  });

  it('jumps back, and again across a restart -> stamps still rise, so later writes win', async () => {
    const {
      world,
      nodes: [a],
    } = await office(703, three);
    const stamps: number[] = [];
    const put = async (value: string) => {
      stamps.push((await things(a).put('k', value))?.hlc ?? 0);
    };
    await put('first');
    world.skew(a, '-1h');
    await put('second');
    world.crash(a);
    world.skew(a, '-1h');
    world.restart(a);
    await world.until(() => a.isUp, { within: '1s' });
    await put('third');
    expect(stamps).toEqual([...stamps].sort((x, y) => x - y));
    expect(new Set(stamps).size).toBe(3);
    await world.settle({ within: '30s' });
    await expectEverywhere(world, 'k', 'third');
  });

  it('set right again -> the world reports it', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(704, ['node-a', 'node-b']);
    world.skew(a, '30s');
    world.unskew(a);
    const [first, second] = [await things(a).put('k', 1), await things(b).put('l', 1)];
    expect(Math.abs((first?.hlc ?? 0) - (second?.hlc ?? 0))).toBeLessThan(4_096 * 100);
  });
});
