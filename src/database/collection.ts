/**
 * A collection: the documents under one name, as an application works with them.
 *
 * Invariants:
 * - Every argument is checked before it reaches the store. A document is read at the moment of the call; later changes
 *   of the object have no effect.
 * - Writes happen in the order of their calls, except with an asynchronous schema, whose answers may come in any order.
 * - Another node can write text that is not JSON. Such a document counts as absent, except in `count` and `changes`:
 *   one bad entry must not break every reader. A put, update or delete repairs it.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { decodeDocument, encodeDocument } from '../core/document.js';
import { StatemeshError } from '../core/errors.js';
import { parseField } from '../core/field-path.js';
import { type CollectionName, isSystemCollection, parseDocumentKey } from '../core/ids.js';
import { type OptionsShape, objectWith, readOptions } from '../core/options.js';
import { type FieldPath, parseQuery, type Query, type Where } from '../core/query.js';
import type { DocumentStore, Write, Written } from '../ports/store.js';
import { type Change, type ChangesOptions, changes, parseChangesOptions } from './changes.js';
import { checkDocument, checkDocumentNow } from './document-schema.js';
import {
  type Documents,
  type PreparedPut,
  type PutManyOptions,
  parsePutManyOptions,
  putDocuments,
} from './put-many.js';
import type { Stream, Streams } from './streams.js';
import { applyRecipe, type Recipe } from './update.js';
import {
  type DocumentStreamOptions,
  decodeFound,
  type Found,
  parseStreamOptions,
  parseWatchOptions,
  streamDocuments,
  type WatchOptions,
  watchDocument,
  watchQuery,
} from './watch.js';

/** Returned by a recipe: deletes the document. Immer's own symbol. */
export { nothing } from 'immer';

/**
 * The documents under one name. A document is any JSON value under a key of 1 to `limits.keyLengthMax` characters. A
 * value that JSON cannot hold is refused, never converted: write dates as text, binary data as base64 text.
 *
 * Every method fails with `notRunning` while the node does not run, and with `storeClosed` if the database closes
 * during the call. Methods that return a promise reject; `changes` and `watch` throw on a wrong argument at once.
 *
 * @typeParam T The type of the documents, in their JSON form. A schema, if there is one, checks local writes. It does
 * not check the writes of other nodes, so a read returns a `T` by agreement only.
 *
 * @example
 * const orders = database.collection<{ total: number; open: boolean }>('orders');
 * await orders.put('42', { total: 10, open: true });
 * await orders.update('42', (order) => {
 *   if (order !== undefined) order.total += 5;
 * });
 * const open = await orders.find({ where: { open: true, total: { $gte: 10 } }, orderBy: ['total'], limit: 20 });
 */
export interface Collection<T = unknown> {
  readonly name: CollectionName;

  /**
   * Writes a document, and replaces any previous one. Writing the same document again is a change, too: it gets a new
   * stamp.
   *
   * @returns Its stamp and its place in the local order of arrival, once it is on disk
   * @throws StatemeshError `keyInvalid`, `documentInvalid`, `documentTooLarge`, `documentRejected`,
   * `collectionReserved`, `writeQueueFull`, `diskFull`, `databaseUnavailable`
   */
  put(key: string, document: T): Promise<Written | undefined>;

  /**
   * The document under a key, or undefined if there is none.
   *
   * @throws StatemeshError `keyInvalid`
   */
  get(key: string): Promise<T | undefined>;

  /**
   * Deletes a document.
   *
   * @returns undefined if there was none
   * @throws as {@link Collection.put}
   */
  delete(key: string): Promise<Written | undefined>;

  /**
   * Changes a document in one step: on this node, no other write happens between the read and the write.
   *
   * The recipe gets a draft to change (immer), or undefined if there is no document. It may return another document
   * instead, or `nothing` to delete it; returning undefined keeps the draft. It runs inside the transaction, so neither
   * the recipe nor the schema can be asynchronous. It may run more than once, if the transaction has to be retried.
   *
   * @returns undefined if the recipe changed nothing
   * @throws as {@link Collection.put}, and the error that the recipe throws; then nothing is written
   *
   * @example
   * await stock.update('apples', (item) => ({ count: (item?.count ?? 0) + 1 }));
   */
  update(key: string, recipe: Recipe<T>): Promise<Written | undefined>;

