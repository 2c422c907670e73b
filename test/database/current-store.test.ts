import { describe, expect, it } from '@jest/globals';
import { StatemeshError } from '../../src/core/errors.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { CollectionName, DocumentKey } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { createCurrentStore } from '../../src/database/current-store.js';
import type { Store, Write } from '../../src/ports/store.js';

function put(key: string): Write {
  return { kind: 'put', collection: 'things' as CollectionName, key: key as DocumentKey, payload: '1' };
}

/** Two stores that record the writes they are given, and a node that serves one of them. */
function setup() {
  const written: string[] = [];
  const storeOf = (name: string): Store =>
    ({
      write: async (writes: readonly Write[]) => {
        written.push(...writes.map(({ key }) => `${name} ${key}`));
        return writes.map(() => ({ hlc: 1 as Hlc, cursor: 1 }));
      },
      get: async () => ({ key: name as DocumentKey, payload: name }),
    }) as unknown as Store;
  const state: { isHeld: boolean; store: Store | undefined } = { isHeld: false, store: storeOf('old') };
  const current = createCurrentStore({
    getStore: () => {
      if (state.store === undefined) throw new StatemeshError('notRunning', 'There is none.');
      return state.store;
    },
    isHeld: () => state.isHeld,
  });
  return { ...current, state, storeOf, written };
}

describe('current store', () => {
  it('writes while the identity changes -> wait, and go to the new database in order', async () => {
    const { store, release, state, storeOf, written } = setup();
    await store.write([put('1')]);
    state.isHeld = true;
    const waiting = [store.write([put('2')]), store.write([put('3'), put('4')])];
    release();
    expect(written).toEqual(['old 1']);
    state.store = storeOf('new');
    state.isHeld = false;
    release();
    await Promise.all([...waiting, store.write([put('5')])]);
    expect(written).toEqual(['old 1', 'new 2', 'new 3', 'new 4', 'new 5']);
  });

  it('reads meanwhile -> are answered by the store that serves', async () => {
    const { store, state } = setup();
    state.isHeld = true;
    expect((await store.get('things' as CollectionName, 'x' as DocumentKey))?.payload).toBe('old');
  });

  it('a read cut short by the closing of the old database -> is repeated on the new one', async () => {
    const { store, state, storeOf } = setup();
    let asked = 0;
    state.store = {
      ...storeOf('old'),
      count: async () => {
        asked += 1;
        state.store = { ...storeOf('new'), count: async () => 7 };
        throw new StatemeshError('storeClosed', 'It was closed.');
      },
    };
    expect(await store.count('things' as CollectionName)).toBe(7);
    expect(asked).toBe(1);
  });

  it('a read cut short by the end of the node, or that failed for another reason -> fails with its own error', async () => {
    const { store, state, storeOf } = setup();
    const failing = (code: 'storeClosed' | 'queryInvalid', next: Store | undefined): Store => ({
      ...storeOf('old'),
      count: async () => {
        state.store = next;
        throw new StatemeshError(code, 'It failed.');
      },
    });
    state.store = failing('storeClosed', undefined);
    await expect(store.count('things' as CollectionName)).rejects.toMatchObject({ code: 'storeClosed' });
    state.store = failing('queryInvalid', storeOf('new'));
    await expect(store.count('things' as CollectionName)).rejects.toMatchObject({ code: 'queryInvalid' });
  });

  it('the change fails -> the old database gets the writes', async () => {
    const { store, release, state, written } = setup();
    state.isHeld = true;
    const waiting = store.write([put('1')]);
    state.isHeld = false;
    release();
    await waiting;
    expect(written).toEqual(['old 1']);
  });

  it('the node stops meanwhile -> every waiting caller gets an error', async () => {
    const { store, release, state } = setup();
    state.isHeld = true;
    const waiting = store.write([put('1')]);
    state.store = undefined;
    state.isHeld = false;
    release();
    await expect(waiting).rejects.toMatchObject({ code: 'notRunning' });
  });

  it('more writes than may wait -> writeQueueFull, and the waiting ones are not lost', async () => {
    const { store, release, state, written } = setup();
    state.isHeld = true;
    const most = Array.from({ length: limits.writesQueuedMax }, (_, index) => put(`${index}`));
    const waiting = store.write(most);
    await expect(store.write([put('one more')])).rejects.toMatchObject({ code: 'writeQueueFull' });
    state.isHeld = false;
    release();
    await waiting;
    expect(written).toHaveLength(limits.writesQueuedMax);
  });
});
