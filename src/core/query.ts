/**
 * Queries over the JSON fields of documents: the check of queries from outside, and the parts that a store compiles.
 *
 * A field is named by its path, `address.city`. Values compare only with values of their own JSON type: a number is
 * never greater than a text. `null` equals a field that is null or missing.
 *
 * Invariant: the meaning of a query is fixed when it is made. An unknown field, an `undefined` value and a wrong type
 * are refused, because leaving the condition out would match every document.
 */
import { StatemeshError, shortText } from './errors.js';
import { parseField } from './field-path.js';
import { limits } from './limits.js';
import {
  isPlainObject,
  kinds,
  type OptionsShape,
  readFields,
  readOptions,
  shownValue,
  unknownName,
  wholeNumber,
} from './options.js';
import type { OrderBy, Query, Scalar, Where } from './query-types.js';

export type { Condition, FieldPath, OrderBy, Query, Scalar, Where } from './query-types.js';

/** A parsed query: what a store compiles. */
export type Filter =
  | { readonly kind: 'and' | 'or'; readonly filters: readonly Filter[] }
  | { readonly kind: 'not'; readonly filter: Filter }
  | { readonly kind: 'compare'; readonly field: string; readonly operator: Comparison; readonly value: Scalar }
  | { readonly kind: 'in'; readonly field: string; readonly values: readonly Scalar[] };

export type Comparison = '$eq' | '$ne' | '$gt' | '$gte' | '$lt' | '$lte' | '$like';

/** One field to order by. */
export interface Order {
  readonly field: string;
  readonly descending: boolean;
}

const complaint = 'Invalid query';
const count = wholeNumber(0);
const queryShape: OptionsShape<Query> = {
  complaint,
  code: 'queryInvalid',
  fields: { where: kinds.any, orderBy: kinds.list, limit: count, offset: count },
};
const orderShape: OptionsShape<Order> = {
  complaint: 'Invalid query: orderBy',
  code: 'queryInvalid',
  fields: { field: kinds.text, descending: kinds.boolean },
  required: ['field'],
};

/**
 * Checks a whole query and copies it. Later changes of the original have no effect, and the copy needs no second check.
 *
 * @throws StatemeshError `queryInvalid`
 */
export function parseQuery(query: unknown): Query {
  const { where: given, orderBy, ...counts } = readOptions(query, queryShape);
  const where = given === undefined ? undefined : (copyOfWhere(given) as Where);
  if (where !== undefined) parseWhere(where);
  return {
    ...counts,
    ...(where !== undefined && { where }),
    ...(orderBy !== undefined && { orderBy: parseOrderBy(orderBy) }),
  };
}

/**
 * Checks a condition from outside and parses it.
 *
 * @throws StatemeshError `queryInvalid`
 */
export function parseWhere(where: unknown): Filter {
  return parseAll(copyOfWhere(where), 0, { conditions: limits.queryConditionsMax });
}

/**
 * Checks ordering: `name`, `-name` for descending, or an object.
 *
 * @throws StatemeshError `queryInvalid`
 */
export function parseOrderBy(orderBy: unknown): Order[] {
  if (!Array.isArray(orderBy)) throw invalid(`orderBy takes a list of fields, not ${shownValue(orderBy)}.`);
  if (orderBy.length > limits.queryConditionsMax)
    throw invalid(`orderBy has more than ${limits.queryConditionsMax} fields.`);
  return Array.from(orderBy as readonly OrderBy[], (order) => {
    if (typeof order !== 'string') {
      if (!isPlainObject(order))
        throw invalid(`orderBy takes fields such as "name", "-name" or { field: "name" }, not ${shownValue(order)}.`);
      const { field, descending = false } = readOptions<Partial<Order>>(order, orderShape);
      return { field: parseField(field), descending };
    }
    return order.startsWith('-')
      ? { field: parseField(order.slice(1)), descending: true }
      : { field: parseField(order), descending: false };
  });
}

/**
 * Checks limit and offset.
 *
 * @throws StatemeshError `queryInvalid`
 */
export function parseCount(name: 'limit' | 'offset', value: number | undefined): number | undefined {
  if (value !== undefined && !count.accepts(value)) {
    throw invalid(`${name} takes ${count.takes}, not ${shownValue(value)}.`);
  }
  return value;
}

/** More than any condition within the limits can have. */
const valuesMax = 64 * limits.queryConditionsMax;

interface Copying {
  readonly depth: number;
  readonly budget: { values: number };
}

function copyOfWhere(where: unknown): unknown {
  return copyOf(where, { depth: 0, budget: { values: valuesMax } });
}

/** Reads each field once. */
function copyOf(value: unknown, { depth, budget }: Copying): unknown {
  budget.values -= Array.isArray(value) ? value.length : 1;
  if (budget.values < 0) throw invalid(`where has more than ${limits.queryConditionsMax} conditions.`);
  if (depth > 2 * limits.queryDepthMax + 2) throw tooDeep();
  const inner = { depth: depth + 1, budget };
  if (Array.isArray(value)) return Array.from(value, (each) => copyOf(each, inner));
  if (!isPlainObject(value)) return value;
  const fields = readFields(value, (problem, cause) => invalid(`where: ${problem}`, cause));
  return Object.fromEntries(fields.map(([name, field]) => [name, copyOf(field, inner)]));
}

