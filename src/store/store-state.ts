/**
 * The part of the database that the store keeps in memory: interned names, the position in each author's chain, the
 * highest stamp and the last cursor.
 *
 * Invariant: it changes only after a COMMIT, so a failed transaction can simply be retried.
 */
import type { Database, Statement } from 'better-sqlite3';
import { type Author, type AuthorKey, authorKeyOf, type Incarnation, type Scope, scopeOf } from '../core/author.js';
import { formatCursor } from '../core/cursor.js';
import type { Position } from '../core/entry.js';
import { type Hlc, hlcZero } from '../core/hlc.js';
import type { CollectionName, Cursor, NodeId } from '../core/ids.js';
import { digestClock } from '../core/vector-clock.js';
import { incarnationOf } from './tables.js';

export interface AuthorRow {
  readonly id: number;
  readonly author: Author;
  readonly key: AuthorKey;
  /** Where the stored chain begins. */
  readonly boundary: Position;
}

export interface CollectionRow {
  readonly id: number;
  readonly name: CollectionName;
  readonly scope: Scope;
  /** Maintained with every write, whether ready for queries or still being filled. */
  readonly indexes: Map<string, FieldIndex>;
}

export interface FieldIndex {
  /** Names its table; the number is ours, not the user's. */
  readonly number: number;
  readonly field: string;
  readonly put: Statement;
  readonly remove: Statement;
  /** Whether it holds all documents. */
  ready: boolean;
}

/** A collection being read in several steps. */
export interface CollectionScan {
  readonly collection: number;
  /**
   * For each document that changed since the scan began, by key: the entry that wrote it before; undefined for a new
   * document.
   */
  readonly before: Map<string, number | undefined>;
}

export class StoreState {
  readonly authors = new Map<AuthorKey, AuthorRow>();
  readonly authorsById = new Map<number, AuthorRow>();
  readonly collections = new Map<CollectionName, CollectionRow>();
  readonly collectionsById = new Map<number, CollectionRow>();
  readonly clock = new Map<AuthorKey, Position>();
  /** The highest stamp ever seen: local stamps are above it. */
  lastHlc: Hlc = hlcZero;
  cursor = 0;
  /** The hash of the entry at the cursor. */
  mark = '';
  /** Of the file, for cursors. */
  incarnation = '';
  /** Transactions since the database was opened. */
  commits = 0;
  /**
   * A recipe may call the store: reads wait for the end of the transaction, or they would see changes that may be
   * rolled back.
   */
  inTransaction = false;
  /** Before a write changes a document, it notes the present entry of that document here. */
  readonly scans = new Set<CollectionScan>();
  /** By the list of scopes: callers keep their list, and request its digest with every heartbeat. */
  private digests = new WeakMap<readonly Scope[], string>();

  addAuthor(row: AuthorRow): void {
    this.authors.set(row.key, row);
    this.authorsById.set(row.id, row);
  }

  addCollection(row: CollectionRow): void {
    this.collections.set(row.name, row);
    this.collectionsById.set(row.id, row);
  }

  move(author: AuthorKey, { hlc, hash }: Position): void {
    this.clock.set(author, { hlc, hash });
    this.observe(hlc);
    this.digests = new WeakMap();
  }

  observe(hlc: Hlc): void {
    if (hlc > this.lastHlc) this.lastHlc = hlc;
  }

  digest(scopes: readonly Scope[]): string {
    let digest = this.digests.get(scopes);
    if (digest === undefined) {
      const inScope = [...this.clock].filter(([key]) => scopes.includes(this.authorOf(key).author.scope));
      digest = digestClock(new Map(inScope));
      this.digests.set(scopes, digest);
    }
    return digest;
  }

  /** The cursor of an entry. */
  cursorAt(place: number, hash: string): Cursor {
    return formatCursor({ incarnation: this.incarnation, place, hash });
  }

  authorOf(key: AuthorKey): AuthorRow {
    const row = this.authors.get(key);
    if (row === undefined) throw new Error(`The author ${key} is not known.`);
    return row;
  }

  authorById(id: number): AuthorRow {
    const row = this.authorsById.get(id);
    if (row === undefined) throw new Error(`The author ${id} is not known.`);
    return row;
  }

  collectionById(id: number): CollectionRow {
    const row = this.collectionsById.get(id);
    if (row === undefined) throw new Error(`The collection ${id} is not known.`);
    return row;
  }
}

/** Recovers the state from disk. Positions come from the oplog alone, so no second source can disagree with it. */
export function loadState(database: Database): StoreState {
  const state = new StoreState();
  state.incarnation = incarnationOf(database);
  for (const row of database.prepare('SELECT id, name FROM collections').all() as { id: number; name: string }[]) {
    state.addCollection(newCollectionRow(row.id, row.name as CollectionName));
  }
  const head = database.prepare('SELECT hlc, hash FROM oplog WHERE author = ? ORDER BY hlc DESC LIMIT 1');
  for (const row of database.prepare('SELECT * FROM authors').all() as StoredAuthor[]) {
    const author = {
      nodeId: row.node_id as NodeId,
      incarnation: row.incarnation as Incarnation,
      scope: row.scope as Scope,
    };
    const boundary = { hlc: row.boundary_hlc as Hlc, hash: row.boundary_hash };
    const key = authorKeyOf(author);
    state.addAuthor({ id: row.id, author, key, boundary });
    const position = (head.get(row.id) as Position | undefined) ?? boundary;
    if (position.hlc > hlcZero) state.move(key, position);
  }
  const last = database.prepare('SELECT seq, hash FROM oplog ORDER BY seq DESC LIMIT 1').get();
  const { seq = 0, hash = '' } = (last ?? {}) as { seq?: number; hash?: string };
  Object.assign(state, { cursor: seq, mark: hash });
  return state;
}

export function newCollectionRow(id: number, name: CollectionName): CollectionRow {
  return { id, name, scope: scopeOf(name), indexes: new Map() };
}

interface StoredAuthor {
  readonly id: number;
  readonly node_id: string;
  readonly incarnation: string;
  readonly scope: string;
  readonly boundary_hlc: number;
  readonly boundary_hash: string;
}
