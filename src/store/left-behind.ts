/**
 * Other databases in a data directory. They belong to nodes that were stopped and started again under another NodeId,
 * after an edit of the configuration. Entries that such a node never sent to a peer exist only there.
 *
 * Invariants:
 * - Nothing is written to such a database or its log. A neighbor file that SQLite creates for reading (`-shm`, an empty
 *   `-wal`) is removed again.
 * - A file that is not the database of a node, or is in use, is skipped. A database is read in bounded time and in one
 *   stretch of code, so nothing else in this process can meet its lock.
 */
import { lstatSync, readdirSync, rmSync, type Stats, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Database } from 'better-sqlite3';
import { type AuthorKey, authorKeyOf, type Incarnation, type Scope } from '../core/author.js';
import { type Failure, failureOf, StatemeshError } from '../core/errors.js';
import type { Hlc } from '../core/hlc.js';
import { isNodeId, type NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import { positionOf, type VectorClock } from '../core/vector-clock.js';
import { fileBytesOf, versionOfFile } from './database-file.js';
import { lockDatabase } from './database-lock.js';
import { isOpenInProcess } from './lock-holder.js';
import { openSqlite } from './sqlite.js';
import { databaseError } from './sqlite-errors.js';
import { nodeIdOf, schemaVersion } from './tables.js';

/** A database beside the one in use. */
export interface DatabaseLeftBehind {
  readonly path: string;
  /** The NodeId of its owner; undefined if it cannot be read. */
  readonly nodeId: NodeId | undefined;
  /** How many entries it has that the database in use lacks, counted up to `limits.leftBehindEntriesMax`. */
  readonly entries: number;
  /** Why it cannot be read. */
  readonly failure?: Failure | undefined;
}

export interface LeftBehindOptions {
  readonly dataDir: string;
  /** The owner of the database in use. */
  readonly nodeId: NodeId;
  /** The vector clock of the database in use. */
  readonly clock: VectorClock;
  /** Lets other work run between two files. */
  readonly turn: () => Promise<void>;
}

/** The databases that no process has open, and that have, or may have, entries that the one in use lacks. */
export async function findLeftBehind({
  dataDir,
  nodeId,
  clock,
  turn,
}: LeftBehindOptions): Promise<readonly DatabaseLeftBehind[]> {
  const directory = resolve(dataDir);
  const own = statusOf(join(directory, `${nodeId}.db`));
  const had = withSetAside(clock, directory, nodeId);
  const found: DatabaseLeftBehind[] = [];
  for (const name of databasesIn(directory)) {
    await turn();
    const path = join(directory, name);
    const file = statusOf(path);
    if (name === `${nodeId}.db` || !isFile(file) || isSame(file, own)) continue;
    const left = look(path, had);
    if (left !== undefined) found.push(left);
  }
  return found;
}

/**
 * What the database in use has, and what those had that a restore has set aside for it: it had taken that over from its
 * neighbors, and gets it back from its peers.
 */
function withSetAside(clock: VectorClock, directory: string, nodeId: NodeId): VectorClock {
  const had = new Map(clock);
  for (const name of namesIn(
    directory,
    (each) => each.startsWith(`${nodeId}.db.before-restore`) && !/-(wal|shm)$/.test(each),
  )) {
    for (const [author, position] of clockIn(join(directory, name))) {
      if (position.hlc > positionOf(had, author).hlc) had.set(author, position);
    }
  }
  return had;
}

/** Of a file that cannot be read nothing is known. */
function clockIn(path: string): VectorClock {
  try {
    if (!isFile(statusOf(path)) || isOpenInProcess(path)) return new Map();
    if ((versionOfFile(path) ?? Number.POSITIVE_INFINITY) > schemaVersion) return new Map();
    return locked(path, () => reading(path, clockOf));
  } catch {
    return new Map();
  }
}

function databasesIn(directory: string): string[] {
  return namesIn(directory, (name) => name.endsWith('.db'));
}

function namesIn(directory: string, isWanted: (name: string) => boolean): string[] {
  try {
    const names = readdirSync(directory).filter(isWanted);
    return names.sort().slice(0, limits.leftBehindFilesMax);
  } catch {
    // Without a listing, nothing is found.
    return [];
  }
}

/** @returns undefined if there is nothing to report */
function look(path: string, clock: VectorClock): DatabaseLeftBehind | undefined {
  try {
    // Closing a descriptor of a file that another thread has open would make that thread lose SQLite's lock.
    if (isOpenInProcess(path)) return undefined;
    const version = versionOfFile(path);
    if (version === undefined) return undefined;
    if (version > schemaVersion) throw newer(path, version);
    const { nodeId, entries } = locked(path, () => reading(path, (database) => compare(database, clock)));
    return entries === 0 ? undefined : { path, nodeId, entries };
  } catch (error) {
    const failure = failureOf(databaseError(error, path));
    return failure.code === 'databaseInUse' ? undefined : { path, nodeId: undefined, entries: 0, failure };
  }
}

function newer(path: string, version: number): StatemeshError {
  const message = `${path} has schema version ${version}, and this statemesh knows up to ${schemaVersion}.`;
  return new StatemeshError('databaseForeign', message);
}

function locked<T>(path: string, use: () => T): T {
  const lock = lockDatabase(path);
  try {
    return use();
  } finally {
    lock.release();
  }
}

function reading<T>(path: string, use: (database: Database) => T): T {
  const made = ['-wal', '-shm'].map((suffix) => `${path}${suffix}`).filter((name) => statusOf(name) === undefined);
  const database = openSqlite(path, { readonly: true, fileMustExist: true, timeout: 0 });
  try {
    database.pragma('trusted_schema = OFF');
    return use(database);
  } finally {
    database.close();
    for (const name of made) if (name.endsWith('-shm') || fileBytesOf(name) === 0) rmSync(name, { force: true });
  }
}

/** Its own entries come first: the other authors most likely have theirs. */
const authorsOf = `
  SELECT id, node_id, incarnation, scope FROM authors, (SELECT node_id AS owner FROM meta LIMIT 1)
  ORDER BY node_id <> owner LIMIT ?`;

function compare(database: Database, clock: VectorClock): { nodeId: NodeId; entries: number } {
  const nodeId = nodeIdOf(database);
  if (nodeId === undefined || !isNodeId(nodeId)) {
    throw new StatemeshError('databaseCorrupt', 'It does not name its owner.');
  }
  const count = database
    .prepare('SELECT count(*) FROM (SELECT 1 FROM oplog WHERE author = ? AND hlc > ? LIMIT ?)')
    .pluck();
  let entries = 0;
  for (const row of storedAuthors(database)) {
    const { hlc } = positionOf(clock, row.author);
    entries += count.get(row.id, hlc, limits.leftBehindEntriesMax - entries) as number;
    if (entries >= limits.leftBehindEntriesMax) break;
  }
  return { nodeId, entries };
}

/** How far each chain goes; without hashes, which nobody compares here. */
function clockOf(database: Database): VectorClock {
  const last = database.prepare('SELECT max(hlc) FROM oplog WHERE author = ?').pluck();
  return new Map(
    storedAuthors(database).map(({ id, author }) => [author, { hlc: (last.get(id) ?? 0) as Hlc, hash: '' }]),
  );
}

function storedAuthors(database: Database): { id: number; author: AuthorKey }[] {
  const rows = database.prepare(authorsOf).all(limits.leftBehindAuthorsMax) as StoredAuthor[];
  return rows.map(({ id, node_id, incarnation, scope }) => {
    const author = { nodeId: node_id as NodeId, incarnation: incarnation as Incarnation, scope: scope as Scope };
    return { id, author: authorKeyOf(author) };
  });
}

interface StoredAuthor {
  readonly id: number;
  readonly node_id: string;
  readonly incarnation: string;
  readonly scope: string;
}

function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // A loop of symbolic links, for example.
    return lstatSync(path, { throwIfNoEntry: false });
  }
}

function isFile(file: Stats | undefined): file is Stats {
  return file?.isFile() === true;
}

function isSame(one: Stats, other: Stats | undefined): boolean {
  return one.ino === other?.ino && one.dev === other.dev;
}
