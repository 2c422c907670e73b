/** Finds the name that was probably meant, for the message that refuses an unknown name. */

/** The nearest of `names` to a misspelled one; undefined if none is near. Upper and lower case count as the same. */
export function nearestName(wrong: string, names: Iterable<string>): string | undefined {
  // A text this long is no typing slip, and comparing it would take long.
  if (wrong.length > comparedMax) return undefined;
  const written = wrong.toLowerCase();
  let nearest: { readonly name: string; readonly distance: number } | undefined;
  for (const name of names) {
    const meant = name.toLowerCase();
    const isBeginning = written.length >= beginningMin && (meant.startsWith(written) || written.startsWith(meant));
    const slipsMax = Math.max(1, Math.floor(meant.length / 3));
    const slips = distanceBetween(written, meant);
    if (slips > slipsMax && !isBeginning) continue;
    // Of equally near names, one that has all the letters is more probable: what is missing was forgotten.
    const distance = Math.min(slips, slipsMax + 1) - (hasLettersOf(meant, written) ? 0.5 : 0);
    if (nearest === undefined || distance < nearest.distance) nearest = { name, distance };
  }
  return nearest?.name;
}

/** Whether all letters of a text occur in a name, in their order. */
function hasLettersOf(name: string, text: string): boolean {
  let from = 0;
  for (const letter of text) {
    const found = name.indexOf(letter, from);
    if (found === -1) return false;
    from = found + 1;
  }
  return true;
}

const comparedMax = 64;
const beginningMin = 3;

/** The number of characters to insert, remove, replace or swap with the next one (optimal string alignment). */
function distanceBetween(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const isSame = a[row - 1] === b[column - 1];
      const replaced = at(last, column - 1) + (isSame ? 0 : 1);
      const isSwapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swapped = isSwapped ? at(beforeLast, column - 2) + 1 : Number.POSITIVE_INFINITY;
      current.push(Math.min(replaced, at(last, column) + 1, at(current, column - 1) + 1, swapped));
    }
    beforeLast = last;
    last = current;
  }
  return at(last, b.length);
}

function at(numbers: readonly number[], index: number): number {
  return numbers[index] ?? 0;
}
