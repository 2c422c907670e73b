/** The last part of the story: ports, leaders, names and the cluster key change while the nodes serve. */
import { randomBytes } from 'node:crypto';
import { dial } from '../src/adapters/dialing.js';
import { deriveClusterKeys } from '../src/core/keys.js';
import type { Cloud } from './cloud.js';
import { type Cluster, freePort } from './cluster.js';
import type { ClusterNode } from './cluster-node.js';
import type { Orders } from './orders.js';
import { until } from './progress.js';
import { areMeshed, assert, clockDigestOf, connectedTo, isLedBy, sharedDigestOf, statusOf } from './questions.js';
import { number } from './screen.js';
import type { Step } from './story.js';

const ordersEachTime = 100;
/** The temporary name of node-c. */
const otherName = 'node-d';

/** The report of a reconfiguration. */
interface Report {
  readonly tookMs: number;
  readonly writesHeldMs: number;
  readonly connectionsRefusedMs: number;
}

export function reconfigurationSteps(cluster: Cluster, cloud: Cloud, orders: Orders): Step[] {
  const { nodes, signal } = cluster;
  const [a, b, c] = nodes;
  const [, cloudNode] = cloud.nodes;

  const reconfigure = (node: ClusterNode, partial: object) => node.call<Report>('reconfigure', { partial });
  const untilEqual = () =>
    until(signal, 'all three have the same', async () => {
      const digests = await Promise.all(nodes.map(clockDigestOf));
      return digests.every((digest) => digest === digests[0]);
    });
  const untilInCloud = () =>
    until(signal, 'cloud-2 has what node-b has', async () => {
      const [here, there] = await Promise.all([sharedDigestOf(b), sharedDigestOf(cloudNode)]);
      return here.digest === there.digest;
    });
  const untilNamed = (node: ClusterNode, nodeId: string) =>
    until(signal, `${node.name} goes by ${nodeId}`, async () => (await statusOf(node)).nodeId === nodeId);

  /**
   * Waits until every node has the secrets that the leader sealed with the new key: from then on the old key is not
   * needed.
   */
  const untilSealed = () =>
    until(signal, 'the secret of the cloud peer is sealed with the new key', async () => {
      const sealed = nodes.map(async (node) => {
        const [[keyId = ''], envelopes] = [(await statusOf(node)).clusterKeyIds, await envelopesOf(node)];
        return envelopes.length > 0 && envelopes.every((envelope) => envelope.includes(keyId));
      });
      return (await Promise.all(sealed)).every(Boolean);
    });

  /** The result of a connection with a key: `connected`, or the code of the error. */
  const dialed = async (port: number, passphrase: string): Promise<string> => {
    const { security } = await deriveClusterKeys({ passphrase, salt: `${a.configured('clusterSalt')}` });
    const options = { host: '127.0.0.1', port, security, timeoutMs: 5_000, signal };
    return dial(options, () => {}).then(
      (connection) => {
        connection.destroy();
        return 'connected';
      },
      ({ code }: { code: string }) => code,
    );
  };

  return [
    {
      title: 'The leader listens on another port',
      async run() {
        const before = await connectionsOf(a);
        const { port: old } = await statusOf(a);
        const port = await freePort();
        const { tookMs, connectionsRefusedMs } = await reconfigure(a, { port });
        const after = await connectionsOf(a);
        assert((await statusOf(a)).port === port, `node-a does not listen on ${port}`);
        assert(after.join() === before.join(), `its connections were ${before.join()}, and are now ${after.join()}`);
        assert(connectionsRefusedMs === 0, `connections were refused for ${connectionsRefusedMs} ms`);
        return {
          title: `node-a moved from port ${old} to ${port} in ${Math.round(tookMs)} ms; its sessions stayed`,
          details: ['The new port was bound before the old one closed, and the peers were told.', ...after],
        };
      },
    },
    {
      title: 'The leader may not lead any more',
      async run() {
        a.configure({ eligible: false });
        await until(signal, 'node-b leads', () => isLedBy(nodes, b));
        await until(
          signal,
          'only node-b is connected with the cloud',
          async () => (await connectedTo(nodes, cloudNode)).join() === b.name,
        );
        await orders.write(nodes, ordersEachTime);
        await untilInCloud();
        await orders.verify(cloudNode);
        return {
          title: `node-a is not eligible: node-b leads, and ${number(ordersEachTime)} orders reach the cloud through it`,
          details: ['By one field of its configuration file, which the node watches.'],
        };
      },
    },
    {
      title: `node-c becomes ${otherName}`,
      async run() {
        const { store } = await statusOf(c);
        c.configure({ nodeId: otherName });
        await untilNamed(c, otherName);
        await orders.write(nodes, ordersEachTime);
        await until(signal, `all are connected with ${otherName}`, async () => isKnownAs(otherName, [a, b]));
        await untilEqual();
        await orders.verify(c);
        const remotePeers = await c.call<{ nodeId: string }[]>('remotePeers');
        assert(
          remotePeers.some(({ nodeId }) => nodeId === cloudNode.name),
          'the cloud peer was not taken over',
        );
        return {
          title: `node-c is now ${otherName}, with a database of its own, and has synced ${number(store.documents)} documents`,
          details: ['By its configuration file: a new identity, a new database, the same process.'],
        };
      },
    },
    {
      title: 'and node-c again',
      async run() {
        c.configure({ nodeId: c.name });
        await untilNamed(c, c.name);
        const { count } = await c.call<{ count: number }>('count', { collection: 'cities' });
        assert(count > 0, 'its old data are not there');
        await until(signal, 'all are connected with node-c', async () => isKnownAs(c.name, [a, b]));
        await untilEqual();
        await orders.verify(c);
        return {
          title: `node-c is back, with its old database: ${number(count)} cities were there at once`,
          details: ['Documents written meanwhile came from the other nodes.'],
        };
      },
    },
    {
      title: 'The cluster key is replaced while it syncs',
      async run() {
        const [old, next] = [a.configured('clusterKey'), randomBytes(32).toString('base64url')];
        const [before = ''] = (await statusOf(a)).clusterKeyIds;
        const rounds = [
          { clusterKey: old, acceptedClusterKeys: [next] },
          { clusterKey: next, acceptedClusterKeys: [old] },
          { clusterKey: next, acceptedClusterKeys: [] },
        ];
        for (const [index, round] of rounds.entries()) {
          for (const node of nodes) node.configure(round);
          const writing = orders.write(nodes, ordersEachTime);
          const keys = 1 + round.acceptedClusterKeys.length;
          await until(signal, `round ${index + 1} is in force everywhere`, async () => {
            const statuses = await Promise.all(nodes.map(statusOf));
            return statuses.every(({ clusterKeyIds: [first, ...others] }) => {
              return (first === before) === (round.clusterKey === old) && others.length + 1 === keys;
            });
          });
          await writing;
          if (round.clusterKey === next) await untilSealed();
        }
        await until(signal, 'all are connected', () => areMeshed(nodes));
        await untilEqual();
        await untilInCloud();
        for (const node of [...nodes, cloudNode]) await orders.verify(node);
        const { port } = await statusOf(a);
        const [withOld, withNext] = [await dialed(port, `${old}`), await dialed(port, next)];
        assert(withOld === 'wrongClusterKey', `with the old key: ${withOld}`);
        assert(withNext === 'connected', `with the new key: ${withNext}`);
        return {
          title: `The cluster has another key, and all ${number(orders.total)} orders are everywhere`,
          details: [
            'In three rounds: the new key accepted, used, and the old one dropped.',
            'The secret of the cloud peer was sealed with the new key before.',
            `${number(rounds.length * ordersEachTime)} orders were written meanwhile. A client that has only the old key is refused.`,
          ],
        };
      },
    },
    {
      title: 'The page of the inspector has seen everything',
      async run() {
        const { nodes: seen, records } = await cluster.watch.look();
        const expected = [...nodes, ...cloud.nodes].map(({ name }) => name);
        const missing = expected.filter((name) => !seen.has(name));
        assert(missing.length === 0, `it has seen nothing of ${missing.join(', ')}`);
        return {
          title: `The inspector shows all ${expected.length} processes: ${number(records)} records of their statecharts`,
          details: ['With time travel, and with this demo to take part in.', cluster.watch.url],
        };
      },
    },
  ];
}

async function envelopesOf(node: ClusterNode): Promise<string[]> {
  const envelopes: string[] = [];
  const body = { collection: '_system_resealed_secrets' };
  for await (const { document } of node.stream<{ document: { Envelope: string } }>('find', { body })) {
    envelopes.push(document.Envelope);
  }
  return envelopes;
}

/** The connections of a node, each as `peer at address`: another connection has another address. */
async function connectionsOf(node: ClusterNode): Promise<string[]> {
  const { peers } = await statusOf(node);
  const connected = peers.filter(({ state }) => state === 'connected');
  return connected.map(({ nodeId, remoteAddress, direction }) => `${nodeId} ${direction} at ${remoteAddress}`).sort();
}

async function isKnownAs(nodeId: string, others: readonly ClusterNode[]): Promise<boolean> {
  const statuses = await Promise.all(others.map(statusOf));
  return statuses.every(({ peers }) => peers.some((peer) => peer.nodeId === nodeId && peer.state === 'connected'));
}
