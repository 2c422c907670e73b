/**
 * Paths that name a field of documents: `address.city`.
 *
 * A backslash makes the next character part of a name where it would mean something else: `a\.b` is one field called
 * "a.b". Every field can be named, except one whose name is empty or has half of a character (a lone surrogate).
 */
import { StatemeshError, shortText } from './errors.js';
import { limits } from './limits.js';

/** Characters with a meaning of their own in a path. A backslash before one makes it part of a name. */
const special = new Set(['.', '\\', '$', '-', '[', ']']);
/** Reserved for queries by document key, which come later. */
const reserved = 'key';

/**
 * Checks a path from outside and returns its one shortest form.
 *
 * @throws StatemeshError `queryInvalid`
 */
export function parseField(field: unknown): string {
  if (typeof field !== 'string') throw invalid(field, 'a path is a string such as "address.city"');
  if (field.length > limits.fieldPathLengthMax)
    throw invalid(field, `it is longer than ${limits.fieldPathLengthMax} characters`);
  if (!field.isWellFormed())
    throw invalid(field, 'it contains half of a character, and no query can name such a field: rename the field');
  if (field === reserved) {
    throw invalid(
      field,
      'queries by document key are not supported yet: use get(key). For a field called "key" write "\\\\key"',
    );
  }
  return formatField(namesOf(field));
}

/**
 * The names along a path.
 *
 * @throws StatemeshError `queryInvalid`
 */
export function namesOf(field: string): string[] {
  if (field.startsWith('$')) throw invalid(field, 'for a field whose name begins with "$" write "\\\\$"');
  const path = field.replace(/^\\(?=key(?:\.|$))/, '');
  const names = [''];
  for (let index = 0; index < path.length; index += 1) {
    let character = path[index] as string;
    if (character === '.') {
      names.push('');
      continue;
    }
    if (character === '[' || character === ']') {
      throw invalid(
        field,
        `no path reaches into a list; for a field with "${character}" in its name write "\\\\${character}"`,
      );
    }
    if (character === '\\') {
      index += 1;
      character = path[index] ?? '';
      if (!special.has(character)) throw invalid(field, 'for a field with a backslash in its name write two of them');
    }
    names[names.length - 1] += character;
  }
  if (names.includes('')) throw invalid(field, 'it contains an empty name, and no query can name such a field');
  return names;
}

function formatField(names: readonly string[]): string {
  const path = names.map((name) => name.replace(/[\\.[\]]/g, '\\$&')).join('.');
  return path.startsWith('$') || path === reserved ? `\\${path}` : path;
}

function invalid(field: unknown, reason: string): StatemeshError {
  return new StatemeshError('queryInvalid', `Invalid query: "${shortText(field)}" is not a field path: ${reason}.`);
}
