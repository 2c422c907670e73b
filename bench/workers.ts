/**
 * Worker processes, for figures that are measured across processes or must not depend on earlier runs.
 *
 * Invariants: every call is answered, fails with its worker, or times out. No worker outlives the bench, however the
 * bench ends (a worker exits by itself when its channel closes).
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BareHandlers } from './workers/bare.js';
import type { GuestHandlers } from './workers/guests.js';
import type { NodeHandlers } from './workers/node.js';
import type { ReceptionHandlers } from './workers/reception.js';
import type { RelayHandlers } from './workers/relay.js';
import type { Answer, Handlers, Request } from './workers/serve.js';
import type { SimulationHandlers } from './workers/simulation.js';

/** The programs in `bench/workers`, and their methods. */
export interface Programs {
  readonly node: NodeHandlers;
  readonly bare: BareHandlers;
  readonly guests: GuestHandlers;
  readonly reception: ReceptionHandlers;
  readonly relay: RelayHandlers;
  readonly simulation: SimulationHandlers;
}

export interface Worker<H extends Handlers> {
  call<M extends keyof H & string>(method: M, ...args: Parameters<H[M]>): Promise<Awaited<ReturnType<H[M]>>>;
  /** Calls without an answer; if the call fails, the worker ends. */
  tell<M extends keyof H & string>(method: M, ...args: Parameters<H[M]>): void;
  /** Resolves when the worker next emits this event. */
  heard(event: string): Promise<void>;
  /** kill -9: the worker reports and finishes nothing. */
  kill(): Promise<void>;
  /** Lets the worker clean up and end. */
  close(): Promise<void>;
}

export interface Workers {
  start<P extends keyof Programs>(program: P): Worker<Programs[P]>;
  /** Kills the remaining workers. */
  killAll(): Promise<void>;
}

export function createWorkers(): Workers {
  const processes = new Set<ChildProcess>();
  return {
    start(program) {
      const child = fork(fileURLToPath(new URL(`./workers/${program}.js`, import.meta.url)), [], {
        serialization: 'advanced',
        // Standard output is for results.
        stdio: ['ignore', 2, 2, 'ipc'],
      });
      processes.add(child);
      child.once('exit', () => processes.delete(child));
      return workerOf(child, program);
    },
    async killAll() {
      await Promise.all([...processes].map(kill));
    },
  };
}

function workerOf<H extends Handlers>(child: ChildProcess, program: string): Worker<H> {
  const waiting = new Set<Waiting>();
  let calls = 0;
  let ended: Error | undefined;

  const end = (error: Error): void => {
    ended ??= error;
    for (const one of [...waiting]) one.reject(ended);
  };
  child.once('error', end);
  child.once('exit', (code, signal) => end(new Error(`The ${program} worker ended with ${signal ?? code}.`)));
  child.on('message', (answer: Answer) => {
    for (const one of [...waiting]) one.hear(answer);
  });

  const wait = <T>(what: string, match: (answer: Answer) => { readonly value: T } | undefined): Promise<T> =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) return reject(ended);
      const settle = (settled: () => void): void => {
        clearTimeout(timer);
        waiting.delete(one);
        settled();
      };
      const one: Waiting = {
        reject: (error) => settle(() => reject(error)),
        hear(answer) {
          try {
            const found = match(answer);
            if (found !== undefined) settle(() => resolve(found.value));
          } catch (error) {
            settle(() => reject(error));
          }
        },
      };
      const late = new Error(`The ${program} worker did not answer ${what} within ${answerTimeoutMs} ms.`);
      const timer = setTimeout(() => one.reject(late), answerTimeoutMs);
      waiting.add(one);
    });

  return {
    call<M extends keyof H & string>(method: M, ...args: Parameters<H[M]>) {
      calls += 1;
      const id = calls;
      const answered = wait<Awaited<ReturnType<H[M]>>>(method, (answer) => {
        if (answer.id !== id) return undefined;
        if (answer.error !== undefined) throw new Error(`${program} worker, ${method}: ${answer.error}`);
        return { value: answer.value as Awaited<ReturnType<H[M]>> };
      });
      send(child, { id, method, args });
      return answered;
    },
    tell: (method, ...args) => send(child, { id: 0, method, args }),
    heard: (event) => wait(event, (answer) => (answer.event === event ? { value: undefined } : undefined)),
    kill: () => kill(child),
    async close() {
      if (isOver(child)) return;
      const exited = once(child, 'exit');
      const timer = setTimeout(() => child.kill('SIGKILL'), closeTimeoutMs);
      send(child, { id: 0, method: 'close', args: [] });
      await exited;
      clearTimeout(timer);
    },
  };
}

interface Waiting {
  hear(answer: Answer): void;
  reject(error: Error): void;
}

const answerTimeoutMs = 120_000;
const closeTimeoutMs = 10_000;

/** A worker that is gone receives nothing; its exit reports that. */
function send(child: ChildProcess, request: Request): void {
  if (child.connected) child.send(request, () => {});
}

async function kill(child: ChildProcess): Promise<void> {
  if (isOver(child)) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

function isOver(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
}
