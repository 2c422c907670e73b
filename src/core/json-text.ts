/**
 * JSON texts from outside, written by a program or a person: read exactly, or refused with the path of the fault.
 *
 * Invariants:
 * - A text that `JSON.parse` would change silently is refused: JSON.parse drops the first of two fields with one name,
 *   and rounds numbers.
 * - A number is accepted if its digits come back when it is printed. A fraction may have more digits than the 16 or so
 *   that a double keeps: it becomes the nearest double, as in every program that computes with it. Integers are often
 *   ids, and are never rounded.
 *
 * Node.js 20 does not tell a reviver how a number was written, so {@link findLoss} walks through the text once more
 * where needed.
 */
import { formatLongPath } from './document.js';
import { messageOf } from './errors.js';

/**
 * The value of a JSON text.
 *
 * @throws JsonTextError
 */
export function parseJsonText(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new JsonTextError(`it is not JSON, ${messageOf(error)}`);
  }
  // Most texts come from JSON.stringify, and a text that converts back to itself has lost nothing.
  if (isOwnText(value, text)) return value;
  const loss = findLoss(text);
  if (loss !== undefined)
    throw new JsonTextError(`at ${formatLongPath(loss.path)}: ${loss.reason}`, formatLongPath(loss.path));
  return value;
}

/** What is wrong with a JSON text: a clause without a full stop, which names the path. */
export class JsonTextError extends Error {
  constructor(
    message: string,
    /** The path of the value that `JSON.parse` would change; undefined for text that is not JSON. */
    readonly path?: string,
  ) {
    super(message);
  }
}

function isOwnText(value: unknown, text: string): boolean {
  try {
    return JSON.stringify(value) === text;
  } catch {
    // Nested too deeply for JSON.stringify.
    return false;
  }
}

interface Loss {
  readonly path: readonly (string | number)[];
  readonly reason: string;
}

/** A list or an object around the current place. */
interface Level {
  /** The field names of an object so far; undefined for a list. */
  readonly names: Set<string> | undefined;
  /** The current field or index. */
  step: string | number;
}

/** The first place where JSON.parse would change the text. The text is valid JSON: JSON.parse has read it. */
function findLoss(text: string): Loss | undefined {
  const levels: Level[] = [];
  const lossAt = (reason: string): Loss => ({ path: levels.map(({ step }) => step), reason });
  let isName = false;
  for (let at = 0; at < text.length; at += 1) {
    const level = levels.at(-1);
    switch (text[at]) {
      case '{':
        levels.push({ names: new Set(), step: '' });
        isName = true;
        break;
      case '[':
        levels.push({ names: undefined, step: 0 });
        isName = false;
        break;
      case '}':
      case ']':
        levels.pop();
        isName = false;
        break;
      case ',':
        isName = level?.names !== undefined;
        if (typeof level?.step === 'number') level.step += 1;
        break;
      case ':':
        isName = false;
        break;
      case '"': {
        const end = endOfText(text, at);
        if (isName && level?.names !== undefined) {
          level.step = JSON.parse(text.slice(at, end)) as string;
          if (level.names.has(level.step)) return lossAt('the field occurs twice; remove one of them');
          level.names.add(level.step);
        }
        at = end - 1;
        break;
      }
      case ' ':
      case '\n':
        break;
      default: {
        const literal = numberAt(text, at);
        if (literal === undefined) break;
        if (!isExact(literal)) return lossAt(reasonFor(literal));
        at += literal.length - 1;
      }
    }
  }
  return undefined;
}

/** The index after the closing quote of the string that begins at `start`. */
function endOfText(text: string, start: number): number {
  for (let at = start + 1; ; at += 1) {
    at = text.indexOf('"', at);
    let slashes = at;
    while (text[slashes - 1] === '\\') slashes -= 1;
    if ((at - slashes) % 2 === 0) return at + 1;
  }
}

const number = /-?\d[\d.eE+-]*/y;

function numberAt(text: string, at: number): string | undefined {
  number.lastIndex = at;
  return number.exec(text)?.[0];
}

/** Every number with this many digits survives as a double that is not subnormal (DBL_DIG of C). */
const digitsKept = 15;
const smallestNormal = 2 ** -1022;

function isExact(literal: string): boolean {
  if (literal.length <= digitsKept && !/[eE]/.test(literal)) return true;
  const value = Number(literal);
  const written = decimalOf(literal);
  const held = decimalOf(String(value));
  if (written.digits === held.digits && written.exponent === held.exponent) return true;
  const isFraction = written.exponent < 0 && written.digits.length > digitsKept;
  return isFraction && Math.abs(value) >= smallestNormal && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
}

interface Decimal {
  /** Without zeros on either side; empty for zero, and for text that is not a number. */
  readonly digits: string;
  readonly exponent: number;
}

/** `-1.50e3` is 15 with the exponent 2. The sign is left out, because a double never loses it. */
function decimalOf(literal: string): Decimal {
  const [, whole = '', fraction = '', exponent = '0'] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(literal) ?? [];
  const all = `${whole}${fraction}`;
  let start = 0;
  while (all[start] === '0') start += 1;
  let end = all.length;
  while (end > start && all[end - 1] === '0') end -= 1;
  if (start === end) return { digits: '', exponent: 0 };
  return { digits: all.slice(start, end), exponent: Number(exponent) - fraction.length + (all.length - end) };
}

function reasonFor(literal: string): string {
  const value = Number(literal);
  const shown = literal.length > shownMax ? `${literal.slice(0, shownMax)}…` : literal;
  const what = Number.isFinite(value) ? `would become ${value}` : 'is larger than any number that JavaScript has';
  return `${shown} ${what}; write it as text, "${shown}"`;
}

const shownMax = 40;
