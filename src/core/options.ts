/**
 * Options from a program: objects of named fields, read once and checked as a whole.
 *
 * Invariants:
 * - An unknown field is refused, with the name of the field that was probably meant; a value of the wrong type is
 *   refused, too. A misspelled option would otherwise silently leave a default in force.
 * - A field that is `undefined` counts as absent, as TypeScript programs expect.
 * - Each field is read once, and the result is our own copy. A getter or a proxy cannot answer differently later, and
 *   changing the object later has no effect.
 * - Only own fields count. An object that inherits fields is refused, because they would be ignored.
 */
import { nearestName } from './did-you-mean.js';
import { type ErrorCode, isStatemeshError, messageOf, StatemeshError, shortText } from './errors.js';
import { own } from './own.js';

/** The kind of value that a field accepts. */
export interface Kind {
  /** For messages, after "takes": "a text". */
  readonly takes: string;
  accepts(value: unknown): boolean;
}

/** The fields that an options object may have. A type with a field that is missing here does not compile. */
export interface OptionsShape<T> {
  /** How a message begins: "Invalid query", "Invalid options of putMany". */
  readonly complaint: string;
  readonly code: ErrorCode;
  readonly fields: { readonly [Name in keyof T]-?: Kind };
  /** The fields that must be present. */
  readonly required?: readonly (keyof T & string)[];
}

/**
 * Checks an options object and copies it. `undefined` stands for an object without fields.
 *
 * @throws StatemeshError the shape's code
 */
export function readOptions<T extends object>(value: unknown, shape: OptionsShape<T>): T {
  const { complaint, code, fields, required = [] } = shape;
  const refuse = (problem: string, cause?: unknown): StatemeshError =>
    new StatemeshError(code, `${complaint}: ${problem}`, { cause });
  const options = new Map<string, unknown>();
  for (const [name, given] of readFields(value === undefined ? {} : value, refuse)) {
    const kind = own(fields as Readonly<Record<string, Kind>>, name);
    if (kind === undefined) throw refuse(unknownName(name, Object.keys(fields)));
    if (given === undefined) continue;
    if (!kind.accepts(given)) throw refuse(`${name} takes ${kind.takes}, not ${shownValue(given)}.`);
    options.set(name, given);
  }
  for (const name of required) {
    if (!options.has(name)) throw refuse(`${name} is missing: it takes ${own<Kind>(fields, name)?.takes}.`);
  }
  return Object.fromEntries(options) as T;
}

/**
 * The own fields of a plain object, each read once.
 *
 * @param refuse Makes the error for a value that is not a plain object or cannot be read
 */
export function readFields(
  value: unknown,
  refuse: (problem: string, cause?: unknown) => StatemeshError,
): [name: string, value: unknown][] {
  try {
    if (!isPlainObject(value)) throw refuse(`it takes a plain object of fields, not ${shownValue(value)}.`);
    return Reflect.ownKeys(value).map((name) => {
      if (typeof name === 'symbol')
        throw refuse(`${String(name).slice(0, 80)} is unknown: field names must be strings.`);
      return [name, own(value as Record<string, unknown>, name)];
    });
  } catch (error) {
    if (isStatemeshError(error)) throw error;
    // A getter or a proxy of the caller has thrown.
    throw refuse(`it cannot be read: ${messageOf(error)}`, error);
  }
}

/** The sentence about a name that is not in a list. */
export function unknownName(name: string, names: readonly string[]): string {
  const nearest = nearestName(name, names);
  const meant = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  const listed =
    names.length === 0 ? 'there are no options' : names.length > listedMax ? '' : `there are ${listOf(names)}`;
  return `"${shortText(name)}" is unknown${listed && '; '}${listed}.${meant}`;
}

/** A wrong value as part of a message, with its type where two types look alike. */
export function shownValue(value: unknown): string {
  if (typeof value === 'string') return `the text "${shortText(value)}"`;
  return shortText(value);
}

/** Whether an object was made by `{}` or without a prototype, in any realm. */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf');
}

/** Longer lists stand in the reference. */
const listedMax = 12;

function listOf(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

export const kinds = {
  text: { takes: 'a text', accepts: (value) => typeof value === 'string' },
  filledText: { takes: 'a text that is not empty', accepts: (value) => typeof value === 'string' && value !== '' },
  boolean: { takes: 'true or false', accepts: (value) => typeof value === 'boolean' },
  share: {
    takes: 'a share from 0 to 1',
    accepts: (value) => typeof value === 'number' && value >= 0 && value <= 1,
  },
  /** Ms, or bytes a second. */
  amount: {
    takes: 'a number of at least 0',
    accepts: (value) => typeof value === 'number' && value >= 0 && Number.isFinite(value),
  },
  function: { takes: 'a function', accepts: isFunction },
  list: { takes: 'a list', accepts: Array.isArray },
  signal: {
    takes: 'an AbortSignal',
    accepts: (value) => isObject(value) && typeof value.aborted === 'boolean' && isFunction(value.addEventListener),
  },
  /** Checked by the function that receives it. */
  any: { takes: 'a value', accepts: () => true },
} as const satisfies Record<string, Kind>;

/** A whole number within bounds. */
export function wholeNumber(from: number, to: number = Number.MAX_SAFE_INTEGER): Kind {
  const bounds = to === Number.MAX_SAFE_INTEGER ? `from ${from}` : `from ${from} to ${to}`;
  return {
    takes: `a whole number ${bounds}`,
    accepts: (value) => Number.isSafeInteger(value) && (value as number) >= from && (value as number) <= to,
  };
}

/** One of a few texts. */
export function oneOf(...values: readonly string[]): Kind {
  return {
    takes: listOf(values.map((value) => `"${value}"`)).replace(/ and (?=[^ ]*$)/, ' or '),
    accepts: (value) => values.includes(value as string),
  };
}

/** An object of any class with the given methods. */
export function objectWith(...methods: readonly string[]): Kind {
  const having = methods.length === 0 ? '' : ` with ${listOf(methods.map((name) => `${name}()`))}`;
  return {
    takes: `an object${having}`,
    accepts: (value) => isObject(value) && methods.every((name) => hasMethod(value, name)),
  };
}

/** False, too, for a method that cannot be read: of a revoked proxy, or behind a getter that throws. */
function hasMethod(value: object, name: string): boolean {
  try {
    return isFunction(Reflect.get(value, name));
  } catch {
    return false;
  }
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}
