/**
 * Backups of a database: made while it serves, restored while no process has it open.
 *
 * Invariants: a backup appears under its name complete and on disk, or not at all. Before a restore, every page is
 * checked in a private copy. The previous database is set aside, never deleted.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Database } from 'better-sqlite3';
import { isStatemeshError, messageOf, StatemeshError, shortText, systemCodeOf } from '../core/errors.js';
import { isNodeId, type NodeId } from '../core/ids.js';
import type { Randomness } from '../ports/ports.js';
import type { BackupProgress, Restored, RestoreOptions } from '../ports/store.js';
import { closeDatabaseFile, fileBytesOf, openDatabaseFile, syncDirectory } from './database-file.js';
import { lockDatabase } from './database-lock.js';
import { copyPrivately, createPrivately } from './private-file.js';
import { openSqlite } from './sqlite.js';
import { databaseError } from './sqlite-errors.js';
import { applicationIdOf, nodeIdOf, applicationId as ownApplicationId, setIncarnation } from './tables.js';

/** Some milliseconds of work; other tasks get a turn between two portions. */
const pagesPerPortion = 256;

/**
 * Copies an open database into a file.
 *
 * @param onProgress Called between portions; if it throws, the copy ends
 * @throws StatemeshError `diskFull`, `databaseUnavailable`, `databaseInUse` while another backup writes to the path, or
 * the error that `onProgress` throws
 */
export async function copyDatabase(
  database: Database,
  path: string,
  onProgress: (progress: BackupProgress) => void,
): Promise<void> {
  const partial = `${path}.partial`;
  let own: Stats | undefined;
  if (underWay.has(path)) throw overtaken(path);
  underWay.add(path);
  try {
    refuseTarget(path);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    rmSync(partial, { force: true });
    // Created with mode 0600: other users may read the directory, and SQLite gives its own files beside it the same
    // mode.
    own = createPrivately(partial);
    await database.backup(partial, {
      progress: ({ totalPages, remainingPages }) => {
        onProgress({ pages: totalPages - remainingPages, pagesTotal: totalPages });
        return pagesPerPortion;
      },
    });
    if (!isSame(partial, own)) throw overtaken(path);
    syncFile(partial);
    renameSync(partial, path);
    own = undefined;
    syncDirectory(dirname(path));
  } catch (error) {
    // SQLite reports a moved file with another error.
    throw databaseError(own === undefined || isSame(partial, own) ? error : overtaken(path), path);
  } finally {
    underWay.delete(path);
    if (own !== undefined && isSame(partial, own)) removeDraft(partial);
  }
}

/** The paths that this process copies to at this moment. Another process at the same path is noticed at the end. */
const underWay = new Set<string>();

/**
 * Refuses paths that a copy must never replace: devices, sockets, and the logs of databases.
 *
 * @throws StatemeshError `databaseUnavailable`
 */
function refuseTarget(path: string): void {
  const refuse = (why: string): StatemeshError =>
    new StatemeshError('databaseUnavailable', `${shortText(path)} ${why}: name another file for the copy.`);
  if (path.includes('\0')) throw refuse('is not a valid file name');
  if (/-(wal|shm|journal)$/.test(path)) throw refuse('has the name of a log, without which its database may be lost');
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) throw refuse('is not a regular file');
}

function isSame(path: string, file: Stats): boolean {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    return found?.ino === file.ino && found.dev === file.dev;
  } catch {
    return false;
  }
}

function overtaken(path: string): StatemeshError {
  return new StatemeshError(
    'databaseInUse',
    `${path}: Another backup is writing to this file now; wait for it, or name another file.`,
  );
}

/**
 * Replaces a node's database with a backup.
 *
 * @throws StatemeshError `requestInvalid`, `databaseForeign`, `databaseCorrupt`, `databaseInUse`,
 * `databaseUnavailable`, `diskFull`; in that case nothing has changed
 */
export function putBack({ backup, dataDir, nodeId, randomness }: RestoreOptions): Restored {
  const directory = resolve(dataDir);
  const incarnation = randomness.token();
  const draft = join(directory, `restore.${incarnation}.new`);
  let created: string | undefined;
  let isDone = false;
  try {
    if (!existsSync(backup)) throw new StatemeshError('requestInvalid', `There is no copy at ${backup}.`);
    // A pipe or a device may never end.
    if (!statSync(backup).isFile()) throw new StatemeshError('databaseForeign', `${backup} is not a regular file.`);
    created = mkdirSync(directory, { recursive: true, mode: 0o700 });
    copyPrivately(backup, draft);
    const owner = ownerOf(draft, backup);
    if (nodeId !== undefined && nodeId !== owner) {
      throw new StatemeshError('databaseForeign', `${backup} belongs to node "${owner}", not to node "${nodeId}".`);
    }
    examine(draft, { backup, nodeId: owner, incarnation, randomness });
    syncFile(draft);
    const path = join(directory, `${owner}.db`);
    const lock = lockDatabase(path);
    try {
      const setAside = moveAside(path, { nodeId: owner, randomness });
      renameSync(draft, path);
      syncDirectory(directory);
      isDone = true;
      return { nodeId: owner, path, setAside };
    } finally {
      lock.release();
    }
  } catch (error) {
    throw copyError(error, backup);
  } finally {
    removeDraft(draft);
    if (!isDone && created !== undefined) removeEmpty(directory, created);
  }
}

