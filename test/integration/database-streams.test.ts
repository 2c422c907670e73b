import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { StatemeshError } from '../../src/core/errors.js';
import type { Cursor } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { createDatabase } from '../../src/database/database.js';
import { createStreams } from '../../src/database/streams.js';
import type { Store } from '../../src/ports/store.js';
import {
  applyRemote,
  codeOf,
  countSubscribers,
  intercept,
  isWaiting,
  openDatabase,
  openStore,
  take,
  turn,
} from './database-fixture.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Lets turns of the event loop pass until the condition holds. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

interface Item {
  count: number;
}

async function openCounted() {
  const { store, subscribers } = countSubscribers(await openStore());
  const database = createDatabase(() => store);
  return { store, subscribers, database, items: database.collection<Item>('items') };
}

describe('changes', () => {
  test('changes: writes, a deletion and a remote entry -> each once, in order of arrival', async () => {
    const { store, database } = await openDatabase();
    const items = database.collection<Item>('items');
    const written = await items.put('a', { count: 1 });
    await database.collection('others').put('b', 'x');
    await items.delete('a');
    await applyRemote(store, { collection: 'items', key: 'c', payload: '{"count":3}' });
    const changes = await take(database.changes(), 4);
    expect(changes.map(({ key, operation, document }) => [key, operation, document])).toEqual([
      ['a', 'put', { count: 1 }],
      ['b', 'put', 'x'],
      ['a', 'delete', undefined],
      ['c', 'put', { count: 3 }],
    ]);
    expect(changes[0]).toEqual({
      ...written,
      collection: 'items',
      key: 'a',
      operation: 'put',
      document: { count: 1 },
      malformed: false,
      nodeId: 'node-a',
      current: expect.any(Boolean),
    });
    expect(changes[3]?.nodeId).toMatch(/^stranger/);
    expect(new Set(changes.map(({ cursor }) => cursor)).size).toBe(changes.length);
  });

  test('changes: of one collection -> the others are left out, also while it waits', async () => {
    const { database, items } = await openCounted();
    const others = database.collection('others');
    await others.put('x', 1);
    const stream = items.changes();
    const next = stream.next();
    expect(await isWaiting(next)).toBe(true);
    await others.put('y', 1);
    expect(await isWaiting(next)).toBe(true);
    await items.put('a', { count: 1 });
    expect((await next).value).toMatchObject({ key: 'a' });
    await stream.return();
  });

  test('changes: resumed from any cursor -> exactly the entries after it', async () => {
    const { database, items } = await openCounted();
    const count = 2 * limits.changesPageEntriesMax + 10;
    await items.putMany(Array.from({ length: count }, (_, index) => [`${index}`, { count: index }] as const));
    const all = await take(database.changes({ since: 0 }), count);
    expect(all.map(({ key }) => key)).toEqual(Array.from({ length: count }, (_, index) => `${index}`));
    for (const index of [0, limits.changesPageEntriesMax - 1, limits.changesPageEntriesMax, count - 2]) {
      const since = all[index]?.cursor ?? 0;
      expect(await take(database.changes({ since }), count - 1 - index)).toEqual(all.slice(index + 1));
    }
  });

  test('changes: since now -> only entries that come after the call', async () => {
    const { database, items } = await openCounted();
    await items.put('a', { count: 1 });
    const stream = database.changes({ since: 'now' });
    await items.put('b', { count: 2 });
    expect((await stream.next()).value).toMatchObject({ key: 'b' });
    await stream.return();
  });

  test.each([[-1], [1.5], [Number.NaN], ['later'], ['c.1.x'], [''], [null], [7]])(
    'changes: since %p -> queryInvalid',
    async (since) => {
      const { database, items } = await openCounted();
      expect(await codeOf(() => database.changes({ since: since as 0 }))).toBe('queryInvalid');
      expect(await codeOf(() => items.changes({ since: since as 0 }))).toBe('queryInvalid');
    },
  );

  test('changes: since a cursor of another database, or of a different past of this one -> cursorExpired, at once', async () => {
    const [one, other] = [await openCounted(), await openCounted()];
    const ours = await one.items.put('a', { count: 1 });
    await other.items.put('b', { count: 1 });
    // Both files have the same name for themselves here: the entry distinguishes them.
    for (const cursor of [ours?.cursor, 'cforeign.0.', 'ctoken-0.9.abcdefgh']) {
      expect(await codeOf(() => other.database.changes({ since: cursor as Cursor }))).toBe('cursorExpired');
      expect(await codeOf(() => other.items.changes({ since: cursor as Cursor }))).toBe('cursorExpired');
    }
  });

  test('changes: a slow consumer -> one page is read, and the next only on demand', async () => {
    const { store } = await openCounted();
    const limitsAsked: number[] = [];
    const observed = intercept(store, {
      changes(options) {
        limitsAsked.push(options.limit);
        return store.changes(options);
      },
    });
    const database = createDatabase(() => observed);
    const items = database.collection<Item>('items');
    await items.putMany(Array.from({ length: 1_000 }, (_, index) => [`${index}`, { count: index }] as const));
    const stream = database.changes();
    expect(limitsAsked).toEqual([]);
    await take(stream, limits.changesPageEntriesMax);
    for (let count = 0; count < 10; count++) await turn();
    expect(limitsAsked).toEqual([limits.changesPageEntriesMax]);
    await take(stream, 1);
    expect(limitsAsked).toEqual([limits.changesPageEntriesMax, limits.changesPageEntriesMax]);
    await stream.return();
  });

  test('changes: a commit between the read and the wait -> delivered without another commit', async () => {
    const { store } = await openCounted();
    let isFirst = true;
    const racing: Store = intercept(store, {
      async changes(options) {
        const page = await store.changes(options);
        if (isFirst) await items.put('raced', { count: 1 });
        isFirst = false;
        // Subscribers learn of the commit now, before the reader can have subscribed.
        await turn();
        return page;
      },
    });
    const items = createDatabase(() => store).collection<Item>('items');
    for (const feed of [createDatabase(() => racing), createDatabase(() => racing).collection('items')]) {
      isFirst = true;
      const stream = feed.changes({ since: 'now' });
      expect((await stream.next()).value).toMatchObject({ key: 'raced' });
      await stream.return();
    }
  });

  test('changes: 300 writes during reading -> none lost, none twice', async () => {
    const { database, items } = await openCounted();
    const stream = database.changes();
    const reading = take(stream, 300);
    for (let index = 0; index < 300; index++) {
      const written = items.put(`${index}`, { count: index });
      if (index % 3 === 0) await written;
      if (index % 7 === 0) await turn();
    }
    expect((await reading).map(({ key }) => key)).toEqual(Array.from({ length: 300 }, (_, index) => `${index}`));
    await stream.return();
  });

  test('changes: an entry that is not JSON, or too deep -> passed on as malformed, and the feed continues', async () => {
    const { store, database, items } = await openCounted();
    await applyRemote(store, { collection: 'items', key: 'bad', payload: '{"count":' });
    await applyRemote(store, { collection: 'items', key: 'deep', payload: `${'['.repeat(200)}${']'.repeat(200)}` });
    await items.put('good', { count: 1 });
    const changes = await take(database.changes(), 3);
    expect(changes.map(({ key, malformed, document }) => [key, malformed, document])).toEqual([
      ['bad', true, undefined],
      ['deep', true, undefined],
      ['good', false, { count: 1 }],
    ]);
  });

  test('changes: a remote entry that lost to a later write -> passed on as not current', async () => {
    const { store, items } = await openCounted();
    await applyRemote(store, { collection: 'items', key: 'a', payload: '{"count":9}' });
    await items.put('a', { count: 1 });
    const changes = await take(items.changes(), 2);
    expect(changes.map(({ current }) => current)).toContain(true);
    expect(await items.get('a')).toEqual({ count: 1 });
  });
});

