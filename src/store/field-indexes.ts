/**
 * Field indexes: for each indexed field of a collection a table of (key, value), for current documents only.
 *
 * Invariants:
 * - From the moment an index exists, the transaction of every write, local or remote, maintains it. Older documents are
 *   added in small transactions between other work. Queries use the index once that is done. Filling never overwrites a
 *   value that a write has put there.
 * - A query sees the same values with and without an index, because both use `field-values`.
 */
import type { Database, Statement } from 'better-sqlite3';
import { StatemeshError } from '../core/errors.js';
import type { CollectionName } from '../core/ids.js';
import { limits } from '../core/limits.js';
import { defineFieldValues } from './field-values.js';
import { type CollectionRow, type FieldIndex, newCollectionRow, type StoreState } from './store-state.js';
import type { Transactor } from './transaction.js';

export function tableOf(index: FieldIndex): string {
  return `field_index_${index.number}`;
}

export class FieldIndexes {
  private readonly lastKeyOfPage: Statement;
  private readonly building = new Map<FieldIndex, Promise<void>>();

  constructor(
    private readonly database: Database,
    private readonly state: StoreState,
    private readonly transactor: Transactor,
  ) {
    defineFieldValues(database);
    this.lastKeyOfPage = database
      .prepare(`
        SELECT max(key) FROM (SELECT key FROM documents WHERE collection = ? AND key > ? ORDER BY key LIMIT ?)`)
      .pluck();
    const rows = database.prepare('SELECT number, collection, field, ready FROM field_indexes').all() as StoredIndex[];
    for (const { number, collection, field, ready } of rows) {
      this.add(state.collectionById(collection), { number, field, ready: ready === 1 });
    }
  }

  /** Creates an index if there is none, and waits until it is filled. `turn` lets other work run in between. */
  async create(collection: CollectionName, field: string, turn: () => Promise<void>): Promise<void> {
    const index = this.state.collections.get(collection)?.indexes.get(field) ?? this.define(collection, field);
    if (index.ready) return;
    const known = this.building.get(index);
    if (known !== undefined) return known;
    const filling = this.fill(index, collection, turn).finally(() => this.building.delete(index));
    this.building.set(index, filling);
    return filling;
  }

  private define(name: CollectionName, field: string): FieldIndex {
    const known = this.state.collections.get(name);
    if ((known?.indexes.size ?? 0) >= limits.indexesPerCollectionMax) {
      throw new StatemeshError(
        'queryInvalid',
        `"${name}" has ${limits.indexesPerCollectionMax} indexes already, which is the maximum.`,
      );
    }
    const { row, number } = this.transactor.run(() => {
      const row = known ?? newCollectionRow(this.insert('INSERT INTO collections (name) VALUES (?)', name), name);
      const number = this.insert('INSERT INTO field_indexes (collection, field) VALUES (?, ?)', row.id, field);
      this.database.exec(`
        CREATE TABLE field_index_${number} (key TEXT NOT NULL PRIMARY KEY, value) WITHOUT ROWID;
        CREATE INDEX field_index_${number}_by_value ON field_index_${number} (value, key);`);
      return { row, number };
    });
    this.state.addCollection(row);
    return this.add(row, { number, field, ready: false });
  }

  private async fill(index: FieldIndex, name: CollectionName, turn: () => Promise<void>): Promise<void> {
    const collection = this.state.collections.get(name)?.id;
    const { field } = index;
    const copyPage = this.database.prepare(`
      INSERT INTO ${tableOf(index)} (key, value)
      SELECT d.key, field_value(o.payload, @field) FROM documents d CROSS JOIN oplog o ON o.seq = d.seq
      WHERE d.collection = @collection AND d.key > @after AND d.key <= @last AND d.deleted = 0
      ON CONFLICT DO NOTHING`);
    let after = '';
    for (;;) {
      await turn();
      const last = this.lastKeyOfPage.get(collection, after, fillPageRows) as string | null;
      if (last === null) break;
      this.transactor.run(() => copyPage.run({ field, collection, after, last }));
      after = last;
    }
    this.transactor.run(() =>
      this.database.prepare('UPDATE field_indexes SET ready = 1 WHERE number = ?').run(index.number),
    );
    index.ready = true;
  }

  private add(collection: CollectionRow, stored: { number: number; field: string; ready: boolean }): FieldIndex {
    const table = `field_index_${stored.number}`;
    const index = {
      ...stored,
      put: this.database.prepare(`
        INSERT INTO ${table} (key, value)
        SELECT k, field_value(p, f) FROM (SELECT ? AS k, ? AS p, ? AS f) WHERE true
        ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value`),
      remove: this.database.prepare(`DELETE FROM ${table} WHERE key = ?`),
    };
    collection.indexes.set(stored.field, index);
    return index;
  }

  private insert(sql: string, ...parameters: unknown[]): number {
    return Number(this.database.prepare(sql).run(...parameters).lastInsertRowid);
  }
}

/** About five milliseconds of work. */
const fillPageRows = 500;

interface StoredIndex {
  readonly number: number;
  readonly collection: number;
  readonly field: string;
  readonly ready: number;
}
