/**
 * Clusters, their leaders and the cloud: split brains, dead uplinks, faulty authorities, tokens that expire, two sites.
 */
import { describe, expect, it } from '@jest/globals';
import type { World, WorldNode } from '../../src/simulation/index.js';
import { meshed, newWorld, things, told } from './office.js';

const three = ['node-a', 'node-b', 'node-c'] as const;

/** A site of three, a cloud node and an authority, all connected. */
async function stage<const Ids extends readonly string[] = typeof three>(
  seed: number,
  { nodeIds = three as unknown as Ids, lifetime = '3600s', options = {} } = {},
) {
  const world = newWorld(seed);
  const authority = world.authority({ lifetime: lifetime as '3600s' });
  const client = authority.register({ clientId: 'office', clientSecret: 'open sesame' });
  const [cloud] = world.cloud(['cloud-1'], { authority });
  const site = {
    initialRemotePeers: [world.cloudPeer(cloud, client)],
    environment: { CLOUD_SECRET: client.clientSecret },
  };
  const nodes = world.lan('office', nodeIds, { ...site, ...options });
  return { world, authority, client, cloud, nodes, site };
}

const online = (node: WorldNode, cloud = 'cloud-1') =>
  node.isUp && node.node.gateways.some(({ nodeId, state }) => nodeId === cloud && state === 'online');
const gatewayOf = (node: WorldNode) => node.node.gateways[0];
const isLedBy = (nodes: readonly WorldNode[], leaderId: string) =>
  nodes.every(({ isUp, node }) => isUp && node.leaderId === leaderId);

async function untilOnline(world: World, node: WorldNode, within: '30s' | '60s' | '120s' = '30s'): Promise<void> {
  await world.until(() => online(node), { within });
}

