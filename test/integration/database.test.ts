import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { StatemeshError } from '../../src/core/errors.js';
import { limits } from '../../src/core/limits.js';
import type { Query } from '../../src/core/query.js';
import { nothing } from '../../src/database/collection.js';
import { createDatabase } from '../../src/database/database.js';
import type { Store, Write } from '../../src/ports/store.js';
import {
  applyRemote,
  codeOf,
  intercept,
  isWaiting,
  openDatabase,
  openStore,
  refusalOf,
  turn,
} from './database-fixture.js';

interface Item {
  count: number;
  name?: string;
  tags?: string[];
}

async function openItems() {
  const { store, database } = await openDatabase();
  return { store, database, items: database.collection<Item>('items') };
}

function numbered(count: number): [string, Item][] {
  return Array.from({ length: count }, (_, index) => [`key-${String(index).padStart(6, '0')}`, { count: index }]);
}

describe('put, get, delete', () => {
  test('put: a document -> its stamp and cursor, and get reads it', async () => {
    const { store, items } = await openItems();
    const first = await items.put('a', { count: 1 });
    const second = await items.put('a', { count: 2 });
    expect(await items.get('a')).toEqual({ count: 2 });
    expect(second?.cursor).toBe(store.position());
    expect(second?.hlc).toBeGreaterThan(first?.hlc ?? Number.POSITIVE_INFINITY);
  });

  test.each([['text'], [0], [false], [null], [[1, 2]], [{}]])(
    'put: the JSON value %j -> read back',
    async (document) => {
      const { database } = await openDatabase();
      const values = database.collection('values');
      await values.put('a', document);
      expect(await values.get('a')).toEqual(document);
    },
  );

  test('put: the object is changed after the call -> its state at the call is written', async () => {
    const { items } = await openItems();
    const document = { count: 1 };
    const written = items.put('a', document);
    document.count = 2;
    await written;
    expect(await items.get('a')).toEqual({ count: 1 });
  });

  test('put, delete: several without waiting -> the last one stays, also with a schema', async () => {
    const { database } = await openDatabase();
    const items = database.collection('items', { schema: z.object({ count: z.number() }) });
    await Promise.all([
      items.put('a', { count: 1 }),
      items.put('a', { count: 2 }),
      items.put('b', { count: 1 }),
      items.delete('b'),
    ]);
    expect(await items.get('a')).toEqual({ count: 2 });
    expect(await items.get('b')).toBeUndefined();
  });

  test('delete: present, then absent -> written once, then undefined', async () => {
    const { items } = await openItems();
    await items.put('a', { count: 1 });
    expect(await items.delete('a')).toEqual({ hlc: expect.any(Number), cursor: expect.any(String) });
    expect(await items.get('a')).toBeUndefined();
    expect(await items.delete('a')).toBeUndefined();
  });

  test.each([[''], ['a\u0000b'], ['x'.repeat(limits.keyLengthMax + 1)], ['\ud800'], [undefined], [7]])(
    'key %j: every method -> keyInvalid',
    async (wrong) => {
      const { items } = await openItems();
      const key = wrong as string;
      expect(await codeOf(() => items.put(key, { count: 1 }))).toBe('keyInvalid');
      expect(await codeOf(() => items.get(key))).toBe('keyInvalid');
      expect(await codeOf(() => items.delete(key))).toBe('keyInvalid');
      expect(await codeOf(() => items.update(key, () => ({ count: 1 })))).toBe('keyInvalid');
      expect(await codeOf(() => items.putMany([[key, { count: 1 }]]))).toBe('keyInvalid');
      if (wrong !== undefined) expect(await codeOf(() => items.watch(key))).toBe('keyInvalid');
    },
  );

  test('put: not JSON or too large -> documentInvalid, documentTooLarge, and nothing is written', async () => {
    const { store, database } = await openDatabase();
    const values = database.collection('values');
    expect(await codeOf(() => values.put('a', undefined))).toBe('documentInvalid');
    expect(await codeOf(() => values.put('a', { at: Number.NaN }))).toBe('documentInvalid');
    expect(await codeOf(() => values.put('a', 'x'.repeat(limits.documentBytesMax)))).toBe('documentTooLarge');
    expect(store.cursor()).toBe(0);
  });

  test('collection: a wrong name -> collectionNameInvalid', async () => {
    const { database } = await openDatabase();
    for (const name of ['', 'a\nb', 'x'.repeat(limits.collectionNameLengthMax + 1)]) {
      expect(await codeOf(() => database.collection(name))).toBe('collectionNameInvalid');
    }
  });

  test('_system_ collection: writes -> collectionReserved; reads -> allowed', async () => {
    const { store, database } = await openDatabase();
    const peers = database.collection('_system_remote_peers');
    expect(await codeOf(() => peers.put('a', 1))).toBe('collectionReserved');
    expect(await codeOf(() => peers.delete('a'))).toBe('collectionReserved');
    expect(await codeOf(() => peers.update('a', () => 1))).toBe('collectionReserved');
    expect(await codeOf(() => peers.putMany([]))).toBe('collectionReserved');
    await applyRemote(store, { collection: '_system_remote_peers', key: 'a', payload: '1' });
    expect(await peers.get('a')).toBe(1);
    expect(await peers.find()).toHaveLength(1);
  });
});

