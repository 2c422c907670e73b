/** The SQLite file: its owner, which processes may open it, and what a commit leaves on disk. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import type { NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import type { Store } from '../../src/ports/store.js';
import { putBack } from '../../src/store/backup.js';
import { closeDatabaseFile, openDatabaseFile } from '../../src/store/database-file.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';
import { manualTime, nodeA, nodeB, payloadOf, products, put } from './store-harness.js';
import { countingRandomness, temporaryDirectory } from './store-temporary.js';

const directory = temporaryDirectory();
let files = 0;
const newPath = () => {
  files += 1;
  return join(directory, `${files}`, 'node.db');
};

function open(path: string, nodeId: NodeId = nodeA): Promise<Store> {
  return openSqliteStore({ path, nodeId, time: manualTime(), randomness: countingRandomness });
}

async function withDocument(path: string): Promise<void> {
  const store = await open(path);
  await store.write([put('a', 1)]);
  await store.close();
}

/** Expects that opening is refused, and that nothing in the directory has changed. */
async function expectRefusal(path: string, expected: { code: string; message: RegExp }, nodeId = nodeA): Promise<void> {
  const before = contentsOf(join(path, '..'));
  await expect(open(path, nodeId)).rejects.toMatchObject({
    code: expected.code,
    message: expect.stringMatching(expected.message),
  });
  expect(contentsOf(join(path, '..'))).toEqual(before);
}

function contentsOf(folder: string): Record<string, string> {
  const names = readdirSync(folder).filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name)).toString('latin1')]));
}

describe('the database file', () => {
  test('file: the directory is missing -> both are created, for their owner only', async () => {
    const path = newPath();
    const store = await open(path);
    await store.write([put('a', 1)]);
    const modes = [directoryOf(path), path, `${path}-wal`].map((name) => statSync(name).mode & 0o777);
    expect(modes).toEqual([0o700, 0o600, 0o600]);
    expect(existsSync(`${path}-shm`)).toBe(false);
    await store.close();
    expect(readdirSync(directoryOf(path))).toEqual(['node.db']);
  });

  test('file: empty -> becomes a database', async () => {
    const path = newPath();
    mkdirSync(directoryOf(path));
    writeFileSync(path, '');
    await withDocument(path);
    await withDocument(path);
  });

  test('file: another process was killed while it created the file -> its leftovers go at the next opening', async () => {
    const path = newPath();
    await withDocument(path);
    writeFileSync(`${path}.new`, 'half of a database');
    const store = await open(path);
    expect(readdirSync(join(path, '..')).filter((name) => name.endsWith('.new'))).toEqual([]);
    await store.close();
  });

  test('file: of another node -> databaseForeign with both names, untouched', async () => {
    const path = newPath();
    await withDocument(path);
    await expectRefusal(path, { code: 'databaseForeign', message: /node-a.*node-b/ }, nodeB);
  });

  test('file: of another node that crashed -> databaseForeign, its WAL untouched', async () => {
    const [path, copy] = [newPath(), newPath()];
    const store = await open(path);
    await store.write([put('a', 1)]);
    crashCopy(path, copy);
    await store.close();
    await expectRefusal(copy, { code: 'databaseForeign', message: /node-a/ }, nodeB);
    expect(readdirSync(directoryOf(copy)).sort()).toEqual(['node.db', 'node.db-wal']);
  });

  test('file: of another program -> databaseForeign, untouched', async () => {
    const path = newPath();
    mkdirSync(directoryOf(path));
    const other = new Sqlite(path);
    other.exec('PRAGMA journal_mode = WAL; CREATE TABLE documents (a); PRAGMA application_id = 77');
    other.close();
    await expectRefusal(path, { code: 'databaseForeign', message: /another program.*77.*node-a/ });
  });

  test('file: of a newer schema -> databaseForeign with both versions, untouched', async () => {
    const path = newPath();
    await withDocument(path);
    const newer = new Sqlite(path);
    newer.pragma('user_version = 99');
    newer.close();
    await expectRefusal(path, { code: 'databaseForeign', message: /version 99.*up to 2/ });
  });

  test('file: of schema version 1 with an index -> migrated to version 2; its index is filled again on request', async () => {
    const path = newPath();
    const first = await open(path);
    await first.write([put('a', { tags: ['hot'], n: 1 }), put('b', { n: 2 })]);
    await first.createIndex(products, 'tags');
    await first.close();
    const older = new Sqlite(path);
    older.exec("UPDATE field_index_1 SET value = x'02' WHERE value = x'03'; PRAGMA user_version = 1");
    older.close();
    const store = await open(path);
    for (const make of [undefined, 'tags', 'n']) {
      if (make !== undefined) await store.createIndex(products, make);
      await expect(store.count(products, { tags: 'hot' })).rejects.toMatchObject({ code: 'queryInvalid' });
      expect(await store.count(products, { n: 2 })).toBe(1);
    }
    await store.close();
  });

  test('file: text, a few bytes, or a header alone -> refused, untouched', async () => {
    const own = newPath();
    await withDocument(own);
    const header = readFileSync(own).subarray(0, 8_192);
    const cases = [
      { bytes: Buffer.from('This is not a database. '.repeat(1_000)), code: 'databaseForeign' },
      { bytes: Buffer.from([1]), code: 'databaseForeign' },
      { bytes: Buffer.from('SQLite format 3\0'), code: 'databaseForeign' },
      { bytes: header, code: 'databaseCorrupt' },
      { bytes: Buffer.concat([header, Buffer.alloc(100_000, 0xff)]), code: 'databaseCorrupt' },
    ];
    for (const { bytes, code } of cases) {
      const path = newPath();
      mkdirSync(directoryOf(path));
      writeFileSync(path, bytes);
      await expectRefusal(path, { code, message: /node\.db/ });
    }
  });

  test('file: damaged further on -> databaseCorrupt', async () => {
    const path = newPath();
    await withDocument(path);
    const bytes = readFileSync(path);
    bytes.fill(0xff, 3 * 8_192);
    writeFileSync(path, bytes);
    await expect(open(path)).rejects.toMatchObject({ code: 'databaseCorrupt' });
  });

  test('file: a directory in its place, or a file in place of its directory -> databaseUnavailable', async () => {
    const path = newPath();
    mkdirSync(path, { recursive: true });
    await expect(open(path)).rejects.toMatchObject({ code: 'databaseUnavailable' });
    const file = newPath();
    writeFileSync(directoryOf(file), 'x');
    await expect(open(file)).rejects.toMatchObject({ code: 'databaseUnavailable' });
  });

  test('file: already open in this process -> databaseInUse, and the first goes on, its lock still held', async () => {
    const path = newPath();
    const store = await open(path);
    await expect(open(path)).rejects.toMatchObject({ code: 'databaseInUse' });
    expect((await openElsewhere(path)).said).toMatch(/database is locked/);
    await store.write([put('a', 1)]);
    await store.close();
    await withDocument(path);
  });

  test('file: open in another process -> databaseInUse, until that process ends', async () => {
    const path = newPath();
    await withDocument(path);
    const other = await openElsewhere(path);
    expect(other.said).toBe('open');
    await expect(open(path)).rejects.toMatchObject({ code: 'databaseInUse' });
    await other.end();
    await withDocument(path);
  });
});

