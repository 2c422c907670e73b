/**
 * The database of a node, as an application sees it.
 *
 * The store is obtained through a function at each use: there is none before the node has started, and it is swapped when
 * the node changes identity. Handles made here outlive both; streams belong to the store they were opened on.
 */
import type { Scope } from '../core/author.js';
import type { StatemeshError } from '../core/errors.js';
import { type CollectionName, parseCollectionName } from '../core/ids.js';
import type { ContentDigest, Store } from '../ports/store.js';
import { type Change, type ChangesOptions, changes, parseChangesOptions } from './changes.js';
import { type Collection, type CollectionOptions, createCollection, parseCollectionOptions } from './collection.js';
import { createStreams, type Stream } from './streams.js';

/** Documents in collections, with a feed of all changes. */
export interface Database {
  /**
   * A handle on a collection, which needs no creating: it is there with its first document. Cheap, and possible before
   * the node has started.
   *
   * @param name 1 to `limits.collectionNameLengthMax` characters; those that start with `_system_` can only be read
   * @throws StatemeshError `collectionNameInvalid`, `requestInvalid` for an unknown option
   *
   * @example
   * const orders = node.collection('orders', { schema: z.object({ total: z.number() }) });
   * await orders.put('42', { total: 10 });
   */
  collection<T = unknown>(name: string, options?: CollectionOptions<T>): Collection<T>;

  /** The names of the collections that hold documents. @throws StatemeshError `notRunning`, `storeClosed` */
  collections(): Promise<CollectionName[]>;

  /**
   * The changes of all collections in the local order of arrival, those of `_system_` collections included.
   *
   * @throws StatemeshError `notRunning`, `cursorExpired` for a cursor of another database or of one that was restored since,
   * `queryInvalid` for what is none; the stream ends with `storeClosed`
   *
   * @example
   * for await (const change of node.changes({ since: cursor, signal })) {
   *   cursor = change.cursor;
   * }
   */
  changes(options?: ChangesOptions): Stream<Change>;

  /**
   * Number and digest of all documents, or of those of some scopes: equal on nodes that hold the same. Nodes of one cluster share
   * both scopes, clusters and the cloud only `shared`, which is everything but the `_system_` collections.
   * @throws StatemeshError `notRunning`
   */
  contentDigest(scopes?: readonly Scope[]): Promise<ContentDigest>;
}

/** The same for the node that owns it. */
export interface OwnedDatabase extends Database {
  /**
   * Ends every open `changes` and `watch` stream, waiting ones too, before their store closes.
   * @param reason What their consumers hear; undefined when the node was asked to stop: the streams are just over
   */
  endStreams(reason: StatemeshError | undefined): void;
}

/** @param getStore The store of the present identity; throws `notRunning` when there is none. */
export function createDatabase(getStore: () => Store): OwnedDatabase {
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
