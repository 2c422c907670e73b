/**
 * Fail-over: from the kill of the leader until the first change that the next leader delivers is on the cloud node.
 * Each node is a process of its own, with a real OAuth2 authority.
 *
 * The limit is the part that no node can avoid: the candidacy of the next leader, which waits to see whether a smaller
 * NodeId is alive, then an access token and a connection to the cloud node, measured in the same rounds.
 */
import { connect } from 'node:tls';
import { type ConfigurationInput, limits } from 'statemesh';
import { type Bench, type Figure, nodeDefaults } from '../bench.js';
import { type Cloud, startCloud } from '../cloud.js';
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
          note: 'the maximum that the cloud node had at the end of a round',
        },
      ];
    } finally {
      await stage.close();
    }
  },
};

type NodeWorker = Worker<NodeHandlers>;

interface Stage {
  /** The most connections that existed at once, per round. */
  readonly connections: readonly number[];
  tokenAndConnectionMs(): Promise<number>;
  /** Kills the leader, and starts it again when the change has arrived. */
  failOver(): Promise<number>;
  close(): Promise<void>;
}

const members = ['member-1', 'member-2', 'member-3', 'member-4', 'member-5'];
/** All nodes of a run use a discovery port of their own. */
const discoveryPort = 30_000 + (process.pid % 20_000);

async function setStage(bench: Bench): Promise<Stage> {
  const cloud = await startCloud(bench);
  await cloud.worker.call('watchChanges');

  const optionsOf = (nodeId: string): ConfigurationInput => ({
    ...nodeDefaults,
    nodeId,
    discovery: true,
    discoveryPort,
    ca: cloud.caPath,
    dataDir: dataDirs.get(nodeId) as string,
    initialRemotePeers: [
      {
        nodeId: 'cloud',
        address: `127.0.0.1:${cloud.port}`,
        type: 'CloudRemote',
        oAuth2: cloud.oAuth2,
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
    tokenAndConnectionMs: () => millisecondsOf(() => tokenAndConnection(cloud)),
    async failOver() {
      const seen = cloud.worker.heard('seen');
      const ms = await millisecondsOf(async () => {
        await workerOf(first).kill();
        workerOf(second).tell('put', puts);
        puts += 1;
        await seen;
      });
      await start(first);
      await workerOf(first).call('untilOnline');
      await cloud.worker.call('connectedPeers', 1);
      connections.push(await cloud.worker.call('sessions'));
      return ms;
    },
    async close() {
      await Promise.all([...workers.values()].map((worker) => worker.close()));
      await cloud.close();
    },
  };
}

/** What every new leader has to do, without a node around it. */
async function tokenAndConnection({ token, ca, port }: Cloud): Promise<void> {
  await token();
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca, minVersion: 'TLSv1.3' }, () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}
