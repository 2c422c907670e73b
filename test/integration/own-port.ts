/** Ports of one's own: test files that run at the same time, in several workers or several runs, must not hear each other. */

const workersMax = 8;
const portsPerWorker = 1_200;
const portsPerFile = 100;
/** Jest counts its workers from 1. */
const worker = Number(process.env.JEST_WORKER_ID ?? 1) % workersMax;
/** Another run on this machine begins elsewhere, most likely. */
const first = 20_000 + worker * portsPerWorker + (process.pid % (portsPerWorker / portsPerFile)) * portsPerFile;
let given = 0;

export function ownPort(): number {
  given += 1;
  return first + (given % portsPerFile);
}