describe('update', () => {
  test('update: the draft is changed -> the change is written', async () => {
    const { items } = await openItems();
    await items.put('a', { count: 1, tags: ['x'] });
    await items.update('a', (item) => {
      item?.tags?.push('y');
    });
    expect(await items.get('a')).toEqual({ count: 1, tags: ['x', 'y'] });
  });

  test('update: another document is returned -> it replaces the first', async () => {
    const { items } = await openItems();
    await items.put('a', { count: 1 });
    await items.update('a', (item) => ({ count: (item?.count ?? 0) + 1, name: 'new' }));
    expect(await items.get('a')).toEqual({ count: 2, name: 'new' });
  });

  test('update: a scalar document -> the recipe receives it and returns the next', async () => {
    const { database } = await openDatabase();
    const counters = database.collection<number>('counters');
    await counters.put('a', 0);
    await counters.update('a', (count) => (count ?? 0) + 1);
    expect(await counters.get('a')).toBe(1);
  });

  test('update: absent -> the recipe receives undefined; its result is written, undefined writes nothing', async () => {
    const { store, items } = await openItems();
    const seen: unknown[] = [];
    expect(
      await items.update('a', (item) => {
        seen.push(item);
      }),
    ).toBeUndefined();
    expect(store.cursor()).toBe(0);
    await items.update('a', () => ({ count: 1 }));
    expect(seen).toEqual([undefined]);
    expect(await items.get('a')).toEqual({ count: 1 });
  });

  test('update: the symbol `nothing` is returned -> the document is deleted', async () => {
    const { items } = await openItems();
    await items.put('a', { count: 1 });
    expect(await items.update('a', () => nothing)).toBeDefined();
    expect(await items.get('a')).toBeUndefined();
    expect(await items.update('a', () => nothing)).toBeUndefined();
  });

  test('update: nothing differs -> undefined, and no entry', async () => {
    const { store, items } = await openItems();
    await items.put('a', { count: 1 });
    const unchanged = [
      await items.update('a', () => {}),
      await items.update('a', (item) => item),
      await items.update('a', () => ({ count: 1 })),
      await items.update('a', (item) => {
        if (item !== undefined) item.count = 1;
      }),
    ];
    expect(unchanged).toEqual([undefined, undefined, undefined, undefined]);
    expect(store.cursor()).toBe(1);
  });

  test('update: a recipe throws -> its error unchanged, nothing written, the others of the turn are written', async () => {
    const { items } = await openItems();
    await items.put('a', { count: 1 });
    const failure = new RangeError('no');
    const [bad, good] = await Promise.allSettled([
      items.update('a', (item) => {
        if (item !== undefined) item.count = 99;
        throw failure;
      }),
      items.update('b', () => ({ count: 2 })),
    ]);
    expect(bad).toEqual({ status: 'rejected', reason: failure });
    expect(good.status).toBe('fulfilled');
    expect(await items.get('a')).toEqual({ count: 1 });
  });

  test('update: a recipe returns a value that is not JSON -> documentInvalid with the path', async () => {
    const { items } = await openItems();
    await items.put('a', { count: 1 });
    const refusal = await refusalOf(() =>
      items.update('a', (item) => {
        if (item !== undefined) item.count = Number.NaN;
      }),
    );
    expect(refusal).toEqual({ code: 'documentInvalid', message: expect.stringContaining('$.count') });
    expect(await items.get('a')).toEqual({ count: 1 });
  });

  test('update: an asynchronous recipe -> documentInvalid, and its own failure is not left unhandled', async () => {
    const { items } = await openItems();
    const recipe = (async () => {
      throw new Error('later');
    }) as unknown as () => Item;
    expect((await refusalOf(() => items.update('a', recipe)))?.message).toContain('promise');
    await turn();
  });

  test('update: 100 at once on one counter -> 100', async () => {
    const { items } = await openItems();
    const increment = (item: Item | undefined) => ({ count: (item?.count ?? 0) + 1 });
    await Promise.all(Array.from({ length: 100 }, () => items.update('a', increment)));
    expect(await items.get('a')).toEqual({ count: 100 });
  });

  test('update: a foreign field named __proto__ -> kept, and no prototype is changed', async () => {
    const { store, items } = await openItems();
    const payload = '{"count":1,"__proto__":{"polluted":true}}';
    await applyRemote(store, { collection: 'items', key: 'a', payload });
    await items.update('a', (item) => {
      if (item !== undefined) item.count = 2;
    });
    expect((await store.get(items.name, 'a' as never))?.payload).toBe(payload.replace('1', '2'));
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('putMany', () => {
  test('putMany: 1,203 documents -> all written, in transactions of at most 500, with progress', async () => {
    const { store, items } = await openItems();
    const progress: number[] = [];
    const written = await items.putMany(numbered(1_203), { onProgress: ({ written }) => progress.push(written) });
    expect(written).toBe(1_203);
    expect(progress).toEqual([500, 1_000, 1_203]);
    expect(await items.count()).toBe(1_203);
    expect(store.cursor()).toBe(1_203);
  });

  test('putMany: an async stream and an empty list -> written and 0', async () => {
    const { items } = await openItems();
    async function* source() {
      for (const pair of numbered(7)) {
        await turn();
        yield pair;
      }
    }
    expect(await items.putMany(source())).toBe(7);
    expect(await items.putMany([])).toBe(0);
  });

  test('putMany: large documents -> smaller transactions', async () => {
    const { store, database } = await openDatabase();
    const sizes: number[] = [];
    const observed = createDatabase(() => recordWrites(store, (writes) => sizes.push(writes.length)));
    const text = 'x'.repeat(limits.batchBytesMax / 4);
    await observed.collection('texts').putMany(Array.from({ length: 10 }, (_, index) => [`${index}`, text] as const));
    expect(sizes).toEqual([4, 4, 2]);
    expect(await database.collection('texts').count()).toBe(10);
  });

  test('putMany: a store that does not answer -> the source is read no further than the window', async () => {
    const { store } = await openDatabase();
    let read = 0;
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const held = intercept(store, { write: (writes) => gate.then(() => store.write(writes)) });
    function* source() {
      for (const pair of numbered(10_000)) {
        read += 1;
        yield pair;
      }
    }
    const writing = createDatabase(() => held)
      .collection<Item>('items')
      .putMany(source());
    expect(await isWaiting(writing)).toBe(true);
    expect(read).toBe(limits.batchesInFlightMax * limits.batchEntriesMax);
    release();
    expect(await writing).toBe(10_000);
  });

  test('putMany: a bad document in the third transaction -> its number in the error, the first two stay', async () => {
    const { items } = await openItems();
    const pairs = numbered(1_400);
    pairs[1_100] = ['bad', { count: Number.NaN }];
    const refusal = await refusalOf(() => items.putMany(pairs));
    expect(refusal).toEqual({
      code: 'documentInvalid',
      message: expect.stringMatching(/Document 1100 .*"bad".*\$\.count/),
    });
    expect(await items.count()).toBe(1_000);
  });

  test('putMany: not a pair, not a stream -> documentInvalid', async () => {
    const { items } = await openItems();
    expect(await codeOf(() => items.putMany(['ab'] as never))).toBe('documentInvalid');
    expect(await codeOf(() => items.putMany(7 as never))).toBe('documentInvalid');
    expect(await codeOf(() => items.putMany(undefined as never))).toBe('documentInvalid');
  });

  test('putMany: a transaction fails -> its error, nothing of it is written, and the source is read no further', async () => {
    const { store } = await openDatabase();
    let calls = 0;
    const failing = intercept(store, {
      write: (writes) =>
        ++calls === 2 ? Promise.reject(new StatemeshError('diskFull', 'The disk is full.')) : store.write(writes),
    });
    const items = createDatabase(() => failing).collection<Item>('items');
    let read = 0;
    function* source() {
      for (const pair of numbered(20_000)) {
        read += 1;
        yield pair;
      }
    }
    expect(await codeOf(() => items.putMany(source()))).toBe('diskFull');
    expect(read).toBeLessThanOrEqual((limits.batchesInFlightMax + 2) * limits.batchEntriesMax);
    expect(await items.get('key-000499')).toBeDefined();
    expect(await items.get('key-000500')).toBeUndefined();
  });

  test('putMany: the source fails, or onProgress throws -> that error, and the source is closed', async () => {
    const { items } = await openItems();
    let closed = 0;
    function* source(failsAt: number) {
      try {
        for (const [index, pair] of numbered(1_500).entries()) {
          if (index === failsAt) throw new RangeError('source');
          yield pair;
        }
      } finally {
        closed += 1;
      }
    }
    await expect(items.putMany(source(700))).rejects.toThrow('source');
    const onProgress = () => {
      throw new RangeError('progress');
    };
    await expect(items.putMany(source(-1), { onProgress })).rejects.toThrow('progress');
    expect(closed).toBe(2);
  });

  test('putMany: aborted before, and while the source is silent -> cancelled, and the source is closed', async () => {
    const { items } = await openItems();
    expect(await codeOf(() => items.putMany(numbered(1), { signal: AbortSignal.abort() }))).toBe('cancelled');
    const controller = new AbortController();
    let returned = 0;
    const silent: AsyncIterable<[string, Item]> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => {}),
        return: () => {
          returned += 1;
          return new Promise(() => {});
        },
      }),
    };
    const writing = codeOf(() => items.putMany(silent, { signal: controller.signal }));
    expect(await isWaiting(writing)).toBe(true);
    controller.abort();
    expect(await writing).toBe('cancelled');
    expect(returned).toBe(1);
  });
});

