/**
 * Claims the place of the control socket in the data directory.
 *
 * Invariants:
 * - Only the owner can connect, from the first moment: the socket is created in a directory of mode 0700, becomes 0600
 *   there, and only then is linked into place. A umask would do it too, but it belongs to the whole process, including
 *   the embedding program.
 * - One node has the place: `link` fails when something is there. A socket that no longer answers is moved aside. It is
 *   put back if it turns out to be a different socket than the one that was checked, because several nodes may find the
 *   same stale socket at once.
 * - Only sockets are ever removed, and at the end only the node's own.
 */
import { chmodSync, linkSync, lstatSync, mkdtempSync, renameSync, rmSync, type Stats } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { messageOf, StatemeshError, systemCodeOf } from '../core/errors.js';

/** Attempts to take the place of a socket, because another process may take and release it in between. */
const claimAttemptsMax = 5;

/** A place in the file system where a server listens. */
export interface SocketPlace {
  /** Whether the socket at the path is still the node's own. */
  isOurs(): boolean;
  /** Removes the node's own socket. */
  leave(): void;
}

/**
 * Makes a server listen at a path of the file system.
 *
 * @returns The place; the server is closed by its owner
 * @throws StatemeshError `controlUnavailable`
 */
export async function listenAtSocket(server: Server, path: string): Promise<SocketPlace> {
  try {
    return await claim(server, path);
  } catch (error) {
    server.close();
    if ((error as { name?: unknown }).name === 'StatemeshError') throw error;
    const reason = systemCodeOf(error) ?? messageOf(error);
    throw unavailable(
      `The control socket ${path} cannot be opened (${reason}): check the directory, or configure control: false.`,
      error,
    );
  }
}

/**
 * Refuses a place that {@link listenAtSocket} could not have, and changes nothing: a node that starts asks before it
 * makes anything.
 *
 * @throws StatemeshError `controlUnavailable`
 */
export async function assertPlaceFree(path: string): Promise<void> {
  const present = statusOf(path);
  if (present === undefined) return;
  if (!present.isSocket()) throw inTheWay(path);
  if (await answers(path)) throw taken(path);
}

/** Undefined also for a directory that cannot be used: the caller finds out why when it creates something there. */
function statusOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

async function claim(server: Server, path: string): Promise<SocketPlace> {
  const nest = mkdtempSync(join(dirname(path), '.control-'));
  try {
    const born = join(nest, 's');
    await listening(server, born);
    chmodSync(born, 0o600);
    const own = lstatSync(born);
    for (let attempt = 1; !isLinked(born, path); attempt++) {
      if (attempt === claimAttemptsMax) throw taken(path);
      await clear(path, join(nest, 'stale'));
    }
    return placeOf(path, own);
  } finally {
    rmSync(nest, { recursive: true, force: true });
  }
}

/**
 * Nothing here throws: otherwise a file that someone puts in place of the directory would end a node that runs or
 * stops.
 */
function placeOf(path: string, own: Stats): SocketPlace {
  const isOurs = (): boolean => {
    try {
      return isSame(lstatSync(path, { throwIfNoEntry: false }), own);
    } catch {
      return false;
    }
  };
  const leave = (): void => {
    try {
      if (isOurs()) rmSync(path, { force: true });
    } catch {
      // No process listens there any more: the next node removes it.
    }
  };
  return { isOurs, leave };
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // A server that is closed before it was open emits only this event.
    server.once('close', () => reject(unavailable('The node was stopped.')));
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function isLinked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Removes a socket on which no process answers. Also returns when another process has dealt with it meanwhile. */
async function clear(path: string, aside: string): Promise<void> {
  const stale = lstatSync(path, { throwIfNoEntry: false });
  if (stale === undefined) return;
  if (!stale.isSocket()) throw inTheWay(path);
  if (await answers(path)) throw taken(path);
  if (!isSame(lstatSync(path, { throwIfNoEntry: false }), stale)) return;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return;
    throw error;
  }
  // Between the check and the move, another node may have put its own socket there.
  if (!isSame(lstatSync(aside), stale)) isLinked(aside, path);
  rmSync(aside);
}

/** The number of an inode may be reused, hence the time of birth. */
function isSame(one: Stats | undefined, other: Stats): boolean {
  return one?.ino === other.ino && one.birthtimeMs === other.birthtimeMs;
}

/** Anything but a refused connection counts as an answer: a node that is busy, or belongs to another user, is alive. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      resolve(!['ECONNREFUSED', 'ENOENT'].includes(systemCodeOf(error) ?? ''));
    });
  });
}

function inTheWay(path: string): StatemeshError {
  return unavailable(`${path} is in the way and is not a socket: move it away.`);
}

function taken(path: string): StatemeshError {
  return unavailable(
    `Another node runs in this data directory: it answers on ${path}. Stop it, or use another dataDir.`,
  );
}

function unavailable(message: string, cause?: unknown): StatemeshError {
  return new StatemeshError('controlUnavailable', message, { cause });
}
