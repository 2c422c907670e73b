/** Tries a target over and over with what is drawn from a seed. */
import fc from 'fast-check';
import type { Opened, Target } from './target.js';

export interface Fuzzed {
  readonly target: string;
  readonly seed: number;
  /** How often it was tried. */
  readonly runs: number;
  /** What did not hold, with the smallest input for it that was found; undefined when all was well. */
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
