/**
 * Opens the one database file of an identity.
 *
 * Invariants:
 * - A file of another identity, another program or a newer version stays byte for byte as it is, and gets no neighbor
 *   files (`-wal`, `-shm`): its first pages are read as bytes before SQLite may open it.
 * - A new file appears complete or not at all: it is built in memory and linked into place.
 * - There is one holder at a time. The lock of `database-lock` is taken before the file is touched, and held until it
 *   is closed. SQLite's own exclusive lock keeps out programs that do not know ours.
 * - A commit is on disk when it returns. Every opening sets `synchronous=FULL`, because better-sqlite3 is built to open
 *   an existing WAL file with NORMAL.
 */
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Database } from 'better-sqlite3';
import { isStatemeshError, StatemeshError, systemCodeOf } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { Randomness } from '../ports/ports.js';
import { type DatabaseLock, lockDatabase } from './database-lock.js';
import { isOpenInProcess, lockHolderOf } from './lock-holder.js';
import { openSqlite } from './sqlite.js';
import { databaseError } from './sqlite-errors.js';
import {
  applicationIdOf,
  createSchema,
  migrate,
  nodeIdOf,
  applicationId as ownApplicationId,
  pageBytes,
  schemaVersion,
  userVersionOf,
} from './tables.js';

export interface DatabaseFileOptions {
  readonly path: string;
  readonly nodeId: NodeId;
  readonly randomness: Randomness;
  /** Pages of 8 KiB in the WAL after which it is copied into the database. */
  readonly walAutocheckpointPages: number;
  readonly pagesMax?: number;
  /** False for a file that no other process can know of, or whose lock the caller holds. */
  readonly isLocked?: boolean | undefined;
}

/**
 * The files that this realm has open, in all copies of this package. A second opening is refused before it touches the
 * file, even if the lock files were removed.
 */
const openFilesName = Symbol.for('statemesh.openDatabases');
const openFiles = openFilesOfRealm();

function openFilesOfRealm(): Map<string, DatabaseLock | undefined> {
  const realm = globalThis as { [openFilesName]?: Map<string, DatabaseLock | undefined> };
  realm[openFilesName] ??= new Map();
  return realm[openFilesName];
}

/**
 * Opens the database of one node, creating it if necessary.
 *
 * @throws StatemeshError `databaseInUse`, `databaseForeign`, `databaseCorrupt`, `databaseUnavailable`, `diskFull`
 */
export function openDatabaseFile(options: DatabaseFileOptions): Database {
  const path = resolve(options.path);
  if (openFiles.has(path)) {
    throw new StatemeshError('databaseInUse', `${path}: This process has the database open already; close it first.`);
  }
  let lock: DatabaseLock | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (options.isLocked !== false) lock = lockApartFromOurselves(path);
    // A process may have been killed while it created the file.
    rmSync(draftOf(path), { force: true });
    if (fileBytesOf(path) === 0) createFile(path, options);
    inspect(path, options.nodeId);
    const database = openExclusively(path, options);
    openFiles.set(path, lock);
    return database;
  } catch (error) {
    lock?.release();
    throw databaseError(error, path);
  }
}

/**
 * Takes the lock, unless this process already has the file open. If the lock files were removed, another thread may
 * still have it open; reading the file would then make that thread lose SQLite's lock.
 */
