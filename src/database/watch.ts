/**
 * Watching one document or the result of a query: the value now, then each new value.
 *
 * Invariants: the last value is always delivered; values that came and went while the consumer was busy are left out; two
 * values in a row differ. Differences are told by the JSON text, which is cheaper than comparing values and exact.
 */
import { decodeDocument } from '../core/document.js';
import type { CollectionName, DocumentKey } from '../core/ids.js';
import type { Query } from '../core/query.js';
import type { Commit, Store, StoredDocument } from '../protocol/store.js';
import type { Stream, StreamScope, Streams } from './streams.js';

/** What ends a watch. */
export interface WatchOptions {
  /** Ends the stream without an error. */
  readonly signal?: AbortSignal | undefined;
}

/** A document with its key. */
export interface Found<T> {
  readonly key: DocumentKey;
  readonly document: T;
}

/** The documents of a result; malformed ones, which only another node can have written, are left out. */
export function decodeFound<T>(stored: readonly StoredDocument[]): Found<T>[] {
  const found: Found<T>[] = [];
  for (const { key, payload } of stored) {
    const document = decodeDocument(payload);
    if (document !== undefined) found.push({ key, document: document as T });
  }
  return found;
}

/** The document under a key now and whenever it differs; undefined while there is none. */
export function watchDocument<T>(
  store: Store,
  streams: Streams,
  options: WatchOptions & { readonly collection: CollectionName; readonly key: DocumentKey },
): Stream<T | undefined> {
  const { collection, key, signal } = options;
  return streams.open({ store, signal, generate: (scope) => generateDocuments<T>(scope, collection, key) });
}

/** The result of a query now and whenever it differs. */
export function watchQuery<T>(
  store: Store,
  streams: Streams,
  options: WatchOptions & { readonly collection: CollectionName; readonly query: Query },
): Stream<Found<T>[]> {
  const { collection, query, signal } = options;
  return streams.open({ store, signal, generate: (scope) => generateResults<T>(scope, collection, query) });
}

async function* generateDocuments<T>(
  { store, untilCommit }: StreamScope,
  collection: CollectionName,
  key: DocumentKey,
): AsyncGenerator<T | undefined, void, void> {
  let last: { readonly payload: string | undefined; readonly document: T | undefined } | undefined;
  let alive = true;
  while (alive) {
    const seen = store.cursor();
    const payload = (await store.get(collection, key))?.payload;
    if (last === undefined || last.payload !== payload) {
      const document = payload === undefined ? undefined : (decodeDocument(payload) as T | undefined);
      // From absent to malformed is no change: both read as undefined.
      const isSame = last !== undefined && last.document === undefined && document === undefined;
      last = { payload, document };
      if (!isSame) yield document;
    }
    alive = await untilCommit(seen, (commit) => touches(commit, collection, key));
  }
}

async function* generateResults<T>(
  { store, untilCommit }: StreamScope,
  collection: CollectionName,
  query: Query,
): AsyncGenerator<Found<T>[], void, void> {
  let last: readonly StoredDocument[] | undefined;
  let alive = true;
  while (alive) {
    const seen = store.cursor();
    const result = await store.find(collection, query);
    if (last === undefined || !isEqual(last, result)) {
      last = result;
      yield decodeFound<T>(result);
    }
    alive = await untilCommit(seen, (commit) => commit.collections.has(collection));
  }
}

function touches(commit: Commit, collection: CollectionName, key: DocumentKey): boolean {
  if (!commit.collections.has(collection)) return false;
  return commit.runs.some((run) => run.entries.some((entry) => entry.key === key && entry.collection === collection));
}

function isEqual(a: readonly StoredDocument[], b: readonly StoredDocument[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ key, payload }, index) => key === b[index]?.key && payload === b[index]?.payload)
  );
}
