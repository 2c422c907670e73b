/** Lines that are narrow and long: what is large arrives, what is small does not wait for it, and no session flaps. */
import { describe, expect, it } from '@jest/globals';
import { latency } from '../../src/simulation/checkers/latency.js';
import { allCheckers } from '../../src/simulation/index.js';
import { meshed, newWorld, things, told } from './office.js';

const documentBytes = 4 * 1024 * 1024 - 64;

describe('a line of 64 kbit/s with a round trip of 4 s', () => {
  it('a document of 4 MiB, and small ones the other way -> all arrive, in one session, in little more than the line takes', async () => {
    // How late is late is a matter of the line here, as the test says it.
    const world = newWorld(2_201, { checkers: allCheckers.filter((checker) => checker !== latency) });
    const [a, b] = world.lan('office', ['node-a', 'node-b']);
    await meshed(world);
    world.link(a, b, { bytesPerSecond: 8_000, roundTripMs: 4_000 });
    await world.run('30s');
    await things(a).put('large', 'x'.repeat(documentBytes));
    const startedMs = world.nowMs;
    for (let count = 0; count < 5; count += 1) {
      await world.run('20s');
      await things(b).put(`small-${count}`, count);
      // Two crossings and what may wait before it.
      await world.run('10s');
      expect(await things(a).get(`small-${count}`)).toBe(count);
    }
    await world.until(() => world.converged(), { within: '900s' });
    expect(await things(b).get('large')).toHaveLength(documentBytes);
    expect([a, b].flatMap((node) => told(world, node, 'peer.disconnected'))).toEqual([]);
    expect(world.nowMs - startedMs).toBeLessThan(1.3 * (1_000 * (documentBytes / 8_000) + 2 * 4_000));
  }, 120_000);
});
