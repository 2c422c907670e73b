/**
 * Tools for the suites of the store port: stores with a wall clock that the test sets, and chains of entries of other
 * nodes.
 */
import { expect } from '@jest/globals';
import { type Author, type Incarnation, type Scope, scopeOf } from '../../src/core/author.js';
import { chainRun, chainStart, type Entry, type Run } from '../../src/core/entry.js';
import { type Hlc, packHlc } from '../../src/core/hlc.js';
import type { CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import type { Time } from '../../src/ports/ports.js';
import type { ReadOptions, Store, Write } from '../../src/ports/store.js';

/** A wall clock that stands still until the test moves it; turns of the event loop are real. */
export interface ManualTime extends Time {
  wallMs: number;
  elapsedMs: number;
}

export interface StoreHarness {
  readonly store: Store;
  readonly time: ManualTime;
  /** Errors that subscribers have thrown. */
  readonly subscriberErrors: unknown[];
  /** Closes the store and opens its data again. */
  reopen(): Promise<StoreHarness>;
}

export interface OpenOptions {
  readonly nodeId?: NodeId;
  /** The capacity in pages of the implementation: small numbers make a disk that fills up. */
  readonly pagesMax?: number;
}

/** Opens an empty store. The suite that provides this closes the stores that are open at the end of a test. */
export type OpenStore = (options?: OpenOptions) => Promise<StoreHarness>;

/** 2026-01-01T00:00:00Z */
export const startMs = 1_767_225_600_000;

export function manualTime(): ManualTime {
  return {
    wallMs: startMs,
    now() {
      return this.wallMs;
    },
    elapsedMs: 0,
    monotonicMs() {
      return this.elapsedMs;
    },
    after: () => {
      throw new Error('The store needs no timers.');
    },
    soon: (callback) => void setImmediate(callback),
    turn: () => new Promise((resolve) => setImmediate(resolve)),
  };
}

export const nodeA = 'node-a' as NodeId;
export const nodeB = 'node-b' as NodeId;
export const products = 'products' as CollectionName;
export const orders = 'orders' as CollectionName;
export const peers = '_system_peers' as CollectionName;
export const keyOf = (name: string) => name as DocumentKey;

export const put = (key: string, value: unknown, collection = products): Write => ({
  kind: 'put',
  collection,
  key: keyOf(key),
  payload: JSON.stringify(value),
});

export const remove = (key: string, collection = products): Write => ({
  kind: 'delete',
  collection,
  key: keyOf(key),
});

export const update = (key: string, recipe: (payload: string | undefined) => string | undefined): Write => ({
  kind: 'update',
  collection: products,
  key: keyOf(key),
  recipe,
});

/** A stamp some steps after the start of the tests. */
export const stamp = (logic: number, wallMs = startMs): Hlc => packHlc(wallMs, logic);

export const payloadOf = async (store: Store, key: string, collection = products): Promise<unknown> => {
  const document = await store.get(collection, keyOf(key));
  return document && JSON.parse(document.payload);
};

export const everything = (after: ReadOptions['after'] = new Map()): ReadOptions => ({
  after,
  scopes: ['cluster', 'shared'],
  entriesMax: 1_000,
  bytesMax: 1_000_000,
  except: new Set(),
});

/** Chains that another node would have written. */
export class RemoteChain {
  readonly author: Author;
  readonly entries: Entry[] = [];

  constructor(options: { nodeId: string; incarnation?: string; scope?: Scope }) {
    this.author = {
      nodeId: options.nodeId as NodeId,
      incarnation: (options.incarnation ?? 'first') as Incarnation,
      scope: options.scope ?? scopeOf(products),
    };
  }

  put(hlc: Hlc, key: string, value: unknown, collection = products): this {
    return this.add({ hlc, collection, key: keyOf(key), operation: 'put', payload: JSON.stringify(value) });
  }

  putText(hlc: Hlc, key: string, payload: string): this {
    return this.add({ hlc, collection: products, key: keyOf(key), operation: 'put', payload });
  }

  delete(hlc: Hlc, key: string): this {
    return this.add({ hlc, collection: products, key: keyOf(key), operation: 'delete', payload: '' });
  }

  /** The entries from one index up to another, as a peer would send them. */
  run(from = 0, to = this.entries.length): Run {
    const before = this.entries[from - 1];
    const after = before === undefined ? chainStart : { hlc: before.hlc, hash: before.hash };
    return { author: this.author, after, entries: this.entries.slice(from, to) };
  }

  private add(entry: Omit<Entry, 'hash'>): this {
    const after = this.entries.at(-1) ?? chainStart;
    this.entries.push(...chainRun(this.author, after, [entry]).entries);
    return this;
  }
}

/** A cursor of the entry at a place in the order of arrival. */
export const cursorAt = (place: number) => expect.stringMatching(new RegExp(`^c[^.]+\\.${place}\\.[\\w-]{8}$`));
