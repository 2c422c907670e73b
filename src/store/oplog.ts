/** Reads the oplog: what a peer lacks, by chain, and what is new, by order of arrival. */
import type { Database, Statement } from 'better-sqlite3';
import type { AuthorKey, Scope } from '../core/author.js';
import { isMarkOf, parseCursor } from '../core/cursor.js';
import { type Entry, isSamePosition, type Position, type Run } from '../core/entry.js';
import { StatemeshError, shortText } from '../core/errors.js';
import { type Hlc, hlcZero } from '../core/hlc.js';
import type { Cursor, DocumentKey } from '../core/ids.js';
import { limits } from '../core/limits.js';
import { positionOf, type VectorClock } from '../core/vector-clock.js';
import type { ReadOptions, ReadResult, StoredChange } from '../ports/store.js';
import { pruned } from './remote-runs.js';
import type { AuthorRow, StoreState } from './store-state.js';

export class Oplog {
  private readonly hash: Statement;
  private readonly chain: Statement;
  private readonly chainLength: Statement;
  private readonly arrivals: Statement;
  private readonly arrivalsOfCollection: Statement;
  private readonly firstCursor: Statement;
  private readonly hashOfPlace: Statement;

  constructor(
    database: Database,
    private readonly state: StoreState,
  ) {
    this.hash = database.prepare('SELECT hash FROM oplog WHERE author = ? AND hlc = ?').pluck();
    this.chain = database
      .prepare(`
        SELECT hlc, collection, key, operation, hash, payload FROM oplog
        WHERE author = ? AND hlc > ? ORDER BY hlc LIMIT ?`)
      .raw();
    this.chainLength = database
      .prepare('SELECT count(*) FROM (SELECT 1 FROM oplog WHERE author = ? AND hlc > ? LIMIT ?)')
      .pluck();
    const columns = 'seq, author, hlc, collection, key, operation, payload, current, hash';
    this.arrivals = database.prepare(`SELECT ${columns} FROM oplog WHERE seq > ? ORDER BY seq LIMIT ?`);
    this.arrivalsOfCollection = database.prepare(
      `SELECT ${columns} FROM oplog WHERE seq > ? AND seq <= ? AND collection = ? ORDER BY seq LIMIT ?`,
    );
    this.hashOfPlace = database.prepare('SELECT hash FROM oplog WHERE seq = ?').pluck();
    this.firstCursor = database.prepare('SELECT min(seq) FROM oplog').pluck();
  }

  /** The hash in an author's chain at a stamp; `pruned` before the stored chain begins. */
  hashAt(author: AuthorKey, hlc: Hlc): string | undefined {
    const row = this.state.authors.get(author);
    if (row === undefined) return undefined;
    if (hlc === row.boundary.hlc) return row.boundary.hash;
    return hlc < row.boundary.hlc ? pruned : (this.hash.get(row.id, hlc) as string | undefined);
  }

  /** The entries that a reader lacks, up to the limits over all authors. */
  read({ after, scopes, except, entriesMax, bytesMax }: ReadOptions): ReadResult {
    const runs: Run[] = [];
    const diverged: AuthorKey[] = [];
    const budget = { entries: entriesMax, bytes: bytesMax, fresh: true };
    let complete = true;
    for (const [key, ours] of this.state.clock) {
      const theirs = positionOf(after, key);
      if (theirs.hlc > ours.hlc || isSamePosition(theirs, ours)) continue;
      const row = this.state.authorOf(key);
      if (!scopes.includes(row.author.scope) || except.has(key)) continue;
      const start = this.startFor(row, theirs);
      if (start === undefined) {
        diverged.push(key);
        continue;
      }
      const entries = this.readChain(row, start.hlc, budget);
      if (entries.length > 0) runs.push({ author: row.author, after: start, entries });
      if ((entries.at(-1) ?? start).hlc < ours.hlc) complete = false;
    }
    return { runs, complete, diverged };
  }

  /** How many entries {@link read} would return in the end, counted up to `max`. */
  countLacking(after: VectorClock, scopes: readonly Scope[], max: number): number {
    let count = 0;
    for (const [key, ours] of this.state.clock) {
      const { id, author } = this.state.authorOf(key);
      const theirs = positionOf(after, key);
      if (theirs.hlc >= ours.hlc || !scopes.includes(author.scope)) continue;
      count += this.chainLength.get(id, theirs.hlc, max - count) as number;
      if (count >= max) break;
    }
    return count;
  }

