/**
 * The only way by which entries reach the disk: oplog, documents, field indexes and names change together or not at
 * all.
 *
 * Invariant: the state in memory adopts a transaction's changes only after its COMMIT.
 */
import type { Database, Statement } from 'better-sqlite3';
import { type Author, type AuthorKey, compareStamps } from '../core/author.js';
import { chainStart, type Entry, type Position, type Run } from '../core/entry.js';
import type { Hlc } from '../core/hlc.js';
import type { CollectionName } from '../core/ids.js';
import type { Origin } from '../core/replication.js';
import type { Meter } from '../ports/meter.js';
import type { Time } from '../ports/ports.js';
import type { Commit } from '../ports/store.js';
import type { Health } from './health.js';
import { type AuthorRow, type CollectionRow, newCollectionRow, type StoreState } from './store-state.js';

/** The entries that a transaction adds to the chain of one author. */
export interface Chain {
  readonly row: AuthorRow;
  readonly after: Position;
  readonly entries: Entry[];
}

export interface TransactorOptions {
  readonly time: Time;
  readonly meter?: Meter | undefined;
  readonly onCommitted?: ((commit: Commit) => void) | undefined;
  /** Called before each COMMIT; if it throws, the COMMIT fails. */
  readonly onDisk?: ((access: 'write') => void) | undefined;
  /** Undefined for a database in memory. */
  readonly health?: Pick<Health, 'beforeCommit' | 'afterCommit' | 'writeFailed'> | undefined;
}

export class Transactor {
  private readonly begin: Statement;
  private readonly commit: Statement;
  private readonly rollback: Statement;
  private readonly statements: Statements;

  constructor(
    private readonly database: Database,
    private readonly state: StoreState,
    private readonly options: TransactorOptions,
  ) {
    database.function('author_wins', { deterministic: true }, (candidate, present) =>
      authorWins(state.authorById(candidate as number), state.authorById(present as number)) ? 1 : 0,
    );
    this.begin = database.prepare('BEGIN IMMEDIATE');
    this.commit = database.prepare('COMMIT');
    this.rollback = database.prepare('ROLLBACK');
    this.statements = prepareStatements(database);
  }

  /** Runs `body` in a transaction and returns its entries; undefined if it wrote none. */
  writeEntries(origin: Origin | undefined, body: (transaction: Transaction) => void): Commit | undefined {
    const transaction = new Transaction(this.state, this.statements);
    const { time, meter, health, onCommitted } = this.options;
    const startedMs = meter?.readings && time.monotonicMs();
    health?.beforeCommit();
    try {
      this.committed(() => body(transaction));
    } catch (error) {
      transaction.forget();
      throw error;
    }
    // Memory follows the files even if they cannot be found any more: they may be put back.
    const commit = transaction.adopt(origin);
    health?.afterCommit();
    if (commit === undefined) return undefined;
    if (startedMs !== undefined) {
      const entries = commit.runs.reduce((sum, run) => sum + run.entries.length, 0);
      const from = origin === undefined ? 'local' : 'remote';
      meter?.readings?.committed(entries, from, (time.monotonicMs() - startedMs) / 1_000);
    }
    onCommitted?.(commit);
    return commit;
  }

  /** Runs a transaction that writes no entries. */
  run<T>(body: () => T): T {
    const { health } = this.options;
    health?.beforeCommit();
    const result = this.committed(body);
    health?.afterCommit();
    return result;
  }

  private committed<T>(body: () => T): T {
    try {
      this.begin.run();
      this.state.inTransaction = true;
      const result = body();
      this.options.onDisk?.('write');
      this.commit.run();
      return result;
    } catch (error) {
      // After some errors, such as a full disk, SQLite has already rolled back.
      if (this.database.inTransaction) this.rollback.run();
      this.state.inTransaction = false;
      this.options.health?.writeFailed(error);
      throw error;
    } finally {
      this.state.inTransaction = false;
    }
  }
}

export class Transaction {
  private readonly chains = new Map<AuthorKey, Chain>();
  private readonly newAuthors: AuthorRow[] = [];
  private readonly newCollections = new Map<CollectionName, CollectionRow>();
  private readonly touched = new Set<CollectionName>();
  private lastTouched: CollectionRow | undefined;
  private cursor: number;
  /** The hash of the entry at the cursor. */
  private mark = '';
  lastHlc: Hlc;

  constructor(
    private readonly state: StoreState,
    private readonly statements: Statements,
  ) {
    this.cursor = state.cursor;
    this.lastHlc = state.lastHlc;
  }

  /** The chain of an author, to append to. */
  chainOf(author: Author, key: AuthorKey): Chain {
    let chain = this.chains.get(key);
    if (chain === undefined) {
      const row = this.state.authors.get(key) ?? this.internAuthor(author, key);
      chain = { row, after: this.state.clock.get(key) ?? row.boundary, entries: [] };
      this.chains.set(key, chain);
    }
    return chain;
  }

