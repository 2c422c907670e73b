/**
 * Opens SQLite for the whole store.
 *
 * Invariant: if the native module of better-sqlite3 cannot be loaded, the error says how to build it. Package managers
 * do not build it if they run no scripts (`npm ci --ignore-scripts`, pnpm 10), and another version of Node.js needs
 * another build.
 */
import { createRequire } from 'node:module';
import type { Database, Options } from 'better-sqlite3';
import { StatemeshError, systemCodeOf } from '../core/errors.js';

type Sqlite = typeof import('better-sqlite3');

const load = createRequire(import.meta.url);

/** @throws StatemeshError `nativeModuleMissing`, and the errors of SQLite */
export function openSqlite(file: string | Buffer, options: Options = {}): Database {
  try {
    // Loads with the first database: a program may import the package long before, or only watch other nodes.
    const Sqlite = load('better-sqlite3') as Sqlite;
    return new Sqlite(file, options);
  } catch (error) {
    if (isNotLoaded(error)) throw nativeModuleMissing(error);
    throw error;
  }
}

/** @throws StatemeshError `nativeModuleMissing` */
export function assertNativeModule(): void {
  openSqlite(':memory:').close();
}

/**
 * The `bindings` package lists where it has searched; a module for another version of Node.js or another system does
 * not load.
 */
function isNotLoaded(error: unknown): boolean {
  const { tries } = error as { tries?: unknown };
  const code = systemCodeOf(error);
  return Array.isArray(tries) || code === 'ERR_DLOPEN_FAILED' || code === 'MODULE_NOT_FOUND';
}

function nativeModuleMissing(cause: unknown): StatemeshError {
  const message =
    'The native module of better-sqlite3 is missing, or was built for another version of Node.js. Run: npm rebuild better-sqlite3 --ignore-scripts=false; with pnpm: pnpm approve-builds && pnpm rebuild better-sqlite3; with yarn: yarn rebuild better-sqlite3 (yarn 1: yarn install --force).';
  return new StatemeshError('nativeModuleMissing', message, { cause });
}
