/**
 * Reads current documents: each row of `documents` points at the oplog entry that won.
 *
 * The order by key is that of SQLite's BINARY collation, bytes of UTF-8, which is the same on every node.
 */
import { createHash, type Hash } from 'node:crypto';
import type { Database, Statement } from 'better-sqlite3';
import type { Scope } from '../core/author.js';
import { compareCodeUnits } from '../core/ids.js';
import type { CollectionRow, StoreState } from './store-state.js';

export class Documents {
  private readonly payload: Statement;
  private readonly page: Statement;
  private readonly countPage: Statement;
  private readonly anyLive: Statement;
  private readonly known: Statement;

  constructor(
    database: Database,
    private readonly state: StoreState,
  ) {
    this.payload = database
      .prepare(`
        SELECT o.payload FROM documents d CROSS JOIN oplog o ON o.seq = d.seq
        WHERE d.collection = ? AND d.key = ? AND d.deleted = 0`)
      .pluck();
    this.page = database
      .prepare(`
        SELECT d.key, d.hlc, d.author, d.deleted, o.payload FROM documents d CROSS JOIN oplog o ON o.seq = d.seq
        WHERE d.collection = ? AND d.key > ? ORDER BY d.key`)
      .raw();
    this.countPage = database.prepare(`
      SELECT count(*) AS rows, total(deleted) AS deleted, max(key) AS last
      FROM (SELECT key, deleted FROM documents WHERE collection = ? AND key > ? ORDER BY key LIMIT ?)`);
    this.known = database.prepare('SELECT 1 FROM documents WHERE collection = ? AND key = ?').pluck();
    this.anyLive = database.prepare('SELECT 1 FROM documents WHERE collection = ? AND deleted = 0 LIMIT 1').pluck();
  }

  /** The JSON text of a current document. */
  get(collection: number, key: string): string | undefined {
    return this.payload.get(collection, key) as string | undefined;
  }

  /** Whether the database knows a document, deleted ones included. */
  isKnown(collection: number, key: string): boolean {
    return this.known.get(collection, key) !== undefined;
  }

  /** Collections with a current document, ordered by name. */
  liveCollections(): CollectionRow[] {
    return this.collectionsInOrder().filter(({ id }) => this.anyLive.get(id) !== undefined);
  }

  /**
   * Counts documents and tombstones in steps of some milliseconds. The caller decides after each step whether to
   * continue.
   */
  *counting(): Generator<undefined, { documents: number; tombstones: number }> {
    let documents = 0;
    let tombstones = 0;
    for (const { id } of this.collectionsInOrder()) {
      let after: string | null = '';
      while (after !== null) {
        const page = this.countPage.get(id, after, countPageRows) as CountedPage;
        documents += page.rows - page.deleted;
        tombstones += page.deleted;
        after = page.last;
        yield;
      }
    }
    return { documents, tombstones };
  }

  /** Digests every document of these scopes, tombstones included, in steps of some milliseconds. */
  *digesting(scopes: readonly Scope[]): Generator<undefined, { documents: number; digest: string }> {
    const digest = createHash('sha256');
    let documents = 0;
    for (const collection of this.collectionsInOrder().filter(({ scope }) => scopes.includes(scope))) {
      let after: string | undefined = '';
      while (after !== undefined) {
        const page: DigestedPage = this.digestPage(digest, collection, after);
        documents += page.documents;
        after = page.last;
        yield;
      }
    }
    return { documents, digest: digest.digest('base64url') };
  }

  private digestPage(digest: Hash, collection: CollectionRow, after: string): DigestedPage {
    let rows = 0;
    let documents = 0;
    let characters = 0;
    for (const row of this.page.iterate(collection.id, after) as IterableIterator<DigestedRow>) {
      const [key, hlc, author, deleted, payload] = row;
      const { nodeId, incarnation } = this.state.authorById(author).author;
      digest.update(
        `${collection.name}\0${key}\0${hlc}\0${nodeId}/${incarnation}\0${deleted}\0${payload.length}\0${payload}\0`,
      );
      rows += 1;
      documents += 1 - deleted;
      characters += payload.length;
      if (rows === digestPageRows || characters >= digestPageCharacters) return { documents, last: key };
    }
    return { documents, last: undefined };
  }

  private collectionsInOrder(): CollectionRow[] {
    return [...this.state.collections.values()].sort((a, b) => compareCodeUnits(a.name, b.name));
  }
}

/** Pages of about five milliseconds. */
const countPageRows = 20_000;
const digestPageRows = 500;
const digestPageCharacters = 4 * 1_024 * 1_024;

interface CountedPage {
  readonly rows: number;
  readonly deleted: number;
  readonly last: string | null;
}

interface DigestedPage {
  readonly documents: number;
  /** Where the next page begins; undefined after the last one. */
  readonly last: string | undefined;
}

type DigestedRow = [key: string, hlc: number, author: number, deleted: number, payload: string];
