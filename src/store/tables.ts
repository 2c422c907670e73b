/**
 * The tables, and how a file of an older version is migrated to this one.
 *
 * Layout: a payload is stored once, in the oplog, in order of arrival; `documents` points at the entry that won.
 * Authors and collections are interned. `hlc` is the packed stamp of `core/hlc`. See docs/architecture.md for the
 * measurements.
 *
 * `oplog.seq` is the local order of arrival and the cursor of `changes`. It has no holes.
 * `oplog.current` tells whether the entry changed its document when it arrived.
 * `meta.incarnation` tells files of one node apart. It is drawn when a file is made, and when a backup is restored.
 * `documents.deleted` marks tombstones, so that counting needs no join.
 * `authors.boundary_*` tells where the stored chain begins: at the chain's start, as long as nothing is pruned.
 * Each field index is a pair (key, value) per current document, in a table of its own: see `field-indexes`.
 */
import type { Database } from 'better-sqlite3';
import type { NodeId } from '../core/ids.js';

/** "Smsh": marks a file as ours. */
export const applicationId = 0x53_6d_73_68;
export const pageBytes = 8_192;

/** Each step brings a file to the next version: the first one from version 1 to 2. `createSchema` makes the latest. */
const migrations: readonly ((database: Database) => void)[] = [forgetFieldIndexes];
export const schemaVersion = migrations.length + 1;

/**
 * Fills a new database and binds it to its identity. `meta` is created first, so that its one row is on the second
 * page, where it can be read without opening the file as a database.
 */
export function createSchema(database: Database, nodeId: NodeId, incarnation: string): void {
  database.pragma(`page_size = ${pageBytes}`);
  database.exec(`BEGIN; ${tables} COMMIT`);
  database.prepare('INSERT INTO meta (node_id, incarnation) VALUES (?, ?)').run(nodeId, incarnation);
  database.pragma(`application_id = ${applicationId}`);
  database.pragma(`user_version = ${schemaVersion}`);
}

/**
 * Each step is one transaction with its version. The header must not lag behind in the WAL, because it is read alone.
 */
export function migrate(database: Database): void {
  const version = userVersionOf(database);
  for (const [index, step] of migrations.entries()) {
    if (index + 1 < version) continue;
    database.transaction(() => {
      step(database);
      database.pragma(`user_version = ${index + 2}`);
    })();
  }
  if (version < schemaVersion) database.pragma('wal_checkpoint(TRUNCATE)');
}

/**
 * Version 1 did not tell lists from objects in field indexes, and `key` has been reserved since. So the indexes are
 * dropped, and built again on request.
 */
function forgetFieldIndexes(database: Database): void {
  const numbers = database.prepare('SELECT number FROM field_indexes').pluck().all() as number[];
  for (const number of numbers) database.exec(`DROP TABLE field_index_${number}`);
  database.exec('DELETE FROM field_indexes');
}

export function applicationIdOf(database: Database): number {
  return database.pragma('application_id', { simple: true }) as number;
}

export function userVersionOf(database: Database): number {
  return database.pragma('user_version', { simple: true }) as number;
}

/** The NodeId to which a file is bound. */
export function nodeIdOf(database: Database): string | undefined {
  return database.prepare('SELECT node_id FROM meta').pluck().get() as string | undefined;
}

/** Names this file in cursors. */
export function incarnationOf(database: Database): string {
  return database.prepare('SELECT incarnation FROM meta').pluck().get() as string;
}

/** Gives a file that replaces another one a new incarnation, so that it issues other cursors. */
export function setIncarnation(database: Database, incarnation: string): void {
  database.prepare('UPDATE meta SET incarnation = ?').run(incarnation);
}

const tables = `
  CREATE TABLE meta (node_id TEXT NOT NULL, incarnation TEXT NOT NULL DEFAULT '');
  CREATE TABLE authors (
    id INTEGER PRIMARY KEY,
    node_id TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    scope TEXT NOT NULL,
    boundary_hlc INTEGER NOT NULL DEFAULT 0,
    boundary_hash TEXT NOT NULL DEFAULT '',
    UNIQUE (node_id, incarnation, scope)
  );
  CREATE TABLE collections (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  CREATE TABLE oplog (
    seq INTEGER PRIMARY KEY,
    author INTEGER NOT NULL,
    hlc INTEGER NOT NULL,
    collection INTEGER NOT NULL,
    key TEXT NOT NULL,
    operation INTEGER NOT NULL,
    current INTEGER NOT NULL,
    hash TEXT NOT NULL,
    payload TEXT NOT NULL
  );
  CREATE UNIQUE INDEX oplog_by_author ON oplog (author, hlc);
  CREATE TABLE documents (
    collection INTEGER NOT NULL,
    key TEXT NOT NULL,
    hlc INTEGER NOT NULL,
    author INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    PRIMARY KEY (collection, key)
  ) WITHOUT ROWID;
  CREATE TABLE field_indexes (
    number INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    field TEXT NOT NULL,
    ready INTEGER NOT NULL DEFAULT 0,
    UNIQUE (collection, field)
  );
`;
