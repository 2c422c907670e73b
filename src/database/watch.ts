/**
 * Watching one document or the result of a query: the value now, then each new value.
 *
 * Invariants: the last value is always delivered. Values that came and went while the consumer was busy are skipped.
 * Two values in a row differ. Differences are found by a hash of the JSON text, so a waiting watch holds no documents.
 */
import { decodeDocument } from '../core/document.js';
import type { CollectionName, DocumentKey } from '../core/ids.js';
import { kinds, readOptions } from '../core/options.js';
import type { Query } from '../core/query.js';
import { hashTexts } from '../core/text-hash.js';
import type { Commit, DocumentStore, StoredDocument } from '../ports/store.js';
import type { Stream, StreamScope, Streams } from './streams.js';

/** What ends a watch. */
export interface WatchOptions {
  /** Ends the stream without an error. */
  readonly signal?: AbortSignal | undefined;
}

/** What ends a stream of documents, and who hears of those that it passes over. */
export interface DocumentStreamOptions extends WatchOptions {
  /** Called with the key of each malformed document in the result, which only another node can have written. */
  readonly onMalformed?: ((key: DocumentKey) => void) | undefined;
}

/** @throws StatemeshError `queryInvalid` */
export function parseWatchOptions(options: WatchOptions | undefined): WatchOptions {
  return readOptions<WatchOptions>(options, {
    complaint: 'Invalid options of watch',
    code: 'queryInvalid',
    fields: { signal: kinds.signal },
  });
}

/** @throws StatemeshError `queryInvalid` */
export function parseStreamOptions(options: DocumentStreamOptions | undefined): DocumentStreamOptions {
  return readOptions<DocumentStreamOptions>(options, {
    complaint: 'Invalid options of stream',
    code: 'queryInvalid',
    fields: { signal: kinds.signal, onMalformed: kinds.function },
  });
}

/** A document with its key. */
export interface Found<T> {
  readonly key: DocumentKey;
  readonly document: T;
}

/** The documents of a result. Malformed ones, which only another node can have written, are left out. */
export function decodeFound<T>(
  stored: readonly StoredDocument[],
  onMalformed?: (key: DocumentKey) => void,
): Found<T>[] {
  const found: Found<T>[] = [];
  for (const { key, payload } of stored) {
    const document = decodeDocument(payload);
    if (document !== undefined) found.push({ key, document: document as T });
    else onMalformed?.(key);
  }
  return found;
}

/** The document under a key, now and at each change; undefined while there is none. */
export function watchDocument<T>(
  store: DocumentStore,
  streams: Streams,
  options: WatchOptions & { readonly collection: CollectionName; readonly key: DocumentKey },
): Stream<T | undefined> {
  const { collection, key, signal } = options;
  return streams.open({ store, signal, generate: (scope) => generateDocuments<T>(scope, collection, key) });
}

/** The result of a query, now and at each change. */
export function watchQuery<T>(
  store: DocumentStore,
  streams: Streams,
  options: WatchOptions & { readonly collection: CollectionName; readonly query: Query },
): Stream<Found<T>[]> {
  const { collection, query, signal } = options;
  return streams.open({ store, signal, generate: (scope) => generateResults<T>(scope, collection, query) });
}

/** The matching documents, page by page, one at a time. */
export function streamDocuments<T>(
  store: DocumentStore,
  streams: Streams,
  options: DocumentStreamOptions & { readonly collection: CollectionName; readonly query: Query },
): Stream<Found<T>> {
  const { collection, query, signal, onMalformed } = options;
  return streams.open({
    store,
    signal,
    async *generate() {
      for await (const page of store.pages(collection, query)) {
        // One at a time: for a slow consumer, memory holds texts and one document.
        for (const stored of page) yield* decodeFound<T>([stored], onMalformed);
      }
    },
  });
}

async function* generateDocuments<T>(
  { store, untilCommit }: StreamScope,
  collection: CollectionName,
  key: DocumentKey,
): AsyncGenerator<T | undefined, void, void> {
  let last: { readonly digest: string | undefined; readonly isAbsent: boolean } | undefined;
  let alive = true;
  while (alive) {
    const seen = store.cursor();
    const payload = (await store.get(collection, key))?.payload;
    const digest = payload === undefined ? undefined : hashTexts([payload]);
    if (last === undefined || last.digest !== digest) {
      const document = payload === undefined ? undefined : (decodeDocument(payload) as T | undefined);
      // From absent to malformed is no change: both read as undefined.
      const isAbsent = document === undefined;
      const isSame = last?.isAbsent === true && isAbsent;
      last = { digest, isAbsent };
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
  let last: string | undefined;
  let alive = true;
  while (alive) {
    const seen = store.cursor();
    const result = await store.find(collection, query);
    const digest = hashTexts(result.flatMap(({ key, payload }) => [key, payload]));
    if (last !== digest) {
      last = digest;
      yield decodeFound<T>(result);
    }
    alive = await untilCommit(seen, (commit) => commit.collections.has(collection));
  }
}

function touches(commit: Commit, collection: CollectionName, key: DocumentKey): boolean {
  if (!commit.collections.has(collection)) return false;
  return commit.runs.some((run) => run.entries.some((entry) => entry.key === key && entry.collection === collection));
}