describe('streams', () => {
  test('stream: aborted while it waits, and while it holds a page -> ends without an error, unsubscribed', async () => {
    const { database, items, subscribers } = await openCounted();
    const controller = new AbortController();
    const { signal } = controller;
    const feeds = [database.changes({ signal }), items.watch('a', { signal }), items.watch({}, { signal })];
    await items.put('a', { count: 1 });
    await items.put('b', { count: 1 });
    for (const feed of feeds) await feed.next();
    const [paged, ...waiting] = feeds;
    const pending = waiting.map((feed) => feed.next());
    for (const next of pending) expect(await isWaiting(next)).toBe(true);
    expect(subscribers()).toBe(2);
    controller.abort();
    for (const next of pending) expect(await next).toEqual({ done: true, value: undefined });
    expect(await paged?.next()).toEqual({ done: true, value: undefined });
    expect(subscribers()).toBe(0);
  });

  test('stream: its signal was aborted before -> ends at once', async () => {
    const { database, items } = await openCounted();
    const signal = AbortSignal.abort();
    await items.put('a', { count: 1 });
    const late = new AbortController();
    const feeds = [
      database.changes({ signal }),
      items.watch('a', { signal }),
      items.watch('a', { signal: late.signal }),
    ];
    late.abort();
    for (const feed of feeds) expect((await feed.next()).done).toBe(true);
  });

  test('stream: return while next waits -> both settle, unsubscribed', async () => {
    const { database, items, subscribers } = await openCounted();
    for (const feed of [database.changes(), items.changes(), items.watch('a'), items.watch({})]) {
      let next: Promise<IteratorResult<unknown>> = feed.next();
      while (!(await isWaiting(next))) next = feed.next();
      expect(subscribers()).toBe(1);
      expect(await feed.return()).toEqual({ done: true, value: undefined });
      expect((await next).done).toBe(true);
      expect((await feed.next()).done).toBe(true);
      expect(subscribers()).toBe(0);
    }
  });

  test('stream: break out of for await -> ended, unsubscribed', async () => {
    const { items, subscribers } = await openCounted();
    await items.put('a', { count: 1 });
    for await (const change of items.changes()) {
      expect(change.key).toBe('a');
      break;
    }
    expect(subscribers()).toBe(0);
  });

  test('stream: the store closes between two steps -> storeClosed', async () => {
    const { store, database, items } = await openCounted();
    await items.put('a', { count: 1 });
    const feeds = [database.changes(), items.watch('a'), items.watch({})];
    for (const feed of feeds) await feed.next();
    await store.close();
    for (const feed of feeds) {
      expect(await codeOf(() => feed.next())).toBe('storeClosed');
      expect((await feed.next()).done).toBe(true);
    }
  });

  test('stream: endStreams while it waits, and while it holds a page -> storeClosed, unsubscribed', async () => {
    const { database, items, subscribers } = await openCounted();
    await items.put('a', { count: 1 });
    await items.put('b', { count: 1 });
    const paged = database.changes();
    await paged.next();
    const waiting = [database.changes({ since: 'now' }), items.watch('absent')];
    await waiting[1]?.next();
    const codes = waiting.map((feed) => codeOf(() => feed.next()));
    for (const code of codes) expect(await isWaiting(code)).toBe(true);
    database.endStreams(new StatemeshError('storeClosed', 'closed'));
    expect(await Promise.all(codes)).toEqual(['storeClosed', 'storeClosed']);
    expect(await codeOf(() => paged.next())).toBe('storeClosed');
    expect(subscribers()).toBe(0);
    expect((await take(database.changes(), 2)).length).toBe(2);
  });

  test('stream: more than watchersMax that wait -> watcherLimit; after one has ended -> room again', async () => {
    const { items, subscribers } = await openCounted();
    const open = Array.from({ length: limits.watchersMax }, () => items.watch('a'));
    for (const feed of open) await feed.next();
    const pending = open.map((feed) => feed.next());
    await until(() => subscribers() === limits.watchersMax);
    const another = items.watch('a');
    await another.next();
    expect(await codeOf(() => another.next())).toBe('watcherLimit');
    await open[0]?.return();
    expect(await pending[0]).toMatchObject({ done: true });
    const one = items.watch('a');
    await one.next();
    pending.push(one.next());
    await until(() => subscribers() === limits.watchersMax);
    for (const feed of [...open, one]) await feed.return();
    await Promise.all(pending);
  });

  test('stream: many more than watchersMax, begun and left alone -> take no room, and receive later entries when they continue', async () => {
    const { database, items, subscribers } = await openCounted();
    await items.put('a', { count: 1 });
    const begun = [];
    for (let count = 0; count < limits.watchersMax + 10; count++) {
      const streams = [items.watch('a'), items.watch({}), database.changes()];
      for (const stream of streams) await stream.next();
      begun.push(streams);
    }
    expect(subscribers()).toBe(0);
    await items.put('a', { count: 2 });
    const last = begun.at(-1) ?? [];
    expect(await Promise.all(last.map((stream) => stream.next()))).toMatchObject([
      { value: { count: 2 } },
      { value: [{ document: { count: 2 } }] },
      { value: { document: { count: 2 } } },
    ]);
  });

  test('stream: unreferenced while it waits for nothing -> is ended when it is collected; awaited -> is not', async () => {
    const { store } = await openCounted();
    const streams = createStreams();
    let ended = 0;
    const open = () =>
      streams.open({
        store,
        async *generate({ untilCommit }) {
          try {
            yield 1;
            await untilCommit(store.cursor(), () => true);
            yield 2;
          } finally {
            ended += 1;
          }
        },
      });
    const awaited = await (async () => {
      const stream = open();
      await stream.next();
      return { next: stream.next() };
    })();
    const weak = await (async () => {
      const stream = open();
      await stream.next();
      return new WeakRef(stream);
    })();
    await until(() => {
      collectGarbage();
      return weak.deref() === undefined;
    });
    expect(ended).toBe(0);
    await store.write([{ kind: 'put', collection: 'c' as never, key: 'k' as never, payload: '1' }]);
    expect(await awaited.next).toMatchObject({ value: 2 });
  });

  test('stream: never iterated -> takes no room and no subscription', async () => {
    const { items, subscribers } = await openCounted();
    for (let count = 0; count <= limits.watchersMax; count++) items.watch('a');
    expect(subscribers()).toBe(0);
    expect(await codeOf(() => items.watch('a').next())).toBe('none');
  });
});