describe('leadership', () => {
  it('a cluster starts -> the smallest leads and connects; no other holds a link', async () => {
    const { world, nodes, cloud } = await stage(1);
    await untilOnline(world, nodes[0]);
    await world.until(() => isLedBy(nodes, 'node-a'), { within: '5s' });
    expect(nodes.map((node) => gatewayOf(node)?.state)).toEqual(['online', 'idle', 'idle']);
    expect(cloud.node.peers.map(({ nodeId }) => nodeId)).toEqual(['node-a']);
    await world.settle({ within: '60s' });
  });

  it('the leader is killed -> the next one leads within a second, and writes made meanwhile arrive in the cloud', async () => {
    const { world, nodes, cloud } = await stage(2);
    await untilOnline(world, nodes[0]);
    world.crash(nodes[0]);
    const killedAtMs = world.nowMs;
    await things(nodes[2]).put('meanwhile', 1);
    await world.until(() => isLedBy(nodes.slice(1), 'node-b'), { within: '1s' });
    await world.until(() => online(nodes[1]), { within: '2s' });
    await world.run('1s');
    expect(await things(cloud).get('meanwhile')).toBe(1);
    expect(world.nowMs - killedAtMs).toBeLessThan(5_000);
    world.restart(nodes[0]);
    await world.settle({ within: '90s' });
    expect(nodes[0].node.isLeader).toBe(true);
  });

  it('the network of the leader goes silent -> the next one leads within six seconds', async () => {
    const { world, nodes } = await stage(3);
    await untilOnline(world, nodes[0]);
    const [a, ...others] = nodes;
    world.partition([a], others);
    world.partition(others, [a]);
    await world.until(() => isLedBy(others, 'node-b'), { within: '6s' });
    world.heal();
    await world.settle({ within: '90s' });
  });

  it('the leader stops gracefully -> the next one leads within a second', async () => {
    const { world, nodes } = await stage(4);
    await untilOnline(world, nodes[0]);
    await world.stop(nodes[0]);
    await world.until(() => isLedBy(nodes.slice(1), 'node-b'), { within: '1s' });
    world.restart(nodes[0]);
    await world.settle({ within: '90s' });
  });

  it('split brain -> a leader on each side, both deliver; healed: one leader, and the cloud has what the site has', async () => {
    const { world, nodes, cloud } = await stage(5, { nodeIds: ['node-a', 'node-b', 'node-c', 'node-d'] as const });
    const [a, b, c, d] = nodes as [WorldNode, WorldNode, WorldNode, WorldNode];
    await untilOnline(world, a);
    world.partition([a, b], [c, d]);
    await world.until(() => online(c) && isLedBy([a, b], 'node-a') && isLedBy([c, d], 'node-c'), { within: '20s' });
    await things(b).put('left', 1);
    await things(d).put('right', 2);
    await world.run('5s');
    expect([await things(cloud).get('left'), await things(cloud).get('right')]).toEqual([1, 2]);
    world.heal();
    await world.settle({ within: '90s' });
    expect(isLedBy(nodes, 'node-a')).toBe(true);
    const digestOf = async (node: WorldNode) => (await world.complete(node.node.contentDigest(['shared']))).digest;
    expect(await digestOf(cloud)).toBe(await digestOf(a));
  });

  it('a smaller node comes and goes every second -> leadership does not follow it', async () => {
    const { world, nodes } = await stage(6);
    const [a, b, c] = nodes as unknown as [WorldNode, WorldNode, WorldNode];
    await untilOnline(world, a);
    world.crash(a);
    await untilOnline(world, b);
    const sinceMs = world.nowMs;
    for (let round = 0; round < 10; round += 1) {
      world.restart(a);
      await world.run('1s');
      world.crash(a);
      await world.run('1s');
    }
    expect(told(world, c, 'leadership.changed', sinceMs)).toEqual([]);
    expect(told(world, b, 'leadership.changed', sinceMs)).toEqual([]);
    world.restart(a);
    await world.settle({ within: '120s' });
    expect(isLedBy(nodes, 'node-a')).toBe(true);
  });

  it('packets are lost for a minute -> leadership stays where it is', async () => {
    const { world, nodes } = await stage(7);
    await untilOnline(world, nodes[0]);
    await world.until(() => isLedBy(nodes, 'node-a'), { within: '5s' });
    const sinceMs = world.nowMs;
    world.loss(0.05);
    await world.run('60s');
    expect(nodes.flatMap((node) => told(world, node, 'leadership.changed', sinceMs))).toEqual([]);
    world.heal();
    await world.settle({ within: '90s' });
  });

  it('beacons of a missing node, forged and replayed -> no node follows it', async () => {
    const { world, nodes } = await stage(8);
    const overheard = world.overhear();
    await world.until(() => isLedBy(nodes, 'node-a'), { within: '20s' });
    world.crash(nodes[0]);
    await world.until(() => isLedBy(nodes.slice(1), 'node-b'), { within: '5s' });
    const sinceMs = world.nowMs;
    for (let round = 0; round < 20; round += 1) {
      for (const datagram of overheard.slice(0, 6)) world.inject('office', datagram);
      const forged = Buffer.from(JSON.stringify({ node_id: '0', tcp_port: 9_000, cluster_hash: '' }));
      world.inject('office', { bytes: forged, from: '10.0.0.66', port: 25_000 });
      await world.run('500ms');
    }
    expect(nodes.slice(1).flatMap((node) => told(world, node, 'leadership.changed', sinceMs))).toEqual([]);
    world.restart(nodes[0]);
    await world.settle({ within: '90s' });
  });

  it('a chain of five -> one leader, by heartbeats that are relayed; when it dies, the next one', async () => {
    const world = newWorld(9);
    const ids = ['node-a', 'node-b', 'node-c', 'node-d', 'node-e'] as const;
    const nodes = world.lan('office', ids, { topology: 'chain' });
    await world.until(() => isLedBy(nodes, 'node-a'), { within: '30s' });
    world.crash(nodes[0]);
    await world.until(() => isLedBy(nodes.slice(1), 'node-b'), { within: '10s' });
    world.restart(nodes[0]);
    await world.settle({ within: '90s' });
    expect(isLedBy(nodes, 'node-a')).toBe(true);
  });

  it('thirty nodes start at once -> one leader, with one link to the cloud', async () => {
    const nodeIds = Array.from({ length: 30 }, (_, index) => `node-${String(index).padStart(2, '0')}`);
    const { world, nodes, cloud } = await stage(10, { nodeIds });
    await world.until(() => isLedBy(nodes, 'node-00'), { within: '30s' });
    await untilOnline(world, nodes[0] as WorldNode);
    await world.run('5s');
    expect(cloud.node.peers).toHaveLength(1);
    // Thirty nodes take a third of a minute of the processor: more than others get on a busy machine.
  }, 180_000);

  it('the leader is not eligible any more -> an observer at once, and another one leads', async () => {
    const { world, nodes } = await stage(11);
    await untilOnline(world, nodes[0]);
    nodes[0].node.setEligible(false);
    await world.until(() => isLedBy(nodes, 'node-b'), { within: '2s' });
    nodes[0].node.setEligible(true);
    await world.settle({ within: '90s' });
    expect(isLedBy(nodes, 'node-a')).toBe(true);
  });
});

