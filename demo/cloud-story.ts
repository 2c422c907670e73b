/**
 * The second part of the story: a cloud node is added, disabled, enabled and replaced on a running cluster, and the
 * leader dies.
 */
import type { Cloud } from './cloud.js';
import type { Cluster } from './cluster.js';
import type { ClusterNode } from './cluster-node.js';
import type { Orders } from './orders.js';
import { until } from './progress.js';
import { assert, connectedTo, isLedBy, sharedDigestOf, statusOf } from './questions.js';
import { number } from './screen.js';
import type { Step } from './story.js';

/** Orders that are written while the cloud is away. */
const ordersWhileAway = 200;

export function cloudSteps(cluster: Cluster, cloud: Cloud, orders: Orders): Step[] {
  const { nodes, signal } = cluster;
  const [a, b, c] = nodes;
  const [old, replacement] = cloud.nodes;

  const untilEqual = (node: ClusterNode, other: ClusterNode) =>
    until(signal, `${node.name} has what ${other.name} has`, async () => {
      const [theirs, ours] = await Promise.all([sharedDigestOf(node), sharedDigestOf(other)]);
      return theirs.digest === ours.digest;
    });

  return [
    {
      title: 'The smallest NodeId leads',
      async run() {
        await until(signal, 'all three agree that node-a leads', () => isLedBy(nodes, a));
        return {
          title: 'node-a leads: the smallest NodeId among the live nodes',
          details: ['Only the leader connects to the cloud; any other node could take over.'],
        };
      },
    },
    {
      title: 'Use case 1: a cloud node is added on node-c',
      async run() {
        await cloud.startAuthority();
        await cloud.startNode(old);
        await cloud.addTo(c, old, (await statusOf(old)).port);
        await until(signal, 'the gateway of node-a is online', async () =>
          (await connectedTo(nodes, old)).includes('node-a'),
        );
        const connected = await connectedTo(nodes, old);
        assert(connected.join() === 'node-a', `connected to cloud-1: ${connected.join(', ')}`);
        return {
          title: 'Use case 1: cloud-1, added on node-c, and node-a connects to it',
          details: [
            `The authority is process ${cloud.authorityProcessId}, cloud-1 is process ${old.processId}.`,
            'TLS with a verified certificate, an access token by client credentials,',
            'and the client secret sealed in a document that synced from node-c to node-a.',
          ],
        };
      },
    },
    {
      title: 'Everything flows to the cloud',
      async run() {
        await untilEqual(old, a);
        const { documents } = await sharedDigestOf(old);
        const { peers } = await statusOf(old);
        const connected = peers.filter(({ state }) => state === 'connected');
        assert(connected.length === 1, `cloud-1 has ${connected.length} connections from a cluster of three`);
        return {
          title: `cloud-1 has all ${number(documents)} documents, over one connection`,
          details: ['The digests over everything except the settings of the cluster are equal.'],
        };
      },
    },
    {
      title: 'Use case 2: disabled for maintenance, and enabled again',
      async run() {
        await b.call('disablePeer', { nodeId: old.name });
        await until(
          signal,
          'no node is connected to cloud-1',
          async () => (await connectedTo(nodes, old)).length === 0,
        );
        await orders.write([a, b, c], ordersWhileAway);
        const before = await orders.countOn(old);
        assert(before === 0, `cloud-1 has ${before} orders although it is disabled`);
        await c.call('enablePeer', { nodeId: old.name });
        await untilEqual(old, b);
        await orders.verify(old);
        return {
          title: `Use case 2: disabled on node-b, enabled on node-c, ${number(ordersWhileAway)} orders delivered late`,
          details: ['Written while it was away, on all three nodes; none missing, none twice.'],
        };
      },
    },
    {
      title: 'Use case 3: another cloud node takes its place',
      async run() {
        await cloud.startNode(replacement);
        await cloud.addTo(b, replacement, (await statusOf(replacement)).port);
        await untilEqual(replacement, a);
        await a.call('disablePeer', { nodeId: old.name });
        await orders.write([a, b, c], ordersWhileAway);
        await untilEqual(replacement, c);
        await orders.verify(replacement);
        await c.call('removePeer', { nodeId: old.name });
        const stored = await b.call<{ nodeId: string }[]>('remotePeers');
        await until(signal, 'cloud-1 is forgotten on node-b', async () =>
          (await b.call<{ nodeId: string }[]>('remotePeers')).every(({ nodeId }) => nodeId !== old.name),
        );
        assert(
          stored.some(({ nodeId }) => nodeId === replacement.name),
          'cloud-2 is not among the remote peers of node-b',
        );
        await old.stop();
        return {
          title: `Use case 3: cloud-2 in place of cloud-1, with all ${number(orders.total)} orders`,
          details: ['Added on node-b, the old one disabled on node-a and removed on node-c.'],
        };
      },
    },
    {
      title: 'The leader is killed',
      async run() {
        const killedAtMs = performance.now();
        await a.kill();
        await until(signal, 'node-b leads', () => isLedBy([b, c], b));
        const leadsAfterMs = performance.now() - killedAtMs;
        await orders.write([b, c], ordersWhileAway);
        await untilEqual(replacement, c);
        await orders.verify(replacement);
        const deliveredAfterMs = performance.now() - killedAtMs;
        const connected = await connectedTo([b, c], replacement);
        assert(connected.join() === 'node-b', `connected to cloud-2: ${connected.join(', ')}`);
        return {
          title: `node-a killed: node-b led after ${seconds(leadsAfterMs)}, all was delivered after ${seconds(deliveredAfterMs)}`,
          details: [`${number(ordersWhileAway)} orders were written meanwhile; none missing, none twice.`],
        };
      },
    },
    {
      title: 'node-a comes back',
      async run() {
        await a.start();
        await until(signal, 'node-a leads again', () => isLedBy(nodes, a));
        await until(
          signal,
          'only node-a is connected',
          async () => (await connectedTo(nodes, replacement)).join() === 'node-a',
        );
        await untilEqual(replacement, a);
        await orders.verify(replacement);
        return {
          title: 'node-a is back, leads again, and lost nothing',
          details: ['It waited until it had been connected for a while: leadership does not flap.'],
        };
      },
    },
  ];
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(1)} s`;
}
