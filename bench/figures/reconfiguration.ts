/**
 * Live reconfiguration under write load: the time until the new port, or the new identity, serves, and the longest wait
 * of a write.
 *
 * The limits are the bare costs of closing and opening a listener, and a database, in the same rounds.
 */
import { type Figure, nodeDefaults, type Result } from '../bench.js';
import { interleave, median } from '../measure.js';

export const reconfigurationFigure: Figure = {
  name: 'reconfiguration',
  about: 'change of the port and of the NodeId under write load',
  async measure(bench) {
    const rounds = bench.rounds({ quick: 5, full: 20 });
    const node = bench.workers.start('node');
    const peer = bench.workers.start('node');
    const bare = bench.workers.start('bare');
    const directory = bench.workspace.directory('reopened');
    const options = (nodeId: string) => ({ ...nodeDefaults, nodeId, dataDir: bench.workspace.directory(nodeId) });
    try {
      const { port } = await node.call('start', options('changing'));
      await peer.call('start', {
        ...options('peer'),
        knownPeers: [{ nodeId: 'changing', address: `127.0.0.1:${port}` }],
      });
      await node.call('connectedPeers', 1);
      const measured = await interleave(
        { rounds, warmUp: true, onRound: bench.show },
        {
          port: () => node.call('reconfigure', { port: freePort() }),
          listener: () => bare.call('reopenListener'),
          nodeId: (round) => node.call('reconfigure', { nodeId: round % 2 === 0 ? 'changing' : 'changed' }),
          database: () => bare.call('reopenDatabase', directory),
        },
      );
      return [
        ...resultsOf('port', measured.port, median(measured.listener), 'closing and opening a TLS listener', rounds),
        ...resultsOf('NodeId', measured.nodeId, median(measured.database), 'closing and opening a SQLite file', rounds),
      ];
    } finally {
      await Promise.all([node, peer, bare].map((worker) => worker.close()));
    }
  },
};

interface Change {
  readonly tookMs: number;
  readonly longestWriteMs: number;
}

function resultsOf(what: string, changes: readonly Change[], limit: number, bare: string, rounds: number): Result[] {
  const common = { unit: 'ms', limit, rounds, note: `limit: ${bare}` };
  const [took, waited] = [changes.map(({ tookMs }) => tookMs), changes.map(({ longestWriteMs }) => longestWriteMs)];
  return [
    { ...common, name: `change of the ${what} until it serves, median`, value: median(took) },
    { ...common, name: `change of the ${what} until it serves, worst`, value: Math.max(...took) },
    { ...common, name: `longest wait of a write meanwhile, median (${what})`, value: median(waited) },
    { ...common, name: `longest wait of a write meanwhile, worst (${what})`, value: Math.max(...waited) },
  ];
}

let nextPort = 20_000 + (process.pid % 20_000);

/** A different port each time, outside the range that the system assigns from. */
function freePort(): number {
  nextPort = nextPort >= 32_000 ? 20_000 : nextPort + 1;
  return nextPort;
}
