/** Applying entries from peers: idempotent, in any order of authors, and never entries that do not fit. */
import { describe, expect, test } from '@jest/globals';
import { type AuthorKey, authorKeyOf } from '../../src/core/author.js';
import type { Entry, Run } from '../../src/core/entry.js';
import { limits } from '../../src/core/limits.js';
import { predecessorOrigin } from '../../src/core/replication.js';
import type { Commit, Store } from '../../src/ports/store.js';
import {
  cursorAt,
  everything,
  nodeA,
  nodeB,
  type OpenStore,
  payloadOf,
  peers,
  products,
  put,
  RemoteChain,
  stamp,
  startMs,
} from './store-harness.js';

const accepted = { gaps: [], parked: [], diverged: [] };

function chainOfFive(): RemoteChain {
  const chain = new RemoteChain({ nodeId: nodeB });
  for (let index = 1; index <= 5; index += 1) chain.put(stamp(index * 10), `key-${index}`, index);
  return chain;
}

export function describeStoreReplication(open: OpenStore): void {
  describe('applying', () => {
    test('apply: contiguous runs, several of one author in a call, some twice -> all applied once, one commit with the origin', async () => {
      const { store } = await open();
      const commits: Commit[] = [];
      store.subscribe((commit) => commits.push(commit));
      const chain = chainOfFive();
      const runs = [chain.run(0, 2), chain.run(0, 1), chain.run(1, 2), chain.run(2, 5), chain.run(3, 4)];
      expect(await store.apply(runs, nodeB)).toEqual({ applied: 5, ...accepted });
      await Promise.resolve();
      expect(commits).toHaveLength(1);
      expect(commits[0]).toMatchObject({ origin: nodeB, cursor: 5 });
      expect(commits[0]?.runs).toEqual([chain.run()]);
      expect(store.clock().get(authorKeyOf(chain.author))).toEqual(positionAt(chain, 4));
    });

    test('apply: the same again, complete, in part and overlapping -> only new entries', async () => {
      const { store } = await open();
      const chain = chainOfFive();
      await store.apply([chain.run(0, 3)], nodeB);
      for (const known of [chain.run(0, 3), chain.run(1, 2), chain.run(2, 3), chain.run(3, 3), chain.run(0, 0)]) {
        expect(await store.apply([known], nodeB)).toEqual({ applied: 0, ...accepted });
      }
      expect(store.cursor()).toBe(3);
      const commits: Commit[] = [];
      store.subscribe((commit) => commits.push(commit));
      expect(await store.apply([chain.run(1, 5)], nodeB)).toEqual({ applied: 2, ...accepted });
      await Promise.resolve();
      expect(commits[0]?.runs).toEqual([chain.run(3, 5)]);
    });

    test('apply: entries are missing before the run -> a gap, nothing applied; other authors go on', async () => {
      const { store } = await open();
      const chain = chainOfFive();
      const other = new RemoteChain({ nodeId: 'node-c' }).put(stamp(1), 'c', 1);
      const result = await store.apply([chain.run(2, 5), other.run()], nodeB);
      expect(result).toEqual({ applied: 1, gaps: [authorKeyOf(chain.author)], parked: [], diverged: [] });
      expect(store.clock().has(authorKeyOf(chain.author))).toBe(false);
      expect(await payloadOf(store, 'c')).toBe(1);
    });

    test('apply: another chain of the same author, in every position -> diverged, nothing applied', async () => {
      const ours = chainOfFive();
      const fork = new RemoteChain({ nodeId: nodeB })
        .put(stamp(10), 'key-1', 1)
        .put(stamp(20), 'key-2', 'other')
        .put(stamp(25), 'key-3', 'other')
        .put(stamp(30), 'key-3', 'other')
        .put(stamp(40), 'key-4', 'other');
      const forked = [
        ['continues from another hash at our stamp', fork.run(4, 5)],
        ['overlaps with another hash at our stamp', fork.run(1, 5)],
        ['overlaps and has nothing at our stamp', fork.run(2, 3)],
        ['ends before our stamp with another hash', fork.run(1, 2)],
        ['ends at our stamp with another hash', fork.run(1, 4)],
        ['is empty at a stamp that is not ours', fork.run(3, 3)],
      ] as const;
      for (const [situation, run] of forked) {
        const { store } = await open();
        await store.apply([ours.run(0, 3)], nodeB);
        const result = await store.apply([run], nodeB);
        expect([situation, result]).toEqual([situation, { applied: 0, gaps: [], parked: [], diverged: [keyOfB] }]);
        expect(store.cursor()).toBe(3);
      }
    });

    test('apply: a run whose entries fall around our position -> diverged', async () => {
      const { store } = await open();
      await store.apply([chainOfFive().run(0, 3)], nodeB);
      const around = new RemoteChain({ nodeId: nodeB }).put(stamp(10), 'key-1', 1).put(stamp(31), 'x', 1);
      expect((await store.apply([around.run()], nodeB)).diverged).toEqual([keyOfB]);
    });

    test('apply: an altered payload, hash or order, stamps that do not rise or are invalid -> diverged, nothing of the run applied', async () => {
      const { store } = await open();
      const run = chainOfFive().run();
      const altered: Run[] = [
        withEntry(run, 4, { payload: '"evil"' }),
        withEntry(run, 2, { hash: run.entries[3]?.hash ?? '' }),
        withEntry(run, 3, { operation: 'delete' }),
        { ...run, entries: [...run.entries].reverse() },
        withEntry(run, 1, { hlc: stamp(10) }),
        new RemoteChain({ nodeId: nodeB }).put(stamp(2), 'a', 1).put(stamp(2), 'b', 1).run(),
        new RemoteChain({ nodeId: nodeB }).put(stamp(2), 'a', 1).put(stamp(1), 'b', 1).run(),
        new RemoteChain({ nodeId: nodeB }).put((stamp(2) + 0.5) as Entry['hlc'], 'a', 1).run(),
      ];
      for (const bad of altered) {
        expect(await store.apply([bad], nodeB)).toEqual({ applied: 0, gaps: [], parked: [], diverged: [keyOfB] });
      }
      expect(store.cursor()).toBe(0);
      expect(await store.apply([run], nodeB)).toEqual({ applied: 5, ...accepted });
    });

    test('apply: a system collection in a chain that leaves the cluster -> diverged', async () => {
      const { store } = await open();
      const smuggler = new RemoteChain({ nodeId: nodeB, scope: 'shared' }).put(stamp(1), 'p', 1, peers);
      expect(await store.apply([smuggler.run()], nodeB)).toMatchObject({ applied: 0, diverged: [keyOfB] });
      const honest = new RemoteChain({ nodeId: nodeB, scope: 'cluster' }).put(stamp(1), 'p', 1, peers);
      expect(await store.apply([honest.run()], nodeB)).toMatchObject({ applied: 1, diverged: [] });
    });

    test('apply: an entry too far ahead -> parked with its successors; earlier entries are applied, and later the rest', async () => {
      const { store, time } = await open();
      const ahead = startMs + limits.clockDriftMaxMs + 1;
      const chain = new RemoteChain({ nodeId: nodeB })
        .put(stamp(1), 'a', 1)
        .put(stamp(0, ahead - 1), 'b', 1)
        .put(stamp(0, ahead), 'c', 1)
        .put(stamp(1, ahead), 'd', 1);
      const first = await store.apply([chain.run(0, 3), chain.run(3, 4)], nodeB);
      expect(first).toEqual({ applied: 2, gaps: [], parked: [keyOfB], diverged: [] });
      expect(await store.apply([chain.run()], nodeB)).toEqual({ ...first, applied: 0 });
      time.wallMs += 1;
      expect(await store.apply([chain.run()], nodeB)).toEqual({ applied: 2, ...accepted });
    });

    test('apply: an entry too far ahead, from the previous database -> applied, because it was judged there', async () => {
      const { store } = await open();
      const chain = new RemoteChain({ nodeId: nodeB }).put(stamp(0, startMs + 10 * limits.clockDriftMaxMs), 'a', 1);
      expect(await store.apply([chain.run()], predecessorOrigin)).toEqual({ applied: 1, ...accepted });
    });

    test('apply: a stamp within the drift -> local stamps continue above it', async () => {
      const { store } = await open();
      await store.apply([new RemoteChain({ nodeId: nodeB }).put(stamp(7, startMs + 30_000), 'a', 1).run()], nodeB);
      expect(await store.write([put('a', 2)])).toMatchObject([{ hlc: stamp(8, startMs + 30_000) }]);
      expect(await payloadOf(store, 'a')).toBe(2);
    });

    test('apply: the disk is full -> diskFull, nothing applied; a part that fits is applied when it comes again', async () => {
      const chain = new RemoteChain({ nodeId: nodeB })
        .put(stamp(1), 'a', 1)
        .put(stamp(2), 'large', 'x'.repeat(2_000_000));
      const { store } = await open({ pagesMax: 100 });
      await expect(store.apply([chain.run()], nodeB)).rejects.toMatchObject({ code: 'diskFull' });
      expect([store.cursor(), store.clock().size]).toEqual([0, 0]);
      expect(await store.apply([chain.run(0, 1)], nodeB)).toEqual({ applied: 1, ...accepted });
      expect(await store.write([put('b', 1)])).toMatchObject([{ cursor: cursorAt(2) }]);
    });
  });

  describe('merging', () => {
    test('merge: an older and a newer write in both orders -> the newer stays, the older is not current', async () => {
      const older = new RemoteChain({ nodeId: 'node-c' }).put(stamp(1), 'a', 'older');
      const newer = new RemoteChain({ nodeId: nodeB }).put(stamp(2), 'a', 'newer');
      for (const [order, current] of [
        [
          [older, newer],
          [true, true],
        ],
        [
          [newer, older],
          [true, false],
        ],
      ] as const) {
        const { store } = await open();
        for (const chain of order) await store.apply([chain.run()], nodeB);
        expect(await payloadOf(store, 'a')).toBe('newer');
        const changes = await store.changes({ since: 0, limit: 10 });
        expect(changes.map((change) => change.current)).toEqual(current);
      }
    });

    test('merge: a deletion and an older or newer put -> the later of the two decides', async () => {
      const { store } = await open();
      await store.apply([new RemoteChain({ nodeId: nodeB }).delete(stamp(5), 'a').delete(stamp(6), 'b').run()], nodeB);
      const other = new RemoteChain({ nodeId: 'node-c' }).put(stamp(4), 'a', 1).put(stamp(7), 'b', 1);
      await store.apply([other.run()], nodeB);
      expect(await payloadOf(store, 'a')).toBeUndefined();
      expect(await payloadOf(store, 'b')).toBe(1);
      expect(await store.statistics()).toMatchObject({ documents: 1, tombstones: 1, entries: 4 });
    });

    test('merge: equal stamps -> the greater NodeId by code units, then the greater incarnation, in any order', async () => {
      const tied = [
        new RemoteChain({ nodeId: 'Z', incarnation: 'z' }).put(stamp(1), 'a', 'Z/z'),
        new RemoteChain({ nodeId: 'a', incarnation: 'x' }).put(stamp(1), 'a', 'a/x'),
        new RemoteChain({ nodeId: 'a', incarnation: 'y' }).put(stamp(1), 'a', 'a/y'),
      ];
      for (const order of [
        [0, 1, 2],
        [2, 1, 0],
        [1, 2, 0],
        [2, 0, 1],
      ]) {
        const { store } = await open();
        await store.apply(
          order.map((index) => (tied[index] as RemoteChain).run()),
          nodeB,
        );
        expect(await payloadOf(store, 'a')).toBe('a/y');
      }
    });

    test('merge: an older incarnation of our own, lost with a backup -> recovered from a peer', async () => {
      const { store } = await open();
      await store.write([put('a', 'now')]);
      const lost = new RemoteChain({ nodeId: nodeA, incarnation: 'lost' }).put(stamp(0), 'b', 'back');
      expect(await store.apply([lost.run()], nodeB)).toEqual({ applied: 1, ...accepted });
      expect(await payloadOf(store, 'b')).toBe('back');
    });

    test('merge: entries of our present incarnation that we did not write -> diverged', async () => {
      const { store } = await open();
      await store.write([put('a', 1)]);
      const [key] = [...store.clock().keys()];
      const incarnation = key?.split('/')[1] ?? '';
      const forged = new RemoteChain({ nodeId: nodeA, incarnation });
      forged.entries.push(...(await ownEntries(store)));
      forged.put(stamp(5), 'a', 'forged');
      expect(await store.apply([forged.run(0, 1)], nodeB)).toEqual({ applied: 0, ...accepted });
      for (const run of [forged.run(), forged.run(1, 2)]) {
        expect(await store.apply([run], nodeB)).toEqual({ applied: 0, gaps: [], parked: [], diverged: [key] });
      }
    });

    test('replicas: one writes, another reads and applies -> equal digests, per scope and of content', async () => {
      const [a, b] = [(await open()).store, (await open({ nodeId: nodeB })).store];
      await a.write([put('x', 1), put('p', 1, peers)]);
      await b.write([put('x', 2), put('y', 2)]);
      expect(a.digest(['shared'])).not.toBe(b.digest(['shared']));
      await b.apply((await a.read({ ...everything(b.clock()), scopes: ['shared'] })).runs, nodeA);
      await a.apply((await b.read({ ...everything(a.clock()), scopes: ['shared'] })).runs, nodeB);
      expect(a.digest(['shared'])).toBe(b.digest(['shared']));
      expect(a.digest(['cluster', 'shared'])).not.toBe(b.digest(['shared', 'cluster']));
      await b.apply((await a.read(everything(b.clock()))).runs, nodeA);
      expect(a.digest(['cluster', 'shared'])).toBe(b.digest(['shared', 'cluster']));
      expect(await a.contentDigest(['cluster', 'shared'])).toEqual(await b.contentDigest(['cluster', 'shared']));
      expect((await a.contentDigest(['cluster', 'shared'])).documents).toBe(3);
      expect(await a.find(products, {})).toEqual(await b.find(products, {}));
    });
  });
}

const keyOfB = authorKeyOf(new RemoteChain({ nodeId: nodeB }).author) as AuthorKey;

function positionAt(chain: RemoteChain, index: number) {
  const { hlc, hash } = chain.entries[index] as Entry;
  return { hlc, hash };
}

function withEntry(run: Run, index: number, change: Partial<Entry>): Run {
  return { ...run, entries: run.entries.map((entry, at) => (at === index ? { ...entry, ...change } : entry)) };
}

async function ownEntries(store: Store): Promise<readonly Entry[]> {
  const { runs } = await store.read(everything());
  return runs[0]?.entries ?? [];
}
