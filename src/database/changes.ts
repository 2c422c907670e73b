/**
 * The feed of changes: every entry in the local order of arrival, resumable by cursor.
 *
 * Invariants: entries come once each, in order, with growing cursors; at most one page of
 * `limits.changesPageEntriesMax` entries is in memory; an entry that another node wrote cannot break the feed.
 */
import { decodeDocument } from '../core/document.js';
import type { Operation } from '../core/entry.js';
import { StatemeshError, shortText } from '../core/errors.js';
import type { Hlc } from '../core/hlc.js';
import type { CollectionName, Cursor, DocumentKey, NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import { kinds, type OptionsShape, readOptions } from '../core/options.js';
import type { Store, StoredChange } from '../ports/store.js';
import type { Stream, StreamScope, Streams } from './streams.js';

/** One entry of the oplog as an application sees it. */
export interface Change<T = unknown> {
  /** The place in the order of arrival of this database; resume behind it with `since`. Opaque, and expired elsewhere. */
  readonly cursor: Cursor;
  readonly collection: CollectionName;
  readonly key: DocumentKey;
  readonly operation: Operation;
  /** Undefined for a delete and for a malformed entry. */
  readonly document: T | undefined;
  /** True when a node wrote what is not JSON, or is nested too deeply: the entry is passed on, without a document. */
  readonly malformed: boolean;
  readonly hlc: Hlc;
  /** The node that wrote it. */
  readonly nodeId: NodeId;
  /** False when a later write had arrived before it, so that the document did not change. */
  readonly current: boolean;
}

/** Where a stream of changes begins, and what ends it. */
export interface ChangesOptions {
  /** The cursor of the last change already seen, 0 (the default) for all that the oplog has, `now` for what comes. */
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
 * The changes behind a cursor, then each new one as it is committed.
 *
 * The stream ends with `storeClosed` when the database closes, also by a change of identity.
 *
 * @param store The store to read from, until it closes
 * @param options.collection Leaves the other collections out
 * @throws StatemeshError `cursorExpired` for a cursor that this database has not given out, `queryInvalid` for what is none
 */
export function changes<T = unknown>(
  store: Store,
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
    // Nothing of the collection up to `seen`, so the next read need not look there again.
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

function parseSince(since: unknown, store: Store): number {
  if (since === undefined || since === 0) return 0;
  if (since === 'now') return store.cursor();
  if (typeof since === 'string') return store.placeOf(since as Cursor);
  throw new StatemeshError('queryInvalid', `since is the cursor of a change, 0 or "now", not ${shortText(since)}.`);
}