describe('uplinks', () => {
  it('the uplink of the leader is dead -> it yields, the next one delivers; healed, it comes back after a probe', async () => {
    const { world, nodes, cloud } = await stage(21);
    const [a, b] = nodes as unknown as [WorldNode, WorldNode, WorldNode];
    await untilOnline(world, a);
    world.partition([a], [cloud]);
    world.partition([cloud], [a]);
    await things(a).put('from a', 1);
    // Heartbeats are missed, a dial waits for round trips of 5 s, and only then the leader yields.
    await untilOnline(world, b, '120s');
    expect((await world.complete(a.node.status())).uplink).toBe('failed');
    await world.run('2s');
    expect(await things(cloud).get('from a')).toBe(1);
    world.heal();
    await world.until(() => isLedBy(nodes, 'node-a') && online(a), { within: '1200s' });
    await world.settle({ within: '90s' });
  });

  it('the cloud is down for all nodes for ten minutes -> leadership settles, few requests, and nothing is missing', async () => {
    const { world, nodes, cloud } = await stage(22);
    await untilOnline(world, nodes[0]);
    world.crash(cloud);
    await world.run('480s');
    const sinceMs = world.nowMs;
    for (const node of nodes) await things(node).put(`of ${node.nodeId}`, 1);
    await world.run('360s');
    expect(nodes.flatMap((node) => told(world, node, 'leadership.changed', sinceMs))).toEqual([]);
    expect(isLedBy(nodes, 'node-a')).toBe(true);
    world.restart(cloud);
    await world.until(() => online(nodes[0]), { within: '60s' });
    await world.settle({ within: '1200s' });
    for (const node of nodes) expect(await things(cloud).get(`of ${node.nodeId}`)).toBe(1);
  });

  it('the cloud peer is replaced during a partition -> both sides end with the new one, with everything', async () => {
    const { world, authority, client, nodes, cloud } = await stage(23);
    const [a, b, c] = nodes as unknown as [WorldNode, WorldNode, WorldNode];
    await untilOnline(world, a);
    const [next] = world.cloud(['cloud-2'], { authority });
    world.partition([a], [b, c]);
    await world.run('8s');
    const { oAuth2, address } = world.cloudPeer(next, client);
    await world.complete(b.node.addCloudPeer('cloud-2', address, oAuth2 as never));
    await world.complete(b.node.removeRemotePeer('cloud-1'));
    // It has not heard of the removal, and its edit is the later one.
    await world.complete(a.node.disablePeer('cloud-1'));
    await world.complete(a.node.enablePeer('cloud-1'));
    await things(c).put('late', 1);
    await world.run('20s');
    world.heal();
    await world.until(() => online(a, 'cloud-2') && !online(a, 'cloud-1'), { within: '60s' });
    for (const node of nodes) {
      const peers = await world.complete(node.node.getAllRemotePeers());
      expect(peers.map(({ nodeId }) => nodeId)).toEqual(['cloud-2']);
    }
    expect(await things(next).get('late')).toBe(1);
    world.crash(cloud);
    await world.run('1s');
    world.restart(cloud);
  });
});