describe('watch', () => {
  test('watch: a key -> its document now, after each change, undefined after its deletion', async () => {
    const { items } = await openCounted();
    const stream = items.watch('a');
    expect((await stream.next()).value).toBeUndefined();
    const seen = [];
    for (const write of [
      () => items.put('a', { count: 1 }),
      () => items.put('a', { count: 2 }),
      () => items.delete('a'),
    ]) {
      const next = stream.next();
      expect(await isWaiting(next)).toBe(true);
      await write();
      seen.push((await next).value);
    }
    expect(seen).toEqual([{ count: 1 }, { count: 2 }, undefined]);
    await stream.return();
  });

  test('watch: changes while the consumer is busy -> only the last one', async () => {
    const { items } = await openCounted();
    const stream = items.watch('a');
    await stream.next();
    for (let count = 1; count <= 50; count++) await items.put('a', { count });
    expect((await stream.next()).value).toEqual({ count: 50 });
    expect(await isWaiting(stream.next())).toBe(true);
    await stream.return();
  });

  test('watch: other keys, and a write of the same document -> nothing', async () => {
    const { store } = await openCounted();
    let reads = 0;
    const observed = intercept(store, {
      get(collection, key) {
        reads += 1;
        return store.get(collection, key);
      },
    });
    const items = createDatabase(() => observed).collection<Item>('items');
    await items.put('a', { count: 1 });
    const stream = items.watch('a');
    await stream.next();
    const next = stream.next();
    expect(await isWaiting(next)).toBe(true);
    await items.put('b', { count: 1 });
    expect(await isWaiting(next)).toBe(true);
    expect(reads).toBe(1);
    await items.put('a', { count: 1 });
    expect(await isWaiting(next)).toBe(true);
    expect(reads).toBe(2);
    await stream.return();
  });

  test('watch: a commit between the read and the wait -> delivered without another commit', async () => {
    const { store } = await openCounted();
    let countdown = 2;
    const items = createDatabase(() => store).collection<Item>('items');
    const racing = intercept(store, {
      async get(collection, key) {
        const stored = await store.get(collection, key);
        countdown -= 1;
        if (countdown === 0) await items.put('a', { count: 1 });
        await turn();
        return stored;
      },
    });
    const stream = createDatabase(() => racing)
      .collection<Item>('items')
      .watch('a');
    await stream.next();
    await items.put('b', { count: 1 });
    expect((await stream.next()).value).toEqual({ count: 1 });
    await stream.return();
  });

  test('watch: a query -> its result now and when it differs, not when others change', async () => {
    const { items } = await openCounted();
    await items.put('a', { count: 1 });
    const stream = items.watch({ where: { count: { $gt: 0 } } });
    expect((await stream.next()).value).toEqual([{ key: 'a', document: { count: 1 } }]);
    const next = stream.next();
    await items.put('b', { count: 0 });
    expect(await isWaiting(next)).toBe(true);
    await items.put('b', { count: 2 });
    expect((await next).value).toEqual([
      { key: 'a', document: { count: 1 } },
      { key: 'b', document: { count: 2 } },
    ]);
    const changed = stream.next();
    await items.put('b', { count: 3 });
    expect((await changed).value?.[1]).toEqual({ key: 'b', document: { count: 3 } });
    const removed = stream.next();
    await items.delete('a');
    expect((await removed).value).toEqual([{ key: 'b', document: { count: 3 } }]);
    await stream.return();
  });

  test('watch: a remote change, and a malformed one -> the document, then undefined', async () => {
    const { store, items } = await openCounted();
    const stream = items.watch('a');
    await stream.next();
    const next = stream.next();
    await applyRemote(store, { collection: 'items', key: 'a', payload: '{"count":5}' });
    expect((await next).value).toEqual({ count: 5 });
    await applyRemote(store, { collection: 'items', key: 'a', payload: '{"count":' });
    expect(await stream.next()).toEqual({ done: false, value: undefined });
    await applyRemote(store, { collection: 'items', key: 'a', payload: 'still no JSON' });
    expect(await isWaiting(stream.next())).toBe(true);
    await stream.return();
  });
});
