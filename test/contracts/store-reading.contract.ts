/** Reading what other nodes lack, and what is new. */
import { describe, expect, test } from '@jest/globals';
import type { AuthorKey } from '../../src/core/author.js';
import { authorKeyOf } from '../../src/core/author.js';
import { chainStart, endOf, type Position } from '../../src/core/entry.js';
import {
  cursorAt,
  everything,
  nodeA,
  nodeB,
  type OpenStore,
  orders,
  peers,
  products,
  put,
  RemoteChain,
  remove,
  stamp,
} from './store-harness.js';

export function describeStoreReading(open: OpenStore): void {
  describe('reading for a peer', () => {
    test('read: a reader with nothing -> every chain from its start, complete', async () => {
      const { store } = await open();
      const chain = new RemoteChain({ nodeId: nodeB }).put(stamp(1), 'b', 1).delete(stamp(2), 'b');
      await store.apply([chain.run()], nodeB);
      await store.write([put('a', 1), put('p', 1, peers)]);
      const result = await store.read(everything());
      expect(result).toMatchObject({ complete: true, diverged: [] });
      expect(result.runs.map(({ after }) => after)).toEqual([chainStart, chainStart, chainStart]);
      expect(result.runs[0]).toEqual(chain.run());
      expect(result.runs.map(({ author }) => [author.nodeId, author.scope])).toEqual([
        [nodeB, 'shared'],
        [nodeA, 'shared'],
        [nodeA, 'cluster'],
      ]);
    });

    test('read: a reader that has a part -> the rest, after its position', async () => {
      const { store } = await open();
      const chain = new RemoteChain({ nodeId: nodeB })
        .put(stamp(1), 'a', 1)
        .put(stamp(2), 'b', 1)
        .put(stamp(3), 'c', 1);
      await store.apply([chain.run()], nodeB);
      const key = authorKeyOf(chain.author);
      const result = await store.read(everything(new Map([[key, endOf(chain.run(0, 2))]])));
      expect(result.runs).toEqual([chain.run(2, 3)]);
      expect((await store.read(everything(store.clock()))).runs).toEqual([]);
    });

    test('lacking: the number of entries that a reader would get in the end, of the given scopes, up to a maximum', async () => {
      const { store } = await open();
      const chain = new RemoteChain({ nodeId: nodeB }).put(stamp(1), 'a', 1).put(stamp(2), 'b', 1);
      await store.apply([chain.run()], nodeB);
      await store.write([put('a', 1), put('p', 1, peers)]);
      const half = new Map([[authorKeyOf(chain.author), endOf(chain.run(0, 1))]]);
      expect([
        await store.lacking(new Map(), ['cluster', 'shared'], 10),
        await store.lacking(new Map(), ['shared'], 10),
        await store.lacking(half, ['cluster', 'shared'], 10),
        await store.lacking(new Map(), ['cluster', 'shared'], 2),
        await store.lacking(new Map(store.clock()), ['cluster', 'shared'], 10),
      ]).toEqual([4, 3, 3, 2, 0]);
    });

    test('read: positions that are not in our chain -> diverged; the others are read', async () => {
      const { store } = await open();
      await store.write([put('a', 1), put('b', 1), put('p', 1, peers)]);
      const [shared] = [...store.clock().keys()] as [AuthorKey];
      const end = store.clock().get(shared) as Position;
      const positions: Position[] = [
        { hlc: stamp(0), hash: 'other' },
        { hlc: end.hlc, hash: 'other' },
        { hlc: stamp(-1), hash: 'other' },
      ];
      for (const position of positions) {
        const result = await store.read(everything(new Map([[shared, position]])));
        expect(result.diverged).toEqual([shared]);
        expect(result.runs.map(({ author }) => author.scope)).toEqual(['cluster']);
      }
    });

    test('read: scopes and authors left out -> not read, and not missed', async () => {
      const { store } = await open();
      await store.write([put('a', 1), put('p', 1, peers)]);
      const [shared] = [...store.clock().keys()] as [AuthorKey];
      const result = await store.read({ ...everything(), scopes: ['shared'] });
      expect(result.runs.map(({ author }) => author.scope)).toEqual(['shared']);
      expect(result.complete).toBe(true);
      expect(await store.read({ ...everything(), scopes: ['shared'], except: new Set([shared]) })).toEqual({
        runs: [],
        complete: true,
        diverged: [],
      });
    });

    test('read: limits on entries and bytes over several authors -> parts that add up to the whole', async () => {
      const { store } = await open();
      const chains = ['node-b', 'node-c', 'node-d'].map((nodeId) => {
        const chain = new RemoteChain({ nodeId });
        for (let index = 1; index <= 7; index += 1)
          chain.put(stamp(index), `${nodeId}-${index}`, 'x'.repeat(index * 10));
        return chain;
      });
      await store.apply(
        chains.map((chain) => chain.run()),
        nodeB,
      );
      for (const bounds of [
        { entriesMax: 4, bytesMax: 1_000_000 },
        { entriesMax: 1_000, bytesMax: 100 },
        { entriesMax: 1_000, bytesMax: 1 },
      ]) {
        const { store: reader } = await open({ nodeId: nodeB });
        let complete = false;
        while (!complete) {
          const result = await store.read({ ...everything(reader.clock()), ...bounds });
          const entries = result.runs.flatMap((run) => run.entries);
          const bytes = entries.reduce((sum, { payload }) => sum + payload.length, 0);
          expect(entries.length).toBeLessThanOrEqual(bounds.entriesMax);
          expect(entries.length === 1 || bytes <= bounds.bytesMax).toBe(true);
          expect(await reader.apply(result.runs, nodeA)).toMatchObject({ applied: entries.length, gaps: [] });
          complete = result.complete;
        }
        expect(reader.digest(['shared'])).toBe(store.digest(['shared']));
      }
    });
  });

  describe('changes', () => {
    test('changes: since a cursor, limited, of one collection -> entries in order of arrival', async () => {
      const { store } = await open();
      await store.write([put('a', 1), put('o', 1, orders), remove('a'), put('b', 2)]);
      const all = await store.changes({ since: 0, limit: 10 });
      expect(all.map(({ place, key, operation }) => [place, key, operation])).toEqual([
        [1, 'a', 'put'],
        [2, 'o', 'put'],
        [3, 'a', 'delete'],
        [4, 'b', 'put'],
      ]);
      expect(all[0]).toEqual({
        place: 1,
        cursor: cursorAt(1),
        collection: products,
        key: 'a',
        operation: 'put',
        payload: '1',
        hlc: stamp(0),
        nodeId: nodeA,
        current: true,
      });
      expect(await store.changes({ since: 1, limit: 2 })).toEqual(all.slice(1, 3));
      expect(await store.changes({ since: 1, limit: 1, collection: products })).toEqual(all.slice(2, 3));
      expect(await store.changes({ since: 4, limit: 9 })).toEqual([]);
      expect(await store.changes({ since: 0, limit: 9, collection: peers })).toEqual([]);
    });

    test('changes: a rare collection in a long oplog -> found, once', async () => {
      const { store } = await open();
      const bulk = Array.from({ length: 25_000 }, (_, index) => put(`key-${index % 100}`, index));
      await store.write([...bulk, put('rare', 1, orders)]);
      const changes = await store.changes({ since: 0, limit: 10, collection: orders });
      expect(changes.map(({ place }) => place)).toEqual([25_001]);
    });
  });

  describe('collections', () => {
    test('collections: with documents, with tombstones only, indexed only -> those with documents, in order', async () => {
      const { store } = await open();
      await store.write([put('a', 1), put('b', 1, orders), put('p', 1, peers)]);
      await store.write([remove('b', orders)]);
      await store.createIndex('empty' as typeof products, 'n');
      expect(await store.collections()).toEqual([peers, products]);
    });
  });
}
