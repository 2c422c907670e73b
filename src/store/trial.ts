/** A write that changes nothing, to find out whether a disk takes any: as much as a batch takes, and to the disk. */
import type { Database } from 'better-sqlite3';
import { limits } from '../core/limits.js';
import { userVersionOf } from './schema.js';

/** @throws what SQLite reports */
export function tryToWrite(database: Database): void {
  if (database.inTransaction) return;
  // Whether the file may grow shows when pages are taken, and they are given back at once.
  database.exec('BEGIN IMMEDIATE');
  try {
    database.prepare('INSERT INTO meta (node_id) VALUES (hex(zeroblob(?)))').run(limits.batchBytesMax / 2);
  } finally {
    if (database.inTransaction) database.exec('ROLLBACK');
  }
  // The same number again is a page for the log, and waits for the disk.
  database.pragma(`user_version = ${userVersionOf(database)}`);
}