describe('authorities', () => {
  it.each([
    ['down', 'down', 'authorityUnavailable', 'backingOff'],
    ['slow beyond patience', 'hang', 'authorityUnavailable', 'backingOff'],
    ['returning rubbish', 'rubbish', 'authorityInvalid', 'backingOff'],
    ['refusing the client', 'refuse', 'authorityRefused', 'rejected'],
    ['failing', 'fail', 'authorityUnavailable', 'backingOff'],
  ] as const)(
    '%s -> the node continues, reports why, and connects when the authority works again',
    async (_, fault, code, state) => {
      const { world, authority, nodes } = await stage(31);
      authority[fault]();
      await world.until(() => gatewayOf(nodes[0])?.lastFailure?.code === code, { within: '60s' });
      await world.until(() => gatewayOf(nodes[0])?.state === state, { within: '60s' });
      await things(nodes[1]).put('meanwhile', fault);
      authority.mend();
      if (fault === 'down') authority.up();
      await world.until(() => nodes.some((node) => online(node)), { within: '600s' });
      await world.settle({ within: '1200s' });
    },
  );

  it('a slow authority -> connected nevertheless', async () => {
    const { world, authority, nodes } = await stage(32);
    authority.slow('3s');
    await untilOnline(world, nodes[0]);
    await world.settle({ within: '60s' });
  });

  it('tokens expire while documents flow -> renewed in time, and the session never breaks', async () => {
    const { world, nodes, cloud } = await stage(33, { lifetime: '20s' });
    await untilOnline(world, nodes[0]);
    for (let second = 0; second < 60; second += 1) {
      await things(nodes[second % 3] as WorldNode).put(`k${second}`, second);
      await world.run('1s');
    }
    expect(told(world, nodes[0], 'gateway.disconnected')).toEqual([]);
    expect(await things(cloud).get('k59')).toBe(59);
    await world.settle({ within: '60s' });
  });

  it('the authority is away when a token expires -> the session ends with it, and comes back with the authority', async () => {
    const { world, authority, nodes } = await stage(34, { lifetime: '20s' });
    await untilOnline(world, nodes[0]);
    authority.down();
    await world.until(() => told(world, nodes[0], 'gateway.disconnected').length > 0, { within: '90s' });
    expect(told(world, nodes[0], 'gateway.disconnected')[0]?.failure.code).toBe('tokenExpired');
    await things(nodes[1]).put('meanwhile', 1);
    authority.up();
    await world.until(() => nodes.some((node) => online(node)), { within: '300s' });
    await world.settle({ within: '1200s' });
  });

  it('the keys of the authority are rotated -> tokens with the new key are accepted', async () => {
    const { world, authority, nodes } = await stage(35, { lifetime: '30s' });
    await untilOnline(world, nodes[0]);
    await world.run('15s');
    authority.rotateKeys();
    await world.run('60s');
    expect(told(world, nodes[0], 'gateway.disconnected')).toEqual([]);
    await world.settle({ within: '60s' });
  });

  it.each(['+20s', '-20s'] as const)('the clock of the gateway is %s off -> connected nevertheless', async (skew) => {
    const { world, nodes } = await stage(36, { lifetime: '60s' });
    world.skew(nodes[0], skew);
    await untilOnline(world, nodes[0]);
    await world.run('180s');
    expect(told(world, nodes[0], 'gateway.disconnected')).toEqual([]);
    world.unskew(nodes[0]);
    await world.settle({ within: '60s' });
  });

  it('a variable is not set on the leader -> rejected, naming the variable', async () => {
    const { world, nodes } = await stage(37, { options: { environment: {} } });
    await world.until(() => gatewayOf(nodes[0])?.state === 'rejected', { within: '30s' });
    expect(gatewayOf(nodes[0])?.lastFailure).toMatchObject({ code: 'environmentMissing' });
    expect(gatewayOf(nodes[0])?.lastFailure?.message).toContain('CLOUD_SECRET');
    await world.settle({ within: '60s' });
  });
});

