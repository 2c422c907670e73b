/**
 * Runs queries: a result shows one state of the database, never a mixture of two. A query that uses an index or sorts
 * is one statement; any other query reads its collection in steps of some milliseconds.
 *
 * Invariant: memory never holds more documents than a limit allows. A result of any size is read page by page. The
 * first step finds the documents, as the numbers of the entries that wrote them; the next steps read their texts. An
 * entry never changes, so all pages show one state.
 */
import type { Database, Statement } from 'better-sqlite3';
import { StatemeshError } from '../core/errors.js';
import type { CollectionName } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { Query, Where } from '../core/query.js';
import type { StoredDocument } from '../ports/store.js';
import { type Scanned, scanCollection } from './collection-scan.js';
import { isList } from './field-values.js';
import {
  type CompiledQuery,
  type CompiledScan,
  compileCount,
  compileFind,
  compileListIn,
  compileScan,
  compileSelect,
} from './query-compiler.js';
import { type CollectionRow, newCollectionRow, type StoreState } from './store-state.js';

export class Queries {
  /** Queries repeat with other values; their text stays the same. */
  private readonly prepared = new Map<string, Statement>();

  private readonly byCursor: Statement;

  constructor(
    private readonly database: Database,
    private readonly state: StoreState,
  ) {
    this.byCursor = database.prepare('SELECT key, payload FROM oplog WHERE seq = ?');
  }

  /** @throws StatemeshError `queryInvalid`, `queryTooLarge` */
  find(name: CollectionName, query: Query): StoredDocument[] {
    const { sql, parameters } = this.checked(compileFind(this.collection(name), query));
    const found: StoredDocument[] = [];
    let bytes = 0;
    for (const document of this.prepare(sql).iterate(parameters) as IterableIterator<StoredDocument>) {
      bytes += sizeOf(document);
      if (bytes > limits.findBytesMax) throw tooLarge();
      found.push(document);
    }
    return found;
  }

  /** As {@link Queries.find}, in steps of some milliseconds where the query uses no index and does not sort. */
  *finding(name: CollectionName, query: Query): Generator<undefined, StoredDocument[]> {
    const collection = this.collection(name);
    const scan = compileScan(collection, query, 'documents');
    if (scan === undefined) return this.find(name, query);
    const found: StoredDocument[] = [];
    let bytes = 0;
    yield* this.scanning(collection, scan, ({ key, payload }) => {
      const document = { key, payload } as StoredDocument;
      bytes += sizeOf(document);
      if (bytes > limits.findBytesMax) throw tooLarge();
      found.push(document);
    });
    return found;
  }

  /** As {@link Queries.select}, in steps like {@link Queries.finding}. */
  *selecting(name: CollectionName, query: Query): Generator<undefined, Float64Array> {
    const collection = this.collection(name);
    const scan = compileScan(collection, query, 'cursors');
    if (scan === undefined) return this.select(name, query);
    const cursors: number[] = [];
    yield* this.scanning(collection, scan, ({ seq }) => cursors.push(seq));
    return Float64Array.from(cursors);
  }

  private *scanning(
    collection: CollectionRow,
    query: CompiledScan,
    take: (document: Scanned) => void,
  ): Generator<undefined, void> {
    const { limit, offset } = query;
    let matching = 0;
    if (limit === 0) return;
    const { state, prepare } = { state: this.state, prepare: (sql: string) => this.prepare(sql) };
    yield* scanCollection({ state, collection, query, prepare }, (document) => {
      matching += 1;
      if (matching > offset) take(document);
      return matching - offset >= limit;
    });
  }

  /**
   * The entries that wrote the matching documents, in the requested order.
   *
   * @throws StatemeshError `queryInvalid`
   */
  select(name: CollectionName, query: Query): Float64Array {
    const { sql, parameters } = this.checked(compileSelect(this.collection(name), query));
    return Float64Array.from(this.prepare(sql).pluck().all(parameters) as number[]);
  }

  /**
   * The next documents of a selection, up to about `limits.pageBytesMax` and `limits.pageDocumentsMax`, and the index
   * after them.
   */
  page(selected: Float64Array, from: number): { readonly documents: StoredDocument[]; readonly next: number } {
    const documents: StoredDocument[] = [];
    let next = from;
    const end = Math.min(from + limits.pageDocumentsMax, selected.length);
    for (let bytes = 0; next < end && bytes < limits.pageBytesMax; next += 1) {
      const document = this.byCursor.get(selected[next]) as StoredDocument | undefined;
      if (document === undefined) continue;
      documents.push(document);
      bytes += sizeOf(document);
    }
    return { documents, next };
  }

  /** @throws StatemeshError `queryInvalid` */
  count(name: CollectionName, where: Where): number {
    const { sql, parameters } = this.checked(compileCount(this.collection(name), where));
    return (this.prepare(sql).get(parameters) as { 'count(*)': number })['count(*)'];
  }

  /**
   * Refuses a query whose index contains lists, because a search in the index would skip them.
   *
   * @throws StatemeshError `queryInvalid`
   */
  private checked(query: CompiledQuery): CompiledQuery {
    const { compared } = query;
    if (compared !== undefined && this.prepare(compileListIn(compared)).get() !== undefined)
      throw isList(compared.field);
    return query;
  }

  /** An empty row stands for a missing collection, so that its queries are checked as well. */
  private collection(name: CollectionName) {
    return this.state.collections.get(name) ?? newCollectionRow(0, name);
  }

  private prepare(sql: string): Statement {
    const known = this.prepared.get(sql);
    const statement = known ?? this.database.prepare(sql);
    // The oldest goes first; a statement that is used again becomes the youngest.
    this.prepared.delete(sql);
    this.prepared.set(sql, statement);
    if (this.prepared.size > preparedMax) this.prepared.delete([...this.prepared.keys()][0] ?? sql);
    return statement;
  }
}

const preparedMax = 128;

/** Approximate memory of a document before it is parsed. */
function sizeOf({ key, payload }: StoredDocument): number {
  return payload.length + key.length + documentOverheadBytes;
}

const documentOverheadBytes = 64;

function tooLarge(): StatemeshError {
  return new StatemeshError(
    'queryTooLarge',
    `The documents that match are more than ${limits.findBytesMax} bytes in total: set a limit, or read them with stream().`,
  );
}
