/** Nodes of a world that are reconfigured while they serve. */
import { describe, expect, it } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import type { World, WorldNode } from '../../src/simulation/index.js';
import { playPlan } from '../../src/simulation/index.js';
import { followSteps } from '../reconfiguration-steps.js';
import { expectEverywhere, meshed, office, things, three, told } from './office.js';

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'done',
    ({ code }: { code: string }) => code,
  );
}

function hasMet(world: World, node: WorldNode, nodeId: string, sinceMs: number): boolean {
  return told(world, node, 'peer.connected', sinceMs).some((nodeEvent) => nodeEvent.nodeId === nodeId);
}

/** A mesh that has settled, so that no node connects or disconnects by itself. */
async function settledOffice(seed: number) {
  const { world, nodes } = await office(seed, three);
  await world.settle({ within: '60s' });
  return { world, nodes, sinceMs: world.nowMs };
}

describe('ports', () => {
  it('the leader moves under load -> its sessions stay, and after a break its peers dial the new port', async () => {
    const { world, nodes, sinceMs } = await settledOffice(701);
    const [a, b, c] = nodes;
    for (let index = 0; index < 20; index += 1) {
      void things(b).put(`k${index}`, index);
      if (index === 10) void world.reconfigure(a, { port: 9_001, discovery: false });
      await world.run(20);
    }
    await world.run('1s');
    for (const node of nodes) expect(told(world, node, 'peer.disconnected', sinceMs)).toEqual([]);
    const { nowMs } = world;
    world.reset(a, b);
    world.reset(a, c);
    await world.until(() => hasMet(world, b, 'node-a', nowMs), { within: '5s' });
    await world.settle({ within: '60s' });
    expect(a.node.peers.map(({ state }) => state)).toEqual(['connected', 'connected']);
  });

  it('an address where it cannot listen -> an error, and nothing has changed', async () => {
    const { world, nodes, sinceMs } = await settledOffice(702);
    const [a] = nodes;
    expect(await codeOf(world.reconfigure(a, { host: '10.99.0.1', eligible: false }, { isWritten: 'never' }))).toBe(
      'addressUnavailable',
    );
    await world.settle({ within: '60s' });
    expect(a.node.isLeader).toBe(true);
    for (const node of nodes) expect(told(world, node, 'peer.disconnected', sinceMs)).toEqual([]);
  });
});

describe('identities', () => {
  it('another NodeId -> a new database with all documents, leadership under the new name, and back with the old data', async () => {
    const { world, nodes } = await office(703, three);
    const [a, b, c] = nodes;
    await things(a).put('x', 1);
    await world.settle({ within: '60s' });
    await world.reconfigure(a, { nodeId: 'node-z' });
    expect(a.nodeId).toBe('node-z');
    await world.settle({ within: '90s' });
    expect([b, c].map(({ node }) => node.leaderId)).toEqual(['node-b', 'node-b']);
    await expectEverywhere(world, 'x', 1);
    await things(a).put('y', 2);
    await world.reconfigure(a, { nodeId: 'node-a' });
    expect(await things(a).get('x')).toBe(1);
    await world.settle({ within: '90s' });
    await expectEverywhere(world, 'y', 2);
    expect([b, c].map(({ node }) => node.leaderId)).toEqual(['node-a', 'node-a']);
  });

  it('cut off when it changes -> the writes of its old identity are copied, and reach all nodes', async () => {
    const { world, nodes } = await office(704, three);
    const [a, b, c] = nodes;
    await world.reconfigure(a, { nodeId: 'node-x' });
    await meshed(world);
    world.partition([a], [b, c]);
    // Until their sessions have ended: bytes in flight would still arrive.
    await world.run('10s');
    await things(a).put('apart', 1);
    await world.reconfigure(a, { nodeId: 'node-a' });
    world.heal();
    await world.settle({ within: '90s' });
    await expectEverywhere(world, 'apart', 1);
  });

  it.each(['checking', 'openingStore', 'copying', 'draining', 'leaving', 'retiring'])(
    'crash while it is %s -> starts as one of the two, and no acknowledged write is lost',
    async (step) => {
      for (const isWritten of ['now', 'then'] as const) {
        const { world, nodes } = await settledOffice(705);
        const [a] = nodes;
        await things(a).put('before', 1);
        await world.settle({ within: '60s' });
        let isDead = false;
        followSteps(a.node.actor, (reached) => {
          if (isDead || !reached.startsWith(step)) return;
          isDead = true;
          // The call may or may not be answered: the end checks the result.
          a.node
            .collection('things')
            .put(`at ${step}`, 1)
            .catch(() => {});
          world.crash(a);
        });
        world.reconfiguring(a, { nodeId: 'node-x', port: 9_001 }, isWritten).catch(() => {});
        await world.until(() => isDead, { within: '5s' });
        world.restart(a);
        await world.settle({ within: '90s' });
        expect(isWritten === 'now' ? ['node-x'] : ['node-a', 'node-x']).toContain(a.nodeId);
        await expectEverywhere(world, 'before', 1);
      }
    },
  );

  it('an invalid new database -> the old one serves, and no session was dropped', async () => {
    const { world, nodes, sinceMs } = await settledOffice(706);
    const [a] = nodes;
    world.spoil(a, 'node-x');
    expect(await codeOf(world.reconfigure(a, { nodeId: 'node-x' }, { isWritten: 'never' }))).toBe('databaseForeign');
    await things(a).put('x', 1);
    await world.settle({ within: '60s' });
    for (const node of nodes) expect(told(world, node, 'peer.disconnected', sinceMs)).toEqual([]);
  });

  it('several in quick succession -> one or two reconfigurations, the last wins, and a bad one is refused alone', async () => {
    const { world, nodes } = await office(707, three);
    const [a] = nodes;
    const outcomes = [
      ...['node-x', 'node-y', 'node-z'].map((nodeId) => codeOf(world.reconfiguring(a, { nodeId }, 'then'))),
      codeOf(world.reconfiguring(a, { port: -1 }, 'never')),
    ];
    expect(await world.complete(Promise.all(outcomes))).toEqual(['done', 'done', 'done', 'configurationInvalid']);
    expect(a.nodeId).toBe('node-z');
    expect(told(world, a, 'reconfiguration.finished').length).toBeLessThanOrEqual(2);
    await world.settle({ within: '90s' });
  });
});

