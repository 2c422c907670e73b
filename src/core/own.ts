/**
 * A look-up by a name that may come from outside: an id, a field, a variable, a header. On a plain object `constructor`, `toString` and
 * `__proto__` name what every object inherits, so a name that is in nobody's list would be found. Whatever is kept by such names is
 * kept in a Map; this is for the records that come as objects. A test over the syntax tree finds every other way.
 */

/** The value that a record itself has under a name; undefined for what it inherits. */
export function own<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}
