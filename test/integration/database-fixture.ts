/** Real stores in a temporary directory, on a clock that moves by one millisecond at each reading. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import type { Incarnation } from '../../src/core/author.js';
import { chainRun, chainStart } from '../../src/core/entry.js';
import { failureOf } from '../../src/core/errors.js';
import { packHlc } from '../../src/core/hlc.js';
import { type CollectionName, type DocumentKey, type NodeId, parseNodeId } from '../../src/core/ids.js';
import { createDatabase } from '../../src/database/database.js';
import type { Store } from '../../src/ports/store.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';

const startMs = Date.UTC(2024, 0, 1);
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export async function openStore(nodeId = 'node-a'): Promise<Store> {
  const directory = await mkdtemp(join(tmpdir(), 'statemesh-database-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  let nowMs = startMs;
  let tokens = 0;
  const store = await openSqliteStore({
    path: join(directory, `${nodeId}.db`),
    nodeId: parseNodeId(nodeId),
    time: {
      now: () => nowMs++,
      monotonicMs: () => nowMs,
      after: () => ({ cancel() {} }),
      soon: (callback) => void setImmediate(callback),
      turn,
    },
    randomness: { float: () => 0.5, token: () => `token-${tokens++}` },
  });
  cleanups.push(() => store.close());
  return store;
}

export async function openDatabase() {
  const store = await openStore();
  return { store, database: createDatabase(() => store) };
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Whether a promise is still open after everything that could settle it had many turns to do so. */
export async function isWaiting(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = () => {
    settled = true;
  };
  promise.then(note, note);
  for (let count = 0; count < 20 && !settled; count++) await turn();
  return !settled;
}

/** The error code of a call that throws or rejects; `none` when it does neither. */
export async function codeOf(call: () => unknown): Promise<string> {
  return (await refusalOf(call))?.code ?? 'none';
}

export async function refusalOf(call: () => unknown) {
  try {
    await call();
  } catch (error) {
    return failureOf(error);
  }
  return undefined;
}

export async function take<T>(stream: AsyncIterator<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  while (taken.length < count) {
    const step = await stream.next();
    if (step.done) break;
    taken.push(step.value);
  }
  return taken;
}

/** The store with some methods replaced, to watch it or to hold it up. */
export function intercept(store: Store, overrides: Partial<Store>): Store {
  return new Proxy(store, {
    get(target, name) {
      const override = overrides[name as keyof Store];
      if (override !== undefined) return override;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

/** Counts the subscribers of a store. */
export function countSubscribers(store: Store): { store: Store; subscribers: () => number } {
  let subscribers = 0;
  const counted = intercept(store, {
    subscribe(listener) {
      subscribers += 1;
      const unsubscribe = store.subscribe(listener);
      let isSubscribed = true;
      return () => {
        if (isSubscribed) subscribers -= 1;
        isSubscribed = false;
        unsubscribe();
      };
    },
  });
  return { store: counted, subscribers: () => subscribers };
}

let strangers = 0;

/** A write from a peer: one entry with any payload, newer than all local ones. */
export async function applyRemote(
  store: Store,
  { collection, key, payload }: { collection: string; key: string; payload: string },
): Promise<void> {
  strangers += 1;
  const nodeId = `stranger-${strangers}` as NodeId;
  const scope = collection.startsWith('_system_') ? 'cluster' : 'shared';
  const entry = {
    hlc: packHlc(startMs + 30_000, strangers),
    collection: collection as CollectionName,
    key: key as DocumentKey,
    operation: 'put' as const,
    payload,
  };
  await store.apply([chainRun({ nodeId, incarnation: 'boot-1' as Incarnation, scope }, chainStart, [entry])], nodeId);
}
