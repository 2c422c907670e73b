/**
 * Delta debugging: makes a failing list shorter, for as long as it still fails. The algorithm is ddmin (Zeller and
 * Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002), with the empty list tried first.
 *
 * Invariants: the result fails, given that the input does. Its items keep their order. No list is tried twice, and at
 * most `runsMax` lists are tried. The same answers give the same result.
 */

export interface Reduced<T> {
  readonly items: readonly T[];
  /** How many lists were tried. */
  readonly runs: number;
  /** Whether no single item can be left out any more; false when the runs were used up before that was known. */
  readonly isMinimal: boolean;
}

/** A list that fails, as positions in the first one. */
type Positions = readonly number[];

/**
 * @param fails Whether a list fails as the first one does; it is not called for the first one itself
 * @param runsMax How often `fails` may be called
 */
export async function deltaDebug<T>(
  items: readonly T[],
  fails: (candidate: readonly T[]) => boolean | Promise<boolean>,
  runsMax: number,
): Promise<Reduced<T>> {
  const tried = new Set<string>();
  let runs = 0;
  let isExhausted = false;
  /** A list that was tried before did not fail: otherwise the search would have continued from it. */
  const isFailing = async (positions: Positions): Promise<boolean> => {
    const name = positions.join();
    if (tried.has(name)) return false;
    if (runs >= runsMax) {
      isExhausted = true;
      return false;
    }
    tried.add(name);
    runs += 1;
    return await fails(positions.map((position) => items[position] as T));
  };

  let current: Positions = items.map((_, position) => position);
  if (current.length > 0 && (await isFailing([]))) current = [];
  for (let parts = 2; current.length > 1 && !isExhausted; ) {
    const chunks = split(current, parts);
    const complements = parts > 2 ? chunks.map((chunk) => without(current, chunk)) : [];
    const chunk = await firstOf(chunks, isFailing);
    const complement = chunk === undefined ? await firstOf(complements, isFailing) : undefined;
    if (chunk !== undefined) {
      current = chunk;
      parts = 2;
    } else if (complement !== undefined) {
      current = complement;
      parts = Math.max(2, parts - 1);
    } else if (parts < current.length) {
      parts = Math.min(current.length, 2 * parts);
    } else {
      break;
    }
  }
  return { items: current.map((position) => items[position] as T), runs, isMinimal: !isExhausted };
}

/** Splits into parts of nearly equal size, or of one item each. */
function split(positions: Positions, parts: number): Positions[] {
  const count = Math.min(parts, positions.length);
  return Array.from({ length: count }, (_, part) =>
    positions.slice(Math.floor((part * positions.length) / count), Math.floor(((part + 1) * positions.length) / count)),
  );
}

function without(positions: Positions, chunk: Positions): Positions {
  const left = new Set(chunk);
  return positions.filter((position) => !left.has(position));
}

async function firstOf(
  candidates: readonly Positions[],
  isFailing: (positions: Positions) => Promise<boolean>,
): Promise<Positions | undefined> {
  for (const candidate of candidates) if (await isFailing(candidate)) return candidate;
  return undefined;
}
