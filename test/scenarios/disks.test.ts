/** Full disks, and disks that break their promises. */
import { describe, expect, it } from '@jest/globals';
import { diskFailures } from '../../src/simulation/failing-disk.js';
import { expectEverywhere, meshed, newWorld, office, things, three, told } from './office.js';

const pairs = (count: number, text: string) =>
  Array.from({ length: count }, (_, index) => [`k${String(index).padStart(4, '0')}`, `${text} ${index}`] as const);

/** More than the free pages of a database, which a full disk leaves usable. */
const filling = 'x'.repeat(20_000);

describe('full disk', () => {
  it('local writes -> diskFull and nothing partial; freed -> continues', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(601, ['node-a', 'node-b']);
    await things(a).put('before', 1);
    world.fillDisk(a);
    await expect(things(a).putMany(pairs(100, filling))).rejects.toMatchObject({ code: 'diskFull' });
    await expect(things(a).put('large', filling.repeat(10))).rejects.toMatchObject({ code: 'diskFull' });
    expect(await things(a).count()).toBe(1);
    expect(await things(a).get('before')).toBe(1);
    world.freeDisk(a);
    expect(await things(a).putMany(pairs(100, filling))).toBe(100);
    await world.settle({ within: '10s' });
    expect(await things(b).count()).toBe(101);
  });

  it('while a peer sends -> the session stays, and nothing is partially applied; freed -> all of it arrives', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(602, ['node-a', 'node-b']);
    await things(b).put('own', 1);
    await world.run('1s');
    world.fillDisk(b);
    // One transaction on either side.
    await things(a).putMany(pairs(12, filling));
    await world.run('20s');
    for (const node of [a, b]) expect(told(world, node, 'peer.disconnected')).toEqual([]);
    expect(await things(b).count()).toBe(1);
    // Documents that exist can still be read, and small ones that fit can be written.
    expect(await things(b).get('own')).toBe(1);
    world.freeDisk(b);
    await world.settle({ within: '10s' });
    expect(await things(b).count()).toBe(13);
  });

  it('full at the start -> runs, and is freed later', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(603, ['node-a', 'node-b']);
    world.crash(b);
    world.fillDisk(b);
    await things(a).putMany(pairs(100, filling));
    world.restart(b);
    await world.run('20s');
    expect(b.isUp).toBe(true);
    expect(world.converged()).toBe(false);
    world.freeDisk(b);
    await world.settle({ within: '10s' });
  });
});

