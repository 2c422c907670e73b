/**
 * Players play plans for the runner and the shrinker: in this thread, or in a worker (see worker-player.ts). Every
 * failure of a run becomes a verdict. A player rejects only when it was told to stop, and when the trace cannot be
 * written.
 */
import { kinds, readOptions } from '../../core/options.js';
import { simulationShape } from '../options.js';
import type { Verdict } from '../verdict.js';
import type { Plan } from './plan.js';
import { playPlan } from './play.js';
import { openTraceFile } from './trace-file.js';

/** How a plan is played. */
export interface PlayOptions {
  /** Aborted when the run is no longer needed: a worker is ended at once, this thread plays to the end. */
  readonly signal?: AbortSignal | undefined;
  /** The file of the trace; an existing file is replaced. */
  readonly traceFile?: string | undefined;
}

/** Plays plans. */
export interface Player {
  /**
   * Plays one plan at a time.
   *
   * @throws the reason of the signal; StatemeshError `requestInvalid` for wrong options and the trace's file
   */
  play(plan: Plan, options?: PlayOptions): Promise<Verdict>;
  /** Ends the run that is in progress. */
  close(): Promise<void>;
}

const playShape = simulationShape<PlayOptions>('play', { signal: kinds.signal, traceFile: kinds.filledText });

/** @throws StatemeshError `requestInvalid` */
export function readPlayOptions(options: PlayOptions | undefined): PlayOptions {
  return readOptions(options, playShape);
}

/** Plays in this thread. For a debugger, and for tests: an endless loop or an uncaught error ends the whole process. */
export function threadPlayer(play: typeof playPlan = playPlan): Player {
  return {
    async play(plan, options) {
      const { signal, traceFile } = readPlayOptions(options);
      signal?.throwIfAborted();
      const trace = traceFile === undefined ? undefined : openTraceFile(traceFile);
      const verdict = await play(plan, { trace: trace?.write, records: trace?.write }).catch((error: unknown) =>
        crashed(plan, { checker: 'run', message: String(error) }),
      );
      trace?.close();
      signal?.throwIfAborted();
      return verdict;
    },
    async close() {},
  };
}

/** The verdict on a run that produced none. */
export function crashed({ seed }: Plan, { checker, message }: { checker: string; message: string }): Verdict {
  const breach = { kind: 'crash', checker, message, atMs: 0 } as const;
  return { seed, breach, events: 0, virtualMs: 0, acknowledged: 0, traceHash: '' };
}
