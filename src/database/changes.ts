/**
 * The feed of changes: every entry in the local order of arrival, resumable by cursor.
 *
 * Invariants: each entry comes once, in order, with growing cursors. Memory holds at most one page of
 * `limits.changesPageEntriesMax` entries. An entry from another node cannot break the feed.
 */
import { decodeDocument } from '../core/document.js';
import type { Operation } from '../core/entry.js';
import { StatemeshError, shortText } from '../core/errors.js';
import type { Hlc } from '../core/hlc.js';
import type { CollectionName, Cursor, DocumentKey, NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import { kinds, type OptionsShape, readOptions } from '../core/options.js';
import type { DocumentStore, StoredChange } from '../ports/store.js';
import type { Stream, StreamScope, Streams } from './streams.js';

/** One entry of the oplog as an application sees it. */
export interface Change<T = unknown> {
  /**
   * The place in the order of arrival of this database; pass it as `since` to resume after it. Opaque; another database
   * refuses it with `cursorExpired`.
   */
  readonly cursor: Cursor;
  readonly collection: CollectionName;
  readonly key: DocumentKey;
  readonly operation: Operation;
  /** Undefined for a delete and for a malformed entry. */
  readonly document: T | undefined;
  /** True if another node wrote text that is not JSON, or is nested too deeply. The entry comes without a document. */
  readonly malformed: boolean;
  readonly hlc: Hlc;
  /** The node that wrote the entry. */
  readonly nodeId: NodeId;
  /** False if a later write had arrived before this one, so that the document did not change. */
  readonly current: boolean;
}

/** Where a stream of changes begins, and what ends it. */
export interface ChangesOptions {
  /**
   * The cursor of the last change already seen; 0 (the default) for all entries of the oplog; `now` for new ones only.
   */
  readonly since?: Cursor | 0 | 'now' | undefined;
  /** Ends the feed without an error. */
  readonly signal?: AbortSignal | undefined;
}

/** @throws StatemeshError `queryInvalid` */
export function parseChangesOptions(options: ChangesOptions | undefined): ChangesOptions {
  return readOptions(options, changesShape);
}

const changesShape: OptionsShape<ChangesOptions> = {
  complaint: 'Invalid options of changes',
  code: 'queryInvalid',
  fields: { since: kinds.any, signal: kinds.signal },
};

/**
 * The changes after a cursor, then each new one as it is committed.
 *
 * The stream ends with `storeClosed` when the database closes, also because of a change of identity.
 *
 * @param store The store to read from, until it closes
 * @param options.collection Only this collection; default: all
 * @throws StatemeshError `cursorExpired` for a cursor of another database, `queryInvalid` for a text that is not a
 * cursor
 */
export function changes<T = unknown>(
  store: DocumentStore,
  streams: Streams,
  options: ChangesOptions & { readonly collection?: CollectionName } = {},
): Stream<Change<T>> {
  const since = parseSince(options.since, store);
  return streams.open({
    store,
    signal: options.signal,
    generate: (scope) => generateChanges<T>(scope, since, options.collection),
  });
}

async function* generateChanges<T>(
  { store, untilCommit }: StreamScope,
  since: number,
  collection: CollectionName | undefined,
): AsyncGenerator<Change<T>, void, void> {
  const filter = collection === undefined ? {} : { collection };
  let cursor = since;
  let alive = true;
  while (alive) {
    const seen = store.cursor();
    const page = await store.changes({ since: cursor, limit: limits.changesPageEntriesMax, ...filter });
    for (const change of page) {
      cursor = change.place;
      yield toChange<T>(change);
    }
    if (page.length > 0) continue;
    // The collection has no entries up to `seen`, so the next read can skip them.
    cursor = Math.max(cursor, seen);
    alive = await untilCommit(seen, (commit) => collection === undefined || commit.collections.has(collection));
  }
}

function toChange<T>({ payload, place: _, ...change }: StoredChange): Change<T> {
  const document = change.operation === 'delete' ? undefined : decodeDocument(payload);
  return {
    ...change,
    document: document as T | undefined,
    malformed: change.operation === 'put' && document === undefined,
  };
}

function parseSince(since: unknown, store: DocumentStore): number {
  if (since === undefined || since === 0) return 0;
  if (since === 'now') return store.cursor();
  if (typeof since === 'string') return store.placeOf(since as Cursor);
  throw new StatemeshError('queryInvalid', `since is the cursor of a change, 0 or "now", not ${shortText(since)}.`);
}
