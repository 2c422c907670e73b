/**
 * Running queries, each in one statement: what it finds is one state of the database, never a mixture of two.
 */
import type { Database, Statement } from 'better-sqlite3';
import type { CollectionName } from '../core/ids.js';
import type { Query, Where } from '../core/query.js';
import type { StoredDocument } from '../protocol/store.js';
import { compileCount, compileFind } from './query-compiler.js';
import { newCollectionRow, type StoreState } from './store-state.js';

export class Queries {
  /** Queries repeat, with other values: their text is the same. */
  private readonly prepared = new Map<string, Statement>();

  constructor(
    private readonly database: Database,
    private readonly state: StoreState,
  ) {}

  /** @throws StatemeshError `queryInvalid` */
  find(name: CollectionName, query: Query): StoredDocument[] {
    const { sql, parameters } = compileFind(this.collection(name), query);
    return this.prepare(sql).all(parameters) as StoredDocument[];
  }

  /** @throws StatemeshError `queryInvalid` */
  count(name: CollectionName, where: Where): number {
    const { sql, parameters } = compileCount(this.collection(name), where);
    return (this.prepare(sql).get(parameters) as { 'count(*)': number })['count(*)'];
  }

  /** One that holds nothing stands for a collection that is not there, so that its queries are checked as well. */
  private collection(name: CollectionName) {
    return this.state.collections.get(name) ?? newCollectionRow(0, name);
  }

  private prepare(sql: string): Statement {
    const known = this.prepared.get(sql);
    const statement = known ?? this.database.prepare(sql);
    // The oldest goes first; one that is used again becomes the youngest.
    this.prepared.delete(sql);
    this.prepared.set(sql, statement);
    if (this.prepared.size > preparedMax) this.prepared.delete([...this.prepared.keys()][0] ?? sql);
    return statement;
  }
}

const preparedMax = 128;
