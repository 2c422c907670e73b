/** Forged and replayed beacons: a sender on UDP can suggest whom to dial, and nothing else. */
import { describe, expect, it } from '@jest/globals';
import type { Boot, NodeId } from '../../src/core/ids.js';
import type { Datagram, World } from '../../src/simulation/index.js';
import { encodeBeacon } from '../../src/wire/beacon.js';
import { meshed, newWorld, office, things, told } from './office.js';

const port = 25_000;
const stranger = '10.9.9.9';
const text = (value: string): Datagram => ({ bytes: Buffer.from(value), from: stranger, port });

/** The beacons of one machine among the overheard ones. */
function of(overheard: readonly Datagram[], { address }: { address: string }): Datagram[] {
  return overheard.filter(({ from }) => from === address);
}

async function unmoved(world: World): Promise<void> {
  const [a, b] = world.nodes;
  if (a === undefined || b === undefined) throw new Error('Two nodes are needed.');
  await world.run('10s');
  for (const node of [a, b]) {
    expect(node.node.peers.map(({ nodeId, state }) => [nodeId, state])).toHaveLength(1);
    expect(told(world, node, 'peer.disconnected')).toEqual([]);
  }
  await things(a).put('k', 1);
  await world.settle({ within: '5s' });
}

describe('beacon', () => {
  it('noise, halves and other programs -> are not heard', async () => {
    const { world } = await office(401, ['node-a', 'node-b']);
    for (const value of ['', '{', 'null', '[]', '{"node_id":"node-z"}', 'x'.repeat(60_000)]) {
      world.inject('office', text(value));
    }
    await unmoved(world);
  });

  it('forged without the key, in the name of an existing node or another -> no node is dialed', async () => {
    const world = newWorld(402);
    const overheard = world.overhear();
    const [a] = world.lan('office', ['node-a', 'node-b']);
    await meshed(world);
    const real = of(overheard, a)[0] as Datagram;
    const { cluster_hash: clusterHash } = JSON.parse(Buffer.from(real.bytes).toString());
    for (const nodeId of ['node-a', 'node-b', 'node-z'] as NodeId[]) {
      const beacon = { nodeId, boot: 'AAAAAAAAAAAAAAAA' as Boot, sequence: 1e9, port: 9_000 };
      for (const beaconKey of [undefined, Buffer.alloc(32)]) {
        world.inject('office', { bytes: encodeBeacon(beacon, { clusterHash, beaconKey }), from: stranger, port });
      }
    }
    await unmoved(world);
    expect(told(world, a, 'node.duplicated')).toEqual([]);
  });

  it('a real one with one byte changed -> is not heard', async () => {
    const world = newWorld(403);
    const overheard = world.overhear();
    const [a] = world.lan('office', ['node-a', 'node-b']);
    await meshed(world);
    const changed = Buffer.from(
      Buffer.from(of(overheard, a)[0]?.bytes ?? [])
        .toString()
        .replace('node-a', 'node-z'),
    );
    expect(changed.includes('node-z')).toBe(true);
    world.inject('office', { bytes: changed, from: stranger, port });
    await unmoved(world);
  });

  it('replayed from its own address, a thousand times -> no effect', async () => {
    const world = newWorld(404);
    const overheard = world.overhear();
    const [a] = world.lan('office', ['node-a', 'node-b']);
    await meshed(world);
    const [first] = of(overheard, a);
    for (let count = 0; count < 1_000; count += 1) world.inject('office', first as Datagram);
    await unmoved(world);
  });

  it('of an earlier boot, replayed after a restart -> the sessions stay, and no node counts as a double', async () => {
    const world = newWorld(405);
    const overheard = world.overhear();
    const [a, b] = world.lan('office', ['node-a', 'node-b']);
    await meshed(world);
    await world.run('12s');
    const before = of(overheard, a);
    world.crash(a);
    world.restart(a);
    await world.settle({ within: '30s' });
    expect(before.length).toBeGreaterThan(2);
    const sinceMs = world.nowMs;
    for (const datagram of before) world.inject('office', datagram);
    await world.run('10s');
    expect(told(world, b, 'peer.disconnected', sinceMs)).toEqual([]);
    expect(told(world, a, 'peer.disconnected', sinceMs)).toEqual([]);
  });

  it('replayed from another address -> at most one useless dial, and the session stays', async () => {
    const world = newWorld(406);
    const overheard = world.overhear();
    const [a, b] = world.lan('office', ['node-a', 'node-b']);
    await meshed(world);
    await world.run('6s');
    const last = of(overheard, a).at(-1) as Datagram;
    world.inject('office', { ...last, from: stranger });
    await world.run('20s');
    expect(told(world, b, 'peer.disconnected')).toEqual([]);
    await things(a).put('k', 1);
    await world.settle({ within: '5s' });
  });

  it('of another cluster on the same network -> no node is dialed', async () => {
    const world = newWorld(407);
    const [a] = world.lan('office', ['node-a', 'node-b']);
    const [x] = world.lan('office', ['node-x', 'node-y'], { clusterKey: 'the key of another cluster' });
    await world.run('20s');
    expect(a.node.peers.map(({ nodeId }) => nodeId)).toEqual(['node-b']);
    expect(x.node.peers.map(({ nodeId }) => nodeId)).toEqual(['node-y']);
    await things(a).put('k', 1);
    await world.run('1s');
    expect(await things(x).get('k')).toBeUndefined();
  });
});
