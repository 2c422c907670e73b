/**
 * The part of changing a port, or an identity, that cannot be avoided: closing one listener, or one database, and
 * opening another.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import Sqlite from 'better-sqlite3';

const tls13 = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' } as const;

/**
 * Binds a TLS listener with a pre-shared key to a free port, then another one, and closes the first.
 *
 * @returns ms
 */
export async function reopenListener(): Promise<number> {
  const first = await listen();
  const start = performance.now();
  const second = await listen();
  first.close();
  await once(first, 'close');
  const tookMs = performance.now() - start;
  second.close();
  return tookMs;
}

async function listen(): Promise<Server> {
  const server = createServer({ ...tls13, pskCallback: () => Buffer.alloc(32, 7) });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/**
 * Closes a database with a row in its log, and opens another one, up to its first row.
 *
 * @returns ms
 */
export function reopenDatabase(directory: string): number {
  const [old, next] = ['old', 'next'].map((name) => join(directory, `${name}.db`));
  openBare(next).close();
  const first = openBare(old);
  const start = performance.now();
  const second = openBare(next);
  first.close();
  const tookMs = performance.now() - start;
  second.close();
  return tookMs;
}

function openBare(path = ''): Sqlite.Database {
  const database = new Sqlite(path);
  database.pragma('locking_mode = EXCLUSIVE');
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec('CREATE TABLE IF NOT EXISTS rows (value)');
  database.exec('INSERT INTO rows VALUES (1)');
  database.prepare('SELECT count(*) FROM rows').get();
  return database;
}
