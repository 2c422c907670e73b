/**
 * Looks up names that may come from outside: ids, fields, variables, headers. On a plain object, `constructor`, `toString` and
 * `__proto__` name what every object inherits, so a lookup would find names that nobody put there. Collections by such names are Maps;
 * this function is for records that arrive as objects. A test over the syntax tree finds every other lookup.
 */

/** The value that a record itself has under a name; undefined for what it inherits. */
export function own<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}