  /** The position in an author's chain, including this transaction's entries. */
  positionOf(key: AuthorKey): Position {
    return this.chains.get(key)?.entries.at(-1) ?? this.state.clock.get(key) ?? chainStart;
  }

  collectionOf(name: CollectionName): CollectionRow | undefined {
    return this.state.collections.get(name) ?? this.newCollections.get(name);
  }

  /** Writes one entry that continues its chain, and returns its cursor. */
  append(chain: Chain, entry: Entry): number {
    const collection = this.touch(entry.collection);
    const cursor = this.cursor + 1;
    const deleted = entry.operation === 'delete' ? 1 : 0;
    const author = chain.row.id;
    const { hlc, key, payload } = entry;
    if (this.state.scans.size > 0) this.remember(collection.id, key);
    const current = this.statements.upsert.run(collection.id, key, hlc, author, cursor, deleted).changes;
    this.statements.insert.run(cursor, author, hlc, collection.id, key, deleted, current, entry.hash, payload);
    if (current === 1 && collection.indexes.size > 0) {
      for (const index of collection.indexes.values()) {
        if (deleted === 1) index.remove.run(key);
        else index.put.run(key, payload, index.field);
      }
    }
    this.cursor = cursor;
    this.mark = entry.hash;
    chain.entries.push(entry);
    if (hlc > this.lastHlc) this.lastHlc = hlc;
    return cursor;
  }

  /** Runs after COMMIT: memory follows the disk. */
  adopt(origin: Origin | undefined): Commit | undefined {
    if (this.cursor === this.state.cursor) {
      this.forget();
      return undefined;
    }
    const runs: Run[] = [];
    for (const collection of this.newCollections.values()) this.state.addCollection(collection);
    for (const row of this.newAuthors) this.state.addAuthor(row);
    for (const [key, { row, after, entries }] of this.chains) {
      const last = entries.at(-1);
      if (last === undefined) continue;
      runs.push({ author: row.author, after, entries });
      this.state.move(key, last);
    }
    this.state.cursor = this.cursor;
    this.state.mark = this.mark;
    this.state.commits += 1;
    return { runs, origin, collections: this.touched, cursor: this.cursor };
  }

  /** Runs after a rollback: removes the names that were added for `author_wins`. */
  forget(): void {
    for (const row of this.newAuthors) this.state.authorsById.delete(row.id);
  }

  /** Notes for each scan of the collection which entry wrote the document before. */
  private remember(collection: number, key: string): void {
    for (const scan of this.state.scans) {
      if (scan.collection !== collection || scan.before.has(key)) continue;
      const present = this.statements.present.get(collection, key) as { seq: number; deleted: number } | undefined;
      scan.before.set(key, present === undefined || present.deleted === 1 ? undefined : present.seq);
    }
  }

  private touch(name: CollectionName): CollectionRow {
    // Entries of one collection mostly come together.
    if (this.lastTouched?.name === name) return this.lastTouched;
    this.lastTouched = this.collectionOf(name) ?? this.internCollection(name);
    this.touched.add(name);
    return this.lastTouched;
  }

  private internAuthor(author: Author, key: AuthorKey): AuthorRow {
    const { nodeId, incarnation, scope } = author;
    const id = Number(this.statements.internAuthor.run(nodeId, incarnation, scope).lastInsertRowid);
    const row = { id, author: { nodeId, incarnation, scope }, key, boundary: chainStart };
    this.state.authorsById.set(id, row);
    this.newAuthors.push(row);
    return row;
  }

  private internCollection(name: CollectionName): CollectionRow {
    const row = newCollectionRow(Number(this.statements.internCollection.run(name).lastInsertRowid), name);
    this.newCollections.set(name, row);
    return row;
  }
}

interface Statements {
  readonly present: Statement;
  readonly upsert: Statement;
  readonly insert: Statement;
  readonly internAuthor: Statement;
  readonly internCollection: Statement;
}

function prepareStatements(database: Database): Statements {
  return {
    present: database.prepare('SELECT seq, deleted FROM documents WHERE collection = ? AND key = ?'),
    // Last write wins. Interned numbers differ between nodes, so the names behind them decide ties.
    upsert: database.prepare(`
      INSERT INTO documents (collection, key, hlc, author, seq, deleted) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (collection, key) DO UPDATE
      SET hlc = excluded.hlc, author = excluded.author, seq = excluded.seq, deleted = excluded.deleted
      WHERE excluded.hlc > hlc OR (excluded.hlc = hlc AND author_wins(excluded.author, author))`),
    insert: database.prepare(`
      INSERT INTO oplog (seq, author, hlc, collection, key, operation, current, hash, payload)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    internAuthor: database.prepare('INSERT INTO authors (node_id, incarnation, scope) VALUES (?, ?, ?)'),
    internCollection: database.prepare('INSERT INTO collections (name) VALUES (?)'),
  };
}

function authorWins(candidate: AuthorRow, present: AuthorRow): boolean {
  const hlc = 0 as Hlc;
  return compareStamps({ hlc, ...candidate.author }, { hlc, ...present.author }) > 0;
}
