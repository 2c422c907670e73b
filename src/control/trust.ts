/**
 * Whether a control socket may be told secrets: it, and the directory in which it is, must be such that no other user can have put it
 * there. Root may name the directory of any user, whose socket it must be then.
 */
import { StatemeshError } from '../core/errors.js';

/** What `lstat` and `stat` tell. */
export interface FileStatus {
  readonly uid: number;
  readonly mode: number;
  isSocket(): boolean;
}

const root = 0;
const othersMayWrite = 0o022;
const sticky = 0o1000;

/**
 * @param uid Of the caller
 * @throws StatemeshError `controlForeign`, naming what is wrong and what to do
 */
export function assertOwnSocket(
  { path, socket, directory }: { path: string; socket: FileStatus; directory: FileStatus },
  uid: number,
): void {
  const owner = uid === root ? directory.uid : uid;
  const isOurs = (status: FileStatus) => status.uid === owner || status.uid === root;
  if (!socket.isSocket()) throw foreign(path, 'is no socket', 'move it away');
  if (!isOurs(socket)) throw foreign(path, 'belongs to another user', 'run the command as that user, or move it away');
  if ((socket.mode & othersMayWrite) !== 0) throw foreign(path, 'can be written by others', `run chmod 600 on it`);
  if (!isOurs(directory)) throw foreign(path, 'is in a directory of another user', 'use a data directory of your own');
  if ((directory.mode & othersMayWrite) !== 0 && (directory.mode & sticky) === 0) {
    throw foreign(path, 'is in a directory that others may write', 'run chmod 700 on the data directory');
  }
}

function foreign(path: string, problem: string, remedy: string): StatemeshError {
  return new StatemeshError('controlForeign', `${path} ${problem}, so nothing is sent to it: ${remedy}.`);
}
