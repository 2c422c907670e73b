/**
 * Looks up names that may come from outside: ids, fields, variables, headers. On a plain object, `constructor`,
 * `toString` and `__proto__` name what every object inherits, so a plain lookup would find values that were never put
 * there. Collections keyed by such names are Maps; this function is for records that arrive as objects. A test over the
 * syntax tree finds every other lookup.
 */

/** The value of a record's own field; undefined for an inherited one. */
export function own<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}
