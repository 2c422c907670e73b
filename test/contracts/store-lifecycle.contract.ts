/** What survives the end of a process, and how a store ends. */
import { describe, expect, test } from '@jest/globals';
import { parseAuthorKey } from '../../src/core/author.js';
import {
  cursorAt,
  everything,
  keyOf,
  nodeB,
  type OpenStore,
  payloadOf,
  products,
  put,
  RemoteChain,
  remove,
  stamp,
  startMs,
  update,
} from './store-harness.js';

export function describeStoreLifecycle(open: OpenStore): void {
  describe('reopening', () => {
    test('reopened: documents, tombstones, positions, cursor -> all as before', async () => {
      const first = await open();
      await first.store.write([put('a', 1), put('b', 2), remove('a')]);
      await first.store.apply([new RemoteChain({ nodeId: nodeB }).put(stamp(9), 'c', 3).run()], nodeB);
      const before = {
        clock: new Map(first.store.clock()),
        digest: first.store.digest(['shared']),
        content: await first.store.contentDigest(['cluster', 'shared']),
        changes: await first.store.changes({ since: 0, limit: 10 }),
      };
      const { store } = await first.reopen();
      expect(store.clock()).toEqual(before.clock);
      expect(store.digest(['shared'])).toBe(before.digest);
      expect(await store.contentDigest(['cluster', 'shared'])).toEqual(before.content);
      expect(await store.changes({ since: 0, limit: 10 })).toEqual(before.changes);
      expect(store.cursor()).toBe(4);
      expect(await store.statistics()).toMatchObject({ documents: 2, tombstones: 1, entries: 4, authors: 2 });
    });

    test('reopened: the wall clock was set back -> stamps continue above all earlier ones, own and foreign', async () => {
      const first = await open();
      await first.store.write([put('a', 1)]);
      const second = await first.reopen();
      second.time.wallMs = startMs - 3_600_000;
      expect(await second.store.write([put('a', 2)])).toMatchObject([{ hlc: stamp(1) }]);
      second.time.wallMs = startMs;
      await second.store.apply([new RemoteChain({ nodeId: nodeB }).put(stamp(70), 'b', 1).run()], nodeB);
      const third = await second.reopen();
      third.time.wallMs = startMs - 3_600_000;
      expect(await third.store.write([put('a', 3)])).toMatchObject([{ hlc: stamp(71) }]);
    });

    test('reopened: written again -> a new incarnation with a chain of its own', async () => {
      const first = await open();
      await first.store.write([put('a', 1)]);
      const second = await first.reopen();
      expect(second.store.clock().size).toBe(1);
      await second.store.write([put('a', 2)]);
      await second.store.write([put('a', 3)]);
      const authors = [...second.store.clock().keys()].map((key) => parseAuthorKey(key));
      expect(authors.map((author) => author?.nodeId)).toEqual([second.store.nodeId, second.store.nodeId]);
      expect(new Set(authors.map((author) => author?.incarnation)).size).toBe(2);
    });

    test('reopened: an index -> still used and maintained', async () => {
      const first = await open();
      await first.store.createIndex(products, 'n');
      await first.store.write([put('a', { n: 1 })]);
      const { store } = await first.reopen();
      await store.write([put('b', { n: 1 }), put('a', { n: 2 })]);
      expect((await store.find(products, { where: { n: 1 } })).map(({ key }) => key)).toEqual(['b']);
    });
  });

  describe('closing', () => {
    test('closing: writes are waiting -> they are written before it ends', async () => {
      const first = await open();
      const written = Promise.all([first.store.write([put('a', 1)]), first.store.write([put('b', 2)])]);
      const { store } = await first.reopen();
      expect(await written).toMatchObject([[{ cursor: cursorAt(1) }], [{ cursor: cursorAt(2) }]]);
      expect(await payloadOf(store, 'b')).toBe(2);
    });

    test('closing: requested by a recipe -> the write is finished first', async () => {
      const { store } = await open();
      let closed: Promise<void> | undefined;
      const write = store.write([
        update('a', () => {
          closed = store.close();
          return '1';
        }),
      ]);
      expect(await write).toMatchObject([{ cursor: cursorAt(1) }]);
      await closed;
    });

    test('closed: every operation -> storeClosed', async () => {
      const { store } = await open();
      const where = { n: 1 };
      await store.close();
      await store.close();
      const operations = [
        store.write([put('a', 1)]),
        store.write([]),
        store.get(products, keyOf('a')),
        store.find(products, { where }),
        store.count(products),
        store.createIndex(products, 'n'),
        store.collections(),
        store.changes({ since: 0, limit: 1 }),
        store.changes({ since: 0, limit: 1, collection: products }),
        store.read(everything()),
        store.apply([], nodeB),
        store.contentDigest(['cluster', 'shared']),
        store.statistics(),
      ];
      for (const result of await Promise.allSettled(operations)) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'storeClosed' } });
      }
    });

    test('closing: an apply, a digest and an index are under way -> storeClosed for them, and none hangs', async () => {
      const { store } = await open();
      await store.write([put('a', 1)]);
      const underWay = [
        store.apply([new RemoteChain({ nodeId: nodeB }).put(stamp(5), 'b', 1).run()], nodeB),
        store.contentDigest(['cluster', 'shared']),
        store.createIndex(products, 'n'),
        store.statistics(),
      ];
      const results = Promise.allSettled(underWay);
      await store.close();
      for (const result of await results) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'storeClosed' } });
      }
    });
  });
}
