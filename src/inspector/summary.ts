/**
 * Turns the events and contexts of actors into small, plain values before anything leaves the process: sizes and counts
 * instead of contents, names instead of actors, and no secrets.
 *
 * Invariants: the result is JSON of bounded size, however large or cyclic the input is. No function is called and no
 * getter of a foreign class. Documents, keys and tokens never pass, whether a field or a class identifies them.
 */
import { BucketMap } from '../core/bucket-map.js';
import { plural } from '../core/plural.js';
import { isSealed } from '../core/sealing.js';
import { Secret } from '../core/secret.js';

/** A value as it may be shown: short, and without documents, keys and tokens. */
export type Summary = null | boolean | number | string | readonly Summary[] | { readonly [field: string]: Summary };

/** How much of a value is shown. */
export const summaryLimits = { depthMax: 5, itemsMax: 24, fieldsMax: 48, textLengthMax: 200 } as const;

const withheld = '[withheld]';

/** Fields whose content is never shown, at any depth. */
const withheldFields = new Set([
  ...['clientSecret', 'resealedSecret', 'secret', 'token', 'accessToken', 'password', 'passphrase'],
  ...['clusterKey', 'acceptedClusterKeys', 'key', 'keys', 'privateKey', 'authorization', 'collector', 'inspectorUrl'],
]);

/** Fields of entries and documents, as they are stored and sent; only a count is shown. */
const counted = new Map<string, (value: unknown) => Summary | undefined>([
  ['runs', countRuns],
  ['outbox', countRuns],
  ['entries', (value) => (Array.isArray(value) ? `[${sized(value.length, 'entry', 'entries')}]` : undefined)],
  ['payload', (value) => (typeof value === 'string' ? `[${sized(value.length, 'character')}]` : withheld)],
  ['inFlight', (value) => (Array.isArray(value) ? `[${sized(value.length, 'batch', 'batches')}]` : undefined)],
]);

/** @returns undefined for values that are not shown at all: functions, symbols and undefined */
export function summarize(value: unknown, depth = 0): Summary | undefined {
  switch (typeof value) {
    case 'string':
      return summarizeText(value);
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'boolean':
      return value;
    case 'bigint':
      return String(value);
    case 'object':
      return value === null ? null : summarizeObject(value, depth);
    default:
      return undefined;
  }
}

/** The value of a field, summarized by the field's name. */
export function summarizeField(field: string, value: unknown, depth = 1): Summary | undefined {
  if (value === undefined || typeof value === 'function') return undefined;
  if (withheldFields.has(field) && value !== null) return withheld;
  return counted.get(field)?.(value) ?? summarize(value, depth);
}

function summarizeText(text: string): string {
  if (isSealed(text)) return '[sealed]';
  const { textLengthMax } = summaryLimits;
  return text.length <= textLengthMax ? text : `${text.slice(0, textLengthMax)}… (${sized(text.length, 'character')})`;
}

function summarizeObject(value: object, depth: number): Summary {
  if (value instanceof Secret) return '[secret]';
  if (isActor(value)) return `[actor ${nameOf(value)}]`;
  if (ArrayBuffer.isView(value)) return `[${sized(value.byteLength, 'byte')}]`;
  const { depthMax, itemsMax } = summaryLimits;
  if (value instanceof Error) return summarizeError(value);
  if (Array.isArray(value)) {
    if (depth >= depthMax) return `[${sized(value.length, 'item')}]`;
    return summarizeItems(value.slice(0, itemsMax), value.length, depth);
  }
  if (value instanceof Set) {
    if (depth >= depthMax) return `[${sized(value.size, 'item')}]`;
    return summarizeItems(first(value, itemsMax), value.size, depth);
  }
  if (value instanceof Map || value instanceof BucketMap) {
    if (depth >= depthMax) return `[${sized(value.size, 'item')}]`;
    return summarizeFields(first<readonly [unknown, unknown]>(value, summaryLimits.fieldsMax), value.size, depth);
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return `[${value.constructor?.name || 'object'}]`;
  if (isPosition(value)) return `${value.hlc} ${value.hash.slice(0, hashLengthShown)}`;
  const fields = Object.entries(value);
  return depth >= depthMax ? `[${sized(fields.length, 'field')}]` : summarizeFields(fields, fields.length, depth);
}

function summarizeItems(shown: readonly unknown[], size: number, depth: number): Summary {
  const items = shown.map((item) => summarize(item, depth + 1) ?? null);
  return size > shown.length ? [...items, `… ${size - shown.length} more`] : items;
}

/** Items beyond the maximum are not copied: there may be thousands. */
function first<T>(values: Iterable<T>, max: number): T[] {
  const taken: T[] = [];
  for (const value of values) {
    if (taken.length === max) break;
    taken.push(value);
  }
  return taken;
}

function summarizeFields(fields: readonly (readonly [unknown, unknown])[], size: number, depth: number): Summary {
  const shown = fields.slice(0, summaryLimits.fieldsMax).flatMap(([name, value]): [string, Summary][] => {
    const field = String(name);
    const each = summarizeField(field, value, depth + 1);
    return each === undefined ? [] : [[field, each]];
  });
  if (size > summaryLimits.fieldsMax) shown.push(['…', `${size - summaryLimits.fieldsMax} more`]);
  // Not by assignment: a field may be called `__proto__`.
  return Object.fromEntries(shown);
}

function summarizeError(error: Error): Summary {
  const code = (error as { code?: unknown }).code;
  const shown = { name: error.name, message: summarizeText(error.message) };
  return typeof code === 'string' ? { ...shown, code } : shown;
}

function countRuns(value: unknown): Summary | undefined {
  if (!Array.isArray(value)) return undefined;
  let entries = 0;
  for (const run of value) entries += (run as { entries?: readonly unknown[] }).entries?.length ?? 0;
  return `[${sized(entries, 'entry', 'entries')} of ${sized(value.length, 'author')}]`;
}

/** A root without an id gets a counter as its id from XState; the id of its machine says more. */
function nameOf({ id, logic }: Actor): string {
  return id.startsWith('x:') ? (logic?.id ?? id) : id;
}

interface Actor {
  readonly id: string;
  readonly logic?: { readonly id?: string };
}

function isActor(value: object): value is Actor {
  return 'sessionId' in value && typeof (value as { send?: unknown }).send === 'function';
}

/** A position in an author's chain, or the entry at that position. */
function isPosition(value: object): value is { readonly hlc: number; readonly hash: string } {
  const { hlc, hash } = value as { readonly hlc?: unknown; readonly hash?: unknown };
  return typeof hlc === 'number' && typeof hash === 'string';
}

const hashLengthShown = 6;

function sized(count: number, one: string, many?: string): string {
  return `${count} ${plural(count, one, many)}`;
}
