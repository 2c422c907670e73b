/** Narrow and long lines: large documents arrive, small ones do not wait for them, and no session flaps. */
import { describe, expect, it } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import { latency } from '../../src/simulation/checkers/latency.js';
import { allCheckers, type World, type WorldNode } from '../../src/simulation/index.js';
import { meshed, newWorld, things, told } from './office.js';

const documentBytes = 4 * 1024 * 1024 - 64;
/** 64 kbit/s. */
const modem = { bytesPerSecond: 8_000, roundTripMs: 4_000 };

/** The allowed latency depends on the line here, as each test states it. */
function slowWorld(seed: number): World {
  return newWorld(seed, { checkers: allCheckers.filter((checker) => checker !== latency) });
}

/**
 * Puts a document on one node and waits until it is on another.
 *
 * @returns How long it took
 */
async function passage(world: World, key: string, [from, to]: readonly [WorldNode, WorldNode]): Promise<number> {
  const startedMs = world.nowMs;
  await things(from).put(key, 'small');
  for (;;) {
    if ((await things(to).get(key)) !== undefined) return world.nowMs - startedMs;
    await world.run('100ms');
  }
}

function lostSessions(world: World, nodes: readonly WorldNode[]) {
  return nodes.flatMap((node) => [
    ...told(world, node, 'peer.disconnected'),
    ...told(world, node, 'gateway.disconnected'),
  ]);
}

/** Two crossings, the bytes that may wait in buffers before it, and the part or batch in flight. */
function waitMsMax({ bytesPerSecond, roundTripMs }: typeof modem): number {
  const partMs = (1_000 * limits.windowBytesMin) / bytesPerSecond;
  return 2 * roundTripMs + 1.5 * limits.queueMsMax + partMs;
}

describe('a line of 64 kbit/s with a round trip of 4 s', () => {
  it('a document of 4 MiB, and small ones the other way -> all arrive, in one session, in little more than the line takes', async () => {
    const world = slowWorld(2_201);
    const [a, b] = world.lan('office', ['node-a', 'node-b']);
    await meshed(world);
    world.link(a, b, modem);
    await world.run('30s');
    await things(a).put('large', 'x'.repeat(documentBytes));
    const startedMs = world.nowMs;
    for (let count = 0; count < 5; count += 1) {
      await world.run('20s');
      expect(await passage(world, `small-${count}`, [b, a])).toBeLessThan(waitMsMax(modem));
    }
    await world.until(() => world.converged(), { within: '900s' });
    expect(await things(b).get('large')).toHaveLength(documentBytes);
    expect(lostSessions(world, [a, b])).toEqual([]);
    expect(world.nowMs - startedMs).toBeLessThan(1.3 * (1_000 * (documentBytes / 8_000) + 2 * 4_000));
  }, 120_000);

  it('the way to the cloud: a document of 4 MiB up, small ones down -> all arrive, over one link', async () => {
    const world = slowWorld(2_202);
    const { cloud, a } = withCloud(world, ['node-a']);
    await world.until(() => told(world, a, 'gateway.connected').length === 1, { within: '10s' });
    world.link(a, cloud, modem);
    await world.run('30s');
    await things(a).put('large', 'x'.repeat(documentBytes));
    const startedMs = world.nowMs;
    for (let count = 0; count < 3; count += 1) {
      await world.run('30s');
      expect(await passage(world, `small-${count}`, [cloud, a])).toBeLessThan(waitMsMax(modem));
    }
    await world.until(() => world.converged(), { within: '900s' });
    expect(await things(cloud).get('large')).toHaveLength(documentBytes);
    expect(lostSessions(world, [a])).toEqual([]);
    expect(world.nowMs - startedMs).toBeLessThan(1.3 * (1_000 * (documentBytes / 8_000) + 2 * 4_000));
  }, 120_000);

  it('in the middle of a chain: large and small documents pass it -> the ends agree, the fast half waits for nothing', async () => {
    const world = slowWorld(2_203);
    const [a, b, c] = world.lan('office', ['node-a', 'node-b', 'node-c'], { topology: 'chain' });
    await meshed(world);
    world.link(b, c, modem);
    await world.run('30s');
    await things(a).put('large', 'x'.repeat(500_000));
    await world.run('10s');
    expect(await passage(world, 'near', [a, b])).toBeLessThan(500);
    expect(await passage(world, 'there', [b, c])).toBeLessThan(waitMsMax(modem));
    expect(await passage(world, 'back', [c, a])).toBeLessThan(waitMsMax(modem));
    await world.until(() => world.converged(), { within: '200s' });
    expect(await things(c).get('large')).toHaveLength(500_000);
    expect(lostSessions(world, [a, b, c])).toEqual([]);
  }, 60_000);
});

describe('a small document of another author behind large ones', () => {
  it.each([
    { bytesPerSecond: 4_000, roundTripMs: 100 },
    { bytesPerSecond: 8_000, roundTripMs: 4_000 },
    { bytesPerSecond: 64_000, roundTripMs: 600 },
    { bytesPerSecond: 1_250_000, roundTripMs: 5_000 },
  ])(
    '$bytesPerSecond bytes/s, round trip $roundTripMs ms -> waits for a round trip and a second or so, and so do heartbeats',
    async (line) => {
      const world = slowWorld(2_204);
      const [a, b, c] = world.lan('office', ['node-a', 'node-b', 'node-c'], { topology: 'chain' });
      await meshed(world);
      world.link(b, c, line);
      await world.run('30s');
      // Some fit in a batch, one does not: a minute's work for the line in all.
      const bytes = Math.min(200_000, 10 * line.bytesPerSecond);
      for (let count = 0; count < 6; count += 1) await things(a).put(`large-${count}`, 'x'.repeat(bytes));
      // Before anything was measured, `windowBytesFirst` may be in flight: four seconds of the slowest line.
      await world.run(2 * line.roundTripMs + 15_000);
      for (let count = 0; count < 3; count += 1) {
        expect(await passage(world, `small-${count}`, [b, c])).toBeLessThan(waitMsMax(line));
      }
      await world.until(() => world.converged(), { within: '400s' });
      expect(lostSessions(world, [a, b, c])).toEqual([]);
    },
    60_000,
  );
});

/** Nodes on a local network that know a cloud node. */
function withCloud<const Ids extends readonly string[]>(world: World, nodeIds: Ids) {
  const authority = world.authority();
  const client = authority.register({ clientId: 'office', clientSecret: 'open sesame' });
  const [cloud] = world.cloud(['cloud-1'], { authority });
  const [a] = world.lan('office', nodeIds, {
    initialRemotePeers: [world.cloudPeer(cloud, client)],
    environment: { CLOUD_SECRET: client.clientSecret },
  });
  return { cloud, a: a as WorldNode };
}
