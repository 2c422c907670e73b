/**
 * What is wrong with a configuration, in our own words: which field, what it takes, and what it contains instead.
 * Secrets are never repeated.
 */
import { z } from 'zod';
import { shownValue, unknownName } from '../core/options.js';
import { own } from '../core/own.js';
import { secretFields } from './secret-fields.js';

type Issue = z.core.$ZodIssue;

/**
 * All problems as one text.
 *
 * @param input The value that was checked
 * @param schema The schema that checked it
 */
export function problemsOf(issues: readonly Issue[], input: unknown, schema: z.ZodType): string {
  return issues
    .map((issue) => `${issue.path.join('.') || 'configuration'}: ${problemOf(issue, input, schema)}`)
    .join('; ');
}

/**
 * One problem without the field's name and without a full stop.
 *
 * @param input undefined when its value must not be repeated
 */
export function problemOf(issue: Issue, input: unknown, schema: z.ZodType): string {
  const value = valueAt(input, issue.path);
  const isShown = value !== undefined && typeof value !== 'object' && !secretFields.has(String(issue.path[0]));
  const instead = isShown ? `, not ${shownValue(value)}` : '';
  switch (issue.code) {
    case 'invalid_type':
      return value === undefined
        ? `it is missing; it takes ${nameOfType(issue.expected)}`
        : `it takes ${nameOfType(issue.expected)}${instead || `, not ${kindOf(value)}`}`;
    case 'too_small':
      return `it takes ${boundOf('at least', issue.minimum, issue.origin)}${instead}`;
    case 'too_big':
      return `it takes ${boundOf('at most', issue.maximum, issue.origin)}${instead}`;
    case 'invalid_value':
      return `it takes ${issue.values.map((each) => JSON.stringify(each)).join(' or ')}${instead}`;
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownName(key, namesAt(schema, issue.path)).replace(/\.$/, '')).join('; ');
    default:
      // Our own checks have messages of their own.
      return `${issue.message}${instead}`;
  }
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = own(value as Record<string, unknown>, String(step));
  }
  return value;
}

const typeNames: ReadonlyMap<string, string> = new Map([
  ['string', 'a text'],
  ['int', 'a whole number'],
  ['number', 'a whole number'],
  ['boolean', 'true or false'],
  ['array', 'a list'],
  ['object', 'an object'],
]);

function nameOfType(expected: string): string {
  return typeNames.get(expected) ?? `a value of type ${expected}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : 'a value of another type';
}

function boundOf(bound: string, count: number | bigint, origin: string): string {
  if (origin === 'string')
    return count === 1 && bound === 'at least' ? 'a text that is not empty' : `${bound} ${count} characters`;
  return origin === 'array' ? `a list of ${bound} ${count}` : `${bound} ${count}`;
}

/** The fields that an object within a configuration may have. */
function namesAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  let at: unknown = unwrapped(schema);
  for (const step of path) {
    if (at instanceof z.ZodArray) at = unwrapped(at.element as z.ZodType);
    else if (at instanceof z.ZodObject) at = unwrapped(own(at.shape as Record<string, z.ZodType>, String(step)));
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function unwrapped(schema: z.ZodType | undefined): z.ZodType | undefined {
  let inner = schema;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodOptional) inner = inner.unwrap() as z.ZodType;
  return inner;
}
