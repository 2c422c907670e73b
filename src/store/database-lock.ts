/**
 * The lock of a database: one holder among all processes, threads, copies of this package and containers of one
 * machine.
 *
 * Intuition: the holder listens on a Unix socket beside the database, at `<name>.lock/<number>`, and the kernel tells
 * whether it lives. Connecting succeeds while the socket is open somewhere, even if its process is stopped or busy. It
 * is refused as soon as the process or the thread has ended. The lock depends on no descriptor that other code may
 * close, on no process id, and on no namespace but that of files. (POSIX locks, which SQLite takes as well, are dropped
 * when anything in the process closes the file.)
 *
 * Invariants:
 * - The socket with the highest number is the lock. A process that finds it dead links its own socket under the next
 *   number; that succeeds for only one process. A slow process then finds a higher number, and withdraws. The highest
 *   socket is never removed while the directory has its name: a holder that is done moves the whole directory away.
 * - A socket gets its number only once it listens: it is created in a directory of its own.
 * - A file that is not a lock is never removed.
 *
 * Machines that share a file system over a network do not see each other's sockets. There, SQLite's lock is the only
 * one.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { messageOf, StatemeshError, systemCodeOf } from '../core/errors.js';
import { limits } from '../core/limits.js';
import { doesAnybodyListen } from './socket-probe.js';

export interface DatabaseLock {
  /**
   * Takes the lock again if its files were removed.
   *
   * @returns Why that failed, if another process has the lock now
   */
  check(): StatemeshError | undefined;
  /** Without effect the second time. */
  release(): void;
}

/**
 * Takes the lock of a database.
 *
 * @param path The database, which need not exist; its directory must
 * @throws StatemeshError `databaseInUse`, `databaseUnavailable`
 */
export function lockDatabase(path: string): DatabaseLock {
  const file = realPathOf(path);
  let held: Held | undefined = take(file);
  return {
    check() {
      if (held === undefined || isPerhapsStillOurs(held)) return undefined;
      const former = held;
      try {
        held = take(file);
        former.server.close();
        return undefined;
      } catch (error) {
        if (systemCodeOf(error) !== 'databaseInUse') return undefined;
        const message = `${path}: The lock was removed, and another process has taken it: writes are refused. Stop one of the two.`;
        return new StatemeshError('databaseLost', message, { cause: error });
      }
    },
    release() {
      if (held === undefined) return;
      putAway(held);
      held.server.close();
      held = undefined;
    },
  };
}

/** @throws StatemeshError `databaseInUse` if a process holds the lock of a database at this moment */
export function refuseLocked(path: string): void {
  const file = realPathOf(path);
  if (isLocked(file)) throw inUse(file);
}

/** A database that a process holds at this moment. */
export interface HeldDatabase {
  readonly path: string;
  /** Who holds it, as the subject of a sentence: `The process 4711`. */
  readonly holder: string;
}

/** The databases in a directory whose lock some process holds. Nothing is changed, and no database is opened. */
export function heldDatabasesIn(directory: string): readonly HeldDatabase[] {
  return lockNamesIn(directory).flatMap((name) => {
    const path = join(directory, `${name.slice(0, -lockSuffix.length)}.db`);
    return isLocked(path) ? [{ path, holder: holderOf(path) }] : [];
  });
}

function lockNamesIn(directory: string): string[] {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith(lockSuffix));
    return names.sort().slice(0, limits.leftBehindFilesMax);
  } catch {
    // Without a listing, nothing is found.
    return [];
  }
}

function isLocked(path: string): boolean {
  const directory = lockPathOf(path);
  try {
    const number = highestIn(directory);
    return number > 0 && isAlive(join(directory, String(number)));
  } catch {
    // Without a directory there is no lock.
    return false;
  }
}

/** `till-1.db` is locked by `till-1.lock`. */
export function lockPathOf(path: string): string {
  return join(dirname(path), `${basename(path, '.db')}${lockSuffix}`);
}

const lockSuffix = '.lock';

interface Held {
  readonly directory: string;
  readonly number: number;
  readonly inode: number;
  readonly server: Server;
}

function take(path: string): Held {
  const directory = lockPathOf(path);
  try {
    for (let attempt = 1; attempt <= limits.lockAttemptsMax; attempt += 1) {
      const held = tryToTake(path, directory);
      if (held !== undefined) return held;
    }
  } catch (error) {
    if (systemCodeOf(error) === 'databaseInUse') throw error;
    const reason = systemCodeOf(error) ?? messageOf(error);
    const message = `${path}: Its lock ${directory} cannot be taken (${reason}); check the directory and its permissions.`;
    throw new StatemeshError('databaseUnavailable', message, { cause: error });
  }
  throw inUse(path);
}

/**
 * @returns undefined if another process was faster, or has just released the lock: then another attempt is worth it
 */
