/**
 * Slow links: how long documents take from the call of `put` until the other node has them on its disk, beside the time
 * of the line itself: their bytes as frames at its rate, and two round trips.
 *
 * There are two nodes, each in a process of its own, with a relay in a third process between them. The relay paces with
 * a token bucket, adds its latency and reads ahead 10 ms, so that it hides no queue. Few kernels shape traffic (`tc`
 * with netem), and doing so requires root.
 */
import { type Bench, type Figure, nodeDefaults, type Result } from '../bench.js';
import { interleave, median } from '../measure.js';
import { formatNumber } from '../report.js';

interface Line {
  readonly name: string;
  readonly bytesPerSecond: number;
  readonly roundTripMs: number;
}

interface Run {
  readonly line: Line;
  readonly load: Load;
}

type Load = { readonly largeBytes: number } | { readonly documents: number };

const modem: Line = { name: '64 kbit/s', bytesPerSecond: 8_000, roundTripMs: 200 };
const radio: Line = { name: '1 Mbit/s', bytesPerSecond: 125_000, roundTripMs: 50 };
const fiber: Line = { name: '100 Mbit/s', bytesPerSecond: 12_500_000, roundTripMs: 20 };
const small = { documents: 1_000 } as const;

const runs: readonly Run[] = [
  { line: modem, load: { largeBytes: 256 * 1024 } },
  { line: radio, load: { largeBytes: 4 * 1024 * 1024 - 100 } },
  { line: fiber, load: { largeBytes: 4 * 1024 * 1024 - 100 } },
  { line: modem, load: small },
  { line: radio, load: small },
  { line: fiber, load: small },
];
/** During this time both nodes measure the line and, where it is fast enough to matter, their code warms up. */
const warmUpSeconds = 2;
/** Approximate. */
const framedDocumentBytes = 280;
const warmUpDocumentsRange = { least: 50, most: 4_000 };

export const linksFigure: Figure = {
  name: 'links',
  about: 'documents over slow lines, beside the time of the line itself',
  async measure(bench) {
    const rounds = bench.rounds({ quick: 1, full: 2 });
    const contenders = Object.fromEntries(runs.map((run) => [nameOf(run), () => measureOnce(bench, run)]));
    const measured = new Map(
      Object.entries(await interleave({ rounds, warmUp: false, onRound: bench.show }, contenders)),
    );
    return runs.map((run): Result => {
      const samples = measured.get(nameOf(run)) ?? [];
      const bytes = median(samples.map(({ framedBytes }) => framedBytes));
      const { bytesPerSecond, roundTripMs } = run.line;
      return {
        name: nameOf(run),
        unit: 's',
        value: median(samples.map(({ seconds }) => seconds)),
        limit: bytes / bytesPerSecond + (2 * roundTripMs) / 1_000,
        target: { atMost: 1.3 },
        rounds,
        note: `limit: ${formatNumber(bytes / 1_000)} kB of frames, and 2 round trips of ${roundTripMs} ms`,
      };
    });
  },
};

/** Each side listens where the other cannot dial it: the only path goes through the relay. */
const hosts = { sender: '127.0.0.2', receiver: '127.0.0.3' };

async function measureOnce({ workers, workspace }: Bench, { line, load }: Run) {
  const [sender, receiver, relay] = [workers.start('node'), workers.start('node'), workers.start('relay')];
  const start = (nodeId: 'sender' | 'receiver') => ({
    ...nodeDefaults,
    nodeId,
    host: hosts[nodeId],
    dataDir: workspace.directory(nodeId),
  });
  try {
    const { port: targetPort } = await sender.call('start', start('sender'));
    const { bytesPerSecond, roundTripMs } = line;
    const port = await relay.call('relay', { targetHost: hosts.sender, targetPort, bytesPerSecond, roundTripMs });
    const warmUpDocuments = warmUpDocumentsOf(line);
    const knownPeers = [{ nodeId: 'sender', address: `127.0.0.1:${port}` }];
    await receiver.call('start', { ...start('receiver'), knownPeers });
    await receiver.call('connectedPeers', 1);
    await sender.call('fill', warmUpDocuments);
    await receiver.call('holds', warmUpDocuments);
    await sender.call('mark');
    const count = 'documents' in load ? load.documents : 1;
    const arrived = receiver.call('holds', warmUpDocuments + count);
    const startedAtMs = performance.now();
    const writing =
      'documents' in load
        ? sender.call('fill', load.documents, warmUpDocuments)
        : sender.call('putLarge', load.largeBytes);
    await arrived;
    const seconds = (performance.now() - startedAtMs) / 1_000;
    await writing;
    return { seconds, framedBytes: await sender.call('framedBytes') };
  } finally {
    await Promise.all([sender, receiver, relay].map((worker) => worker.close()));
  }
}

function warmUpDocumentsOf({ bytesPerSecond }: Line): number {
  const { least, most } = warmUpDocumentsRange;
  return Math.min(Math.max(Math.round((warmUpSeconds * bytesPerSecond) / framedDocumentBytes), least), most);
}

function nameOf({ line, load }: Run): string {
  const what =
    'documents' in load
      ? `${load.documents.toLocaleString('en-US')} documents of 200 bytes`
      : `a document of ${formatNumber(load.largeBytes / 1024)} KiB`;
  return `${what} over ${line.name}`;
}
