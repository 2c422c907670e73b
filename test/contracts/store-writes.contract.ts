/** Local writes: atomic, ordered, durable, in groups. */
import { describe, expect, test } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import type { Commit, Store, Write } from '../../src/ports/store.js';
import {
  cursorAt,
  everything,
  keyOf,
  type OpenStore,
  payloadOf,
  peers,
  products,
  put,
  remove,
  stamp,
  update,
} from './store-harness.js';

export function describeStoreWrites(open: OpenStore): void {
  describe('writing', () => {
    test('put: written and read back -> the same text, a stamp and a cursor', async () => {
      const { store } = await open();
      const [written] = await store.write([put('a', { name: 'Ä', n: 1 })]);
      expect(written).toEqual({ hlc: stamp(0), cursor: cursorAt(1) });
      expect(await store.get(products, keyOf('a'))).toEqual({ key: 'a', payload: '{"name":"Ä","n":1}' });
      expect(await store.get(products, keyOf('b'))).toBeUndefined();
      expect(store.cursor()).toBe(1);
    });

    test('put: the same payload again -> still an entry', async () => {
      const { store } = await open();
      await store.write([put('a', 1)]);
      expect(await store.write([put('a', 1)])).toEqual([{ hlc: stamp(1), cursor: cursorAt(2) }]);
    });

    test('delete: a document and then nothing -> a tombstone, then no entry', async () => {
      const { store } = await open();
      await store.write([put('a', 1)]);
      expect(await store.write([remove('a')])).toEqual([{ hlc: stamp(1), cursor: cursorAt(2) }]);
      expect(await store.write([remove('a'), remove('never')])).toEqual([undefined, undefined]);
      expect(await payloadOf(store, 'a')).toBeUndefined();
      expect(store.cursor()).toBe(2);
      expect(await store.statistics()).toMatchObject({ documents: 0, tombstones: 1, entries: 2 });
    });

    test('update: recipes that change, keep, remove and create -> entries only for changes', async () => {
      const { store } = await open();
      await store.write([put('a', 1)]);
      const written = await store.write([
        update('a', (text) => `${Number(text) + 1}`),
        update('a', (text) => text),
        update('none', () => undefined),
        update('new', (text) => (text === undefined ? '"made"' : '"wrong"')),
        update('a', () => undefined),
      ]);
      expect(written.map((item) => item?.cursor)).toEqual([
        cursorAt(2),
        undefined,
        undefined,
        cursorAt(3),
        cursorAt(4),
      ]);
      expect(await payloadOf(store, 'a')).toBeUndefined();
      expect(await payloadOf(store, 'new')).toBe('made');
    });

    test('update: many in one turn on one document -> each sees the previous one', async () => {
      const { store } = await open();
      await Promise.all([
        store.write([put('counter', 0)]),
        ...Array.from({ length: 50 }, () => store.write([update('counter', (text) => `${Number(text) + 1}`)])),
      ]);
      expect(await payloadOf(store, 'counter')).toBe(50);
    });

    test('update: after put and delete within one request -> sees them', async () => {
      const { store } = await open();
      const seen: (string | undefined)[] = [];
      const look = update('a', (text) => {
        seen.push(text);
        return text;
      });
      await store.write([look, put('a', 1), look, remove('a'), look]);
      expect(seen).toEqual([undefined, '1', undefined]);
    });

    test('group commit: writes of one turn -> one commit; those of the next turn another', async () => {
      const { store } = await open();
      const commits = commitsOf(store);
      await Promise.all(Array.from({ length: 100 }, (_, index) => store.write([put(`key-${index}`, index)])));
      await store.write([put('later', 1)]);
      await Promise.resolve();
      expect(commits.map((commit) => commit.cursor)).toEqual([100, 101]);
      expect((await store.statistics()).commits).toBe(2);
    });

    test('group commit: more writes than a transaction takes -> several transactions, in order', async () => {
      const { store } = await open();
      const commits = commitsOf(store);
      const count = limits.writesPerTransactionMax + 10;
      const written = await Promise.all(Array.from({ length: count }, (_, index) => store.write([put(`${index}`, 1)])));
      expect(written.map(([item]) => item?.cursor)).toEqual(
        Array.from({ length: count }, (_, index) => cursorAt(index + 1)),
      );
      await Promise.resolve();
      expect(commits.map((commit) => commit.cursor)).toEqual([limits.writesPerTransactionMax, count]);
    });

    test('group commit: one request larger than a transaction -> one commit', async () => {
      const { store } = await open();
      const commits = commitsOf(store);
      const count = limits.writesPerTransactionMax + 10;
      await store.write(Array.from({ length: count }, (_, index) => put(`${index}`, 1)));
      await Promise.resolve();
      expect(commits.map((commit) => commit.cursor)).toEqual([count]);
    });

    test('group commit: a recipe throws -> its request writes nothing; the others write all, in one commit', async () => {
      const { store } = await open();
      const commits = commitsOf(store);
      const problem = new Error('no');
      const fail = update('a', () => {
        throw problem;
      });
      const results = await Promise.allSettled([
        store.write([put('a', 1)]),
        store.write([put('b', 1), fail]),
        store.write([put('c', 1)]),
      ]);
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(results[1]).toMatchObject({ reason: problem });
      expect(await payloadOf(store, 'b')).toBeUndefined();
      expect(await store.count(products)).toBe(2);
      expect(commits.map(({ cursor }) => cursor)).toEqual([2]);
      expect(await chainIsWhole(store, open)).toBe(true);
    });

    test('group commit: a payload that no database takes -> its request fails; the others and later ones do not', async () => {
      const { store } = await open();
      const broken = { ...put('b', 1), payload: {} } as unknown as Write;
      const results = await Promise.allSettled([
        store.write([put('a', 1)]),
        store.write([put('b', 1), broken]),
        store.write([put('c', 1)]),
      ]);
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(await store.write([put('d', 1)])).toMatchObject([{ cursor: cursorAt(3) }]);
      expect((await store.find(products, {})).map(({ key }) => key)).toEqual(['a', 'c', 'd']);
      expect(await chainIsWhole(store, open)).toBe(true);
    });

    test('group commit: the disk is too small for one request -> diskFull for it, and the others are written', async () => {
      const { store } = await open({ pagesMax: 100 });
      const commits = commitsOf(store);
      const large = 'x'.repeat(2_000_000);
      const results = await Promise.allSettled([
        store.write([put('a', 1)]),
        store.write([put('b', 1), put('large', large)]),
        store.write([update('a', (text) => `${Number(text) + 1}`)]),
      ]);
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(results[1]).toMatchObject({ reason: { name: 'StatemeshError', code: 'diskFull' } });
      expect(await payloadOf(store, 'a')).toBe(2);
      expect(await payloadOf(store, 'b')).toBeUndefined();
      await Promise.resolve();
      expect(commits.map(({ cursor }) => cursor)).toEqual([1, 2]);
      expect(await chainIsWhole(store, open)).toBe(true);
    });

    test('queue: more writes than may wait -> writeQueueFull for the newcomer, and the others are written', async () => {
      const { store } = await open();
      const many = Array.from({ length: limits.writesQueuedMax }, () => remove('none'));
      const first = store.write(many);
      await expect(store.write([put('a', 1)])).rejects.toMatchObject({ code: 'writeQueueFull' });
      expect(await first).toHaveLength(limits.writesQueuedMax);
      expect(await store.write([put('a', 1)])).toMatchObject([{ cursor: cursorAt(1) }]);
    });

    test('scopes: a system collection and another -> two chains that share stamps and incarnation', async () => {
      const { store } = await open();
      const commits = commitsOf(store);
      await store.write([put('a', 1), put('p', 1, peers), put('b', 1)]);
      await Promise.resolve();
      const runs = commits[0]?.runs ?? [];
      expect(runs.map(({ author }) => author.scope)).toEqual(['shared', 'cluster']);
      expect(new Set(runs.map(({ author }) => author.incarnation)).size).toBe(1);
      expect(runs.map(({ entries }) => entries.map(({ hlc }) => hlc))).toEqual([[stamp(0), stamp(2)], [stamp(1)]]);
    });
  });

  describe('subscribing', () => {
    test('subscriber: a write -> is reported after its caller got the answer, with the entries', async () => {
      const { store } = await open();
      const order: string[] = [];
      store.subscribe((commit) => {
        order.push(`commit ${commit.cursor}`);
        expect(commit.origin).toBeUndefined();
        expect([...commit.collections]).toEqual(['products']);
        expect(commit.runs[0]?.entries.map(({ key }) => key)).toEqual(['a']);
      });
      await store.write([put('a', 1)]).then(() => order.push('answered'));
      await Promise.resolve();
      expect(order).toEqual(['answered', 'commit 1']);
    });

    test('subscriber: one throws -> the others hear the commit, and the store goes on', async () => {
      const { store, subscriberErrors } = await open();
      const problem = new Error('subscriber');
      store.subscribe(() => {
        throw problem;
      });
      const commits = commitsOf(store);
      await store.write([put('a', 1)]);
      await store.write([put('b', 1)]);
      await Promise.resolve();
      expect(commits.map(({ cursor }) => cursor)).toEqual([1, 2]);
      expect(subscriberErrors).toEqual([problem, problem]);
    });

    test('subscriber: unsubscribed, or nothing was written -> silence', async () => {
      const { store } = await open();
      const commits: Commit[] = [];
      const unsubscribe = store.subscribe((commit) => commits.push(commit));
      await store.write([remove('none')]);
      unsubscribe();
      await store.write([put('a', 1)]);
      await Promise.resolve();
      expect(commits).toEqual([]);
    });

    test('recipe: reads a document from the store -> gets the committed one, not the one being written', async () => {
      const { store } = await open();
      let seen: Promise<unknown> | undefined;
      const asks = update('b', () => {
        seen = store.count(products);
        throw new Error('stop');
      });
      const write = store.write([put('a', 1)]);
      await expect(store.write([asks])).rejects.toThrow('stop');
      await write;
      expect(await seen).toBe(1);
    });
  });
}

function commitsOf(store: Store): Commit[] {
  const commits: Commit[] = [];
  store.subscribe((commit) => commits.push(commit));
  return commits;
}

/** Whether another store accepts everything that this one has written. */
async function chainIsWhole(store: Store, open: OpenStore): Promise<boolean> {
  const other = (await open()).store;
  const { runs } = await store.read(everything());
  const result = await other.apply(runs, store.nodeId);
  return result.diverged.length + result.gaps.length === 0 && other.digest(['shared']) === store.digest(['shared']);
}