function tryToTake(path: string, directory: string): Held | undefined {
  makeDirectory(directory);
  const descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  const server = createServer((socket) => socket.destroy());
  let isHeld = false;
  try {
    // The directory itself, under any name: a holder that releases the lock moves it away.
    const inside = insideOf(directory, descriptor);
    const highest = highestIn(inside);
    if (highest > 0 && isAlive(join(inside, String(highest)))) throw inUse(path);
    const nest = mkdtempSync(join(inside, 'born-'));
    const born = join(nest, 's');
    if (!listen(server, born)) return undefined;
    const number = highest + 1;
    const own = join(inside, String(number));
    if (!hasLinked(born, own)) return undefined;
    const { ino: inode } = statSync(own);
    rmSync(nest, { recursive: true, force: true });
    const held = { directory, number, inode, server };
    if (highestIn(directory) !== number || !isStillOurs(held)) {
      rmSync(own, { force: true });
      return undefined;
    }
    isHeld = true;
    tidy(held);
    return held;
  } finally {
    closeSync(descriptor);
    if (!isHeld) server.close();
  }
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (systemCodeOf(error) !== 'EEXIST') throw error;
  }
}

/**
 * The directory by its descriptor, where the system has such names. They are also short, and the path of a socket has a
 * maximum length.
 */
function insideOf(directory: string, descriptor: number): string {
  const name = `/proc/self/fd/${descriptor}`;
  const isThere = statSync(name, { throwIfNoEntry: false })?.ino === fstatSync(descriptor).ino;
  return isThere ? name : directory;
}

function highestIn(directory: string): number {
  try {
    const numbers = readdirSync(directory).filter((name) => numberPattern.test(name));
    return Math.max(0, ...numbers.map(Number));
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return 0;
    throw error;
  }
}

const numberPattern = /^[1-9]\d{0,14}$/;

/** A file that is not a socket is no holder: a user has put it there, or the directory was copied. */
function isAlive(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() === true && doesAnybodyListen(path);
}

/**
 * Binds and listens at once; only the event comes later. `exclusive`: each worker of a cluster gets a socket of its
 * own.
 *
 * @returns false if the directory of the path is gone
 */
function listen(server: Server, path: string): boolean {
  server.on('error', () => {});
  server.listen({ path, exclusive: true });
  server.unref();
  if (server.listening) return true;
  // Another process may have tidied up meanwhile. Otherwise this file system has no sockets; its error comes a turn
  // later.
  if (!existsSync(dirname(path))) return false;
  throw Object.assign(new Error('no socket can be made there'), { code: 'ENOTSUP' });
}

/** @returns false if another process has the number, or has tidied up meanwhile */
function hasLinked(born: string, own: string): boolean {
  try {
    linkSync(born, own);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST' || systemCodeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/**
 * If the files cannot be checked, because a file is in place of the directory or the disk fails, no other process can
 * take the lock either.
 */
function isPerhapsStillOurs(held: Held): boolean {
  try {
    return isStillOurs(held);
  } catch {
    return true;
  }
}

function isStillOurs({ directory, number, inode }: Held): boolean {
  return statSync(join(directory, String(number)), { throwIfNoEntry: false })?.ino === inode;
}

/** Only the holder tidies up: every other file there is dead, or comes too late. */
function tidy({ directory, number }: Held): void {
  for (const name of readdirSync(directory)) {
    if (name !== String(number)) rmSync(join(directory, name), { recursive: true, force: true });
  }
  const holder = { processId: process.pid, host: hostname() };
  writeFileSync(join(directory, holderName), `${JSON.stringify(holder)}\n`, { mode: 0o600 });
}

/** For people; it decides nothing. Its modification time tells since when the lock is held. */
const holderName = 'holder.json';

function putAway(held: Held): void {
  const { directory } = held;
  try {
    if (!isStillOurs(held)) return;
    const away = mkdtempSync(`${directory}.old-`);
    renameSync(directory, away);
    rmSync(away, { recursive: true, force: true });
  } catch {
    // The socket is dead in a moment anyway.
  }
}

/** Two directories may lead to one file. */
function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function inUse(path: string): StatemeshError {
  return new StatemeshError('databaseInUse', `${path}: ${holderOf(path)} has the database open; stop it first.`);
}

function holderOf(path: string): string {
  try {
    const file = join(lockPathOf(path), holderName);
    const { processId, host } = JSON.parse(readFileSync(file, 'utf8')) as { processId: unknown; host: unknown };
    if (typeof processId !== 'number' || typeof host !== 'string') return 'Another process';
    const since = statSync(file).mtime.toISOString();
    if (host !== hostname()) return `The process ${processId} of ${JSON.stringify(host)} (since ${since})`;
    return processId === process.pid ? 'This process' : `The process ${processId}`;
  } catch {
    return 'Another process';
  }
}