  /** Entries in order of arrival, up to about `limits.pageBytesMax`. */
  changes(since: number, limit: number): StoredChange[] {
    return this.pageOf(this.arrivals.iterate(since, limit) as IterableIterator<Arrival>);
  }

  /** Entries of one collection after one cursor and up to another, up to about `limits.pageBytesMax`. */
  changesOf(collection: number, range: { since: number; until: number; limit: number }): StoredChange[] {
    const { since, until, limit } = range;
    const rows = this.arrivalsOfCollection.iterate(since, until, collection, limit);
    return this.pageOf(rows as IterableIterator<Arrival>);
  }

  /** @throws StatemeshError `queryInvalid`, `cursorExpired` */
  placeOf(cursor: Cursor): number {
    const parts = parseCursor(cursor);
    if (parts === undefined) {
      throw new StatemeshError(
        'queryInvalid',
        `"${shortText(cursor)}" is not a cursor: pass one that came with a change, or 0.`,
      );
    }
    const { incarnation, place, mark } = parts;
    const hash = place === 0 ? '' : this.hashOf(place);
    if (incarnation === this.state.incarnation && hash !== undefined && isMarkOf(mark, hash)) return place;
    throw new StatemeshError(
      'cursorExpired',
      `The cursor "${cursor}" belongs to another database, or to this one before it was replaced or restored: start from 0.`,
    );
  }

  private hashOf(place: number): string | undefined {
    return this.hashOfPlace.get(place) as string | undefined;
  }

  /** Cursors have no holes, so subtracting them counts entries. */
  countEntries(): number {
    const first = this.firstCursor.get() as number | null;
    return first === null ? 0 : this.state.cursor - first + 1;
  }

  /** Where to continue for a reader; undefined if its position is not in our chain. */
  private startFor(row: AuthorRow, theirs: Position): Position | undefined {
    // A reader from before the stored chain gets that chain, and reports the gap that it then sees.
    if (theirs.hlc < row.boundary.hlc || theirs.hlc === hlcZero) return row.boundary;
    return this.hashAt(row.key, theirs.hlc) === theirs.hash ? { hlc: theirs.hlc, hash: theirs.hash } : undefined;
  }

  private readChain(row: AuthorRow, after: Hlc, budget: Budget): Entry[] {
    const entries: Entry[] = [];
    if (budget.entries <= 0 || budget.bytes <= 0) return entries;
    for (const columns of this.chain.iterate(row.id, after, budget.entries) as IterableIterator<ChainRow>) {
      const [hlc, collection, key, operation, hash, payload] = columns;
      // An entry above the limit travels, but alone.
      if (payload.length > budget.bytes && !budget.fresh) {
        budget.bytes = 0;
        break;
      }
      entries.push({
        hlc,
        collection: this.state.collectionById(collection).name,
        key,
        operation: operation === 1 ? 'delete' : 'put',
        payload,
        hash,
      });
      budget.fresh = false;
      budget.entries -= 1;
      budget.bytes -= payload.length;
      if (budget.bytes <= 0) break;
    }
    return entries;
  }

  private pageOf(rows: IterableIterator<Arrival>): StoredChange[] {
    const page: StoredChange[] = [];
    let bytes = 0;
    for (const row of rows) {
      page.push(this.changeOf(row));
      bytes += row.payload.length;
      if (bytes >= limits.pageBytesMax) break;
    }
    return page;
  }

  private changeOf(row: Arrival): StoredChange {
    return {
      place: row.seq,
      cursor: this.state.cursorAt(row.seq, row.hash),
      collection: this.state.collectionById(row.collection).name,
      key: row.key,
      operation: row.operation === 1 ? 'delete' : 'put',
      payload: row.payload,
      hlc: row.hlc,
      nodeId: this.state.authorById(row.author).author.nodeId,
      current: row.current === 1,
    };
  }
}

/** What may still be read, over all authors of one batch. */
interface Budget {
  entries: number;
  bytes: number;
  /** Nothing has been read yet. */
  fresh: boolean;
}

type ChainRow = [
  hlc: Hlc,
  collection: number,
  key: DocumentKey,
  operation: number,
  hash: string,
  payload: Entry['payload'],
];

interface Arrival {
  readonly seq: number;
  readonly author: number;
  readonly hlc: Hlc;
  readonly collection: number;
  readonly key: DocumentKey;
  readonly operation: number;
  readonly payload: string;
  readonly current: number;
  readonly hash: string;
}
