/** Reads and writes a little, which changes nothing, to find out whether a disk can be used: for as much as a batch takes, and past memory. */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Database } from 'better-sqlite3';
import { limits } from '../core/limits.js';
import { userVersionOf } from './tables.js';

/** @throws what SQLite or the system reports */
export function tryDisk(database: Database, path: string): void {
  if (database.inTransaction) return;
  // What SQLite remembers would answer in place of the disk.
  database.pragma('shrink_memory');
  database
    .prepare(
      'SELECT length(payload) FROM oplog WHERE seq IN ((SELECT min(seq) FROM oplog), (SELECT max(seq) FROM oplog))',
    )
    .all();
  // The log may have room for a page on a disk that has none for a batch.
  const { bavail, bsize } = statfsSync(dirname(path));
  if (bavail * bsize < limits.batchBytesMax) {
    throw Object.assign(new Error(`no space left on device: ${bavail * bsize} bytes are free`), { code: 'ENOSPC' });
  }
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
