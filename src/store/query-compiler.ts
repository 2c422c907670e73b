/**
 * Compiles queries to SQL.
 *
 * Invariants:
 * - No text of a user gets into SQL: fields and values are parameters, and table names consist of our own numbers.
 * - Logic is two-valued. A comparison with a missing field may be NULL in SQL, which counts as false in AND and OR.
 *   `not` uses IS NOT TRUE, so NULL never leaks through.
 * - At most one field index drives a query, by a CROSS JOIN that the planner does not reorder: the planner has no
 *   statistics, and would guess.
 */
import { StatemeshError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import {
  type Filter,
  parseCount,
  parseOrderBy,
  parseWhere,
  type Query,
  type Scalar,
  type Where,
} from '../core/query.js';
import { tableOf } from './field-indexes.js';
import { sqlFalse, sqlList, sqlTrue } from './field-values.js';
import type { CollectionRow, FieldIndex } from './store-state.js';

export interface CompiledQuery {
  readonly sql: string;
  readonly parameters: Readonly<Record<string, string | number>>;
  /** The index whose values are compared: if it contains a list, the query is refused before it runs. */
  readonly compared: FieldIndex | undefined;
}

/** A query without an index and without sorting: two statements that judge documents one at a time. */
export interface CompiledScan {
  /** Reads the documents after the key `@after`, and judges those whose entry is not newer than `@cursor`. */
  readonly step: string;
  /** Judges the entry `@seq`. */
  readonly earlier: string;
  readonly parameters: Readonly<Record<string, string | number>>;
  /** Maximum of documents in one step. */
  readonly rowsMax: number;
  readonly limit: number;
  readonly offset: number;
}

/** Undefined for a query that uses an index or sorts. @throws StatemeshError `queryInvalid` */
export function compileScan(
  collection: CollectionRow,
  query: Query,
  asked: 'documents' | 'cursors',
): CompiledScan | undefined {
  const { where = {}, orderBy = [] } = query;
  const filter = parseWhere(where);
  const limit = parseCount('limit', query.limit) ?? Number.POSITIVE_INFINITY;
  const offset = parseCount('offset', query.offset) ?? 0;
  if (parseOrderBy(orderBy).length > 0 || driverFor(collection, filter) !== undefined) return undefined;
  const scope = new Compilation(collection, undefined);
  const matching = scope.filter(filter);
  const withPayload = asked === 'documents' || scope.readsPayload;
  const payload = asked === 'documents' ? 'o.payload' : 'NULL';
  const size = withPayload ? 'length(o.payload)' : '0';
  const step = `SELECT d.key AS key, d.seq AS seq, ${payload} AS payload, ${size} AS size,
      CASE WHEN d.deleted = 0 AND d.seq <= @cursor THEN ${matching} ELSE 0 END AS matches
    FROM ${scope.source(withPayload)} WHERE d.collection = ${collection.id} AND d.key > @after ORDER BY d.key`;
  const earlier = `SELECT o.key AS key, o.seq AS seq, ${payload} AS payload, ${matching} AS matches
    FROM oplog o WHERE o.seq = @seq`;
  const rowsMax = withPayload ? limits.scanDocumentsMax : limits.scanKeysMax;
  return { step, earlier, parameters: scope.parameters, rowsMax, limit, offset };
}

/** Finds one row if the values of an index contain a list, or a field within one. */
export function compileListIn(index: FieldIndex): string {
  return `SELECT 1 FROM ${tableOf(index)} WHERE value = ${sqlList} LIMIT 1`;
}

/**
 * Documents as (key, payload), in order.
 *
 * @throws StatemeshError `queryInvalid`
 */
export function compileFind(collection: CollectionRow, query: Query): CompiledQuery {
  return compile(collection, query, 'documents');
}

/**
 * The cursors of the same documents, in the same order.
 *
 * @throws StatemeshError `queryInvalid`
 */
export function compileSelect(collection: CollectionRow, query: Query): CompiledQuery {
  return compile(collection, query, 'cursors');
}

function compile(collection: CollectionRow, query: Query, asked: 'documents' | 'cursors'): CompiledQuery {
  // A `where: null` is a mistake, and would otherwise match everything.
  const { where: conditions = {}, orderBy: fields = [] } = query;
  const filter = parseWhere(conditions);
  const orderBy = parseOrderBy(fields);
  const limit = parseCount('limit', query.limit);
  const offset = parseCount('offset', query.offset);
  const driver = driverFor(collection, filter) ?? readyIndex(collection, orderBy[0]?.field);
  const scope = new Compilation(collection, driver);
  const where = scope.conditions(filter);
  const order = orderBy.map(({ field, descending }) => `${scope.field(field)}${descending ? ' DESC' : ''}`);
  const key = driver === undefined ? 'd.key' : 'f.key';
  const columns = asked === 'documents' ? `${key} AS key, o.payload AS payload` : 'd.seq AS seq';
  const source = scope.source(asked === 'documents' || driver !== undefined || scope.readsPayload);
  const sql = `SELECT ${columns} FROM ${source} WHERE ${where}
    ORDER BY ${[...order, key].join(', ')} LIMIT ${scope.count(limit ?? -1)} OFFSET ${scope.count(offset ?? 0)}`;
  return { sql, parameters: scope.parameters, compared: scope.compared };
}

/**
 * One row with the number of documents.
 *
 * @throws StatemeshError `queryInvalid`
 */
export function compileCount(collection: CollectionRow, where: Where): CompiledQuery {
  const filter = parseWhere(where);
  const scope = new Compilation(collection, driverFor(collection, filter));
  const conditions = scope.conditions(filter);
  const sql = `SELECT count(*) FROM ${scope.source(scope.readsPayload)} WHERE ${conditions}`;
  return { sql, parameters: scope.parameters, compared: scope.compared };
}

type Comparing = Extract<Filter, { kind: 'compare' | 'in' }>;

/** The index that leaves the fewest documents, judged by the kind of condition. */
function driverFor(collection: CollectionRow, filter: Filter): FieldIndex | undefined {
  let best: { index: FieldIndex; rank: number } | undefined;
  for (const part of conjunctsOf(filter)) {
    const index = readyIndex(collection, part.field);
    const rank = rankOf(part);
    if (index !== undefined && rank !== undefined && (best === undefined || rank < best.rank)) best = { index, rank };
  }
  return best?.index;
}

/** The conditions that must all hold. A condition inside `or` or `not` cannot drive the query. */
function conjunctsOf(filter: Filter): Comparing[] {
  if (filter.kind === 'and') return filter.filters.flatMap(conjunctsOf);
  return filter.kind === 'compare' || filter.kind === 'in' ? [filter] : [];
}

/** How well an index serves a condition, best first; undefined if it does not. */
function rankOf(filter: Comparing): number | undefined {
  if (filter.kind === 'in') return filter.values.includes(null) ? undefined : 1;
  switch (filter.operator) {
    case '$eq':
      return filter.value === null ? 3 : 0;
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return 2;
    default:
      return undefined;
  }
}

function readyIndex(collection: CollectionRow, field: string | undefined): FieldIndex | undefined {
  const index = field === undefined ? undefined : collection.indexes.get(field);
  return index?.ready === true ? index : undefined;
}

class Compilation {
  readonly parameters: Record<string, string | number> = {};
  /** Whether a condition reads documents, and not the index alone. */
  readsPayload = false;
  /** The index whose values are compared with a value other than null. */
  compared: FieldIndex | undefined;
  private readonly paths = new Map<string, string>();
  private parametersCount = 0;

  constructor(
    private readonly collection: CollectionRow,
    private readonly driver: FieldIndex | undefined,
  ) {}

  source(withPayload: boolean): string {
    const documents = 'documents d CROSS JOIN oplog o ON o.seq = d.seq';
    if (this.driver === undefined) return withPayload ? documents : 'documents d';
    const index = `${tableOf(this.driver)} f`;
    if (!withPayload) return index;
    return `${index} CROSS JOIN documents d ON d.collection = ${this.collection.id} AND d.key = f.key CROSS JOIN oplog o ON o.seq = d.seq`;
  }

  conditions(filter: Filter): string {
    // An index holds current documents of its collection only.
    const current = `d.collection = ${this.collection.id} AND d.deleted = 0`;
    const matching = this.filter(filter);
    return this.driver === undefined ? `${current} AND ${matching}` : matching;
  }

  count(value: number): string {
    return this.parameter(value);
  }

  field(field: string, use: 'field_value' | 'compared_value' = 'field_value'): string {
    if (field === this.driver?.field) {
      if (use === 'compared_value') this.compared = this.driver;
      return 'f.value';
    }
    this.readsPayload = true;
    let path = this.paths.get(field);
    if (path === undefined) {
      path = this.parameter(field);
      this.paths.set(field, path);
    }
    return `${use}(o.payload, ${path})`;
  }

  filter(filter: Filter): string {
    switch (filter.kind) {
      case 'and':
        return joined(
          filter.filters.map((part) => this.filter(part)),
          'AND',
        );
      case 'or':
        return joined(
          filter.filters.map((part) => this.filter(part)),
          'OR',
        );
      case 'not':
        return `(${this.filter(filter.filter)} IS NOT TRUE)`;
      case 'in':
        return this.anyOf(filter.field, filter.values);
      case 'compare':
        return this.comparison(
          this.field(filter.field, filter.value === null ? 'field_value' : 'compared_value'),
          filter,
        );
    }
  }

  private comparison(field: string, { operator, value }: Extract<Filter, { kind: 'compare' }>): string {
    switch (operator) {
      case '$eq':
        return value === null ? `(${field} IS NULL)` : `(${field} = ${this.scalar(value)})`;
      case '$ne':
        return value === null ? `(${field} IS NOT NULL)` : `(${field} IS NOT ${this.scalar(value)})`;
      case '$gt':
      case '$gte':
        // SQL orders numbers before texts and texts before blobs, so the second bound selects the type.
        return `(${field} ${signs[operator]} ${this.scalar(value)} AND ${field} < ${typeof value === 'number' ? "''" : "x''"})`;
      case '$lt':
      case '$lte': {
        const below = `${field} ${signs[operator]} ${this.scalar(value)}`;
        return typeof value === 'number' ? `(${below})` : `(${below} AND ${field} >= '')`;
      }
      case '$like':
        if (String(value).length > limits.likeLengthMax) {
          throw new StatemeshError(
            'queryInvalid',
            `Invalid query: $like takes at most ${limits.likeLengthMax} characters.`,
          );
        }
        return this.like(field, String(value));
    }
  }

  /** SQLite's LIKE is fast, but ignores everything after a NUL. */
  private like(field: string, pattern: string): string {
    const parameter = this.scalar(pattern);
    const exactly = `is_like(${field}, ${parameter})`;
    const isLike = pattern.includes('\0')
      ? exactly
      : `CASE WHEN instr(${field}, char(0)) = 0 THEN ${field} LIKE ${parameter} ESCAPE '\\' ELSE ${exactly} END`;
    return `(typeof(${field}) = 'text' AND ${isLike})`;
  }

  private anyOf(name: string, values: readonly Scalar[]): string {
    const present = values.filter((value) => value !== null);
    const field = this.field(name, present.length > 0 ? 'compared_value' : 'field_value');
    const parts =
      present.length > 0 ? [`(${field} IN (${present.map((value) => this.scalar(value)).join(', ')}))`] : [];
    if (present.length < values.length) parts.push(`(${field} IS NULL)`);
    return joined(parts, 'OR');
  }

  private scalar(value: Scalar): string {
    if (value === null) return 'NULL';
    if (value === true) return sqlTrue;
    if (value === false) return sqlFalse;
    return this.parameter(value);
  }

  private parameter(value: string | number): string {
    this.parametersCount += 1;
    const name = `p${this.parametersCount}` as const;
    this.parameters[name] = value;
    return `@${name}`;
  }
}

const signs = { $gt: '>', $gte: '>=', $lt: '<', $lte: '<=' } as const;

/** Constants are folded away: SQLite bounds the depth of an expression, and empty conditions cost no budget. */
function joined(parts: readonly string[], operator: 'AND' | 'OR'): string {
  const [neutral, absorbing] = operator === 'AND' ? ['TRUE', 'FALSE'] : ['FALSE', 'TRUE'];
  if (parts.includes(absorbing)) return absorbing;
  const rest = parts.filter((part) => part !== neutral);
  if (rest.length === 0) return neutral;
  return rest.length === 1 ? (rest[0] ?? neutral) : `(${rest.join(` ${operator} `)})`;
}
