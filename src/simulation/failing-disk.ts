/**
 * How the disk of a simulated machine fails, as SQLite reports it. The real files stay as they are, and the operation
 * has no effect.
 */

/**
 * `full`: nothing can be written (ENOSPC). `io`: nothing can be read or written (EIO). `readOnly`: the file system was
 * remounted read-only (EROFS). `sync`: writes do not reach the disk (fsync fails).
 */
export type DiskFailure = 'full' | 'io' | 'readOnly' | 'sync';

/** All ways in which a disk fails. */
export const diskFailures: readonly DiskFailure[] = ['full', 'io', 'readOnly', 'sync'];

const writeErrors: Readonly<Record<DiskFailure, readonly [code: string, message: string]>> = {
  full: ['SQLITE_FULL', 'database or disk is full'],
  io: ['SQLITE_IOERR_WRITE', 'disk I/O error'],
  readOnly: ['SQLITE_READONLY', 'attempt to write a readonly database'],
  sync: ['SQLITE_IOERR_FSYNC', 'disk I/O error'],
};

/**
 * Throws the error of an access to a failing disk.
 *
 * @throws an error as SQLite throws it
 */
export function access(failure: DiskFailure | undefined, kind: 'read' | 'write'): void {
  if (failure === undefined || (kind === 'read' && failure !== 'io')) return;
  const [code, message] = kind === 'read' ? ['SQLITE_IOERR_READ', 'disk I/O error'] : writeErrors[failure];
  throw Object.assign(new Error(message), { code });
}