function lockApartFromOurselves(path: string): DatabaseLock {
  const lock = lockDatabase(path);
  try {
    if (!isOpenInProcess(path)) return lock;
    throw new StatemeshError('databaseInUse', `${path}: This process has the database open already; close it first.`);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * Checks whether the lock of a file that is open here is still where other processes look for it, and takes it again if
 * not.
 */
export function checkLock(path: string): StatemeshError | undefined {
  return openFiles.get(resolve(path))?.check();
}

/** Adds to a `databaseInUse` error which process has the file open. */
function withHolder(error: unknown, path: string): unknown {
  if (!isStatemeshError(error) || error.code !== 'databaseInUse') return error;
  const holder = lockHolderOf(path);
  if (holder === undefined) return error;
  const message = `${path}: The process ${holder} has the database open; stop it first.`;
  return new StatemeshError('databaseInUse', message, { cause: error });
}

export function closeDatabaseFile(database: Database, path: string): void {
  const name = resolve(path);
  try {
    database.close();
  } finally {
    openFiles.get(name)?.release();
    openFiles.delete(name);
  }
}

/** The size of a file in bytes; 0 if it does not exist. */
export function fileBytesOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * Checks the identity of a file without touching it. Any connection would lock or recover the file, or create
 * neighbors, so its first two pages are read as bytes: the header, and the row that names the owner, which never moves
 * (see `createSchema`).
 */
function inspect(path: string, nodeId: NodeId): void {
  const pages = readStart(path, 2 * pageBytes);
  if (!isDatabase(pages)) {
    throw new StatemeshError(
      'databaseForeign',
      `${path} is not a database, so not the one of node "${nodeId}"; it was not touched. Restore a backup in its place, or move it away and let the peers fill a new one.`,
    );
  }
  const { applicationId, version } = headerOf(pages);
  const owner = () => (pages.length < 2 * pageBytes ? undefined : ownerIn(pages.subarray(pageBytes)));
  checkIdentity({ path, nodeId, applicationId, version, owner });
}

/**
 * The schema version of a file, if it is the database of some node; otherwise undefined. The file is read as bytes.
 */
export function versionOfFile(path: string): number | undefined {
  const start = readStart(path, headerBytes);
  const { applicationId, version } = headerOf(start);
  return isDatabase(start) && applicationId === ownApplicationId ? version : undefined;
}

function isDatabase(start: Buffer): boolean {
  return start.toString('latin1', 0, magic.length) === magic;
}

function headerOf(start: Buffer): { applicationId: number; version: number } {
  if (start.length < headerBytes) return { applicationId: 0, version: 0 };
  return { applicationId: start.readInt32BE(applicationIdOffset), version: start.readInt32BE(userVersionOffset) };
}

/** From the SQLite file format, section 1.3. */
const magic = 'SQLite format 3\0';
const headerBytes = 100;
const userVersionOffset = 60;
const applicationIdOffset = 68;

/** Reads the page of `meta` with SQLite, in an in-memory database that contains nothing else of the file. */
function ownerIn(page: Buffer): string | undefined {
  const bytes = newDatabaseBytes('unknown' as NodeId, '');
  page.copy(bytes, pageBytes, 0, pageBytes);
  const database = openSqlite(bytes, { readonly: true });
  try {
    return nodeIdOf(database);
  } finally {
    database.close();
  }
}

function readStart(path: string, bytes: number): Buffer {
  const descriptor = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(bytes);
    return buffer.subarray(0, readSync(descriptor, buffer, 0, bytes, 0));
  } finally {
    closeSync(descriptor);
  }
}

interface FoundIdentity {
  readonly path: string;
  readonly nodeId: NodeId;
  readonly applicationId: number;
  readonly version: number;
  /** Called last: only a statemesh file has an owner. */
  owner(): string | undefined;
}

function checkIdentity({ path, nodeId, applicationId, version, owner }: FoundIdentity): void {
  if (applicationId !== ownApplicationId) {
    throw new StatemeshError(
      'databaseForeign',
      `${path} is a database of another program (application ${applicationId}), not the one of node "${nodeId}"; it was not touched. Choose another data directory.`,
    );
  }
  if (version > schemaVersion) {
    throw new StatemeshError(
      'databaseForeign',
      `${path} has schema version ${version}, and this statemesh knows up to ${schemaVersion}; it was not touched. Start the node with a newer statemesh.`,
    );
  }
  const found = owner();
  if (found === undefined) {
    throw new StatemeshError(
      'databaseCorrupt',
      `${path} is cut short; restore it, or move it away and let the peers fill a new one.`,
    );
  }
  if (found !== nodeId) {
    throw new StatemeshError(
      'databaseForeign',
      `${path} belongs to node "${found}", not to node "${nodeId}"; it was not touched. Give each node its own NodeId and data directory.`,
    );
  }
}

function openExclusively(path: string, options: DatabaseFileOptions): Database {
  // Waiting for a lock would block the event loop.
  const database = openSqlite(path, { fileMustExist: true, timeout: 0 });
  try {
    database.pragma('locking_mode = EXCLUSIVE');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('fullfsync = ON');
    database.pragma(`journal_size_limit = ${limits.walBytesKept}`);
    database.pragma(`wal_autocheckpoint = ${options.walAutocheckpointPages}`);
    if (options.pagesMax !== undefined) database.pragma(`max_page_count = ${options.pagesMax}`);
    database.pragma('temp_store = MEMORY');
    database.pragma('trusted_schema = OFF');
    database.exec('BEGIN IMMEDIATE; COMMIT');
    // Checks again, now that no other process can change the file.
    const [applicationId, version] = [applicationIdOf(database), userVersionOf(database)];
    checkIdentity({ path, nodeId: options.nodeId, applicationId, version, owner: () => nodeIdOf(database) });
    migrate(database);
    return database;
  } catch (error) {
    database.close();
    throw withHolder(databaseError(error, path), path);
  }
}

function createFile(path: string, { nodeId, randomness }: DatabaseFileOptions): void {
  const incarnation = randomness.token();
  const draft = draftOf(path);
  try {
    writeDurably(draft, newDatabaseBytes(nodeId, incarnation));
    putInPlace(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
  syncDirectory(dirname(path));
}

/** One name for all processes. Only the holder of the file's lock may use it. */
function draftOf(path: string): string {
  return `${path}.new`;
}

function newDatabaseBytes(nodeId: NodeId, incarnation: string): Buffer {
  const database = openSqlite(':memory:');
  try {
    createSchema(database, nodeId, incarnation);
    return database.serialize();
  } finally {
    database.close();
  }
}

function writeDurably(path: string, bytes: Buffer): void {
  const descriptor = openSync(path, 'wx', 0o600);
  try {
    let written = 0;
    while (written < bytes.length) written += writeSync(descriptor, bytes, written);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  chmodSync(path, 0o600);
}

/** A link fails if another process was faster; a rename would replace the file that the other process has open. */
function putInPlace(draft: string, path: string): void {
  try {
    linkSync(draft, path);
  } catch (error) {
    const code = systemCodeOf(error) ?? '';
    const replaceable = code === 'EEXIST' ? fileBytesOf(path) === 0 : linklessCodes.has(code);
    if (replaceable) renameSync(draft, path);
    else if (code !== 'EEXIST') throw error;
  }
}

/** The error codes of file systems without hard links. */
const linklessCodes: ReadonlySet<string> = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK']);

export function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
