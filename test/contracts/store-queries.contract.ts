/** Queries: their results, with and without an index. The property against a model is in `store-query-model.test`. */
import { describe, expect, test } from '@jest/globals';
import type { DocumentKey } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import type { Query, Where } from '../../src/core/query.js';
import type { Store, StoredDocument, Write } from '../../src/ports/store.js';
import { nodeB, type OpenStore, products, put, RemoteChain, remove, stamp } from './store-harness.js';

const documents = {
  number: { v: 5 },
  bigger: { v: 10 },
  text: { v: '5' },
  yes: { v: true },
  no: { v: false },
  null: { v: null },
  missing: {},
  object: { v: { v: 5 } },
  scalar: 5,
};

const all = Object.keys(documents).sort();
const but = (...keys: string[]) => all.filter((key) => !keys.includes(key));

/** [query, result] */
const cases: readonly (readonly [Where, readonly string[]])[] = [
  [{}, all],
  [{ v: 5 }, ['number']],
  [{ v: '5' }, ['text']],
  [{ v: true }, ['yes']],
  [{ v: false }, ['no']],
  [{ v: 1 }, []],
  [{ v: null }, ['missing', 'null', 'scalar']],
  [{ v: { $ne: 5 } }, but('number')],
  [{ v: { $ne: null } }, but('missing', 'null', 'scalar')],
  [{ v: { $gt: 4 } }, ['bigger', 'number']],
  [{ v: { $gte: 5, $lt: 10 } }, ['number']],
  [{ v: { $lt: 6 } }, ['number']],
  [{ v: { $gte: '' } }, ['text']],
  [{ v: { $lt: '6' } }, ['text']],
  [{ v: { $lte: '' } }, []],
  [{ $not: { v: { $gt: 4 } } }, but('bigger', 'number')],
  [{ $not: { $not: { v: { $gt: 4 } } } }, ['bigger', 'number']],
  [{ $not: { $or: [{ v: { $gt: 4 } }, { v: null }] } }, ['no', 'object', 'text', 'yes']],
  [{ v: { $in: [5, '5', true, null] } }, ['missing', 'null', 'number', 'scalar', 'text', 'yes']],
  [{ $not: { v: { $in: [5, '5'] } } }, but('number', 'text')],
  [{ v: { $in: [] } }, []],
  [{ $or: [] }, []],
  [{ $and: [] }, all],
  [{ $not: {} }, []],
  [{ $or: [{ v: 5 }, { v: 10 }], v: { $lt: 7 } }, ['number']],
  [{ v: { $like: '5' } }, ['text']],
  [{ v: { $like: '%' } }, ['text']],
  [{ 'v.v': 5 }, ['object']],
];

