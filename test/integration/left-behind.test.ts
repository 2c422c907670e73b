/** Databases of former NodeIds in a data directory: they may hold entries that no peer has, and no node looks there. */
import { execFileSync } from 'node:child_process';
import { copyFile, link, mkdir, readdir, readFile, rename, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { systemRandomness } from '../../src/adapters/randomness.js';
import { systemTime } from '../../src/adapters/time.js';
import type { CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { databasesLeftBehind } from '../../src/index.js';
import { openSqliteStore, type SqliteStore } from '../../src/store/sqlite-store.js';
import { clusterKey, clusterSalt, lastJson, run, startNode, temporaryDirectory, until } from './cli-fixture.js';

const open = (dataDir: string, nodeId: string): Promise<SqliteStore> =>
  openSqliteStore({
    path: join(dataDir, `${nodeId}.db`),
    nodeId: nodeId as NodeId,
    time: systemTime(),
    randomness: systemRandomness(),
  });

async function write(store: SqliteStore, documents: number): Promise<void> {
  for (let index = 0; index < documents; index += 1) {
    const [collection, key] = ['things' as CollectionName, `k${index}` as DocumentKey];
    await store.write([{ kind: 'put', collection, key, payload: `{"index":${index}}` }]);
  }
}

/** A database with this many entries. */
async function filled(dataDir: string, nodeId: string, documents: number): Promise<void> {
  const store = await open(dataDir, nodeId);
  await write(store, documents);
  await store.close();
}

const look = async (dataDir: string, nodeId = 'node-a') =>
  (await databasesLeftBehind({ dataDir, nodeId })).map((found) => [found.nodeId, found.entries, found.failure?.code]);

describe('databases left behind', () => {
  test('a former NodeId, with a node that has never run -> all of its entries are counted', async () => {
    const directory = await temporaryDirectory();
    await filled(directory, 'former', 3);
    expect(await look(directory)).toEqual([['former', 3, undefined]]);
    expect(await readdir(directory)).toEqual(['former.db']);
  });

  test('partly copied -> the rest is counted; completely copied -> no report', async () => {
    const directory = await temporaryDirectory();
    const [former, present] = [await open(directory, 'former'), await open(directory, 'node-a')];
    await write(former, 5);
    const everything = {
      after: new Map(),
      scopes: ['cluster', 'shared'] as const,
      except: new Set<never>(),
      bytesMax: 1e6,
    };
    const { runs } = await former.read({ ...everything, entriesMax: 3 });
    await present.apply(runs, { kind: 'peer' } as never);
    await former.close();
    await present.close();
    expect(await look(directory)).toEqual([['former', 2, undefined]]);
    const [again, whole] = [await open(directory, 'former'), await open(directory, 'node-a')];
    await whole.apply((await again.read({ ...everything, entriesMax: 9 })).runs, { kind: 'peer' } as never);
    await again.close();
    await whole.close();
    expect(await look(directory)).toEqual([]);
  });

  test('one whose process was killed -> entries in its log count, and neither file changes', async () => {
    const directory = await temporaryDirectory();
    const store = await open(directory, 'former');
    await write(store, 4);
    const killed = join(directory, 'killed');
    await mkdir(killed);
    for (const suffix of ['', '-wal']) {
      await copyFile(join(directory, `former.db${suffix}`), join(killed, `former.db${suffix}`));
    }
    await store.close();
    const files = async () => [
      await readFile(join(killed, 'former.db')),
      await readFile(join(killed, 'former.db-wal')),
    ];
    const before = await files();
    expect(await look(killed)).toEqual([['former', 4, undefined]]);
    expect(await files()).toEqual(before);
    expect(await readdir(killed)).toEqual(['former.db', 'former.db-wal']);
  });

  test('one that is open here or elsewhere -> skipped', async () => {
    const directory = await temporaryDirectory();
    const store = await open(directory, 'former');
    await write(store, 2);
    expect(await look(directory)).toEqual([]);
    // SQLite's own lock is still there.
    const other = `new (require('better-sqlite3'))(${JSON.stringify(join(directory, 'former.db'))}, { timeout: 0 }).pragma('user_version')`;
    expect(() => execFileSync(process.execPath, ['-e', other], { stdio: 'pipe' })).toThrow(/SQLITE_BUSY/);
    await store.close();
  });

  test('files of other programs, pipes, directories, links, an empty file -> skipped, at once', async () => {
    const directory = await temporaryDirectory();
    await filled(directory, 'node-a', 1);
    const at = (name: string) => join(directory, name);
    await writeFile(at('text.db'), 'x'.repeat(100_000));
    await writeFile(at('empty.db'), '');
    await writeFile(at('huge.db'), '');
    await truncate(at('huge.db'), 2 ** 40);
    new Sqlite(at('sqlite.db')).exec('CREATE TABLE t (a)').close();
    await mkdir(at('directory.db'));
    execFileSync('mkfifo', [at('pipe.db')]);
    await symlink('loop.db', at('loop.db'));
    await symlink('node-a.db', at('symlink.db'));
    await link(at('node-a.db'), at('link.db'));
    const names = await readdir(directory);
    expect(await look(directory)).toEqual([]);
    expect(await readdir(directory)).toEqual(names);
  });

  test('damaged ones, one of a newer version, a copy under another name -> reported, and the rest is checked', async () => {
    const directory = await temporaryDirectory();
    const at = (name: string) => join(directory, name);
    for (const name of ['a-cut', 'b-scrambled', 'c-newer', 'd-copied', 'e-well', 'constructor'])
      await filled(directory, name, 300);
    await truncate(at('a-cut.db'), 8_192);
    const bytes = await readFile(at('b-scrambled.db'));
    await writeFile(at('b-scrambled.db'), bytes.fill(0xff, 8_192));
    const newer = new Sqlite(at('c-newer.db'));
    newer.pragma('user_version = 999');
    newer.close();
    await rename(at('d-copied.db'), at('d-copy.db'));
    expect(await look(directory)).toEqual([
      [undefined, 0, expect.stringMatching(/^database(Corrupt|Unavailable)$/)],
      [undefined, 0, 'databaseCorrupt'],
      [undefined, 0, 'databaseForeign'],
      ['constructor', 300, undefined],
      ['d-copied', 300, undefined],
      ['e-well', 300, undefined],
    ]);
  });

  test('very many, and one with very many authors -> bounded', async () => {
    const directory = await temporaryDirectory();
    await filled(directory, 'a', 1);
    const database = new Sqlite(join(directory, 'a.db'));
    const author = database.prepare("INSERT INTO authors (node_id, incarnation, scope) VALUES (?, 'i', 'shared')");
    const entry = database.prepare(
      "INSERT INTO oplog (author, hlc, collection, key, operation, current, hash, payload) VALUES (?, 1, 1, 'k', 0, 0, '', '')",
    );
    database.transaction(() => {
      for (let index = 0; index < limits.leftBehindAuthorsMax + 10; index += 1)
        entry.run(author.run(`n${index}`).lastInsertRowid);
    })();
    database.close();
    for (let index = 0; index < limits.leftBehindFilesMax; index += 1)
      await copyFile(join(directory, 'a.db'), join(directory, `b${index}.db`));
    const found = await look(directory);
    expect([found.length, found[0]]).toEqual([
      limits.leftBehindFilesMax,
      ['a', limits.leftBehindAuthorsMax, undefined],
    ]);
  });

  test('more entries than are counted -> the limit', async () => {
    const directory = await temporaryDirectory();
    await filled(directory, 'a', 1);
    const database = new Sqlite(join(directory, 'a.db'));
    database.exec(`
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${limits.leftBehindEntriesMax + 10})
      INSERT INTO oplog (author, hlc, collection, key, operation, current, hash, payload) SELECT 1, i, 1, 'k', 0, 0, '', '' FROM n`);
    database.close();
    expect(await look(directory)).toEqual([['a', limits.leftBehindEntriesMax, undefined]]);
  });
});

describe('a NodeId that was changed in the file of a stopped node', () => {
  test('start, doctor -> each reports the database once; reconfigure as advised -> all entries are copied, and no more reports', async () => {
    const first = await startNode({ nodeId: 'till-1' });
    const { directory } = first;
    for (const key of ['a', 'b', 'c']) await first.run(['put', 'things', key, '{}']);
    await first.run(['stop']);
    await first.exitCode;
    const second = await startNode({ nodeId: 'till-2' }, { directory });
    const told = /till-1\.db has 3 entries that the database of till-2 lacks.*reconfigure node-id=till-2/g;
    await until(() => told.test(second.stderr()));
    const finding = async () => {
      const { stdout } = await run(['doctor', '--json'], { cwd: directory });
      return stdout.split('\n').filter((line) => line.includes('"other databases"'));
    };
    expect(await finding()).toEqual([expect.stringContaining('till-1.db has 3 entries')]);
    await second.run(['stop']);
    await second.exitCode;
    expect(second.stderr().match(told)).toHaveLength(1);
    expect(await finding()).toEqual([expect.stringContaining('till-1.db has 3 entries')]);

    const third = await startNode({ nodeId: 'till-1' }, { directory });
    expect((await third.run(['reconfigure', 'node-id=till-2'])).exitCode).toBe(0);
    expect(await finding()).toEqual([]);
    await third.run(['stop']);
    await third.exitCode;
    await writeFile(join(directory, 'statemesh.json'), JSON.stringify({ nodeId: 'till-2', clusterKey, clusterSalt }), {
      mode: 0o600,
    });
    expect(await finding()).toEqual([]);
    const fourth = await startNode({ nodeId: 'till-2' }, { directory });
    expect(lastJson((await fourth.run(['find', 'things', '--json'])).stdout)).toEqual(
      expect.objectContaining({ key: 'c' }),
    );
  });

  test('restore --from-peers, after a change of NodeId -> no word of what the database set aside had, too', async () => {
    const node = await startNode({ nodeId: 'till-1' });
    await node.run(['put', 'things', 'a', '1']);
    await node.run(['config', 'set', 'nodeId=till-2']);
    await until(async () => (await node.run(['status'])).stdout.includes('till-2') || undefined, 'the new NodeId');
    await node.run(['stop']);
    await node.exitCode;
    const { directory } = node;
    const doctor = async () => (await run(['doctor', '--json'], { cwd: directory })).stdout;
    expect((await run(['restore', '--from-peers'], { cwd: directory })).exitCode).toBe(0);
    expect(await doctor()).not.toContain('other databases');
    // What that one lacked is told of.
    await filled(join(directory, 'data'), 'till-3', 2);
    expect((await doctor()).match(/other databases.*till-3\.db has 2 entries/g)).toHaveLength(1);
  }, 60_000);
});
