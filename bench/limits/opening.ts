/**
 * The part of starting a node that cannot be avoided: opening its file, and stretching the passphrase of its cluster.
 */
import { scryptSync } from 'node:crypto';
import Sqlite from 'better-sqlite3';

export interface Opening {
  readonly fileMs: number;
  readonly scryptMs: number;
}

/** Opens the file with SQLite, up to the first row that is read; then runs scrypt at the cost of `src/core/keys.ts`. */
export function openBare(path: string, passphrase: string, salt: string): Opening {
  const start = performance.now();
  const database = new Sqlite(path, { fileMustExist: true });
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.prepare('SELECT max(seq) FROM oplog').get();
  const opened = performance.now();
  scryptSync(passphrase, salt, 32, { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1_024 * 1_024 });
  const stretched = performance.now();
  database.close();
  return { fileMs: opened - start, scryptMs: stretched - opened };
}