export function describeStoreQueries(open: OpenStore): void {
  describe('queries', () => {
    for (const [where, found] of cases) {
      test(`find: ${JSON.stringify(where)} -> ${found.join(' ') || 'nothing'}`, async () => {
        const { store } = await open();
        await store.write(Object.entries(documents).map(([key, value]) => put(key, value)));
        expect(await keysOf(store, { where })).toEqual(found);
        expect(await store.count(products, where)).toBe(found.length);
        await store.createIndex(products, 'v');
        expect(await keysOf(store, { where, orderBy: [] }).then((keys) => keys.sort())).toEqual(found);
        expect(await store.count(products, where)).toBe(found.length);
      });
    }

    test('like: a text with a NUL -> is matched to its end', async () => {
      const { store } = await open();
      await store.write([put('nul', { name: 'a\0b' }), put('plain', { name: 'a' })]);
      const patterns = ['a', 'a%b', 'a\0B', 'a_b', '%\0%', 'a\0'];
      const found = await Promise.all(patterns.map((like) => keysOf(store, { where: { name: { $like: like } } })));
      expect(found).toEqual([['plain'], ['nul'], ['nul'], ['nul'], ['nul'], []]);
    });

    test('like: case, any text, one character -> as SQL LIKE; one character is one code point', async () => {
      const { store } = await open();
      await store.write(['Anna', 'anne', 'Änne', 'hanna', '😀x'].map((name) => put(name, { name })));
      expect(await keysOf(store, { where: { name: { $like: 'ANN_' } } })).toEqual(['Anna', 'anne']);
      expect(await keysOf(store, { where: { name: { $like: '%ann%' } } })).toEqual(['Anna', 'anne', 'hanna']);
      expect(await keysOf(store, { where: { name: { $like: '_x' } } })).toEqual(['😀x']);
      expect(await keysOf(store, { where: { name: { $like: 'änne' } } })).toEqual([]);
      const texts = ['100%', '100 €', 'a_b', 'axb', 'c:\\dir'];
      await store.write(texts.map((text) => put(text, { text })));
      for (const [$like, found] of [
        ['100\\%', '100%'],
        ['%\\_%', 'a_b'],
        ['c:\\\\%', 'c:\\dir'],
      ] as const) {
        expect([$like, await keysOf(store, { where: { text: { $like } } })]).toEqual([$like, [found]]);
      }
      const longest = '\u{20ac}'.repeat(limits.likeLengthMax);
      expect(await keysOf(store, { where: { text: { $like: longest } } })).toEqual([]);
      await expect(store.find(products, { where: { text: { $like: `${longest}%` } } })).rejects.toMatchObject({
        code: 'queryInvalid',
      });
    });

    test('order: by several fields, both ways, with limit and offset -> types in order, ties by key', async () => {
      const { store } = await open();
      await store.write([
        put('e', { a: 1, b: 'x' }),
        put('d', { a: 1, b: 'y' }),
        put('c', { a: '1' }),
        put('b', { a: true }),
        put('a', {}),
        put('f', { a: 1, b: 'x' }),
      ]);
      const order = ['a', 'e', 'f', 'd', 'c', 'b'];
      const orderBy = ['a', 'b'];
      expect(await keysOf(store, { orderBy })).toEqual(order);
      expect(await keysOf(store, { orderBy, limit: 2, offset: 1 })).toEqual(['e', 'f']);
      expect(await keysOf(store, { orderBy, offset: 4 })).toEqual(['c', 'b']);
      expect(await keysOf(store, { orderBy, limit: 0 })).toEqual([]);
      const descending = [{ field: 'a', descending: true }];
      expect(await keysOf(store, { orderBy: descending })).toEqual(['b', 'c', 'd', 'e', 'f', 'a']);
      await store.createIndex(products, 'a');
      expect(await keysOf(store, { orderBy })).toEqual(order);
      expect(await keysOf(store, { orderBy: descending })).toEqual(['b', 'c', 'd', 'e', 'f', 'a']);
    });

    test('values: numbers and texts at the edges -> are found by equality', async () => {
      const { store } = await open();
      const edges = [
        0.1 + 0.2,
        5e-324,
        1.7976931348623157e308,
        -0,
        2 ** 53 - 1,
        1e21,
        'a\u0000b',
        '\ud800',
        '"\\',
        "'; --",
      ];
      await store.write(edges.map((v, index) => put(`key-${index}`, { v })));
      for (const [index, v] of edges.entries()) {
        expect([v, await keysOf(store, { where: { v } })]).toEqual([v, [`key-${index}`]]);
      }
    });

    test('fields: names of any characters -> are found, with a backslash where a path would read them differently', async () => {
      const { store } = await open();
      const plain = [
        'a b',
        ' ',
        'größe',
        '名前',
        'x-y',
        'a$',
        '%',
        '0',
        'select',
        '"',
        "'",
        'a\u0000b',
        '\n',
        '__proto__',
      ];
      const written = ['a\\.b', '\\$a', 'a\\[0\\]', '\\\\', '"\\\\"', '\\key', '\\.'];
      const paths = [
        ...plain.map((name) => [name, name]),
        ...written.map((path) => [path, path.replace(/\\(.)/g, '$1')]),
      ];
      await store.write(
        paths.map(([, name], index) => put(`${index}`, JSON.parse(`{${JSON.stringify(name)}:{"deep":1}}`))),
      );
      for (const [index, [path]] of paths.entries()) {
        const where = { [`${path}.deep`]: 1 };
        expect([path, await keysOf(store, { where })]).toEqual([path, [`${index}`]]);
        if (index < limits.indexesPerCollectionMax) await store.createIndex(products, `${path}.deep`);
        expect([path, await keysOf(store, { where })]).toEqual([path, [`${index}`]]);
      }
    });

    const isList = { code: 'queryInvalid', message: expect.stringContaining('queries do not look into lists yet') };

    test.each<Where>([
      { v: 'hot' },
      { v: { $ne: 'hot' } },
      { v: { $in: ['hot', null] } },
      { v: { $gt: 1 } },
      { v: { $like: '%hot%' } },
      { $not: { v: 'hot' } },
      { 'v.0': 'hot' },
      { 'v.name': 'hot' },
      { 'v.name.first': 'hot' },
    ])(
      'lists: %j where some document has a list -> queryInvalid with advice, with and without an index',
      async (where) => {
        const { store } = await open();
        await store.write([put('a', { v: ['hot'] }), put('b', { v: 'hot' }), put('c', [1])]);
        for (const field of [undefined, 'v', 'v.0', 'v.name', 'v.name.first']) {
          if (field !== undefined) await store.createIndex(products, field);
          await expect(store.find(products, { where })).rejects.toMatchObject(isList);
          await expect(store.count(products, where)).rejects.toMatchObject(isList);
          await expect(collect(store.pages(products, { where }))).rejects.toMatchObject(isList);
        }
        await store.write([{ kind: 'delete', collection: products, key: 'a' as DocumentKey }]);
        expect(await store.count(products, where)).toBeLessThan(3);
      },
    );

    test('lists: tests for their presence, and ordering by them -> answered', async () => {
      const { store } = await open();
      await store.write([put('a', { v: ['hot'] }), put('b', { v: 'hot' }), put('c', {})]);
      for (const field of [undefined, 'v']) {
        if (field !== undefined) await store.createIndex(products, field);
        expect(await keysOf(store, { where: { v: { $ne: null } }, orderBy: ['v'] })).toEqual(['b', 'a']);
        expect(await keysOf(store, { where: { v: null } })).toEqual(['c']);
        expect(await keysOf(store, { orderBy: ['-v'] })).toEqual(['a', 'b', 'c']);
      }
    });

    test('query: invalid -> queryInvalid, in empty collections, too', async () => {
      const { store } = await open();
      for (const query of [
        { where: { a: { $regex: 'x' } } },
        { where: { 'a[0]': 1 } },
        { limit: -1 },
        // A value that JSON cannot hold, and conditions that would match everything.
        { limit: { toString: null } },
        { orderBy: [{ field: { toString: null } }] },
        { where: null },
        { orderBy: ['a; DROP TABLE documents'.repeat(20)] },
      ]) {
        await expect(store.find(products, query as unknown as Query)).rejects.toMatchObject({ code: 'queryInvalid' });
      }
      await expect(store.count(products, { $nor: [] } as Where)).rejects.toMatchObject({ code: 'queryInvalid' });
      await expect(store.createIndex(products, 'a[')).rejects.toMatchObject({ code: 'queryInvalid' });
      expect(await store.find(products, {})).toEqual([]);
      expect(await store.count(products)).toBe(0);
    });

    test('query: at the maximum size -> answered', async () => {
      const { store } = await open();
      await store.write([put('a', { v: 3 })]);
      const values = Array.from({ length: limits.queryConditionsMax - 1 }, (_, index) => index);
      expect(await keysOf(store, { where: { v: { $in: values } } })).toEqual(['a']);
      expect(await keysOf(store, { where: { $or: values.map((v) => ({ v })) } })).toEqual(['a']);
      expect(await keysOf(store, { where: { $and: Array.from({ length: 5_000 }, () => ({})) } })).toEqual(['a']);
      let nested: Where = { v: 3 };
      for (let depth = 0; depth < limits.queryDepthMax; depth += 1) nested = { $not: nested };
      expect(await keysOf(store, { where: nested })).toEqual(['a']);
    });

    test('payload: a peer sent text that is not JSON -> no query fails; it is a document without fields', async () => {
      const { store } = await open();
      const texts = ['', 'no json', '{"v":1', '{v:1}', '{"v":1}{}', '\u0000', '[', '{"v":01}'];
      const chain = new RemoteChain({ nodeId: nodeB });
      for (const [index, text] of texts.entries()) chain.putText(stamp(index + 1), `bad-${index}`, text);
      chain.put(stamp(100), 'good', { v: 1 });
      await store.createIndex(products, 'w');
      await store.apply([chain.run()], nodeB);
      expect(await keysOf(store, { where: { v: 1 }, orderBy: ['v', 'w'] })).toEqual(['good']);
      expect(await store.count(products, { v: null })).toBe(texts.length);
      expect(await store.count(products, { w: null })).toBe(texts.length + 1);
      await store.createIndex(products, 'v');
      expect(await keysOf(store, { where: { v: 1 } })).toEqual(['good']);
      expect(await store.count(products, { v: null })).toBe(texts.length);
    });
  });

  describe('field indexes', () => {
    test('index: local and remote writes, overwritten, deleted and lost -> it follows the documents', async () => {
      const { store } = await open();
      await store.write([put('a', { n: 1 }), put('b', { n: 1 }), put('c', { n: 1 }), put('e', { n: 1 })]);
      await store.write([put('gone', { n: 1 })]);
      await store.write([remove('gone')]);
      await store.createIndex(products, 'n');
      await store.createIndex(products, 'n');
      await store.write([put('a', { n: 2 }), remove('b'), put('d', { n: 1 })]);
      const remote = new RemoteChain({ nodeId: nodeB })
        .put(stamp(1), 'd', { n: 9 })
        .put(stamp(50), 'c', { n: 3 })
        .delete(stamp(51), 'e')
        .put(stamp(52), 'f', { n: 1 });
      await store.apply([remote.run()], nodeB);
      expect(await keysOf(store, { where: { n: 1 } })).toEqual(['d', 'f']);
      expect(await keysOf(store, { orderBy: ['n'] })).toEqual(['d', 'f', 'a', 'c']);
      expect(await store.count(products, { n: { $gte: 2 } })).toBe(2);
      expect(await store.count(products, { n: null })).toBe(0);
    });

    test('index: writes while it is being filled -> none is missing, none is wrong', async () => {
      const { store } = await open();
      const count = 3_000;
      await store.write(Array.from({ length: count }, (_, index) => put(`key-${index}`, { n: index })));
      const creating = [store.createIndex(products, 'n'), store.createIndex(products, 'n')];
      for (let index = 0; index < 20; index += 1) {
        await store.write([
          put(`key-${index * 100}`, { n: -1 }),
          remove(`key-${index * 100 + 1}`),
          put(`new-${index}`, { n: -1 }),
        ]);
      }
      await Promise.all(creating);
      expect(await store.count(products, { n: -1 })).toBe(40);
      expect(await store.count(products, { n: { $gte: 0 } })).toBe(count - 40);
      expect(await store.count(products, { n: { $gte: -1 } })).toBe(await store.count(products));
    });

    test('index: more than the maximum -> queryInvalid', async () => {
      const { store } = await open();
      for (let index = 0; index < limits.indexesPerCollectionMax; index += 1) {
        await store.createIndex(products, `field-${index}`);
      }
      await expect(store.createIndex(products, 'another')).rejects.toMatchObject({ code: 'queryInvalid' });
      await store.createIndex(products, 'field-0');
    });

    test('find: more than limits.findBytesMax -> queryTooLarge; with a limit, the documents that fit', async () => {
      const { store } = await open();
      const mebibyte = 'x'.repeat(1024 * 1024);
      for (let index = 0; index <= limits.findBytesMax / mebibyte.length; index += 1) {
        await store.write([put(`${index}`, mebibyte)]);
      }
      await expect(store.find(products, {})).rejects.toMatchObject({ code: 'queryTooLarge' });
      expect(await store.find(products, { limit: 3 })).toHaveLength(3);
    });

    test('pages: like find, page by page of limits.pageBytesMax, of one state of the database', async () => {
      const { store } = await open();
      const write = (index: number, v: number) => put(`${index}`.padStart(3, '0'), { v, text: 'x'.repeat(20_000) });
      for (let index = 0; index < 60; index += 1) await store.write([write(index, index % 7)]);
      await store.createIndex(products, 'w');
      const queries: Query[] = [
        {},
        { orderBy: ['v'] },
        { where: { v: { $gt: 2 } }, orderBy: [{ field: 'v', descending: true }], offset: 3, limit: 30 },
        { where: { w: 1 } },
        { orderBy: ['w'] },
      ];
      for (const query of queries) {
        const expected = await store.find(products, query);
        const found = [];
        for await (const page of store.pages(products, query)) {
          const bytes = page.reduce((sum, { payload }) => sum + payload.length, 0);
          expect(bytes).toBeLessThan(limits.pageBytesMax + 21_000);
          found.push(...page);
          // Writes between two pages belong to another state.
          await store.write([write(found.length, 99), remove('059'), put('zzz', { v: 5 })]);
        }
        expect(found).toEqual(expected);
        await store.write([remove('zzz'), write(59, 3)]);
      }
      await expect(store.pages(products, { limit: -1 })[Symbol.asyncIterator]().next()).rejects.toMatchObject({
        code: 'queryInvalid',
      });
    });

    test('pages: many small documents -> at most limits.pageDocumentsMax at once, and other work runs in between', async () => {
      const { store } = await open();
      const count = 2 * limits.pageDocumentsMax + 1;
      await store.write(Array.from({ length: count }, (_, index) => put(`${index}`, index)));
      const lengths = [];
      for await (const page of store.pages(products, {})) lengths.push(page.length);
      expect(lengths).toEqual([limits.pageDocumentsMax, limits.pageDocumentsMax, 1]);
    });

    test('a collection of several steps that changes meanwhile -> is found as it was, and others write between the steps', async () => {
      const { store } = await open();
      const count = 12 * limits.scanDocumentsMax;
      let rounds = 0;
      const keyOf = (index: number) => `k${String(index).padStart(6, '0')}`;
      await store.write(Array.from({ length: count }, (_, index) => put(keyOf(2 * index), { n: index })));
      await store.write([remove(keyOf(0)), put(keyOf(2), { n: -1 })]);
      const where = { n: { $gte: 0 } };
      const asked: Query[] = [{ where }, { where, offset: 7, limit: count - 100 }, { where: { n: { $lt: 5 } } }, {}];
      const before = await Promise.all(asked.map((query) => store.find(products, query)));
      expect(before.map(({ length }) => length)).toEqual([count - 2, count - 100, 4, count - 1]);
      for (const [index, query] of asked.entries()) {
        for (const search of [
          store.find(products, query),
          collect(store.pages(products, query)).then((all) => all.flat()),
        ]) {
          let isFound = false;
          const found = search.finally(() => {
            isFound = true;
          });
          const undone: Write[] = [];
          const touched = new Set<string>();
          for (let round = 0; !isFound && round < 1_000; round += 1) {
            const at = (7 * round) % count;
            // In the middle, and before and behind the place that the search has come to: changed twice, deleted, new.
            const changed = [at, count - 1 - at].map((each) => 2 * Math.max(each, 2));
            await store.write(
              changed.flatMap((each) => [put(keyOf(each), { n: -each }), put(keyOf(each), { n: 1e9 })]),
            );
            await store.write([put(keyOf(2 * at + 1), { n: 1 }), remove(keyOf(2 * Math.max(at + 1, 2)))]);
            undone.push(remove(keyOf(2 * at + 1)));
            for (const each of [...changed, 2 * Math.max(at + 1, 2)]) touched.add(keyOf(each));
            rounds += 1;
          }
          expect(await found).toEqual(before[index]);
          await store.write([...undone, ...restored(before[3]?.filter(({ key }) => touched.has(key)))]);
        }
      }
      // Several in each search, on the average.
      expect(rounds).toBeGreaterThan(16);
    });

    test('changes: large documents -> pages of limits.pageBytesMax; a larger one comes alone, and none is left out', async () => {
      const { store } = await open();
      const lengths = [10, 100_000, 200_000, 1_000_000, 10, 1_000_000, 1_000_000, 20];
      for (const [index, length] of lengths.entries()) await store.write([put(`${index}`, 'x'.repeat(length))]);
      for (const collection of [undefined, products]) {
        const options = { limit: 256, ...(collection === undefined ? {} : { collection }) };
        const seen: string[] = [];
        let since = 0;
        for (let page = await store.changes({ since, ...options }); page.length > 0; ) {
          const withoutLast = page.slice(0, -1).reduce((sum, { payload }) => sum + payload.length, 0);
          expect(withoutLast).toBeLessThan(limits.pageBytesMax);
          since = page.at(-1)?.place ?? since;
          seen.push(...page.map(({ key }) => key));
          page = await store.changes({ since, ...options });
        }
        expect(seen).toEqual(lengths.map((_, index) => `${index}`));
      }
    });
  });
}

function restored(documents: readonly StoredDocument[] = []): Write[] {
  return documents.map(({ key, payload }) => ({ kind: 'put', collection: products, key, payload }));
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

async function keysOf(store: Store, query: Query): Promise<string[]> {
  return (await store.find(products, query)).map(({ key }) => key);
}