describe('find, count, createIndex', () => {
  test('find: condition, order, limit and offset -> the documents with their keys', async () => {
    const { items } = await openItems();
    await items.putMany(numbered(10));
    const query: Query<Item> = {
      where: { count: { $gte: 3 } },
      orderBy: [{ field: 'count', descending: true }],
      limit: 2,
      offset: 1,
    };
    const expected = [
      { key: 'key-000008', document: { count: 8 } },
      { key: 'key-000007', document: { count: 7 } },
    ];
    expect(await items.find(query)).toEqual(expected);
    await items.createIndex('count');
    expect(await items.find(query)).toEqual(expected);
    expect(await items.count({ count: { $gte: 3 } })).toBe(7);
    expect(await items.count()).toBe(10);
    expect(await items.find()).toHaveLength(10);
  });

  test('find, count, createIndex, watch: a wrong query -> queryInvalid', async () => {
    const { items } = await openItems();
    const where = { count: { $near: 1 } } as never;
    expect(await codeOf(() => items.find({ where }))).toBe('queryInvalid');
    expect(await codeOf(() => items.find({ limit: -1 }))).toBe('queryInvalid');
    expect(await codeOf(() => items.count(where))).toBe('queryInvalid');
    expect(await codeOf(() => items.createIndex('a..b' as never))).toBe('queryInvalid');
    expect(await codeOf(() => items.watch({ where }).next())).toBe('queryInvalid');
  });
});

