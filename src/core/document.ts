/**
 * Documents as JSON text: what a local write may hold, and how a stored text is read.
 *
 * Invariants:
 * - A document reads back exactly as it was written, or the write is refused with the path of the fault. JSON.stringify
 *   alone would silently drop `undefined` and functions, and turn NaN into null, a Date into a string and a Map into
 *   `{}`. The one exception is -0, which JavaScript itself treats as equal to 0: it becomes 0, so that equal documents
 *   have equal texts.
 * - Getters, proxies and `toJSON` are refused without being called: they could answer differently the second time.
 * - A text is readable only if `encodeDocument` could have written it; any other stored text is malformed. For a
 *   duplicate key, for example, SQLite would take the first and JavaScript the last; numbers, blanks and escapes have
 *   similar cases.
 * - The check runs on every write, so it keeps no path. The path is built only while a failure is passed up.
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
 * Checks a document and returns its JSON text.
 *
 * @param document Any JSON value: an object, a list or a scalar, at most `limits.documentDepthMax` levels deep and
 * `limits.documentBytesMax` bytes of UTF-8
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
 * The document of a stored text; undefined if the text is malformed. No valid text decodes to undefined. A reader, a
 * query and an index agree on which texts are malformed.
 */
export function decodeDocument(payload: string): JsonValue | undefined {
  const document = decodeJson(payload);
  // Text in our own form has one meaning for every reader of it, SQLite included.
  return document !== undefined && JSON.stringify(document) === payload ? document : undefined;
}

/** The value of any JSON text, from any program, that is not nested too deeply; undefined for other texts. */
export function decodeJson(text: string): JsonValue | undefined {
  try {
    const value = JSON.parse(text) as JsonValue;
    return mayBeTooDeep(text) && isTooDeep(value, 0) ? undefined : value;
  } catch {
    return undefined;
  }
}

/** A path in a document in the notation of RFC 9535, for people: `$.lines[0].price`. */
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
  /** From the innermost step outwards: each level adds its own step while it passes the problem up. */
  readonly path: PropertyKey[];
  readonly reason: string;
}

/**
 * What remains of the maximum size. It is a lower bound, so that shared parts and huge texts end the walk before any
 * text is built.
 */
interface Budget {
  bytes: number;
}

// Looked up once: in a `node:vm` context, where tests run, a global costs as much as the rest of a step.
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
  if (isProxy(value)) return problem('a Proxy may answer differently each time; write a copy of its target');
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
  // The result of a regular expression match has such fields, which JSON would drop.
  return within(problem('a list has no named fields in JSON; write a copy, [...list]'), keys[list.length] as string);
}

/** Fields under symbols, which JSON would drop. Symbols that are not enumerable are ignored. */
function findSymbol(value: object): Problem | undefined {
  const symbols = getOwnPropertySymbols(value);
  if (symbols.length === 0) return undefined;
  const symbol = symbols.find((key) => Object.prototype.propertyIsEnumerable.call(value, key));
  return symbol === undefined
    ? undefined
    : within(problem('JSON has no symbols as names; leave the field out'), symbol);
}

/** An element of a list. A getter that throws counts as a function, because neither is JSON. */
function elementOf(list: readonly unknown[], index: number): unknown {
  try {
    return list[index];
  } catch {
    return elementOf;
  }
}

/** Newer versions of Node.js insert raw JSON texts as they are, so they would not read back as written. */
const { isRawJSON: isRawJson } = JSON as { isRawJSON?(value: unknown): boolean };

/** Objects of another realm are plain too, so this looks at the place in the prototype chain, not at identity. */
function isPlainObject(value: object): boolean {
  const prototype: object | null = getPrototypeOf(value);
  // The one plain object that can be iterated is `arguments`.
  return prototype === null || (isObjectPrototype(prototype) && !(Symbol.iterator in value));
}

/** Whether a list is an ordinary array, not an instance of a subclass. */
function isPlainList(list: readonly unknown[]): boolean {
  const prototype: object | null = getPrototypeOf(list);
  return Array.isArray(prototype) && !('toJSON' in prototype) && isObjectPrototype(getPrototypeOf(prototype));
}

/** A `toJSON` added to the prototype would change all documents, so such a prototype does not count. */
function isObjectPrototype(value: object): boolean {
  return getPrototypeOf(value) === null && hasOwn(value, 'isPrototypeOf') && !('toJSON' in value);
}

/** Every level opens a bracket, so a text with few brackets needs no walk. */
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

/** Counts bytes only when the number of characters does not decide: a code unit takes one to three bytes in UTF-8. */
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

/** Cuts the path of something nested too deeply; the first 20 steps tell enough. */
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
