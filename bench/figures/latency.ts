/**
 * Latency: from the call of `put` on one node until `changes` of another, in another process, shows the document.
 *
 * Both processes read the clock of the machine (`process.hrtime` is CLOCK_MONOTONIC), so one way is measured, not half
 * a round trip. The limit is a bare TLS round trip with a commit on each side, measured by its first process alone.
 * Each put waits until the one before it is seen.
 */
import { join } from 'node:path';
import { type Bench, type Figure, nodeDefaults } from '../bench.js';
import { keyOf } from '../documents.js';
import { interleave, percentile } from '../measure.js';
import type { BareHandlers } from '../workers/bare.js';
import type { NodeHandlers } from '../workers/node.js';
import type { Worker } from '../workers.js';

export const latencyFigure: Figure = {
  name: 'latency',
  about: 'a put on one node until changes on another shows it',
  async measure(bench) {
    const rounds = bench.rounds({ quick: 15, full: 40 });
    const [writer, reader] = await startNodes(bench);
    const [requester, answerer] = await startBare(bench);
    let puts = 0;
    const putOnce = async (): Promise<void> => {
      const seen = reader.heard('seen');
      writer.tell('put', puts);
      puts += 1;
      await seen;
    };
    const requestOnce = async (): Promise<void> => {
      const answered = requester.heard('answered');
      requester.tell('request');
      await answered;
    };
    try {
      // A node that has been up for a while: the code of both sides is compiled.
      await repeat(warmUpPuts, putOnce);
      await repeat(warmUpPuts, requestOnce);
      await interleave(
        { rounds, warmUp: false, onRound: bench.show },
        { nodes: () => repeat(putsPerRound, putOnce), bare: () => repeat(putsPerRound, requestOnce) },
      );
      const latencies = (await latenciesOf(writer, reader, puts)).slice(warmUpPuts);
      const roundTrips = (await requester.call('roundTrips')).slice(warmUpPuts);
      return [0.5, 0.99].map((share) => ({
        name: `a put is visible on the other node, p${share * 100}`,
        unit: 'ms',
        value: percentile(latencies, share),
        limit: percentile(roundTrips, share),
        ...(share === 0.5 ? { target: { atMost: 1.7 } } : {}),
        rounds,
        note: `${latencies.length} puts after ${warmUpPuts} to warm up; limit: TLS round trip and two commits`,
      }));
    } finally {
      await Promise.all([writer, reader, requester, answerer].map((worker) => worker.close()));
    }
  },
};

const warmUpPuts = 500;
/** Short rounds, because a disturbance lasts about a second. */
const putsPerRound = 20;

async function startNodes({ workers, workspace }: Bench): Promise<[Worker<NodeHandlers>, Worker<NodeHandlers>]> {
  const [writer, reader] = [workers.start('node'), workers.start('node')];
  const { port } = await writer.call('start', {
    ...nodeDefaults,
    nodeId: 'writer',
    dataDir: workspace.directory('writer'),
  });
  await reader.call('start', {
    ...nodeDefaults,
    nodeId: 'reader',
    dataDir: workspace.directory('reader'),
    knownPeers: [{ nodeId: 'writer', address: `127.0.0.1:${port}` }],
  });
  await reader.call('connectedPeers', 1);
  await reader.call('watchChanges');
  return [writer, reader];
}

async function startBare({ workers, workspace }: Bench): Promise<[Worker<BareHandlers>, Worker<BareHandlers>]> {
  const [requester, answerer] = [workers.start('bare'), workers.start('bare')];
  const directory = workspace.directory('round-trip');
  const port = await answerer.call('answerRequests', join(directory, 'answerer.db'));
  await requester.call('connectRequester', port, join(directory, 'requester.db'));
  return [requester, answerer];
}

async function latenciesOf(
  writer: Worker<NodeHandlers>,
  reader: Worker<NodeHandlers>,
  puts: number,
): Promise<number[]> {
  const [starts, ends] = [await writer.call('starts'), await reader.call('ends')];
  if (starts.length !== puts || ends.length !== puts) throw new Error(`Of ${puts} puts, ${ends.length} were seen.`);
  return starts.map((start, index) => {
    const end = ends[index];
    if (end?.key !== keyOf(index)) throw new Error(`Change ${index} is of ${end?.key}.`);
    return Number(end.at - start) / 1e6;
  });
}

async function repeat(times: number, work: () => Promise<void>): Promise<void> {
  for (let time = 0; time < times; time++) await work();
}