describe('schema', () => {
  const schema = z.object({ lines: z.array(z.object({ price: z.number() })), note: z.string().default('none') });

  test('schema: a document that does not satisfy it -> documentRejected with path, by every kind of write', async () => {
    const { store, database } = await openDatabase();
    const orders = database.collection('orders', { schema });
    const wrong = { lines: [{ price: 1 }, { price: 'free' }] } as never;
    const refusals = [
      await refusalOf(() => orders.put('a', wrong)),
      await refusalOf(() => orders.putMany([['a', wrong]])),
      await refusalOf(() => orders.update('a', () => wrong)),
    ];
    for (const refusal of refusals) {
      expect(refusal).toEqual({ code: 'documentRejected', message: expect.stringContaining('$.lines[1].price') });
    }
    expect(store.cursor()).toBe(0);
  });

  test('schema: defaults and unknown fields -> the document is stored unchanged', async () => {
    const { database } = await openDatabase();
    const orders = database.collection('orders', { schema });
    const document = { lines: [], addedByNewerVersion: true };
    await orders.put('a', document);
    expect(await orders.get('a')).toEqual(document);
  });

  test('schema: a remote document that does not satisfy it -> applied and read', async () => {
    const { store, database } = await openDatabase();
    await applyRemote(store, { collection: 'orders', key: 'a', payload: '{"lines":"none"}' });
    expect(await database.collection('orders', { schema }).get('a')).toEqual({ lines: 'none' });
  });

  test('schema: asynchronous -> put and putMany wait for it; update is refused', async () => {
    const { database } = await openDatabase();
    const schema = z.object({ count: z.number() }).refine(async ({ count }) => count > 0, 'must be positive');
    const items = database.collection('items', { schema });
    await items.put('a', { count: 1 });
    expect(await codeOf(() => items.put('b', { count: 0 }))).toBe('documentRejected');
    expect(await items.putMany([['c', { count: 2 }]])).toBe(1);
    const refusal = await refusalOf(() => items.putMany([['d', { count: 0 }]]));
    expect(refusal?.message).toMatch(/Document 0 .*must be positive/);
    expect((await refusalOf(() => items.update('a', () => ({ count: 3 }))))?.message).toContain('asynchronous');
    expect((await items.find()).map(({ key }) => key)).toEqual(['a', 'c']);
  });

  test('schema: it rejects -> documentRejected; under update nothing is left unhandled', async () => {
    const { database } = await openDatabase();
    const validate = () => Promise.reject(new RangeError('bug in the schema'));
    const items = database.collection('items', { schema: { '~standard': { version: 1, vendor: 'test', validate } } });
    expect((await refusalOf(() => items.put('a', 1)))?.message).toContain('bug in the schema');
    expect(await codeOf(() => items.update('a', () => 1))).toBe('documentRejected');
    await turn();
  });

  test('schema: it throws -> documentRejected with its message', async () => {
    const { database } = await openDatabase();
    const validate = () => {
      throw new RangeError('bug in the schema');
    };
    const items = database.collection('items', { schema: { '~standard': { version: 1, vendor: 'test', validate } } });
    const refusal = await refusalOf(() => items.put('a', 1));
    expect(refusal).toEqual({ code: 'documentRejected', message: expect.stringContaining('bug in the schema') });
  });
});

