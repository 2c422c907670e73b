/**
 * Whether anybody listens on a Unix socket, told at once.
 *
 * Node.js connects asynchronously only, and databases are opened in one stretch of code, so another thread asks while this one waits for it:
 * some milliseconds, and only where a socket was left.
 */
import { Worker } from 'node:worker_threads';
import { limits } from '../core/limits.js';

const [yes, no] = [1, 2];

/** Anything but a refusal counts as an answer: a full queue is that of a process that is busy or stopped, and lives. */
const question = `
  const { workerData: { path, answer } } = require('node:worker_threads');
  const tell = (value) => {
    Atomics.store(answer, 0, value);
    Atomics.notify(answer, 0);
  };
  const socket = require('node:net').connect(path);
  socket.once('connect', () => {
    socket.destroy();
    tell(${yes});
  });
  socket.once('error', ({ code }) => tell(code === 'ECONNREFUSED' || code === 'ENOENT' ? ${no} : ${yes}));
`;

export function doesAnybodyListen(path: string): boolean {
  const answer = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const worker = new Worker(question, { eval: true, workerData: { path, answer }, env: {}, execArgv: [] });
  worker.unref();
  worker.on('error', () => {});
  // Where nothing is said in time, nobody is driven out.
  Atomics.wait(answer, 0, 0, limits.lockProbeTimeoutMs);
  void worker.terminate();
  return Atomics.load(answer, 0) !== no;
}
