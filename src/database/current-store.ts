/**
 * The store of the node's present identity, for a database that outlives a change of identity.
 *
 * Invariants: while the identity changes, local writes wait, bounded in number. The new store then runs them in their
 * order, before later writes. Reads go on meanwhile. A long read that is cut short when the old database closes is
 * repeated on the new one. Every caller gets an answer.
 */
import { isStatemeshError, StatemeshError } from '../core/errors.js';
import type { CollectionName } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { Query } from '../core/query.js';
import type { DocumentStore, Store, StoredDocument, Write, Written } from '../ports/store.js';

export interface CurrentStoreOptions {
  /** @throws StatemeshError `notRunning` if there is none */
  getStore(): Store;
  /** Whether writes have to wait. */
  isHeld(): boolean;
}

export interface CurrentStore {
  readonly store: DocumentStore;
  /** Call it after each change: runs the writes that no longer need to wait. */
  release(): void;
}

interface Waiting {
  readonly writes: readonly Write[];
  readonly resolve: (written: Promise<(Written | undefined)[]>) => void;
  readonly reject: (error: unknown) => void;
}

export function createCurrentStore({ getStore, isHeld }: CurrentStoreOptions): CurrentStore {
  const waiting: Waiting[] = [];
  let waitingWrites = 0;

  const wait = (writes: readonly Write[]): Promise<(Written | undefined)[]> => {
    if (waitingWrites + writes.length > limits.writesQueuedMax) {
      const message = `More than ${limits.writesQueuedMax} writes wait for the identity of the node to change: try again later.`;
      return Promise.reject(new StatemeshError('writeQueueFull', message));
    }
    return new Promise((resolve, reject) => {
      waiting.push({ writes, resolve, reject });
      waitingWrites += writes.length;
    });
  };
  const release = (): void => {
    if (waiting.length === 0 || isHeld()) return;
    waitingWrites = 0;
    for (const { writes, resolve, reject } of waiting.splice(0)) {
      try {
        resolve(getStore().write(writes));
      } catch (error) {
        // The node has stopped meanwhile.
        reject(error);
      }
    }
  };
  const read = <T>(ask: (store: Store) => Promise<T>): Promise<T> => readFrom(getStore, ask);
  const store: DocumentStore = {
    cursor: () => getStore().cursor(),
    placeOf: (cursor) => getStore().placeOf(cursor),
    subscribe: (listener) => getStore().subscribe(listener),
    write: (writes) => (isHeld() ? wait(writes) : getStore().write(writes)),
    get: (collection, key) => read((current) => current.get(collection, key)),
    find: (collection, query) => read((current) => current.find(collection, query)),
    pages: (collection, query) => pagesFrom(getStore, collection, query),
    count: (collection, where) => read((current) => current.count(collection, where)),
    createIndex: (collection, field) => read((current) => current.createIndex(collection, field)),
    collections: () => read((current) => current.collections()),
    changes: (options) => getStore().changes(options),
    contentDigest: (scopes) => read((current) => current.contentDigest(scopes)),
  };
  return { store, release };
}

/**
 * Reads from the present store, and again as often as it is replaced. Each repetition costs a change of identity.
 *
 * @throws the errors of `getStore` and `ask`
 */
export async function readFrom<S, T>(getStore: () => S, ask: (store: S) => Promise<T>): Promise<T> {
  for (;;) {
    const store = getStore();
    try {
      return await ask(store);
    } catch (error) {
      const isCutShort = isStatemeshError(error) && error.code === 'storeClosed';
      if (!isCutShort || !isReplaced(getStore, store)) throw error;
    }
  }
}

/** Like `readFrom`, until the first page: pages of two stores would not show one state. */
async function* pagesFrom(
  getStore: () => Store,
  collection: CollectionName,
  query: Query,
): AsyncGenerator<StoredDocument[], void, void> {
  for (;;) {
    const store = getStore();
    let hasBegun = false;
    try {
      for await (const page of store.pages(collection, query)) {
        hasBegun = true;
        yield page;
      }
      return;
    } catch (error) {
      const isCutShort = isStatemeshError(error) && error.code === 'storeClosed';
      if (hasBegun || !isCutShort || !isReplaced(getStore, store)) throw error;
    }
  }
}

function isReplaced<S>(getStore: () => S, store: S): boolean {
  try {
    return getStore() !== store;
  } catch {
    // There is no store any more.
    return false;
  }
}
