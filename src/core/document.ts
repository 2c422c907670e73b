/**
 * Documents as JSON text: what a local write may hold, and how a stored text is read.
 *
 * Invariants:
 * - What is written reads back as it was given, or is refused with its path: JSON.stringify alone would drop `undefined` and functions,
 *   turn NaN into null, a Date into a text and a Map into `{}` without a word. The one exception is -0, which JavaScript itself finds
 *   equal to 0: it becomes 0, so that equal documents have equal texts.
 * - Getters, proxies and `toJSON` are refused, not asked: they could answer otherwise the second time.
 * - What can be read is what could be written: a stored text that is not the JSON that `encodeDocument` gives is malformed. Of one key
 *   that is there twice, SQLite would take the first and we the last; of numbers, blanks and escapes there are other such cases.
 * - The check runs on every write, so it keeps no path; the path is put together only on the way out of a failure.
 */
import { isProxy } from 'node:util/types';
import { StatemeshError } from './errors.js';
import { limits } from './limits.js';
import { reasonForObject, reasonForScalar } from './no-json.js';

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [field: string]: JsonValue };

/**
 * The JSON text of a document, checked.
 *
 * @param document Any JSON value: an object, a list or a scalar, at most `limits.documentDepthMax` levels deep and
 *   `limits.documentBytesMax` bytes of UTF-8
 * @throws StatemeshError `documentInvalid` (names the JSON path), `documentTooLarge`
 */
export function encodeDocument(document: unknown): string {
  const problem = findProblem(document, 0, { bytes: limits.documentBytesMax });
  if (problem !== undefined) throw asError(problem);
  const payload = JSON.stringify(document);
  if (isTooLarge(payload)) throw tooLarge();
  return payload;
}

/**
 * The document of a stored text, or undefined if the text is malformed: no JSON text means undefined. Whether a text is malformed is the
 * same for a reader, for a query and for an index.
 */
export function decodeDocument(payload: string): JsonValue | undefined {
  const document = decodeJson(payload);
  // Our own JSON comes back as it was, so whatever else would read it sees the same in it.
  return document !== undefined && JSON.stringify(document) === payload ? document : undefined;
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

// Looked up once: in a context of node:vm, where tests run, a global costs as much as the rest of a step.
const { keys: keysOf, getPrototypeOf, hasOwn, getOwnPropertyDescriptor, getOwnPropertySymbols } = Object;

function findProblem(value: unknown, depth: number, budget: Budget, isInList = false): Problem | undefined {
  switch (typeof value) {
    case 'string':
      budget.bytes -= value.length + 2;
      return budget.bytes < 0 ? problem('it is too large', 'documentTooLarge') : undefined;
    case 'number':
      budget.bytes -= 1;
      return Number.isFinite(value) ? undefined : problem(reasonForScalar(value, isInList));
    case 'boolean':
      budget.bytes -= 1;
      return undefined;
    case 'object':
      return value === null ? undefined : findProblemInObject(value, depth, budget);
    default:
      return problem(reasonForScalar(value, isInList));
  }
}

function findProblemInObject(value: object, depth: number, budget: Budget): Problem | undefined {
  if (depth >= limits.documentDepthMax) {
    return problem(`it is nested deeper than ${limits.documentDepthMax} levels, or contains itself`);
  }
  if (isProxy(value)) return problem('a Proxy may answer otherwise each time; write a copy of what it stands for');
  budget.bytes -= 2;
  const found = Array.isArray(value)
    ? findProblemInList(value, depth, budget)
    : findProblemInFields(value, depth, budget);
  if (found !== undefined) return found;
  return budget.bytes < 0 ? problem('it is too large', 'documentTooLarge') : undefined;
}

function findProblemInFields(value: object, depth: number, budget: Budget): Problem | undefined {
  if (isRawJson?.(value) === true) return problem('a raw JSON text is not a JSON value; parse it first');
  if (!isPlainObject(value)) return problem(reasonForObject(value));
  for (const key of keysOf(value)) {
    const { get, set, value: inner } = getOwnPropertyDescriptor(value, key) as PropertyDescriptor;
    if (get !== undefined || set !== undefined) {
      return within(problem('a getter is not a JSON value; write a copy, { ...object }'), key);
    }
    budget.bytes -= key.length + 3;
    const found = findProblem(inner, depth + 1, budget);
    if (found !== undefined) return within(found, key);
  }
  return findSymbol(value);
}

function findProblemInList(list: readonly unknown[], depth: number, budget: Budget): Problem | undefined {
  if (!isPlainList(list)) return problem(reasonForObject(list));
  for (let index = 0; index < list.length; index++) {
    const found = findProblem(elementOf(list, index), depth + 1, budget, true);
    if (found !== undefined) return within(found, index);
    if (budget.bytes < 0) return problem('it is too large', 'documentTooLarge');
  }
  const keys = keysOf(list);
  if (keys.length === list.length) return findSymbol(list);
  // A match of a regular expression has such fields, which JSON would drop.
  return within(problem('a list has no fields by name in JSON; write a copy, [...list]'), keys[list.length] as string);
}

/** Fields under symbols, but for those that nobody sees: JSON would drop them. */
function findSymbol(value: object): Problem | undefined {
  const symbols = getOwnPropertySymbols(value);
  if (symbols.length === 0) return undefined;
  const symbol = symbols.find((key) => Object.prototype.propertyIsEnumerable.call(value, key));
  return symbol === undefined
    ? undefined
    : within(problem('JSON has no symbols for names; leave the field out'), symbol);
}

/** A getter that throws counts as a function: it is as little JSON. */
function elementOf(list: readonly unknown[], index: number): unknown {
  try {
    return list[index];
  } catch {
    return elementOf;
  }
}

/** Later versions of Node.js take texts into JSON as they are, which would not read back as written. */
const { isRawJSON: isRawJson } = JSON as { isRawJSON?(value: unknown): boolean };

/** Objects of another realm are plain too, so this asks for the place in the chain of prototypes, not for identity. */
function isPlainObject(value: object): boolean {
  const prototype: object | null = getPrototypeOf(value);
  // What can be iterated is `arguments`.
  return prototype === null || (isObjectPrototype(prototype) && !(Symbol.iterator in value));
}

/** A list proper, not of a class of its own. */
function isPlainList(list: readonly unknown[]): boolean {
  const prototype: object | null = getPrototypeOf(list);
  return Array.isArray(prototype) && !('toJSON' in prototype) && isObjectPrototype(getPrototypeOf(prototype));
}

/** One to which somebody has added a `toJSON` would change all documents. */
function isObjectPrototype(value: object): boolean {
  return getPrototypeOf(value) === null && hasOwn(value, 'isPrototypeOf') && !('toJSON' in value);
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
export function formatLongPath(path: readonly PropertyKey[]): string {
  const stepsMax = 20;
  return path.length > stepsMax ? `${formatJsonPath(path.slice(0, stepsMax))}…` : formatJsonPath(path);
}

function tooLarge(): StatemeshError {
  return new StatemeshError(
    'documentTooLarge',
    `The document is larger than ${limits.documentBytesMax} bytes; split it into several.`,
  );
}
