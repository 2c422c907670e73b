/**
 * Whether any process listens on a Unix socket, answered synchronously.
 *
 * Node.js connects only asynchronously, but a database is opened in one stretch of code. So a worker thread connects
 * while this thread waits: some milliseconds, and only if a socket exists.
 */
import { Worker } from 'node:worker_threads';
import { limits } from '../core/limits.js';

const [yes, no] = [1, 2];

/**
 * Any result but a refusal counts as an answer: a full queue belongs to a process that is busy or stopped, but alive.
 */
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
  // Without an answer in time, the holder counts as alive.
  Atomics.wait(answer, 0, 0, limits.lockProbeTimeoutMs);
  void worker.terminate();
  return Atomics.load(answer, 0) !== no;
}
