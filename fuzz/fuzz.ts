/** Runs a target many times with inputs that are drawn from a seed. */
import fc from 'fast-check';
import type { Opened, Target } from './target.js';

export interface Fuzzed {
  readonly target: string;
  readonly seed: number;
  /** The number of runs. */
  readonly runs: number;
  /** The property that failed, with the smallest failing input that was found; undefined when none failed. */
  readonly finding: string | undefined;
}

export async function fuzz(
  { name }: Target,
  { property }: Opened,
  { seed, runs }: { readonly seed: number; readonly runs: number },
): Promise<Fuzzed> {
  const details = await fc.check(property, { seed, numRuns: runs });
  return {
    target: name,
    seed,
    runs: details.numRuns,
    finding: details.failed ? fc.defaultReportMessage(details) : undefined,
  };
}
