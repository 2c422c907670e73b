/**
 * Decides whether secrets may be sent to a control socket: the socket and its directory must be such that no other user
 * can have put it there. Root may use the directory of any user; the socket must then belong to that user.
 */
import { StatemeshError } from '../core/errors.js';

/** What `lstat` and `stat` report. */
export interface FileStatus {
  readonly uid: number;
  readonly mode: number;
  isSocket(): boolean;
}

const root = 0;
const othersMayWrite = 0o022;
const sticky = 0o1000;

/**
 * @param uid The caller's user id
 * @throws StatemeshError `controlForeign`, which names what is wrong and what to do
 */
export function assertOwnSocket(
  { path, socket, directory }: { path: string; socket: FileStatus; directory: FileStatus },
  uid: number,
): void {
  const owner = uid === root ? directory.uid : uid;
  const isOurs = (status: FileStatus) => status.uid === owner || status.uid === root;
  if (!socket.isSocket()) throw foreign(path, 'is no socket', 'move it away');
  if (!isOurs(socket)) throw foreign(path, 'belongs to another user', 'run the command as that user, or move it away');
  if ((socket.mode & othersMayWrite) !== 0) throw foreign(path, 'is writable by others', `run chmod 600 on it`);
  if (!isOurs(directory)) throw foreign(path, 'is in a directory of another user', 'use a data directory of your own');
  if ((directory.mode & othersMayWrite) !== 0 && (directory.mode & sticky) === 0) {
    throw foreign(path, 'is in a directory that others can write to', 'run chmod 700 on the data directory');
  }
}

function foreign(path: string, problem: string, remedy: string): StatemeshError {
  return new StatemeshError('controlForeign', `${path} ${problem}, so nothing is sent to it: ${remedy}.`);
}
