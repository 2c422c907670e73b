/** Clocks and statistics. */

/** The middle value; for an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = sortedOf(values);
  const middle = sorted.length / 2;
  return (at(sorted, Math.ceil(middle) - 1) + at(sorted, Math.floor(middle))) / 2;
}

/** The value that a share (0 to 1) of all values does not exceed, by the nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = sortedOf(values);
  return at(sorted, Math.max(0, Math.ceil(share * sorted.length) - 1));
}

/** How many of `count` operations are done per second, when `work` does them all. */
export async function perSecond(count: number, work: () => unknown): Promise<number> {
  const milliseconds = await millisecondsOf(work);
  return (count * 1_000) / milliseconds;
}

export async function millisecondsOf(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** One side of a comparison: measures once and returns its measurement. */
export type Contender<T> = (round: number) => T | Promise<T>;

export interface Rounds {
  readonly rounds: number;
  /** Adds a round 0 that does not count, to warm up the code. */
  readonly warmUp: boolean;
  onRound(text: string): void;
}

/**
 * Measures the contenders in turn, round after round (A B A B ...), so that other load on the machine affects them all.
 * Medians of several rounds then leave out the rounds that were disturbed.
 *
 * @returns The measurements of each contender, in the order of the rounds
 */
export async function interleave<C extends Record<string, Contender<unknown>>>(
  { rounds, warmUp, onRound }: Rounds,
  contenders: C,
): Promise<{ [Name in keyof C]: Awaited<ReturnType<C[Name]>>[] }> {
  const measured = new Map<string, unknown[]>(Object.keys(contenders).map((name) => [name, []]));
  for (let round = warmUp ? 0 : 1; round <= rounds; round++) {
    onRound(round === 0 ? 'warming up' : `round ${round} of ${rounds}`);
    for (const [name, contender] of Object.entries(contenders)) {
      const value = await contender(round);
      if (round > 0) measured.get(name)?.push(value);
    }
  }
  return Object.fromEntries(measured) as { [Name in keyof C]: Awaited<ReturnType<C[Name]>>[] };
}

function sortedOf(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

function at(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) throw new Error('Nothing was measured.');
  return value;
}
