/**
 * A database file as the system sees it, beside SQLite: tells a disk that cannot be read from a file that is damaged, which SQLite reports
 * alike (`SQLITE_CORRUPT` is also what it makes of EIO while reading).
 *
 * Invariant: the descriptor is closed after the database, since closing any descriptor of a file drops all POSIX locks that the process
 * holds on it.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { pageBytes } from './tables.js';

export class RawFile {
  private descriptor: number | undefined;

  constructor(path: string) {
    try {
      this.descriptor = openSync(path, 'r');
    } catch {
      // Then nobody can tell the two apart.
    }
  }

  /** What the system says when the file is read; undefined when it can be. */
  trouble(): unknown {
    if (this.descriptor === undefined) return undefined;
    try {
      readSync(this.descriptor, Buffer.alloc(pageBytes), 0, pageBytes, 0);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  close(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor);
    this.descriptor = undefined;
  }
}
