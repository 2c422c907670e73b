/** Nouns beside a number. */

/** The noun that goes with a number: `1 entry`, `2 entries`, `0 entries`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? one : many;
}