describe('failing disk', () => {
  /** A site of three with a cloud node; the leader is connected, and everything has been at rest for a while. */
  async function site(seed: number) {
    const world = newWorld(seed);
    const authority = world.authority();
    const client = authority.register({ clientId: 'office', clientSecret: 'open sesame' });
    const [cloud] = world.cloud(['cloud-1'], { authority });
    const nodes = world.lan('office', three, {
      initialRemotePeers: [world.cloudPeer(cloud, client)],
      environment: { CLOUD_SECRET: client.clientSecret },
    });
    await world.until(() => nodes[0].isUp && nodes[0].node.gateways.some(({ state }) => state === 'online'), {
      within: '30s',
    });
    await world.run('10s');
    return { world, nodes, cloud, sinceMs: world.nowMs };
  }

  it.each(diskFailures)(
    '%s on a follower for 120 s -> leadership stays, and the leader keeps its link',
    async (failure) => {
      const { world, nodes, cloud, sinceMs } = await site(650);
      const [a, b, c] = nodes;
      world.failDisk(c, failure);
      for (let second = 0; second < 120; second += 1) {
        await things(a).put(`k${second}`, second);
        await things(c)
          .put('own', second)
          .catch(() => {});
        await world.run('1s');
      }
      for (const node of [a, b]) {
        expect(told(world, node, 'leadership.changed', sinceMs)).toEqual([]);
        expect(told(world, node, 'peer.disconnected', sinceMs)).toEqual([]);
      }
      expect(told(world, a, 'gateway.disconnected', sinceMs)).toEqual([]);
      expect(told(world, c, 'store.impaired', sinceMs).length).toBeGreaterThan(0);
      // A status request reports it.
      const [status, known] = [await world.complete(c.node.status()), a.node.peers];
      expect(status.impairment?.code).toBe(failure === 'full' ? 'diskFull' : 'databaseUnavailable');
      expect(known.find(({ nodeId }) => nodeId === 'node-c')?.impairment).toBe(status.impairment?.code);
      world.mendDisk(c);
      await world.settle({ within: '30s' });
      expect(told(world, c, 'store.recovered', sinceMs).length).toBeGreaterThan(0);
      expect([await things(c).get('k119'), await things(cloud).get('k119')]).toEqual([119, 119]);
    },
  );

  it.each(diskFailures)(
    '%s on the leader -> it hands over within two seconds of its next write, once, and leads again later',
    async (failure) => {
      const { world, nodes, sinceMs } = await site(651);
      const [a, b, c] = nodes;
      world.failDisk(a, failure);
      await expect(things(a).put('k', 1)).rejects.toMatchObject({
        code: failure === 'full' ? 'diskFull' : 'databaseUnavailable',
      });
      await world.until(() => b.node.isLeader && c.node.leaderId === 'node-b', { within: '2s' });
      for (let second = 0; second < 60; second += 1) {
        await things(b).put(`k${second}`, second);
        await world.run('1s');
      }
      expect(told(world, b, 'leadership.changed', sinceMs).filter(({ isLeader }) => isLeader)).toHaveLength(1);
      world.mendDisk(a);
      await world.settle({ within: '60s' });
      expect([a.node.isLeader, await things(a).get('k59')]).toEqual([true, 59]);
    },
  );

  it('recovered, and the node changes its NodeId before the disk has proved sound -> the other database starts without impairment', async () => {
    const { world, nodes } = await site(654);
    const [a] = nodes;
    for (let round = 0; round < 3; round += 1) {
      world.failDisk(a, 'io');
      await expect(things(a).put('k', 1)).rejects.toMatchObject({ code: 'databaseUnavailable' });
      world.mendDisk(a);
      if (round < 2) await world.run('5s');
    }
    expect(a.node.actor.getSnapshot().context.impairment).toBeDefined();
    await world.reconfigure(a, { nodeId: 'node-0' });
    await world.settle({ within: '60s' });
    expect([a.node.isLeader, a.node.leaderId]).toEqual([true, 'node-0']);
  });

  it('of an idle node -> is noticed nevertheless', async () => {
    const { world, nodes, sinceMs } = await site(652);
    world.failDisk(nodes[0], 'readOnly');
    await world.run('40s');
    expect(told(world, nodes[0], 'store.impaired', sinceMs)).toHaveLength(1);
    expect(nodes[1].node.isLeader).toBe(true);
    world.mendDisk(nodes[0]);
    await world.settle({ within: '60s' });
  });

  it('of a cloud node -> the session of the leader stays, and everything arrives when the disk works again', async () => {
    const { world, nodes, cloud, sinceMs } = await site(653);
    world.failDisk(cloud, 'sync');
    for (let second = 0; second < 60; second += 1) {
      await things(nodes[0]).put(`k${second}`, second);
      await world.run('1s');
    }
    expect(told(world, nodes[0], 'gateway.disconnected', sinceMs)).toEqual([]);
    expect(told(world, nodes[0], 'leadership.changed', sinceMs)).toEqual([]);
    world.mendDisk(cloud);
    await world.settle({ within: '60s' });
    expect(await things(cloud).get('k59')).toBe(59);
  });
});

describe('backup', () => {
  it('restored over newer writes -> the node gets its own lost entries back, and starts a new chain', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(611, three);
    await things(a).put('old', 1);
    const backup = world.backUp(a);
    await things(a).putMany(pairs(200, 'lost'));
    await world.until(() => world.converged(), { within: '5s' });
    world.crash(a);
    world.restore(a, backup);
    world.restart(a);
    await world.until(() => a.isUp, { within: '1s' });
    // Written before its peers have sent back its entries: on a new chain, otherwise the old one would fork.
    await things(a).put('new', 2);
    await world.settle({ within: '30s' });
    expect(await things(a).count()).toBe(202);
    await expectEverywhere(world, 'k0199', 'lost 199');
    await expectEverywhere(world, 'new', 2);
    const { authors } = (await world.complete(b.node.status())).store ?? {};
    expect(authors).toBe(2);
    expect(told(world, b, 'peer.diverged')).toEqual([]);
  });

  it('restored when no other node had the newer writes -> they are gone, and all agree', async () => {
    const {
      world,
      nodes: [a, b, c],
    } = await office(612, three);
    const backup = world.backUp(a);
    world.partition([a], [b, c]);
    await things(a).put('k', 'nobody has seen it');
    // Until the sessions are over: bytes that the cable still holds would arrive after the heal.
    await world.run('10s');
    world.crash(a);
    world.restore(a, backup);
    world.restart(a);
    world.heal();
    await world.settle({ within: '60s' });
    await expectEverywhere(world, 'k', undefined);
  });
});

