/**
 * The values of fields as SQL sees them, by functions of our own: readers, queries and indexes agree on the content of
 * a document.
 *
 * A peer may have sent any text as a payload, even one that SQLite's own JSON functions would read differently. Texts
 * are parsed here and not in `apply`, because only queries need the cost, while `apply` must be fast. A text is parsed
 * once for all fields that a query reads from it.
 */
import type { Database } from 'better-sqlite3';
import { decodeDocument, type JsonValue } from '../core/document.js';
import { StatemeshError, shortText } from '../core/errors.js';
import { namesOf } from '../core/field-path.js';
import { isLike } from '../core/like.js';
import { own } from '../core/own.js';

/**
 * Values as SQL writes them. Booleans are blobs, which sort after texts; objects and lists are blobs that equal
 * nothing.
 */
export const sqlFalse = "x'00'";
export const sqlTrue = "x'01'";
/** Stands for a field that is a list, or that lies in one. */
export const sqlList = "x'03'";

const [falseValue, trueValue, objectValue, listValue] = [0, 1, 2, 3].map((byte) => Buffer.from([byte])) as [
  Buffer,
  Buffer,
  Buffer,
  Buffer,
];

/**
 * Defines `field_value(payload, field)`, which is NULL for a field that is null or missing. `compared_value` is the
 * same for a field in a comparison: there, a list ends the query with `queryInvalid`, because people expect its
 * elements to be compared.
 */
export function defineFieldValues(database: Database): void {
  const read = createReader();
  database.function('field_value', { deterministic: true }, (payload, field) => read(String(payload), String(field)));
  database.function('is_like', { deterministic: true }, (text, pattern) =>
    isLike(String(text), String(pattern)) ? 1 : 0,
  );
  database.function('compared_value', { deterministic: true }, (payload, field) => {
    const value = read(String(payload), String(field));
    if (value === listValue) throw isList(String(field));
    return value;
  });
}

/** The error about a field that holds a list. */
export function isList(field: string): StatemeshError {
  return new StatemeshError(
    'queryInvalid',
    `Invalid query: "${shortText(field)}" is a list in some document, or lies in one, and queries do not look into lists yet. Read the documents and choose among them in the program, or store an object such as { "tags": { "hot": true } } and ask for "tags.hot".`,
  );
}

function createReader(): (payload: string, field: string) => unknown {
  const paths = new Map<string, readonly string[]>();
  let latest: { readonly payload: string; readonly document: JsonValue | undefined } | undefined;
  return (payload, field) => {
    if (latest?.payload !== payload) latest = { payload, document: decodeDocument(payload) };
    let names = paths.get(field);
    if (names === undefined) {
      if (paths.size >= pathsMax) paths.clear();
      names = namesOf(field);
      paths.set(field, names);
    }
    return valueAt(latest.document, names);
  };
}

const pathsMax = 1_024;

function valueAt(document: JsonValue | undefined, names: readonly string[]): unknown {
  // A document that is a list has no fields.
  if (Array.isArray(document)) return null;
  let value: unknown = document;
  for (const name of names) {
    if (Array.isArray(value)) return listValue;
    if (typeof value !== 'object' || value === null) return null;
    value = own(value as Record<string, unknown>, name);
  }
  switch (typeof value) {
    case 'boolean':
      return value ? trueValue : falseValue;
    case 'object':
      return value === null ? null : Array.isArray(value) ? listValue : objectValue;
    default:
      return value ?? null;
  }
}
