/**
 * A port for each test file: test files that run at the same time, in several workers or several runs, must not hear
 * each other.
 */
import { readFileSync } from 'node:fs';

const workersMax = 8;
const portsPerWorker = 1_200;
const portsPerFile = 100;
/** Jest counts its workers from 1. */
const worker = Number(process.env.JEST_WORKER_ID ?? 1) % workersMax;
/** Another run on this machine most likely starts elsewhere. */
const first = 20_000 + worker * portsPerWorker + (process.pid % (portsPerWorker / portsPerFile)) * portsPerFile;
let given = 0;

export function ownPort(): number {
  const taken = portsTaken();
  do given += 1;
  while (taken.has(portAt(given)) && given < 2 * portsPerFile);
  return portAt(given);
}

function portAt(index: number): number {
  return first + (index % portsPerFile);
}

/** Ports taken by processes that an earlier file of this worker left running, or by another program. */
function portsTaken(): ReadonlySet<number> {
  const lines = ['tcp', 'tcp6', 'udp', 'udp6'].flatMap((kind) => linesOf(`/proc/net/${kind}`));
  return new Set(lines.map((line) => Number.parseInt(/:([0-9A-F]{4}) /.exec(line)?.[1] ?? '', 16)));
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    // A kernel without IPv6 has no such file.
    return [];
  }
}