describe('cut log', () => {
  it.each([0, 0.5, 0.9])('%d of it left -> opens, and gets its lost entries from its peers', async (share) => {
    const {
      world,
      nodes: [a],
    } = await office(620, three);
    for (let index = 0; index < 20; index += 1) await things(a).put(`k${index}`, index);
    await world.until(() => world.converged(), { within: '5s' });
    world.crash(a);
    world.tear(a, share);
    world.restart(a);
    await world.until(() => a.isUp, { within: '1s' });
    await things(a).put('k0', 'new');
    await world.settle({ within: '30s' });
    expect(await things(a).count()).toBe(20);
    await expectEverywhere(world, 'k0', 'new');
  });
});

describe('damaged database', () => {
  it('at the start -> the node fails with databaseCorrupt; moved away -> it fetches its documents from its peers', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(630, three);
    await things(a).putMany(pairs(300, 'a'));
    await world.settle({ within: '10s' });
    await world.stop(a);
    world.damage(a);
    world.restart(a);
    await world.run('1s');
    expect(a.isUp).toBe(false);
    expect(a.failure).toMatchObject({ code: 'databaseCorrupt', message: expect.stringContaining('set it aside') });
    // The other nodes continue meanwhile.
    await things(b).put('k0000', 'b');
    world.wipe(a);
    world.restart(a);
    await world.settle({ within: '30s' });
    expect(a.failure).toBeUndefined();
    expect(await things(a).count()).toBe(300);
    await expectEverywhere(world, 'k0000', 'b');
    await things(a).put('k0001', 'again');
    await world.settle({ within: '10s' });
    await expectEverywhere(world, 'k0001', 'again');
  });

  it('a disk touched under a running node -> refused by the world', async () => {
    const world = newWorld(631);
    const [a] = world.lan('office', ['node-a']);
    await meshed(world);
    expect(() => world.damage(a)).toThrow('crash or stop it');
    expect(() => world.wipe(a)).toThrow('crash or stop it');
  });
});

describe('cloned data directory', () => {
  it('a clone: of a node with options of its own -> has them too', async () => {
    const world = newWorld(37);
    const [a] = world.lan('office', ['node-a'], { port: 9_500 });
    await world.run('1s');
    const clone = world.clone(a);
    await world.run('1s');
    expect((await world.complete(clone.node.status())).port).toBe(9_500);
  });

  it('both run -> both are told, the one that was there first stays connected, and nothing diverges', async () => {
    const {
      world,
      nodes: [a, b],
    } = await office(640, ['node-a', 'node-b']);
    await things(a).put('k', 1);
    await world.run('6s');
    const sinceMs = world.nowMs;
    const clone = world.clone(a);
    await world.run('20s');
    expect(told(world, a, 'node.duplicated', sinceMs)[0]?.failure.code).toBe('duplicateNodeId');
    expect(told(world, clone, 'node.duplicated')[0]?.failure.code).toBe('duplicateNodeId');
    expect(told(world, b, 'peer.refused', sinceMs)[0]?.failure.code).toBe('duplicateNodeId');
    expect(told(world, a, 'peer.disconnected', sinceMs)).toEqual([]);
    // Both write the next entry of one node: on chains of their own.
    await things(a).put('k', 'original');
    await things(clone).put('k2', 'clone');
    await world.stop(a);
    await world.until(() => world.converged() && world.meshed(), { within: '400s' });
    expect(await things(b).get('k2')).toBe('clone');
    expect(await things(clone).get('k')).toBe('original');
  });

  it('no other node is there -> each notices the other by its beacons', async () => {
    const {
      world,
      nodes: [a],
    } = await office(641, ['node-a']);
    const clone = world.clone(a);
    await world.run('15s');
    for (const node of [a, clone]) expect(told(world, node, 'node.duplicated')).toHaveLength(1);
  });
});
