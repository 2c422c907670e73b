/**
 * Copies of a database: made while it serves, and put back while nobody has it open.
 *
 * Invariants: a copy appears under its name whole and on the disk, or not at all; what is put back was checked page by page first, in
 * a copy of its own; what was there is set aside, never deleted.
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

/** Some milliseconds of work; between two portions everybody else has a turn. */
const pagesPerPortion = 256;

/**
 * @param onProgress Called between portions; what it throws ends the copying
 * @throws StatemeshError `diskFull`, `databaseUnavailable`, `databaseInUse` while another backup goes there, or what `onProgress` throws
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
    // Born so: the directory may be one that others read, and what SQLite makes beside it has its mode.
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
    // SQLite says something else of a file that was moved.
    throw databaseError(own === undefined || isSame(partial, own) ? error : overtaken(path), path);
  } finally {
    underWay.delete(path);
    if (own !== undefined && isSame(partial, own)) removeDraft(partial);
  }
}

/** Where this process copies to at this moment. What another process does there is noticed at the end. */
const underWay = new Set<string>();

/** What a copy must never take the place of: devices, sockets, and the logs of databases. @throws StatemeshError `databaseUnavailable` */
function refuseTarget(path: string): void {
  const refuse = (why: string): StatemeshError =>
    new StatemeshError('databaseUnavailable', `${shortText(path)} ${why}: name another file for the copy.`);
  if (path.includes('\0')) throw refuse('is no name of a file');
  if (/-(wal|shm|journal)$/.test(path)) throw refuse('has the name of a log, without which its database may be lost');
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) throw refuse('is no ordinary file');
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
  return new StatemeshError('databaseInUse', `${path}: Another backup goes there at this moment.`);
}

/**
 * Puts a copy in the place of a node's database.
 * @throws StatemeshError `databaseForeign`, `databaseCorrupt`, `databaseInUse`, `databaseUnavailable`, `diskFull`; nothing has changed then
 */
export function putBack({ backup, dataDir, nodeId, randomness }: RestoreOptions): Restored {
  const directory = resolve(dataDir);
  const incarnation = randomness.token();
  const draft = join(directory, `restore.${incarnation}.new`);
  try {
    if (!existsSync(backup)) throw new StatemeshError('databaseUnavailable', `There is no copy at ${backup}.`);
    // A pipe or a device may never end.
    if (!statSync(backup).isFile()) throw new StatemeshError('databaseForeign', `${backup} is no ordinary file.`);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
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
      return { nodeId: owner, path, setAside };
    } finally {
      lock.release();
    }
  } catch (error) {
    throw copyError(error, backup);
  } finally {
    removeDraft(draft);
  }
}

/** Of a copy that is damaged or no database: the usual advice, to restore a backup, is what the caller is doing. */
function copyError(error: unknown, backup: string): unknown {
  const failure = databaseError(error, backup);
  if (isStatemeshError(error) || systemCodeOf(failure) !== 'databaseCorrupt') return failure;
  const message = `${backup} is damaged, or no database (${messageOf(error)}): take another backup.`;
  return new StatemeshError('databaseCorrupt', message, { cause: error });
}

/**
 * Sets the database of a node aside, so that the node begins with an empty one.
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

/** As the node will open it, and every page of it. */
function examine(
  draft: string,
  options: { backup: string; nodeId: NodeId; incarnation: string; randomness: Randomness },
): void {
  const database = openDatabaseFile({ ...options, path: draft, walAutocheckpointPages: 1_000, isLocked: false });
  try {
    const complaints = database.pragma('integrity_check(3)', { simple: false }) as { integrity_check: string }[];
    const found = complaints.map((complaint) => complaint.integrity_check).filter((text) => text !== 'ok');
    if (found.length === 0) {
      // What was read from the database that it replaces is behind other entries here.
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

/** What is there goes to another name, with what belongs to it. One that cannot be opened is set aside as it is: that is why it is replaced. */
function moveAside(
  path: string,
  { nodeId, randomness }: { nodeId: NodeId; randomness: Randomness },
): string | undefined {
  if (fileBytesOf(path) === 0) return undefined;
  try {
    // The caller has the lock; another program may have it open.
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
      // Where it could not be made it cannot be removed: why was told already.
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