describe('authorities that misbehave', () => {
  it('it asks for a pause of a minute -> all nodes pause; then the leader connects', async () => {
    const { world, authority, nodes } = await stage(51);
    authority.busy('60s');
    await world.until(() => authority.requests.length > 0, { within: '30s' });
    await world.run('55s');
    const from = new Map<string, number>();
    for (const request of authority.requests) from.set(request.from, (from.get(request.from) ?? 0) + 1);
    expect([...from.values()].filter((count) => count > 1)).toEqual([]);
    authority.mend();
    await world.until(() => nodes.some((node) => online(node)), { within: '60s' });
    await world.settle({ within: '90s' });
  });

  it('an HTML page at the metadata address of OpenID -> member and cloud node find the other address', async () => {
    const { world, authority, nodes } = await stage(52);
    authority.halfDiscovery();
    await untilOnline(world, nodes[0]);
    await world.settle({ within: '60s' });
  });

  it('it repeats the request -> rejected, and the secret is not reported', async () => {
    const { world, authority, nodes } = await stage(53);
    authority.echo();
    await world.until(() => gatewayOf(nodes[0])?.state === 'rejected', { within: '30s' });
    expect(JSON.stringify(nodes[0].node.gateways)).toContain('(invalid_client)');
    expect(JSON.stringify(nodes[0].node.gateways)).not.toMatch(/sesame|c2VzYW1l/);
    authority.mend();
    await world.settle({ within: '900s' });
  });
});

describe('sites', () => {
  it('two sites share a cloud node -> shared documents meet there, and documents of cluster scope stay on their site', async () => {
    const { world, nodes, cloud, site } = await stage(41);
    const shop = world.lan('shop', ['node-x', 'node-y'], site);
    await untilOnline(world, nodes[0]);
    await untilOnline(world, shop[0]);
    await things(nodes[2]).put('of the office', 1);
    await things(shop[1]).put('of the shop', 2);
    await world.complete(nodes[1].node.addStaticPeer('till-9', '10.0.9.9:9000'));
    await world.run('10s');
    expect(await things(shop[1]).get('of the office')).toBe(1);
    expect(await things(nodes[2]).get('of the shop')).toBe(2);
    expect((await world.complete(shop[0].node.getAllRemotePeers())).map(({ nodeId }) => nodeId)).toEqual(['cloud-1']);
    expect(await world.complete(cloud.node.collections())).toEqual(['things']);
    await world.complete(nodes[1].node.removeRemotePeer('till-9'));
    await world.settle({ within: '60s' });
  });

  it('both have a node with the same NodeId -> the cloud node tells them apart', async () => {
    const { world, authority, nodes, cloud, site } = await stage(42);
    const other = authority.register({ clientId: 'shop', clientSecret: 'other' });
    const [x, y] = world.lan('shop', ['node-a', 'node-y'], {
      initialRemotePeers: [world.cloudPeer(cloud, other)],
      environment: { ...site.environment, CLOUD_SECRET: other.clientSecret },
    });
    await untilOnline(world, nodes[0]);
    await untilOnline(world, x);
    await things(nodes[0]).put('of the office', 1);
    await things(x).put('of the shop', 2);
    await world.run('10s');
    expect(await things(y).get('of the office')).toBe(1);
    expect(await things(nodes[2]).get('of the shop')).toBe(2);
    expect(cloud.node.peers.map(({ nodeId, subject }) => [nodeId, subject]).sort()).toEqual([
      ['node-a', 'office'],
      ['node-a', 'shop'],
    ]);
    await meshed(world);
  });
});
