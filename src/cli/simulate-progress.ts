/** The progress of `statemesh simulate`, as a bar on standard error, when that is a terminal. */
import cliProgress from 'cli-progress';
import type { ShrinkProgress, SwarmProgress } from '../simulation/index.js';
import { span } from './simulate-report.js';

export interface SimulateProgress {
  played(progress: SwarmProgress): void;
  /** A seed is played again for its trace. */
  tracing(seed: number): void;
  shrunk(progress: ShrinkProgress): void;
  end(): void;
}

const formats = {
  playing: '{bar} {value} of {total} seeds | {virtual} simulated | {eta_formatted} left',
  tracing: 'Playing seed {seed} again for its trace',
  shrinking: 'Shrinking: run {value} of at most {total} | {faults} faults, {writes} writes left',
} as const;

export function createProgress(seeds: number): SimulateProgress {
  if (!process.stderr.isTTY) return { played() {}, tracing() {}, shrunk() {}, end() {} };
  let bar: cliProgress.SingleBar | undefined;
  const start = (format: string, total: number, payload: object): void => {
    bar?.stop();
    bar = new cliProgress.SingleBar(
      { format, stream: process.stderr, clearOnComplete: true, hideCursor: true },
      cliProgress.Presets.shades_classic,
    );
    bar.start(total, 0, payload);
  };
  start(formats.playing, seeds, { virtual: span(0) });
  let isShrinking = false;
  return {
    played: ({ played, virtualMs }) => bar?.update(played, { virtual: span(virtualMs) }),
    tracing: (seed) => start(formats.tracing, 1, { seed }),
    shrunk({ runs, runsMax, plan }) {
      const left = { faults: plan.faults.length, writes: plan.writes.length };
      if (!isShrinking) start(formats.shrinking, runsMax, left);
      isShrinking = true;
      bar?.update(runs, left);
    },
    end() {
      bar?.stop();
      bar = undefined;
    },
  };
}
