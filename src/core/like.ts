/**
 * The meaning of `$like`, for texts that SQLite cannot match itself: its LIKE ends a text at the first NUL.
 *
 * `%` stands for any text and `_` for one code point. A backslash before `%`, `_` or another backslash makes it
 * literal. A-Z equal a-z; other letters equal only themselves.
 */

/** Whether a text matches a pattern. Takes at most the product of their lengths, however many `%` the pattern has. */
export function isLike(text: string, pattern: string): boolean {
  const steps = stepsOf(pattern);
  const characters = [...text].map(folded);
  let step = 0;
  /** Where to resume if the part after the last `%` does not match: the `%` then takes one more character. */
  let again: { step: number; at: number } | undefined;
  for (let at = 0; at < characters.length; ) {
    const expected = steps[step];
    if (expected === anyText) {
      step += 1;
      again = { step, at };
    } else if (expected === anyCharacter || (expected !== undefined && expected === characters[at])) {
      step += 1;
      at += 1;
    } else if (again !== undefined) {
      again.at += 1;
      ({ step, at } = again);
    } else {
      return false;
    }
  }
  return steps.slice(step).every((rest) => rest === anyText);
}

const anyText = Symbol('%');
const anyCharacter = Symbol('_');

function stepsOf(pattern: string): (string | typeof anyText | typeof anyCharacter)[] {
  const steps: (string | typeof anyText | typeof anyCharacter)[] = [];
  let isEscaped = false;
  for (const character of pattern) {
    if (!isEscaped && character === '\\') {
      isEscaped = true;
      continue;
    }
    if (isEscaped) steps.push(character);
    else steps.push(character === '%' ? anyText : character === '_' ? anyCharacter : folded(character));
    isEscaped = false;
  }
  return steps;
}

function folded(character: string): string {
  return character >= 'A' && character <= 'Z' && character.length === 1 ? character.toLowerCase() : character;
}
