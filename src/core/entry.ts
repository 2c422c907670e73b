/**
 * Oplog entries and the hash chain that binds them.
 *
 * One change makes one entry. The entries of an author form a chain: each hash covers its entry, including the payload,
 * and the hash before it. So equal hashes mean equal histories, and neither a gap nor an altered payload goes
 * unnoticed.
 */
import { hash } from 'node:crypto';
import { type Author, authorKeyOf } from './author.js';
import type { Hlc } from './hlc.js';
import type { CollectionName, DocumentKey } from './ids.js';

/** What an entry does to its document. */
export type Operation = 'put' | 'delete';

/** One change of one document, in the chain of its author. */
export interface Entry {
  readonly hlc: Hlc;
  readonly collection: CollectionName;
  readonly key: DocumentKey;
  readonly operation: Operation;
  /** The exact JSON text; empty for a delete. */
  readonly payload: string;
  /** SHA-256, base64url. */
  readonly hash: string;
}

/** The last contiguous entry of a chain that a node has: how far it has come. */
export interface Position {
  readonly hlc: Hlc;
  readonly hash: string;
}

/** Whether both positions are defined and name the same place of one chain. */
export function isSamePosition(a: Position | undefined, b: Position | undefined): boolean {
  return a !== undefined && b !== undefined && a.hlc === b.hlc && a.hash === b.hash;
}

/** A contiguous stretch of one author's chain; `after` is the position before its first entry. */
export interface Run {
  readonly author: Author;
  readonly after: Position;
  readonly entries: readonly Entry[];
}

/** Where a chain starts. */
export const chainStart: Position = { hlc: 0 as Hlc, hash: '' };

/**
 * The hash of an entry. NUL separates the fields: names have no control characters, and JSON text has none either, so
 * no two different entries give the same input.
 */
export function hashEntry(entry: Omit<Entry, 'hash'>, authorKey: string, previousHash: string): string {
  return hash(
    'sha256',
    `${previousHash}\0${authorKey}\0${entry.hlc}\0${entry.operation}\0${entry.collection}\0${entry.key}\0${entry.payload}`,
    'base64url',
  );
}

/** Hashes the entries of a run one after the other. */
export function chainRun(author: Author, after: Position, entries: readonly Omit<Entry, 'hash'>[]): Run {
  const authorKey = authorKeyOf(author);
  let previousHash = after.hash;
  const chained = entries.map((entry) => {
    previousHash = hashEntry(entry, authorKey, previousHash);
    return { ...entry, hash: previousHash };
  });
  return { author, after, entries: chained };
}

/**
 * Where a run ends. Returns a new object: vector clocks live long, and holding the entry would keep its document in
 * memory.
 */
export function endOf(run: Run): Position {
  const last = run.entries.at(-1);
  return last === undefined ? run.after : { hlc: last.hlc, hash: last.hash };
}
