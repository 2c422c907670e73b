/**
 * Whether a SQLite store reports that it cannot take writes: the disk is full or unreadable, or its files are gone.
 */
import { copyFileSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import { lockPathOf, refuseLocked } from '../../src/store/database-lock.js';
import { Health } from '../../src/store/health.js';
import { openSqliteStore, type SqliteStore } from '../../src/store/sqlite-store.js';
import { type ManualTime, manualTime, nodeA, payloadOf, products, put } from './store-harness.js';
import { countingRandomness, temporaryDirectory } from './store-temporary.js';

const directory = temporaryDirectory();
let files = 0;
const opened: SqliteStore[] = [];

afterEach(() => {
  for (const store of opened.splice(0)) store.abandon();
});

interface Opened {
  readonly store: SqliteStore;
  readonly path: string;
  readonly time: ManualTime;
  readonly told: (string | undefined)[];
}

async function open(pagesMax?: number): Promise<Opened> {
  files += 1;
  const path = join(directory, `${files}`, 'node.db');
  const time = manualTime();
  const options = { path, nodeId: nodeA, time, randomness: countingRandomness };
  const store = await openSqliteStore({ ...options, ...(pagesMax === undefined ? {} : { pagesMax }) });
  opened.push(store);
  const told: (string | undefined)[] = [];
  store.health.subscribe(() => told.push(store.health.failure()?.code));
  return { store, path, time, told };
}

const codeOf = (writing: Promise<unknown>) =>
  writing.then(
    () => 'written',
    ({ code }) => code as string,
  );

const vanishings: readonly [string, (path: string) => void][] = [
  ['the file is deleted', (path) => rmSync(path)],
  ['the file is renamed', (path) => renameSync(path, `${path}.away`)],
  ['the directory is deleted', (path) => rmSync(dirname(path), { recursive: true })],
  ['the directory is renamed', (path) => renameSync(dirname(path), `${dirname(path)}-away`)],
  [
    'the file is replaced by a copy of it',
    (path) => {
      copyFileSync(path, `${path}.copy`);
      renameSync(`${path}.copy`, path);
    },
  ],
  ['the file is overwritten by something else', (path) => writeFileSync(path, 'This is no database.')],
  ['the file is cut', (path) => truncateSync(path, 8_192)],
  [
    'another database is copied over it',
    (path) => {
      writeFileSync(`${path}.other`, Buffer.alloc(100 * 8_192));
      copyFileSync(`${path}.other`, path);
    },
  ],
  ['the log is deleted', (path) => rmSync(`${path}-wal`)],
  [
    'the log is replaced',
    (path) => {
      rmSync(`${path}-wal`);
      writeFileSync(`${path}-wal`, '');
    },
  ],
  ['the log is emptied', (path) => truncateSync(`${path}-wal`, 0)],
  ['the log is cut', (path) => truncateSync(`${path}-wal`, 4_096)],
  [
    'a file takes the place of the directory',
    (path) => {
      renameSync(dirname(path), `${dirname(path)}-away`);
      writeFileSync(dirname(path), 'x');
    },
  ],
  [
    'the directory becomes a link to itself',
    (path) => {
      renameSync(dirname(path), `${dirname(path)}-away`);
      symlinkSync(dirname(path), dirname(path));
    },
  ],
];

const lockReplacements: readonly [string, (lock: string) => void][] = [
  ['a file', (lock) => writeFileSync(lock, 'x')],
  ['a link to itself', (lock) => symlinkSync(lock, lock)],
  ['a link to nowhere', (lock) => symlinkSync(`${lock}-nowhere`, lock)],
];

describe('store health', () => {
  test.each(vanishings)(
    'files: %s -> the next write is refused with databaseLost, and reads go on',
    async (_, vanish) => {
      const { store, path, time, told } = await open();
      await store.write([put('a', 1)]);
      vanish(path);
      time.elapsedMs += 2;
      expect(await codeOf(store.write([put('b', 1)]))).toBe('databaseLost');
      expect(await codeOf(Promise.all([store.write([put('c', 1)]), store.write([put('d', 1)])]))).toBe('databaseLost');
      expect(await codeOf(store.createIndex(products, 'price'))).toBe('databaseLost');
      expect(await payloadOf(store, 'a')).toBe(1);
      expect([store.health.failure()?.code, told]).toEqual(['databaseLost', ['databaseLost']]);
    },
  );

  test.each(vanishings)('files: %s -> a backup contains every acknowledged write', async (_, vanish) => {
    const { store, path } = await open();
    await store.write([put('a', 1)]);
    vanish(path);
    expect(store.health.check()?.code).toBe('databaseLost');
    const copy = join(directory, `${files}-copy`, 'node.db');
    await store.backUp(copy);
    const options = { path: copy, nodeId: nodeA, time: manualTime(), randomness: countingRandomness };
    const restored = await openSqliteStore(options);
    opened.push(restored);
    expect(await payloadOf(restored, 'a')).toBe(1);
  });

  test.each(vanishings)(
    'files: %s during many writes -> noticed within 100 ms, and permanently',
    async (what, vanish) => {
      const { store, path, time } = await open();
      // The log was checked a while ago, and its directory has not changed since.
      for (const [key, ms] of Object.entries({ a: 0, b: 101, c: 1 })) {
        time.elapsedMs += ms;
        await store.write([put(key, 1)]);
      }
      vanish(path);
      if (/^the log is (emptied|cut)/.test(what)) time.elapsedMs += 100;
      for (const ms of [2, 60, 1]) {
        time.elapsedMs += ms;
        expect(await codeOf(store.write([put('d', 1)]))).toBe('databaseLost');
      }
    },
  );

  test.each(vanishings)('files: %s without writes -> noticed by the next check', async (_, vanish) => {
    const { store, path, time } = await open();
    expect(store.health.check()).toBeUndefined();
    time.elapsedMs += 60;
    await store.write([put('a', 1)]);
    vanish(path);
    expect(store.health.check()?.code).toBe('databaseLost');
  });

  test.each(lockReplacements)(
    'lock: %s takes its place -> work goes on, and the lock is taken again once that is gone',
    async (_, replace) => {
      const { store, path } = await open();
      const lock = lockPathOf(path);
      renameSync(lock, `${lock}-away`);
      replace(lock);
      expect(store.health.check()).toBeUndefined();
      await store.write([put('a', 1)]);
      rmSync(lock);
      expect(store.health.check()).toBeUndefined();
      expect(() => refuseLocked(path)).toThrow(expect.objectContaining({ code: 'databaseInUse' }));
    },
  );

  test('files: the database itself cuts the log of a large transaction -> healthy', async () => {
    const { store, path } = await open();
    const large = Array.from({ length: 30 }, (_, index) => put(`k${index}`, 'x'.repeat(4_000_000)));
    await store.write(large);
    for (let index = 0; statSync(`${path}-wal`).size > limits.walBytesKept; index += 1)
      await store.write([put('a', index)]);
    expect(store.health.check()).toBeUndefined();
    await store.write([put('a', 1)]);
  });

  test('files: put back -> writes go on, with all earlier data', async () => {
    const { store, path, time, told } = await open();
    await store.write([put('a', 1)]);
    renameSync(path, `${path}.away`);
    time.elapsedMs += 2;
    expect(await codeOf(store.write([put('b', 1)]))).toBe('databaseLost');
    renameSync(`${path}.away`, path);
    expect(store.health.check()).toBeUndefined();
    await store.write([put('c', 1)]);
    await Promise.resolve();
    expect([await payloadOf(store, 'b'), await payloadOf(store, 'c'), told]).toEqual([
      undefined,
      1,
      ['databaseLost', undefined],
    ]);
  });

  test('files: the log put back after a write went into it -> later writes find their place', async () => {
    const { store, path, time } = await open();
    await store.write([put('a', 1)]);
    renameSync(`${path}-wal`, `${path}-wal.away`);
    time.elapsedMs += 2;
    expect(await codeOf(store.write([put('b', 1)]))).toBe('databaseLost');
    renameSync(`${path}-wal.away`, `${path}-wal`);
    store.health.check();
    await store.write([put('c', 1)]);
    expect(await payloadOf(store, 'c')).toBe(1);
  });

  test('files: the log is copied into the database, which grows -> healthy', async () => {
    const { store, path } = await open();
    const before = statSync(path).size;
    for (let index = 0; statSync(path).size === before; index += 1)
      await store.write([put(`k${index}`, 'x'.repeat(300_000))]);
    expect(store.health.check()).toBeUndefined();
    await store.write([put('a', 1)]);
  });

  test('disk: full -> impaired, until a trial finds room', async () => {
    const { store, told } = await open(30);
    expect(await codeOf(store.write([put('a', 'x'.repeat(1_000_000))]))).toBe('diskFull');
    expect([store.health.check()?.code, told]).toEqual(['diskFull', ['diskFull']]);
    store.limitPages();
    expect(store.health.check()).toBeUndefined();
    await Promise.resolve();
    expect(told).toEqual(['diskFull', undefined]);
    await store.write([put('a', 1)]);
  });

  test('disk: no room for one large document -> it is refused, and the database stays healthy', async () => {
    const { store, told } = await open(400);
    expect(await codeOf(store.write([put('a', 'x'.repeat(3_900_000))]))).toBe('diskFull');
    expect([store.health.check(), told]).toEqual([undefined, []]);
  });

  test('a recipe that fails with the code of a system error -> does not impair the database', async () => {
    const { store } = await open();
    const recipe = () => {
      throw Object.assign(new Error('mine'), { code: 'EIO' });
    };
    expect(await codeOf(store.write([{ kind: 'update', collection: products, key: 'a' as never, recipe }]))).toBe(
      'EIO',
    );
    expect(store.health.failure()).toBeUndefined();
  });
});

function healthOf({ tryDisk = () => {} } = {}) {
  let nowMs = 0;
  const health = new Health({
    time: { ...manualTime(), monotonicMs: () => nowMs },
    look: () => undefined,
    lookBeforeCommit: () => undefined,
    lookAfterCommit: () => undefined,
    checkLock: () => undefined,
    tryDisk,
    failure: (error) => error,
  });
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { health, pass };
}

const failed = (code: string) => Object.assign(new Error(code), { name: 'StatemeshError', code });

describe('health', () => {
  test('comes and goes -> sound at once the first time, then each time after twice the time without a failure, up to a minute', () => {
    const { storeCalmFirstMs, storeCalmMaxMs } = limits;
    const { health, pass } = healthOf();
    const calms = [];
    for (let round = 0; round < 10; round += 1) {
      health.readFailed(failed('databaseUnavailable'));
      let calmMs = 0;
      for (; health.check() !== undefined; calmMs += 500) pass(500);
      calms.push(calmMs);
    }
    const doubled = [1, 2, 4, 8, 16, 32].map((factor) => factor * storeCalmFirstMs);
    expect(calms).toEqual([0, ...doubled, storeCalmMaxMs, storeCalmMaxMs, storeCalmMaxMs]);
    pass(2 * storeCalmMaxMs + 1);
    health.readFailed(failed('databaseUnavailable'));
    expect(health.check()).toBeUndefined();
  });

  test('fails again before it has been sound for long enough -> the time starts again', () => {
    const { health, pass } = healthOf();
    health.readFailed(failed('databaseUnavailable'));
    health.check();
    for (let round = 0; round < 3; round += 1) {
      health.writeFailed(failed('databaseUnavailable'));
      pass(limits.storeCalmFirstMs - 1);
      expect(health.check()?.code).toBe('databaseUnavailable');
    }
    pass(1);
    expect(health.check()).toBeUndefined();
  });

  test('no write for `storeIdleTrialMs` -> a trial checks the disk, and its failure is reported', () => {
    let isBroken = false;
    let tries = 0;
    const tryDisk = () => {
      tries += 1;
      if (isBroken) throw failed('databaseUnavailable');
    };
    const { health, pass } = healthOf({ tryDisk });
    isBroken = true;
    pass(limits.storeIdleTrialMs - 1);
    expect([health.check(), tries]).toEqual([undefined, 0]);
    pass(1);
    expect([health.check()?.code, tries]).toEqual(['databaseUnavailable', 1]);
    const other = healthOf({ tryDisk });
    other.pass(limits.storeIdleTrialMs - 1);
    other.health.afterCommit();
    other.pass(limits.storeIdleTrialMs - 1);
    expect(other.health.check()).toBeUndefined();
    expect(other.health.probe()?.code).toBe('databaseUnavailable');
  });

  test('damaged -> stays impaired', () => {
    const { health, pass } = healthOf();
    health.writeFailed(failed('databaseCorrupt'));
    pass(2 * limits.storeCalmMaxMs);
    health.afterCommit();
    expect(health.check()?.code).toBe('databaseCorrupt');
  });

  test('not writable, and a trial fails for another reason -> reports the new reason', () => {
    const { health } = healthOf({
      tryDisk: () => {
        throw failed('databaseUnavailable');
      },
    });
    health.writeFailed(failed('diskFull'));
    expect(health.check()?.code).toBe('databaseUnavailable');
  });
});
