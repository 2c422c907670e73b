/**
 * Plays in a worker thread, which may hang or die without harm to others.
 *
 * Invariants: every play is answered: with the worker's verdict, or with a verdict of `crash` when the worker has ended
 * or has not answered in time. A worker that has ended leaves no files, and is replaced when the next plan comes.
 */

import { Worker } from 'node:worker_threads';
import { StatemeshError } from '../../core/errors.js';
import { kinds, objectWith, readOptions } from '../../core/options.js';
import { removeDisksOf } from '../disk-root.js';
import { simulationShape } from '../options.js';
import type { Verdict } from '../verdict.js';
import type { Plan } from './plan.js';
import { crashed, type Player, type PlayOptions, readPlayOptions } from './player.js';
import type { Answer, Assignment } from './worker.js';

/**
 * Runs a callback later in real time, unless it is cancelled. The caller provides it: nothing in this room knows real
 * time.
 */
export type RealTimer = (delayMs: number, callback: () => void) => { cancel(): void };

/** How a plan is played in a thread of its own. */
export interface WorkerPlayerOptions {
  readonly timer: RealTimer;
  /** How long one run may take in real time, for example {@link wallMsMax}. */
  readonly wallMs: number;
  /** The worker's program; a test may provide its own. */
  readonly program?: URL;
}

/** The checker name of a run that has not ended in time. */
export const hangChecker = 'wall-limit';
/** The heap limit of a worker; beyond it the worker dies, but not the process. */
const heapMegabytesMax = 1_024;
/**
 * Most objects of a world are garbage after one event: with a larger young generation, garbage collection takes a
 * seventh less of the time.
 */
const youngMegabytes = 128;

/**
 * The real time that a run may take: a minute, and two seconds for each virtual one. About fifty times what five nodes
 * need.
 */
export function wallMsMax(durationMs: number): number {
  return 60_000 + 2 * durationMs;
}

/** The outcome of a play: the worker's answer, why there is none, or nothing, because the run is no longer needed. */
type Outcome = Answer | { readonly checker: string; readonly message: string } | { readonly isUnwanted: true };

export function workerPlayer(options: WorkerPlayerOptions): Player {
  return new WorkerPlayer(readOptions(options, workerShape));
}

const workerShape = simulationShape<WorkerPlayerOptions>(
  'workerPlayer',
  { timer: kinds.function, wallMs: kinds.amount, program: objectWith() },
  ...(['timer', 'wallMs'] as const),
);

class WorkerPlayer implements Player {
  readonly #options: WorkerPlayerOptions;
  #worker: Worker | undefined;
  #settle: ((outcome: Outcome) => void) | undefined;

  constructor(options: WorkerPlayerOptions) {
    this.#options = options;
  }

  async play(plan: Plan, options?: PlayOptions): Promise<Verdict> {
    const { signal, traceFile } = readPlayOptions(options);
    signal?.throwIfAborted();
    if (this.#settle !== undefined) throw new Error('A player plays one plan at a time.');
    const { timer, wallMs } = this.#options;
    const leave = (): void => this.#settle?.({ isUnwanted: true });
    const limit = timer(wallMs, () => {
      this.#settle?.({ checker: hangChecker, message: `The run did not end within ${wallMs / 1_000} s of real time.` });
    });
    signal?.addEventListener('abort', leave);
    const outcome = await new Promise<Outcome>((resolve) => {
      this.#settle = resolve;
      this.#worker ??= this.#open();
      this.#worker.postMessage({ plan, traceFile } satisfies Assignment);
    });
    this.#settle = undefined;
    limit.cancel();
    signal?.removeEventListener('abort', leave);
    if ('verdict' in outcome) return outcome.verdict;
    if ('failure' in outcome) throw new StatemeshError(outcome.failure.code, outcome.failure.message);
    await this.#end();
    if ('checker' in outcome) return crashed(plan, outcome);
    throw signal?.reason ?? new Error('The player was closed.');
  }

  async close(): Promise<void> {
    this.#settle?.({ isUnwanted: true });
    await this.#end();
  }

  #open(): Worker {
    const program = this.#options.program ?? new URL('./worker.js', import.meta.url);
    const worker = new Worker(program, {
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytesMax, maxYoungGenerationSizeMb: youngMegabytes },
    });
    const { threadId } = worker;
    worker.on('message', (answer: Answer) => this.#settle?.(answer));
    worker.on('error', (error: unknown) => this.#settle?.({ checker: 'worker', message: String(error) }));
    worker.on('exit', (code) => {
      removeDisksOf(threadId);
      // A worker that the player has ended already has its successor.
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#settle?.({ checker: 'worker', message: `The worker ended by itself, with exit code ${code}.` });
    });
    return worker;
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }
}