function parseAll(where: unknown, depth: number, budget: { conditions: number }): Filter {
  if (!isPlainObject(where)) throw invalid(`where takes an object of fields, not ${shownValue(where)}.`);
  if (depth > limits.queryDepthMax) throw tooDeep();
  const filters = Object.entries(where).flatMap(([name, condition]): Filter[] => {
    if (condition === undefined) throw isUndefined(name);
    if (name === '$and' || name === '$or') {
      if (!Array.isArray(condition)) throw invalid(`${name} takes a list of conditions, not ${shownValue(condition)}.`);
      const parts = condition.map((part) => parseAll(part, depth + 1, budget));
      return [{ kind: name === '$and' ? 'and' : 'or', filters: parts }];
    }
    if (name === '$not') return [{ kind: 'not', filter: parseAll(condition, depth + 1, budget) }];
    if (name.startsWith('$')) {
      throw invalid(`${unknownName(name, logic)} For a field whose name begins with "$" write "\\\\$".`);
    }
    return parseCondition(name, condition, budget);
  });
  return { kind: 'and', filters };
}

const logic = ['$and', '$or', '$not'];
const operators = ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$like'];

/** What to write instead of operators that other databases have. */
const advice: ReadonlyMap<string, string> = new Map([
  ['$exists', 'Write { $ne: null } for a field that is present, null for one that is missing.'],
  ['$nin', 'Write { $not: { field: { $in: [...] } } }.'],
  ['$regex', 'Write $like, where % stands for any text.'],
]);

function parseCondition(name: string, condition: unknown, budget: { conditions: number }): Filter[] {
  const field = parseField(name);
  if (isScalar(condition)) return [comparison(field, '$eq', condition, budget)];
  if (!isPlainObject(condition)) throw notCompared(name, condition);
  const given = Object.entries(condition);
  if (given.length === 0) throw invalid(`${shortText(name)} has no operator.`);
  return given.map(([operator, value]) => parseOperator({ name, field, operator, value }, budget));
}

interface Operation {
  /** As it was written. */
  readonly name: string;
  readonly field: string;
  readonly operator: string;
  readonly value: unknown;
}

function parseOperator({ name, field, operator, value }: Operation, budget: { conditions: number }): Filter {
  if (value === undefined) throw isUndefined(`${name}: ${operator}`);
  const takes = (what: string): StatemeshError =>
    invalid(`${shortText(name)}: ${operator} takes ${what}, not ${shownValue(value)}.`);
  switch (operator) {
    case '$eq':
    case '$ne':
      if (!isScalar(value)) throw takes('a text, number, boolean or null');
      return comparison(field, operator, value, budget);
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      if (typeof value !== 'string' && !Number.isFinite(value)) throw takes('a text or a number');
      return comparison(field, operator, value as string | number, budget);
    case '$like':
      if (typeof value !== 'string') throw takes('a text');
      if (!likePattern.test(value)) throw takes('a text with a backslash only before %, _ and another backslash');
      return comparison(field, operator, value, budget);
    case '$in':
      if (!Array.isArray(value) || !value.every(isScalar)) throw takes('a list of texts, numbers, booleans and null');
      spend(budget, value.length + 1);
      return { kind: 'in', field, values: value };
    default: {
      const inner = operator.startsWith('$')
        ? (advice.get(operator) ?? '')
        : `For a field within ${shortText(name)} write "${shortText(`${name}.${operator}`)}".`;
      throw invalid(`${shortText(name)}: ${unknownName(operator, operators)} ${inner}`.trimEnd());
    }
  }
}

const likePattern = /^(?:[^\\]|\\[\\%_])*$/;

function comparison(field: string, operator: Comparison, value: Scalar, budget: { conditions: number }): Filter {
  spend(budget, 1);
  return { kind: 'compare', field, operator, value };
}

function spend(budget: { conditions: number }, conditions: number): void {
  budget.conditions -= conditions;
  if (budget.conditions < 0) throw invalid(`where has more than ${limits.queryConditionsMax} conditions.`);
}

function isScalar(value: unknown): value is Scalar {
  return (
    value === null ||
    typeof value === 'string' ||
    typeof value === 'boolean' ||
    (typeof value === 'number' && Number.isFinite(value))
  );
}

function isUndefined(name: string): StatemeshError {
  return invalid(
    `${shortText(name)} is undefined and matches nothing: leave it out, or write null for a field that is null or missing.`,
  );
}

function notCompared(name: string, value: unknown): StatemeshError {
  const remedy = Array.isArray(value)
    ? ' For one of several values write { $in: [...] }; queries do not compare lists.'
    : Object.prototype.toString.call(value) === '[object Date]'
      ? ' For a date write its text, date.toISOString().'
      : '';
  return invalid(
    `${shortText(name)} takes a text, number, boolean, null or an object of operators, not ${shownValue(value)}.${remedy}`,
  );
}

function tooDeep(): StatemeshError {
  return invalid(`where is nested deeper than ${limits.queryDepthMax}.`);
}

function invalid(message: string, cause?: unknown): StatemeshError {
  return new StatemeshError('queryInvalid', `${complaint}: ${message}`, { cause });
}