  /**
   * Writes many documents in transactions of up to `limits.batchEntriesMax` documents, several of them in flight. Each
   * transaction is all or nothing. If one fails, those before it stay and no more documents are read.
   *
   * @param documents Pairs of key and document, also as an async stream, which is read no faster than it is written
   * @returns How many documents were written
   * @throws as {@link Collection.put}, with the number of the document in the message; `cancelled` by the signal
   */
  putMany(documents: Documents<T>, options?: PutManyOptions): Promise<number>;

  /**
   * All matching documents as a list, in the requested order, then by key.
   *
   * A query compares fields, not lists. If a compared field of some document is a list, or lies in one, the query fails
   * with `queryInvalid` instead of leaving that document out. `null` and `{ $ne: null }` test whether a field is
   * present, lists included.
   *
   * @throws StatemeshError `queryInvalid`; `queryTooLarge` if the documents have more than `limits.findBytesMax`
   * characters in total: set a limit, or use {@link Collection.stream}
   */
  find(query?: Query<T>): Promise<Found<T>[]>;

  /**
   * The matching documents one after the other, in the requested order, then by key. Memory holds one page of
   * `limits.pageBytesMax` characters, however many documents match. All of them show one state of the database, that of
   * the first step.
   *
   * @throws StatemeshError `queryInvalid`; from the first step on `storeClosed` if the database closes meanwhile
   *
   * @example
   * for await (const { key, document } of orders.stream({ where: { open: true } })) console.log(key, document.total);
   */
  stream(query?: Query<T>, options?: DocumentStreamOptions): Stream<Found<T>>;

  /**
   * How many documents match.
   *
   * @throws StatemeshError `queryInvalid`
   */
  count(where?: Where<T>): Promise<number>;

  /**
   * Makes queries on a field fast, on this node only. Has no effect if the index already exists.
   *
   * @param field A path such as `address.city`
   * @throws StatemeshError `queryInvalid`, also for more than `limits.indexesPerCollectionMax` indexes, and for
   * options: there are none
   */
  createIndex(field: FieldPath<T>): Promise<void>;

  /**
   * The changes of this collection in the local order of arrival, local and remote ones alike.
   *
   * @throws StatemeshError `cursorExpired`, `queryInvalid`
   */
  changes(options?: ChangesOptions): Stream<Change<T>>;

  /**
   * The document under a key, or the result of a query: now, and again at each change. While the consumer is busy,
   * values are skipped, but never the last one. At most `limits.watchersMax` streams of a database wait at once.
   *
   * @throws StatemeshError `keyInvalid`, `queryInvalid`; from the first step on `queryTooLarge`, `watcherLimit`
   *
   * @example
   * for await (const order of orders.watch('42', { signal })) console.log(order);
   */
  watch(key: string, options?: WatchOptions): Stream<T | undefined>;
  watch(query: Query<T>, options?: WatchOptions): Stream<Found<T>[]>;
}

/** How a collection treats local writes. */
export interface CollectionOptions<T> {
  /**
   * Checks local writes (put, putMany, the result of update) without changing them: defaults and conversions of the
   * schema are not stored. Any Standard Schema v1, such as zod's.
   */
  readonly schema?: StandardSchemaV1<T, unknown> | undefined;
}

/** @throws StatemeshError `requestInvalid` */
export function parseCollectionOptions<T>(options: CollectionOptions<T> | undefined): CollectionOptions<T> {
  return readOptions(options, collectionShape) as CollectionOptions<T>;
}

const collectionShape: OptionsShape<CollectionOptions<unknown>> = {
  complaint: 'Invalid options of collection',
  code: 'requestInvalid',
  fields: {
    schema: {
      takes: 'a Standard Schema (v1), such as one of zod',
      accepts: (schema) =>
        objectWith().accepts(schema) && objectWith('validate').accepts((schema as StandardSchemaV1)['~standard']),
    },
  },
};

