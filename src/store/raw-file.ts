/**
 * A database file as the system sees it, beside SQLite. Tells an unreadable disk from a damaged file, which SQLite
 * reports alike (it also turns EIO while reading into `SQLITE_CORRUPT`).
 *
 * Invariant: the descriptor is closed after the database, because closing any descriptor of a file drops all POSIX
 * locks that the process holds on it.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { pageBytes } from './tables.js';

export class RawFile {
  private descriptor: number | undefined;

  constructor(path: string) {
    try {
      this.descriptor = openSync(path, 'r');
    } catch {
      // Then the two cannot be told apart.
    }
  }

  /** The system's error when the file is read; undefined if it can be read. */
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
