/**
 * Tests whether a disk can be used: reads and writes a little without changing anything, as much as a batch needs, and
 * past the caches.
 */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Database } from 'better-sqlite3';
import { limits } from '../core/limits.js';
import { userVersionOf } from './tables.js';

/** @throws the error of SQLite or of the system */
export function tryDisk(database: Database, path: string): void {
  if (database.inTransaction) return;
  // SQLite's cache would answer in place of the disk.
  database.pragma('shrink_memory');
  database
    .prepare(
      'SELECT length(payload) FROM oplog WHERE seq IN ((SELECT min(seq) FROM oplog), (SELECT max(seq) FROM oplog))',
    )
    .all();
  // The log may have room for a page on a disk that has no room for a batch.
  const { bavail, bsize } = statfsSync(dirname(path));
  if (bavail * bsize < limits.batchBytesMax) {
    throw Object.assign(new Error(`no space left on device: ${bavail * bsize} bytes are free`), { code: 'ENOSPC' });
  }
  // Taking pages shows whether the file may grow; they are returned at once.
  database.exec('BEGIN IMMEDIATE');
  try {
    database.prepare('INSERT INTO meta (node_id) VALUES (hex(zeroblob(?)))').run(limits.batchBytesMax / 2);
  } finally {
    if (database.inTransaction) database.exec('ROLLBACK');
  }
  // Writing the same number again writes a page to the log, and waits for the disk.
  database.pragma(`user_version = ${userVersionOf(database)}`);
}
