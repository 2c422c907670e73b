/**
 * The database of a node, as an application sees it.
 *
 * The store is fetched through a function at each use: it does not exist before the node has started, and a change of
 * identity swaps it. Handles made here outlive both; streams belong to the store on which they were opened.
 */
import type { Scope } from '../core/author.js';
import type { StatemeshError } from '../core/errors.js';
import { type CollectionName, parseCollectionName } from '../core/ids.js';
import type { ContentDigest, DocumentStore } from '../ports/store.js';
import { type Change, type ChangesOptions, changes, parseChangesOptions } from './changes.js';
import { type Collection, type CollectionOptions, createCollection, parseCollectionOptions } from './collection.js';
import { createStreams, type Stream } from './streams.js';

/** Documents in collections, with a feed of all changes. */
export interface Database {
  /**
   * A handle on a collection. A collection needs no creation: it exists from its first document on. Handles are cheap,
   * and can be made before the node has started.
   *
   * @param name 1 to `limits.collectionNameLengthMax` characters; collections that start with `_system_` are read-only
   * @throws StatemeshError `collectionNameInvalid`, `requestInvalid` for an unknown option
   *
   * @example
   * const orders = node.collection('orders', { schema: z.object({ total: z.number() }) });
   * await orders.put('42', { total: 10 });
   */
  collection<T = unknown>(name: string, options?: CollectionOptions<T>): Collection<T>;

  /**
   * The names of the collections that hold documents.
   *
   * @throws StatemeshError `notRunning`, `storeClosed`
   */
  collections(): Promise<CollectionName[]>;

  /**
   * The changes of all collections in the local order of arrival, including those of `_system_` collections.
   *
   * @throws StatemeshError `notRunning`, `cursorExpired` for a cursor of another database or of one that has since been
   * restored, `queryInvalid` for a text that is not a cursor; the stream ends with `storeClosed`
   *
   * @example
   * for await (const change of node.changes({ since: cursor, signal })) {
   *   cursor = change.cursor;
   * }
   */
  changes(options?: ChangesOptions): Stream<Change>;

  /**
   * Number and digest of all documents, or of those of some scopes: equal on nodes that hold the same documents. Nodes
   * of one cluster share both scopes. Clusters and the cloud share only `shared`, which is everything but the
   * `_system_` collections.
   *
   * @throws StatemeshError `notRunning`
   */
  contentDigest(scopes?: readonly Scope[]): Promise<ContentDigest>;
}

/** The database for the node that owns it. */
export interface OwnedDatabase extends Database {
  /**
   * Ends every open `changes` and `watch` stream, including waiting ones, before their store closes.
   *
   * @param reason The error for their consumers; undefined if the node was asked to stop: then the streams simply end
   */
  endStreams(reason: StatemeshError | undefined): void;
}

/** @param getStore The store of the present identity; throws `notRunning` if there is none. */
export function createDatabase(getStore: () => DocumentStore): OwnedDatabase {
  const streams = createStreams();
  return {
    collection: <T>(name: string, options?: CollectionOptions<T>) =>
      createCollection<T>({ ...parseCollectionOptions(options), name: parseCollectionName(name), streams, getStore }),
    async collections() {
      return getStore().collections();
    },
    changes: (options) => changes(getStore(), streams, parseChangesOptions(options)),
    async contentDigest(scopes = ['cluster', 'shared']) {
      return getStore().contentDigest(scopes);
    },
    endStreams: (reason) => streams.end(reason),
  };
}