/** Refuses surplus arguments, which would be ignored silently, for methods whose options stand elsewhere. */
function refuseMore(method: string, rest: readonly unknown[]): void {
  if (rest.every((value) => value === undefined)) return;
  const problem =
    method === 'createIndex' ? 'it takes a field and no options; indexes are not unique' : 'it takes one object';
  throw new StatemeshError('queryInvalid', `Invalid arguments of ${method}: ${problem}.`);
}

/** The parts of a collection. The store is fetched at each use, because a change of identity swaps it. */
export interface CollectionInput<T> extends CollectionOptions<T> {
  readonly name: CollectionName;
  readonly streams: Streams;
  getStore(): DocumentStore;
}

/** Creates a handle on a collection: cheap, without resources of its own, valid before the node runs. */
export function createCollection<T>({ name, schema, streams, getStore }: CollectionInput<T>): Collection<T> {
  const requireWritable = (): void => {
    if (!isSystemCollection(name)) return;
    throw new StatemeshError('collectionReserved', `"${name}" is written by statemesh only; choose another name.`);
  };

  const prepare = (key: string, document: T): PreparedPut | Promise<PreparedPut> => {
    requireWritable();
    // First: without a key, the document stands in its place.
    const documentKey = parseDocumentKey(key);
    const payload = encodeDocument(document);
    const put: PreparedPut = { kind: 'put', collection: name, key: documentKey, payload };
    const checked = schema === undefined ? undefined : checkDocument({ schema, collection: name, payload });
    return checked === undefined ? put : checked.then(() => put);
  };

  const checkNow = (payload: string): void => {
    if (schema !== undefined) checkDocumentNow({ schema, collection: name, payload });
  };

  const write = async (one: Write): Promise<Written | undefined> => (await getStore().write([one]))[0];

  function watch(key: string, options?: WatchOptions): Stream<T | undefined>;
  function watch(query: Query<T>, options?: WatchOptions): Stream<Found<T>[]>;
  function watch(subject: string | Query<T>, options?: WatchOptions): Stream<T | undefined> | Stream<Found<T>[]> {
    const { signal } = parseWatchOptions(options);
    if (typeof subject === 'object') {
      return watchQuery<T>(getStore(), streams, { collection: name, query: parseQuery(subject), signal });
    }
    return watchDocument<T>(getStore(), streams, { collection: name, key: parseDocumentKey(subject), signal });
  }

  return {
    name,
    watch,
    async put(key, document) {
      const prepared = prepare(key, document);
      // Awaiting a plain value would cost a step, and with it the order of writes.
      const put = prepared instanceof Promise ? await prepared : prepared;
      return (await getStore().write([put]))[0];
    },
    async get(key) {
      const stored = await getStore().get(name, parseDocumentKey(key));
      return stored === undefined ? undefined : (decodeDocument(stored.payload) as T | undefined);
    },
    async delete(key) {
      requireWritable();
      return write({ kind: 'delete', collection: name, key: parseDocumentKey(key) });
    },
    async update(key, recipe) {
      requireWritable();
      return write({
        kind: 'update',
        collection: name,
        key: parseDocumentKey(key),
        recipe: (payload) => applyRecipe(payload, recipe, checkNow),
      });
    },
    async putMany(documents, options) {
      requireWritable();
      const checked = parsePutManyOptions(options);
      return putDocuments(getStore(), prepare, documents, checked);
    },
    async find(query = {}, ...rest: unknown[]) {
      refuseMore('find', rest);
      return decodeFound<T>(await getStore().find(name, parseQuery(query)));
    },
    stream(query = {}, options) {
      const parsed = parseStreamOptions(options);
      return streamDocuments<T>(getStore(), streams, { ...parsed, collection: name, query: parseQuery(query) });
    },
    async count(where = {}, ...rest: unknown[]) {
      refuseMore('count', rest);
      return getStore().count(name, parseQuery({ where }).where);
    },
    async createIndex(field, ...rest: unknown[]) {
      refuseMore('createIndex', rest);
      await getStore().createIndex(name, parseField(field));
    },
    changes: (options) => changes<T>(getStore(), streams, { ...parseChangesOptions(options), collection: name }),
  };
}
