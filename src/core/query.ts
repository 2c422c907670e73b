/**
 * Queries over the JSON fields of documents: their shape, and the check of what comes from outside.
 *
 * A field is named by its path, `address.city`. Values compare only with values of their own JSON type: a number is never
 * greater than a text. `null` equals a field that is null or missing.
 */
import { StatemeshError, shortText } from './errors.js';
import { limits } from './limits.js';

/** A JSON value that is neither list nor object. */
export type Scalar = string | number | boolean | null;

/** A value means equality; several operators on one field must all hold. */
export type Condition =
  | Scalar
  | {
      readonly $eq?: Scalar;
      readonly $ne?: Scalar;
      readonly $gt?: string | number;
      readonly $gte?: string | number;
      readonly $lt?: string | number;
      readonly $lte?: string | number;
      readonly $in?: readonly Scalar[];
      /** `%` stands for any text, `_` for one character; without regard to case for A-Z, as SQL LIKE. */
      readonly $like?: string;
    };

/** All fields and operators must hold. */
export interface Where {
  readonly $and?: readonly Where[];
  readonly $or?: readonly Where[];
  readonly $not?: Where;
  readonly [field: string]: Condition | readonly Where[] | Where | undefined;
}

/** Which documents to find, in what order, and how many of them. */
export interface Query {
  readonly where?: Where;
  /** Fields in order of importance; documents that are equal in all of them are ordered by key. */
  readonly orderBy?: readonly OrderBy[];
  readonly limit?: number;
  readonly offset?: number;
}

/** A field by its path, ascending unless it says otherwise. */
export type OrderBy = string | { readonly field: string; readonly descending?: boolean };

/** A query taken apart: what a store compiles. */
export type Filter =
  | { readonly kind: 'and' | 'or'; readonly filters: readonly Filter[] }
  | { readonly kind: 'not'; readonly filter: Filter }
  | { readonly kind: 'compare'; readonly field: string; readonly operator: Comparison; readonly value: Scalar }
  | { readonly kind: 'in'; readonly field: string; readonly values: readonly Scalar[] };

export type Comparison = '$eq' | '$ne' | '$gt' | '$gte' | '$lt' | '$lte' | '$like';

const fieldPattern = /^[^\s$."'[\]\\\p{Cc}][^."'[\]\\\p{Cc}]*(\.[^."'[\]\\\p{Cc}]+)*$/u;

/** @throws StatemeshError `queryInvalid` */
export function parseField(field: string): string {
  if (typeof field !== 'string' || field.length > limits.fieldPathLengthMax || !fieldPattern.test(field)) {
    throw invalid(`"${shortText(field)}" is not a field path such as "address.city".`);
  }
  return field;
}

/** Checks that a query has no field but its own: a misspelt one would find everything. @throws StatemeshError `queryInvalid` */
export function parseQuery(query: Query): Query {
  if (typeof query !== 'object' || query === null) throw invalid('it is an object such as { where: { open: true } }.');
  for (const name of Object.keys(query)) {
    if (!queryFields.has(name))
      throw invalid(`"${name.slice(0, 80)}" is unknown; there are ${[...queryFields].join(', ')}.`);
  }
  return query;
}

const queryFields: ReadonlySet<string> = new Set(['where', 'orderBy', 'limit', 'offset']);

/** Checks a condition from outside and takes it apart. @throws StatemeshError `queryInvalid` */
export function parseWhere(where: Where): Filter {
  const budget = { conditions: limits.queryConditionsMax };
  return parseAll(where, 0, budget);
}

/** Checks ordering. @throws StatemeshError `queryInvalid` */
export function parseOrderBy(orderBy: readonly OrderBy[]): { field: string; descending: boolean }[] {
  if (!Array.isArray(orderBy)) throw invalid('orderBy is a list of fields.');
  if (orderBy.length > limits.queryConditionsMax)
    throw invalid(`orderBy has more than ${limits.queryConditionsMax} fields.`);
  return orderBy.map((order: OrderBy) =>
    typeof order === 'string'
      ? { field: parseField(order), descending: false }
      : { field: parseField(order?.field), descending: order.descending === true },
  );
}

/** Checks limit and offset. @throws StatemeshError `queryInvalid` */
export function parseCount(name: 'limit' | 'offset', value: number | undefined): number | undefined {
  if (value !== undefined && (!Number.isSafeInteger(value) || value < 0)) {
    throw invalid(`${name} is a whole number from 0, not ${shortText(value)}.`);
  }
  return value;
}

function parseAll(where: Where, depth: number, budget: { conditions: number }): Filter {
  if (typeof where !== 'object' || where === null || Array.isArray(where))
    throw invalid('where is an object of fields.');
  if (depth > limits.queryDepthMax) throw invalid(`where is nested deeper than ${limits.queryDepthMax}.`);
  const filters: Filter[] = [];
  for (const [name, condition] of Object.entries(where)) {
    if (condition === undefined) continue;
    if (name === '$and' || name === '$or') {
      if (!Array.isArray(condition)) throw invalid(`${name} takes a list of conditions.`);
      const parts = (condition as readonly Where[]).map((part) => parseAll(part, depth + 1, budget));
      filters.push({ kind: name === '$and' ? 'and' : 'or', filters: parts });
    } else if (name === '$not') {
      filters.push({ kind: 'not', filter: parseAll(condition as Where, depth + 1, budget) });
    } else if (name.startsWith('$')) {
      throw invalid(`${name} is unknown; there are $and, $or and $not.`);
    } else {
      filters.push(...parseCondition(parseField(name), condition as Condition, budget));
    }
  }
  return { kind: 'and', filters };
}

function parseCondition(field: string, condition: Condition, budget: { conditions: number }): Filter[] {
  if (isScalar(condition)) return [comparison(field, '$eq', condition, budget)];
  if (typeof condition !== 'object' || Array.isArray(condition)) {
    throw invalid(`${field} is compared with a text, number, boolean, null or an object of operators.`);
  }
  const operators = Object.entries(condition).filter(([, value]) => value !== undefined);
  if (operators.length === 0) throw invalid(`${field} has no operator.`);
  return operators.map(([operator, value]) => {
    switch (operator) {
      case '$eq':
      case '$ne':
        if (!isScalar(value)) throw invalid(`${field}: ${operator} takes a text, number, boolean or null.`);
        return comparison(field, operator, value, budget);
      case '$gt':
      case '$gte':
      case '$lt':
      case '$lte':
        if (typeof value !== 'string' && !(typeof value === 'number' && Number.isFinite(value))) {
          throw invalid(`${field}: ${operator} takes a text or a number.`);
        }
        return comparison(field, operator, value, budget);
      case '$like':
        if (typeof value !== 'string') throw invalid(`${field}: $like takes a text.`);
        return comparison(field, operator, value, budget);
      case '$in': {
        if (!Array.isArray(value) || !value.every(isScalar)) throw invalid(`${field}: $in takes a list of values.`);
        spend(budget, value.length + 1);
        return { kind: 'in', field, values: value as readonly Scalar[] };
      }
      default:
        throw invalid(`${operator} is unknown; there are $eq $ne $gt $gte $lt $lte $in $like.`);
    }
  });
}

function comparison(field: string, operator: Comparison, value: Scalar, budget: { conditions: number }): Filter {
  spend(budget, 1);
  return { kind: 'compare', field, operator, value };
}

function spend(budget: { conditions: number }, count: number): void {
  budget.conditions -= count;
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

function invalid(message: string): StatemeshError {
  return new StatemeshError('queryInvalid', `Invalid query: ${message}`);
}
