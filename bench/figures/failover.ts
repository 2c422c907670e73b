/**
 * Fail-over: from the kill of the leader until the first change that the next leader delivers is on the cloud node, each node a
 * process of its own, with a real OAuth2 authority.
 *
 * The limit is what no node could do without: the candidacy of the next leader, which waits to see whether a smaller NodeId lives,
 * then an access token and a connection to the cloud node, measured in the same rounds.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { limits, type NodeOptions } from 'statemesh';
import { type Authority, startAuthority } from '../../demo/authority.js';
import { type Certificates, makeCertificates } from '../../demo/certificates.js';
import { type Bench, type Figure, nodeDefaults } from '../bench.js';
import { median, millisecondsOf } from '../measure.js';
import type { NodeHandlers } from '../workers/node.js';
import type { Worker } from '../workers.js';

export const failoverFigure: Figure = {
  name: 'failover',
  about: 'kill of the leader until the next one delivers to the cloud; cloud connections of a cluster',
  async measure(bench) {
    const rounds = bench.rounds({ quick: 3, full: 10 });
    const stage = await setStage(bench);
    try {
      const failovers: number[] = [];
      const floors: number[] = [];
      for (let round = 1; round <= rounds; round += 1) {
        bench.show(`failover ${round} of ${rounds}`);
        floors.push(limits.candidacyMs + (await stage.tokenAndConnectionMs()));
        failovers.push(await stage.failOver());
      }
      const limit = median(floors);
      const note = `cluster of ${members.length}; limit: candidacy, token and TLS connection`;
      return [
        {
          name: 'fail-over to the first change in the cloud, median',
          unit: 'ms',
          value: median(failovers),
          limit,
          rounds,
          note,
        },
        {
          name: 'fail-over to the first change in the cloud, worst',
          unit: 'ms',
          value: Math.max(...failovers),
          limit,
          rounds,
          note,
        },
        {
          name: `cloud connections of a cluster of ${members.length}`,
          unit: '',
          value: Math.max(...stage.connections),
          limit: 1,
          rounds,
          note: 'the most that the cloud node held at the end of a round',
        },
      ];
    } finally {
      await stage.close();
    }
  },
};

type NodeWorker = Worker<NodeHandlers>;

interface Stage {
  /** The most connections that were seen at once, round by round. */
  readonly connections: readonly number[];
  tokenAndConnectionMs(): Promise<number>;
  /** Kills the leader, and starts it again when the change has arrived. */
  failOver(): Promise<number>;
  close(): Promise<void>;
}

const members = ['member-1', 'member-2', 'member-3', 'member-4', 'member-5'];
const scope = 'entgldb:sync';
const audience = 'urn:statemesh:bench';
const client = { id: 'bench', secret: randomBytes(24).toString('base64url') };
/** All nodes of a run, alone on a port of their own. */
const discoveryPort = 30_000 + (process.pid % 20_000);

async function setStage(bench: Bench): Promise<Stage> {
  const directory = bench.workspace.directory('cloud');
  const certificates = await makeCertificates();
  const file = (name: keyof Certificates) => join(directory, `${name}.pem`);
  for (const name of ['ca', 'certificate', 'key'] as const) writeFileSync(file(name), certificates[name]);
  const authority = await startAuthority({ clients: [client], scope, audience, lifetimeSeconds: 3_600 });

  const cloud = bench.workers.start('node');
  const { port } = await cloud.call('start', {
    ...{ nodeId: 'cloud', role: 'cloud', dataDir: bench.workspace.directory('cloud'), scope, audience },
    ...{ authority: authority.url, tlsCert: file('certificate'), tlsKey: file('key') },
  });
  await cloud.call('watchChanges');

  const optionsOf = (nodeId: string): NodeOptions => ({
    ...nodeDefaults,
    ...{ nodeId, discovery: true, discoveryPort, ca: file('ca') },
    dataDir: dataDirs.get(nodeId) as string,
    initialRemotePeers: [
      {
        ...{ nodeId: 'cloud', address: `127.0.0.1:${port}`, type: 'CloudRemote' },
        oAuth2: {
          authority: authority.url,
          clientId: client.id,
          clientSecret: client.secret,
          scopes: [scope],
          audience,
        },
      },
    ],
  });
  const dataDirs = new Map(members.map((nodeId) => [nodeId, bench.workspace.directory(nodeId)]));
  const workers = new Map<string, NodeWorker>();
  const start = async (nodeId: string): Promise<void> => {
    const worker = bench.workers.start('node');
    workers.set(nodeId, worker);
    await worker.call('start', optionsOf(nodeId));
  };
  const [first = '', second = ''] = members;
  const workerOf = (nodeId: string): NodeWorker => workers.get(nodeId) as NodeWorker;
  for (const nodeId of members) await start(nodeId);
  await workerOf(first).call('untilOnline');

  const connections: number[] = [];
  let puts = 0;
  return {
    connections,
    tokenAndConnectionMs: () => millisecondsOf(() => tokenAndConnection(authority, certificates.ca, port)),
    async failOver() {
      const seen = cloud.heard('seen');
      const ms = await millisecondsOf(async () => {
        await workerOf(first).kill();
        workerOf(second).tell('put', puts);
        puts += 1;
        await seen;
      });
      await start(first);
      await workerOf(first).call('untilOnline');
      await cloud.call('connectedPeers', 1);
      connections.push(await cloud.call('sessions'));
      return ms;
    },
    async close() {
      await Promise.all([...workers.values(), cloud].map((worker) => worker.close()));
      await authority.close();
    },
  };
}

/** What every new leader has to do, without a node around it. */
async function tokenAndConnection({ url }: Authority, ca: string, port: number): Promise<void> {
  const discovery = await fetch(`${url}/.well-known/openid-configuration`);
  const { token_endpoint: endpoint } = (await discovery.json()) as { token_endpoint: string };
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope, resource: audience }),
  });
  if (!answer.ok) throw new Error(`The authority answers ${answer.status}.`);
  await answer.json();
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca, minVersion: 'TLSv1.3' }, () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}
