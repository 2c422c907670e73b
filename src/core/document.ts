/**
 * Documents as JSON text: what a local write may hold, and how a stored text is read.
 *
 * Invariants:
 * - What is written reads back as it was given, but for values with a `toJSON` of their own (a Date), which become what
 *   that returns. JSON.stringify alone would drop `undefined` and functions and turn NaN into null without a word.
 * - What can be read is what could be written: a stored text that is not the JSON that `encodeDocument` gives is malformed. Of one key
 *   that is there twice, SQLite would take the first and we the last; of numbers, blanks and escapes there are other such cases.
 * - The check runs on every write, so it keeps no path; the path is put together only on the way out of a failure.
 */
import { isStatemeshError, messageOf, StatemeshError } from './errors.js';
import { limits } from './limits.js';

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [field: string]: JsonValue };

/**
 * The JSON text of a document, checked. Fields under symbols are left out, as JSON does.
 *
 * @param document Any JSON value: an object, a list or a scalar, at most `limits.documentDepthMax` levels deep and
 *   `limits.documentBytesMax` bytes of UTF-8
 * @throws StatemeshError `documentInvalid` (names the JSON path), `documentTooLarge`
 */
export function encodeDocument(document: unknown): string {
  let payload: string;
  try {
    const problem = findProblem(document, '', 0, { bytes: limits.documentBytesMax });
    if (problem !== undefined) throw asError(problem);
    payload = JSON.stringify(document);
  } catch (error) {
    if (isStatemeshError(error)) throw error;
    // A getter or a toJSON of the caller's has thrown.
    throw new StatemeshError('documentInvalid', `The document cannot be read: ${messageOf(error)}`, { cause: error });
  }
  // toJSON is asked a second time here, and may answer otherwise.
  if (payload === undefined) throw asError({ code: 'documentInvalid', path: [], reason: 'its toJSON returns nothing' });
  if (isTooLarge(payload)) throw tooLarge();
  return payload;
}

/**
 * The document of a stored text, or undefined if the text is malformed: no JSON text means undefined. Whether a text is malformed is the
 * same for a reader, for a query and for an index, which ask {@link isDocument}.
 */
export function decodeDocument(payload: string): JsonValue | undefined {
  const document = decodeJson(payload);
  // Our own JSON comes back as it was, so whatever else would read it sees the same in it.
  return document !== undefined && JSON.stringify(document) === payload ? document : undefined;
}

/** Whether {@link decodeDocument} takes a text. */
export function isDocument(payload: string): boolean {
  return decodeDocument(payload) !== undefined;
}

/** The value of any JSON text that is not nested too deeply, written by whatever program; undefined for other texts. */
export function decodeJson(text: string): JsonValue | undefined {
  try {
    const value = JSON.parse(text) as JsonValue;
    return mayBeTooDeep(text) && isTooDeep(value, 0) ? undefined : value;
  } catch {
    return undefined;
  }
}