describe('malformed entries of other nodes', () => {
  test.each([
    '{"count":',
    '',
    '{"count":1,"count":2}',
    '{"count":2,"count":1}',
    '{"count":1e0}',
    ' {"count":1}',
    `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
  ])('malformed payload %#: every read -> absent, and a write replaces it', async (payload) => {
    const { store, items } = await openItems();
    await items.put('good', { count: 1 });
    await applyRemote(store, { collection: 'items', key: 'bad', payload });
    expect(await items.get('bad')).toBeUndefined();
    expect((await items.find()).map(({ key }) => key)).toEqual(['good']);
    expect((await items.find({ where: { count: 1 }, orderBy: ['count'] })).map(({ key }) => key)).toEqual(['good']);
    const passedOver: string[] = [];
    const onMalformed = (key: string) => passedOver.push(key);
    for await (const { key } of items.stream({}, { onMalformed })) expect(key).toBe('good');
    expect(passedOver).toEqual(['bad']);
    await items.createIndex('count');
    expect((await items.find({ where: { count: 1 } })).map(({ key }) => key)).toEqual(['good']);
    const cursor = store.cursor();
    expect(await items.update('bad', () => {})).toBeUndefined();
    expect(store.cursor()).toBe(cursor);
    await items.update('bad', (item) => item ?? { count: 2 });
    expect(await items.get('bad')).toEqual({ count: 2 });
  });
});

describe('database', () => {
  test('database: handles made before the start -> notRunning, then they work, also after a change of identity', async () => {
    let store: Store | undefined;
    const database = createDatabase(() => {
      if (store === undefined) throw new StatemeshError('notRunning', 'The node is not running.');
      return store;
    });
    const items = database.collection<Item>('items');
    expect(await codeOf(() => items.get('a'))).toBe('notRunning');
    expect(await codeOf(() => items.put('a', { count: 1 }))).toBe('notRunning');
    expect(await codeOf(() => database.changes())).toBe('notRunning');
    expect(await codeOf(() => database.contentDigest())).toBe('notRunning');
    store = await openStore('node-a');
    await items.put('a', { count: 1 });
    store = await openStore('node-b');
    expect(await items.get('a')).toBeUndefined();
  });

  test('database: collections and contentDigest -> names, and equal digests for equal content', async () => {
    const { store, database } = await openDatabase();
    const other = await openStore('node-b');
    await database.collection('b').put('1', 1);
    await database.collection('a').put('1', 1);
    expect(await database.collections()).toEqual(['a', 'b']);
    const missing = { after: other.clock(), scopes: ['shared'] as const, entriesMax: 100, bytesMax: 10_000 };
    const { runs } = await store.read({ ...missing, except: new Set() });
    await other.apply(runs, store.nodeId);
    expect(await createDatabase(() => other).contentDigest()).toEqual(await database.contentDigest());
    expect((await database.contentDigest()).documents).toBe(2);
  });

  test('database: a closed store -> storeClosed by every method', async () => {
    const { store, items } = await openItems();
    await store.close();
    expect(await codeOf(() => items.put('a', { count: 1 }))).toBe('storeClosed');
    expect(await codeOf(() => items.get('a'))).toBe('storeClosed');
    expect(await codeOf(() => items.find())).toBe('storeClosed');
    expect(await codeOf(() => items.putMany(numbered(3)))).toBe('storeClosed');
    expect(await codeOf(() => items.changes().next())).toBe('storeClosed');
    expect(await codeOf(() => items.watch('a').next())).toBe('storeClosed');
  });
});

function recordWrites(store: Store, record: (writes: readonly Write[]) => void): Store {
  return intercept(store, {
    write(writes) {
      record(writes);
      return store.write(writes);
    },
  });
}