describe('keys', () => {
  it('replaced over the cluster, one node after the other -> never apart for long, and no connection by the old key is left', async () => {
    const { world, nodes } = await office(708, three);
    const [old, next] = ['the key of a simulated cluster', 'the next key of the cluster'];
    for (const partial of [
      { clusterKey: old, acceptedClusterKeys: [next] },
      { clusterKey: next, acceptedClusterKeys: [old] },
      { clusterKey: next, acceptedClusterKeys: [] },
    ]) {
      for (const node of nodes) {
        await world.reconfigure(node, partial);
        await things(node).put(`by ${node.name}`, partial.acceptedClusterKeys.length);
      }
    }
    await world.settle({ within: '60s' });
    // The sessions with the old key have ended, once each, and started again.
    for (const node of nodes) {
      expect(told(world, node, 'peer.refused')).toEqual([]);
      expect(told(world, node, 'peer.disconnected').length).toBeLessThanOrEqual(4);
    }
  });

  it('a node that was away meanwhile -> is refused with the old key, and joins with the new one', async () => {
    const { world, nodes } = await office(709, three);
    const [a, b, c] = nodes;
    // It ignores beacons of another key.
    await world.complete(b.node.addStaticPeer('node-a', `${a.address}:9000`));
    await world.settle({ within: '60s' });
    world.crash(c);
    for (const node of [a, b]) await world.reconfigure(node, { clusterKey: 'the next key of the cluster' });
    world.restart(c);
    await world.until(() => told(world, c, 'peer.refused').length > 0, { within: '30s' });
    expect(told(world, c, 'peer.refused')[0]?.failure.code).toBe('wrongClusterKey');
    await world.reconfigure(c, { clusterKey: 'the next key of the cluster' });
    // It was refused, and a refused peer is dialed rarely; a change of the key is news.
    await world.settle({ within: limits.refusedBackoffMaxMs });
  });
});

describe('found by the swarm', () => {
  it('seed 5: a node whose discovery is off moves -> no breach', async () => {
    const verdict = await playPlan({
      seed: 5,
      nodes: 5,
      wiring: 'mesh',
      clouds: 2,
      tokenLifetimeMs: 60_000,
      durationMs: 29_000,
      options: { heartbeatIntervalMs: 1_000, syncIntervalMs: 2_000, beaconIntervalMs: 1_000 },
      faults: [
        { atMs: 20_000, kind: 'reconfigure', node: 1, partial: { discovery: false }, isWritten: 'now' },
        { atMs: 29_000, kind: 'waver', node: 1, ports: [9_000, 9_001, 9_002] },
      ],
      writes: [],
    });
    expect(verdict.breach).toBeUndefined();
  });

  it('seed 214: the key is replaced while the disk of a leader is full -> its secrets are sealed when there is room', async () => {
    const verdict = await playPlan({
      seed: 214,
      nodes: 3,
      wiring: 'mesh',
      clouds: 1,
      tokenLifetimeMs: 3_600_000,
      durationMs: 30_000,
      options: { heartbeatIntervalMs: 1_000, syncIntervalMs: 2_000, beaconIntervalMs: 5_000 },
      faults: [
        { atMs: 10_000, kind: 'fillDisk', node: 0, forMs: 5_000 },
        { atMs: 11_000, kind: 'rotate', key: 'the next key of the cluster', stepMs: 3_000 },
      ],
      writes: [{ atMs: 9_000, node: 0, key: 'k', value: 1, bytes: 100_000 }],
    });
    expect(verdict.breach).toBeUndefined();
  });
});