describe('durability', () => {
  test('backup: into a directory that others may read, with umask 0 -> is for its owner only, even during the copy', async () => {
    const path = newPath();
    const store = await open(path);
    await store.write(Array.from({ length: 2_000 }, (_, index) => put(`k${index}`, 'x'.repeat(2_000))));
    const shared = join(directory, `${files}`, 'shared');
    mkdirSync(shared, { mode: 0o777 });
    const umask = process.umask(0);
    const modes = new Map<string, number>();
    const look = () => {
      for (const name of readdirSync(shared)) modes.set(name, statSync(join(shared, name)).mode & 0o777);
    };
    try {
      await store.backUp(join(shared, 'copy.db'), look);
      look();
    } finally {
      process.umask(umask);
      await store.close();
    }
    expect(modes.size).toBeGreaterThan(1);
    expect([...modes].filter(([, mode]) => mode !== 0o600)).toEqual([]);
  });

  test('backup: files that others have put in its place -> are neither written to nor followed', async () => {
    const path = newPath();
    const store = await open(path);
    await store.write([put('a', 1)]);
    const victim = join(path, '..', 'victim');
    writeFileSync(victim, 'untouched');
    symlinkSync(victim, join(path, '..', 'copy.db.partial'));
    await store.backUp(join(path, '..', 'copy.db'));
    await store.close();
    expect(readFileSync(victim, 'utf8')).toBe('untouched');
    expect(statSync(join(path, '..', 'copy.db')).mode & 0o777).toBe(0o600);
  });

  test('backup: onto a device, a socket, a pipe, a directory, the log of a database, or an invalid name -> refused, untouched', async () => {
    const path = newPath();
    const store = await open(path);
    await store.write([put('a', 1)]);
    const at = (name: string) => join(path, '..', name);
    execFileSync('mkfifo', [at('pipe')]);
    mkdirSync(at('folder'));
    const server = createServer().listen(at('socket'));
    await once(server, 'listening');
    symlinkSync('/dev/null', at('device'));
    const before = readdirSync(join(path, '..'));
    for (const name of ['pipe', 'folder', 'socket', 'device', 'node.db-wal', 'other.db-shm', 'with \0 in it']) {
      await expect(store.backUp(at(name))).rejects.toMatchObject({ code: 'databaseUnavailable' });
    }
    expect(readdirSync(join(path, '..'))).toEqual(before);
    server.close();
    await store.write([put('b', 1)]);
    await store.close();
  });

  test('backup: two to one file at once -> the file is complete, and the overtaken caller gets an error', async () => {
    const path = newPath();
    const store = await open(path);
    await store.write(Array.from({ length: 2_000 }, (_, index) => put(`k${index}`, 'x'.repeat(2_000))));
    const copy = join(path, '..', 'copy.db');
    const outcomes = await Promise.allSettled([store.backUp(copy), store.backUp(copy), store.backUp(copy)]);
    await store.close();
    const codes = outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'made'));
    expect(codes.sort()).toEqual(['databaseInUse', 'databaseInUse', 'made']);
    const found = new Sqlite(copy, { readonly: true });
    expect(found.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(found.prepare('SELECT count(*) FROM oplog').pluck().get()).toBe(2_000);
    found.close();
    expect(readdirSync(join(path, '..')).filter((name) => name.includes('partial'))).toEqual([]);
  });

  test('restore: of a pipe or a device, which may never end -> refused', async () => {
    const dataDir = join(newPath(), '..');
    mkdirSync(dataDir, { recursive: true });
    execFileSync('mkfifo', [join(dataDir, 'pipe')]);
    for (const backup of [join(dataDir, 'pipe'), '/dev/zero', dataDir]) {
      expect(() => putBack({ backup, dataDir, randomness: countingRandomness })).toThrow(
        expect.objectContaining({ code: 'databaseForeign' }),
      );
    }
    expect(readdirSync(dataDir)).toEqual(['pipe']);
  });

  test('restore: of a copy that others may read -> the new file is for its owner only, and so is the previous one', async () => {
    const path = newPath();
    const store = await open(path);
    await store.write([put('a', 1)]);
    const dataDir = join(path, '..');
    const backup = join(dataDir, 'copy.db');
    await store.backUp(backup);
    await store.close();
    chmodSync(backup, 0o644);
    renameSync(path, join(dataDir, 'node-a.db'));
    chmodSync(join(dataDir, 'node-a.db'), 0o644);
    const { setAside } = putBack({ backup, dataDir, randomness: countingRandomness });
    for (const name of [join(dataDir, 'node-a.db'), setAside as string]) {
      expect([name, statSync(name).mode & 0o777]).toEqual([name, 0o600]);
    }
  });

  test('commit: acknowledged, then the process is gone -> it is in a copy of the files', async () => {
    const [path, copy] = [newPath(), newPath()];
    const store = await open(path);
    await store.write([put('a', { n: 1 })]);
    await store.createIndex(products, 'n');
    await store.write([put('b', { n: 2 })]);
    crashCopy(path, copy);
    await store.write([put('c', { n: 3 })]);
    const digest = await store.contentDigest(['cluster', 'shared']);
    await store.close();
    const recovered = await open(copy);
    expect(await payloadOf(recovered, 'b')).toEqual({ n: 2 });
    expect(await payloadOf(recovered, 'c')).toBeUndefined();
    expect(await recovered.count(products, { n: { $gte: 1 } })).toBe(2);
    expect(await recovered.contentDigest(['cluster', 'shared'])).not.toEqual(digest);
    await recovered.close();
  });

  test('incarnation: the generator repeats a token of an earlier opening -> another is drawn', async () => {
    const path = newPath();
    for (const opening of [1, 2]) {
      const tokens = ['repeated', 'repeated', 'fresh'];
      const randomness = { float: () => 0.5, token: () => tokens.shift() ?? 'exhausted' };
      const store = await openSqliteStore({ path, nodeId: nodeA, time: manualTime(), randomness });
      await store.write([put('a', opening)]);
      expect(store.clock().size).toBe(opening);
      await store.close();
    }
  });

  test('synchronous: a new file and an existing one -> FULL, in WAL mode, exclusive', () => {
    const path = newPath();
    for (const situation of ['new', 'existing']) {
      const database = openDatabaseFile({
        path,
        nodeId: nodeA,
        randomness: countingRandomness,
        walAutocheckpointPages: 64,
      });
      const pragmas = [
        'synchronous',
        'journal_mode',
        'locking_mode',
        'page_size',
        'wal_autocheckpoint',
        'journal_size_limit',
      ];
      const values = pragmas.map((name) => database.pragma(name, { simple: true }));
      expect([situation, ...values]).toEqual([situation, 2, 'wal', 'exclusive', 8_192, 64, limits.walBytesKept]);
      closeDatabaseFile(database, path);
    }
  });
});

function directoryOf(path: string): string {
  return join(path, '..');
}

function crashCopy(path: string, copy: string): void {
  mkdirSync(directoryOf(copy));
  copyFileSync(path, copy);
  copyFileSync(`${path}-wal`, `${copy}-wal`);
}

/** Opens the file in another process, and returns its output. */
async function openElsewhere(path: string): Promise<{ said: string; end(): Promise<unknown> }> {
  const child = spawn(process.execPath, ['-e', holdOpen, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const said = await new Promise<string>((resolve) => child.stdout.once('data', (bytes) => resolve(String(bytes))));
  return {
    said,
    end: () => {
      child.stdin.end();
      return ended;
    },
  };
}

const holdOpen = `
  try {
    const database = new (require('better-sqlite3'))(process.argv[1], { timeout: 0 });
    database.pragma('locking_mode = EXCLUSIVE');
    database.exec('BEGIN IMMEDIATE; COMMIT');
    process.stdout.write('open');
    process.stdin.resume().on('end', () => database.close());
  } catch (error) {
    process.stdout.write(error.message);
  }`;