/** A path in a document for people, in the notation of RFC 9535: `$.lines[0].price`. */
export function formatJsonPath(path: readonly PropertyKey[]): string {
  const steps = path.map((step) => {
    if (typeof step === 'number') return `[${step}]`;
    const name = String(step);
    return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name.slice(0, 80))}]`;
  });
  return `$${steps.join('')}`;
}

interface Problem {
  readonly code: 'documentInvalid' | 'documentTooLarge';
  /** From the innermost step outwards: each level adds its own while the problem is handed up. */
  readonly path: PropertyKey[];
  readonly reason: string;
}

/** What is left of the size; a lower bound, so that sharing and huge texts end the walk before anything is built. */
interface Budget {
  bytes: number;
}

function findProblem(value: unknown, key: string, depth: number, budget: Budget): Problem | undefined {
  switch (typeof value) {
    case 'string':
      budget.bytes -= value.length + 2;
      return budget.bytes < 0 ? problem('it is too large', 'documentTooLarge') : undefined;
    case 'number':
      budget.bytes -= 1;
      return Number.isFinite(value) ? undefined : problem(`${value} is not a JSON number`);
    case 'boolean':
      budget.bytes -= 1;
      return undefined;
    case 'object':
      return value === null ? undefined : findProblemInObject(value, key, depth, budget);
    case 'undefined':
      return problem('undefined is not a JSON value; leave the field out or use null');
    default:
      return problem(`a ${typeof value} is not a JSON value`);
  }
}

function findProblemInObject(value: object, key: string, depth: number, budget: Budget): Problem | undefined {
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON !== 'function') return findProblemInside(value, depth, budget);
  const replaced: unknown = toJSON.call(value, key);
  // An invalid Date says null of itself.
  if (replaced === null && isInvalidDate(value)) return problem('an invalid Date has no JSON');
  // JSON asks once: what comes back is taken as it is, whether it has a toJSON or not.
  return typeof replaced === 'object' && replaced !== null
    ? findProblemInside(replaced, depth, budget)
    : findProblem(replaced, key, depth, budget);
}

function findProblemInside(value: object, depth: number, budget: Budget): Problem | undefined {
  if (depth >= limits.documentDepthMax) {
    return problem(`it is nested deeper than ${limits.documentDepthMax} levels, or contains itself`);
  }
  budget.bytes -= 2;
  if (Array.isArray(value)) return findProblemInList(value, depth, budget);
  if (isRawJson?.(value) === true) return problem('a raw JSON text is not a JSON value; parse it first');
  if (!isPlainObject(value)) return problem(`${nameOf(value)} is not a JSON value; it has no toJSON`);
  for (const [key, inner] of Object.entries(value)) {
    budget.bytes -= key.length + 3;
    const found = findProblem(inner, key, depth + 1, budget);
    if (found !== undefined) return within(found, key);
  }
  return budget.bytes < 0 ? problem('it is too large', 'documentTooLarge') : undefined;
}

function findProblemInList(list: readonly unknown[], depth: number, budget: Budget): Problem | undefined {
  for (let index = 0; index < list.length; index++) {
    const found = findProblem(list[index], String(index), depth + 1, budget);
    if (found !== undefined) return within(found, index);
    if (budget.bytes < 0) return problem('it is too large', 'documentTooLarge');
  }
  return undefined;
}

/** Later versions of Node.js take texts into JSON as they are, which would not read back as written. */
const { isRawJSON: isRawJson } = JSON as { isRawJSON?(value: unknown): boolean };

/** Objects of another realm are plain too, so this asks for the place in the chain of prototypes, not for identity. */
function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function isInvalidDate(value: object): boolean {
  const { getTime } = value as { getTime?: unknown };
  return typeof getTime === 'function' && Number.isNaN(getTime.call(value));
}

/** Every level opens a bracket, so a text with few of them needs no walk. */
function mayBeTooDeep(payload: string): boolean {
  if (payload.length <= 2 * limits.documentDepthMax) return false;
  let brackets = 0;
  for (const bracket of ['{', '[']) {
    let at = payload.indexOf(bracket);
    while (at !== -1 && brackets <= limits.documentDepthMax) {
      brackets += 1;
      at = payload.indexOf(bracket, at + 1);
    }
  }
  return brackets > limits.documentDepthMax;
}

function isTooDeep(value: JsonValue, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (depth >= limits.documentDepthMax) return true;
  const members: readonly JsonValue[] = Array.isArray(value) ? value : Object.values(value);
  return members.some((member) => isTooDeep(member, depth + 1));
}

/** Counts bytes only where the number of characters leaves it open: a code unit takes one to three bytes in UTF-8. */
function isTooLarge(payload: string): boolean {
  if (payload.length * 3 <= limits.documentBytesMax) return false;
  return payload.length > limits.documentBytesMax || Buffer.byteLength(payload) > limits.documentBytesMax;
}

function problem(reason: string, code: Problem['code'] = 'documentInvalid'): Problem {
  return { code, path: [], reason };
}

function within(found: Problem, step: PropertyKey): Problem {
  found.path.push(step);
  return found;
}

function asError({ code, path, reason }: Problem): StatemeshError {
  if (code === 'documentTooLarge') return tooLarge();
  return new StatemeshError('documentInvalid', `Invalid document at ${formatLongPath(path.reverse())}: ${reason}.`);
}

/** The path of something too deep is cut in the middle of nowhere; its start tells enough. */
function formatLongPath(path: readonly PropertyKey[]): string {
  const stepsMax = 20;
  return path.length > stepsMax ? `${formatJsonPath(path.slice(0, stepsMax))}…` : formatJsonPath(path);
}

function tooLarge(): StatemeshError {
  return new StatemeshError(
    'documentTooLarge',
    `The document is larger than ${limits.documentBytesMax} bytes; split it into several.`,
  );
}

function nameOf(value: object): string {
  const name = (value as { constructor?: { name?: unknown } }).constructor?.name;
  return typeof name === 'string' && name !== '' ? `an object of class ${name.slice(0, 80)}` : 'an object of a class';
}
