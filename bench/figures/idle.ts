/** The cost of an idle node with ten sessions, beside the same process with none. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type Bench, type Figure, nodeDefaults, type Result } from '../bench.js';
import { interleave, median } from '../measure.js';
import { formatNumber } from '../report.js';
import type { NodeHandlers } from '../workers/node.js';
import type { Worker } from '../workers.js';

export const idleFigure: Figure = {
  name: 'idle',
  about: 'processor and memory of an idle node with 10 sessions',
  async measure(bench) {
    const rounds = bench.rounds({ quick: 1, full: 3 });
    const times: Times = bench.quick ? { settleMs: 3_000, windowMs: 3_000 } : { settleMs: 10_000, windowMs: 10_000 };
    const options = { ...nodeDefaults, discovery: true, discoveryPort: await freeUdpPort() };
    const { samples } = await interleave(
      { rounds, warmUp: false, onRound: bench.show },
      { samples: () => measureOnce(bench, options, times) },
    );
    const result = (name: string, unit: string, of: (sample: IdleSample) => number): Result => ({
      name: `${name} with ${sessions} sessions`,
      unit,
      value: median(samples.map(({ connected }) => of(connected))),
      rounds,
      note: `without sessions ${formatNumber(median(samples.map(({ alone }) => of(alone))))}; over ${times.windowMs / 1_000} s`,
    });
    return [
      result('idle CPU', '% of a core', ({ cpuPercent }) => cpuPercent),
      result('idle RSS', 'MB', ({ rssBytes }) => rssBytes / 1e6),
    ];
  },
};

const sessions = 10;

interface IdleSample {
  readonly cpuPercent: number;
  readonly rssBytes: number;
}

interface Times {
  readonly settleMs: number;
  readonly windowMs: number;
}

interface MeshOptions {
  readonly clusterKey: string;
  readonly clusterSalt: string;
  readonly discovery: boolean;
  readonly discoveryPort: number;
}

/**
 * The same process first alone, then in a full mesh with the other nodes, which share one more process. Every round has
 * a new process: after it has had sessions, a node dials lost peers for a while.
 */
async function measureOnce({ workers, workspace }: Bench, options: MeshOptions, times: Times) {
  const [node, peers] = [workers.start('node'), workers.start('node')];
  try {
    await node.call('start', { ...options, nodeId: 'idle', dataDir: workspace.directory('idle') });
    const alone = await measureIdle(node, { sessions: 0, ...times });
    const dataDir = workspace.directory('idle-peers');
    const nodes = Array.from({ length: sessions }, (_, index) => ({ ...options, nodeId: `peer-${index}`, dataDir }));
    await peers.call('startMany', nodes);
    return { alone, connected: await measureIdle(node, { sessions, ...times }) };
  } finally {
    await Promise.all([node.close(), peers.close()]);
  }
}

async function measureIdle(
  node: Worker<NodeHandlers>,
  { sessions, settleMs, windowMs }: Times & { readonly sessions: number },
): Promise<IdleSample> {
  await node.call('connectedPeers', sessions);
  // Starting and connecting have after-effects: code to compile, garbage, first heartbeats.
  await node.call('idle', settleMs);
  const sample = await node.call('idle', windowMs);
  if (sample.sessions !== sessions) throw new Error(`${sample.sessions} of ${sessions} sessions are left.`);
  return sample;
}

/** An unused UDP port, so that no other node hears this bench. */
async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}
