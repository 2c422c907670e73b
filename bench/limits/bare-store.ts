/**
 * Bare better-sqlite3 with a hash chain: the cost for a program that keeps documents and a log of their changes
 * durably, without a node around it. The layout of the tables is a parameter.
 *
 * Durability, page size and locking are those of statemesh: WAL, synchronous=FULL, 8 KiB, exclusive (which saves the
 * system calls for a lock at every read). Only the layout differs.
 */
import { hash } from 'node:crypto';
import Sqlite, { type Database, type Statement } from 'better-sqlite3';
import { collectionName, documentOf, keyOf, type Pair } from '../documents.js';

/** One change, complete as it travels between nodes. */
export interface BareEntry {
  readonly wallMs: number;
  readonly logic: number;
  readonly key: string;
  readonly payload: string;
  readonly previousHash: string;
  readonly hash: string;
}

export interface Layout {
  readonly tables: string;
  prepare(database: Database): LayoutStatements;
}

export interface LayoutStatements {
  /** Writes the document (last write wins) and the oplog row. */
  write(entry: BareEntry): void;
  /** Returns the JSON text of a document. */
  readonly payload: Statement;
}

export const author = { nodeId: 'sender', incarnation: 'k3VbQ0m2WcY', scope: 'shared' } as const;

export class BareStore {
  private readonly database: Database;
  private readonly statements: LayoutStatements;
  private readonly begin: Statement;
  private readonly commit: Statement;
  private readonly chain = new Chain();
  private lastHash = '';

  constructor(path: string, layout: Layout) {
    this.database = new Sqlite(path);
    this.database.pragma('page_size = 8192');
    this.database.pragma('locking_mode = EXCLUSIVE');
    this.database.pragma('journal_mode = WAL');
    this.database.pragma('synchronous = FULL');
    this.database.exec(layout.tables);
    this.statements = layout.prepare(this.database);
    this.begin = this.database.prepare('BEGIN IMMEDIATE');
    this.commit = this.database.prepare('COMMIT');
  }

  /** Writes the node's own documents in one transaction. */
  put(pairs: readonly Pair[]): void {
    this.begin.run();
    for (const [key, document] of pairs) this.statements.write(this.chain.next(key, JSON.stringify(document)));
    this.commit.run();
  }

  /** Checks the chain of entries from another node and writes them in one transaction. */
  apply(entries: readonly BareEntry[]): void {
    this.begin.run();
    for (const entry of entries) {
      if (entry.previousHash !== this.lastHash || hashOf(entry) !== entry.hash) throw new Error('The chain is broken.');
      this.statements.write(entry);
      this.lastHash = entry.hash;
    }
    this.commit.run();
  }

  get(key: string): unknown {
    const payload = this.statements.payload.get(key) as string | undefined;
    return payload === undefined ? undefined : JSON.parse(payload);
  }

  close(): void {
    this.database.close();
  }
}

/** Stamps and chains the changes of one author. */
export class Chain {
  private wallMs = 0;
  private logic = 0;
  private previousHash = '';

  next(key: string, payload: string): BareEntry {
    const now = Date.now();
    this.logic = now > this.wallMs ? 0 : this.logic + 1;
    this.wallMs = Math.max(now, this.wallMs);
    const { wallMs, logic, previousHash } = this;
    this.previousHash = hashOf({ wallMs, logic, previousHash, key, payload });
    return { wallMs, logic, previousHash, key, payload, hash: this.previousHash };
  }

  /** The same documents that nodes sync, as entries. */
  entries(first: number, count: number): BareEntry[] {
    return Array.from({ length: count }, (_, offset) =>
      this.next(keyOf(first + offset), JSON.stringify(documentOf(first + offset))),
    );
  }
}

const authorText = `${author.nodeId}/${author.incarnation}/${author.scope}`;

function hashOf({ wallMs, logic, previousHash, key, payload }: Omit<BareEntry, 'hash'>): string {
  const text = `${previousHash}\0${authorText}\0${wallMs}:${logic}\0put\0${collectionName}\0${key}\0${payload}`;
  return hash('sha256', text, 'base64url');
}