/** Removes directories that a failed operation has made, unless something else is in them by now. */
function removeEmpty(directory: string, first: string): void {
  try {
    for (let path = directory; path.length >= first.length; path = dirname(path)) rmdirSync(path);
  } catch {
    // They may stay.
  }
}

/**
 * The error of a backup that is damaged or not a database. The usual advice is to restore a backup, which is just what
 * failed here.
 */
function copyError(error: unknown, backup: string): unknown {
  const failure = databaseError(error, backup);
  if (isStatemeshError(error) || systemCodeOf(failure) !== 'databaseCorrupt') return failure;
  const message = `${backup} is damaged, or is not a database (${messageOf(error)}): take another backup.`;
  return new StatemeshError('databaseCorrupt', message, { cause: error });
}

/**
 * Sets the database of a node aside, so that the node starts with an empty one.
 *
 * @throws StatemeshError `databaseInUse`, `databaseUnavailable`
 */
export function setAside({
  dataDir,
  nodeId,
  randomness,
}: Omit<RestoreOptions, 'backup'> & { nodeId: NodeId }): Restored {
  const path = join(resolve(dataDir), `${nodeId}.db`);
  if (fileBytesOf(path) === 0) return { nodeId, path, setAside: undefined };
  const lock = lockDatabase(path);
  try {
    return { nodeId, path, setAside: moveAside(path, { nodeId, randomness }) };
  } catch (error) {
    throw databaseError(error, path);
  } finally {
    lock.release();
  }
}

function ownerOf(draft: string, backup: string): NodeId {
  const database = openSqlite(draft, { timeout: 0 });
  try {
    database.pragma('locking_mode = EXCLUSIVE');
    const owner = applicationIdOf(database) === ownApplicationId ? nodeIdOf(database) : undefined;
    if (owner !== undefined && isNodeId(owner)) return owner;
    throw new StatemeshError('databaseForeign', `${backup} is not the database of a statemesh node.`);
  } finally {
    database.close();
  }
}

/** Opens the copy as the node will, and checks every page of it. */
function examine(
  draft: string,
  options: { backup: string; nodeId: NodeId; incarnation: string; randomness: Randomness },
): void {
  const database = openDatabaseFile({ ...options, path: draft, walAutocheckpointPages: 1_000, isLocked: false });
  try {
    const complaints = database.pragma('integrity_check(3)', { simple: false }) as { integrity_check: string }[];
    const found = complaints.map((complaint) => complaint.integrity_check).filter((text) => text !== 'ok');
    if (found.length === 0) {
      // A cursor from the replaced database may stand for other entries here, so it must expire.
      setIncarnation(database, options.incarnation);
      return;
    }
    throw new StatemeshError(
      'databaseCorrupt',
      `${options.backup} is damaged (${found.join('; ')}): take another backup.`,
    );
  } finally {
    closeDatabaseFile(database, draft);
  }
}

/**
 * Renames the present database and the files that belong to it. One that cannot be opened is set aside as it is,
 * because that is why it is replaced.
 */
function moveAside(
  path: string,
  { nodeId, randomness }: { nodeId: NodeId; randomness: Randomness },
): string | undefined {
  if (fileBytesOf(path) === 0) return undefined;
  try {
    // The caller has the lock; another program may still have the file open.
    const options = { path, nodeId, randomness, walAutocheckpointPages: 1_000, isLocked: false };
    closeDatabaseFile(openDatabaseFile(options), path);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'databaseInUse') throw error;
  }
  const setAside = freeName(`${path}.before-restore`);
  for (const suffix of ['-wal', '-shm', '']) {
    if (!existsSync(`${path}${suffix}`)) continue;
    chmodSync(`${path}${suffix}`, 0o600);
    renameSync(`${path}${suffix}`, `${setAside}${suffix}`);
  }
  return setAside;
}

function freeName(name: string): string {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}-${number}`;
    if (!existsSync(candidate)) return candidate;
  }
}

function removeDraft(path: string): void {
  for (const suffix of ['', '-journal', '-wal', '-shm']) {
    try {
      rmSync(`${path}${suffix}`, { force: true });
    } catch {
      // A draft that could not be created cannot be removed; its error has already been reported.
    }
  }
}

function syncFile(path: string): void {
  const descriptor = openSync(path, 'r+');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
