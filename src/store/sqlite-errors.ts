/**
 * Maps errors of SQLite and of the file system to the closed list of codes. Foreign errors are recognized by `code`,
 * not by `instanceof`, because test runners and workers have realms of their own.
 */

import { type ErrorCode, isStatemeshError, messageOf, StatemeshError, systemCodeOf } from '../core/errors.js';
import { own } from '../core/own.js';

/** Our error for a failure of a database file. An error that is neither SQLite's nor the system's stays as it is. */
export function databaseError(error: unknown, path: string): unknown {
  if (isStatemeshError(error)) return error;
  const code = codeOf(error);
  if (code === undefined) return error;
  return new StatemeshError(code, `${path}: ${advice[code]} (${messageOf(error)})`, { cause: error });
}

/** Whether the error came from SQLite itself, so that the present transaction can no longer be trusted. */
export function isSqliteError(error: unknown): boolean {
  return systemCodeOf(error)?.startsWith('SQLITE_') === true;
}

const advice = {
  diskFull: 'The disk is full; free some space.',
  databaseCorrupt: 'The database is damaged: restore a backup, or set it aside and let the peers fill a new one.',
  databaseInUse: 'Another process has the database open; stop it first.',
  databaseUnavailable: 'The database cannot be opened, read or written; check its path, its permissions and the disk.',
} as const satisfies Partial<Record<ErrorCode, string>>;

/** By primary result code; extended codes (`SQLITE_IOERR_WRITE`) start with it. */
const codesOfSqlite: Readonly<Record<string, keyof typeof advice>> = {
  FULL: 'diskFull',
  CORRUPT: 'databaseCorrupt',
  NOTADB: 'databaseCorrupt',
  BUSY: 'databaseInUse',
  LOCKED: 'databaseInUse',
  CANTOPEN: 'databaseUnavailable',
  READONLY: 'databaseUnavailable',
  PERM: 'databaseUnavailable',
  IOERR: 'databaseUnavailable',
  PROTOCOL: 'databaseUnavailable',
  NOLFS: 'databaseUnavailable',
  NOMEM: 'databaseUnavailable',
};

/** Any other system error of a file comes from its path, its permissions or its disk. */
const codesOfSystem: Readonly<Record<string, keyof typeof advice>> = { ENOSPC: 'diskFull', EDQUOT: 'diskFull' };

function codeOf(error: unknown): keyof typeof advice | undefined {
  const code = systemCodeOf(error);
  if (code === undefined) return undefined;
  const [prefix, primary = ''] = code.split('_');
  if (prefix === 'SQLITE') return own(codesOfSqlite, primary);
  return own(codesOfSystem, code) ?? (isOfSystem(error) ? 'databaseUnavailable' : undefined);
}

function isOfSystem(error: unknown): boolean {
  const { code, syscall } = error as { code: string; syscall?: unknown };
  return typeof syscall === 'string' && /^E[A-Z0-9]+$/.test(code);
}
