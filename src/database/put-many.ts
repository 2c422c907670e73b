/**
 * Writes a stream of documents in transactions of bounded size, with a bounded number of them in flight.
 *
 * Invariants: each transaction is all or nothing. Transactions start in the order of the source. The source is read no
 * faster than the store writes. However it ends, nothing is in flight afterwards and the source has been closed.
 */
import { isStatemeshError, StatemeshError, shortText } from '../core/errors.js';
import { limits } from '../core/limits.js';
import { kinds, type OptionsShape, readOptions } from '../core/options.js';
import type { DocumentStore, Write } from '../ports/store.js';
import { ignoreRejection, isThenable } from './document-schema.js';

/** Any number of pairs of key and document, read no faster than they are written. */
export type Documents<T> = Iterable<readonly [key: string, document: T]> | AsyncIterable<readonly [string, T]>;

/** What ends a `putMany`, and who receives its progress. */
export interface PutManyOptions {
  /** Stops before the next transaction; transactions already started are still written. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each transaction. */
  readonly onProgress?: ((progress: PutManyProgress) => void) | undefined;
}

/** @throws StatemeshError `requestInvalid` */
export function parsePutManyOptions(options: PutManyOptions | undefined): PutManyOptions {
  return readOptions(options, putManyShape);
}

const putManyShape: OptionsShape<PutManyOptions> = {
  complaint: 'Invalid options of putMany',
  code: 'requestInvalid',
  fields: { signal: kinds.signal, onProgress: kinds.function },
};

/** Progress of a `putMany`. */
export interface PutManyProgress {
  /** Documents committed so far. */
  readonly written: number;
}

/** A checked put; a promise only if a schema answers later. */
export type PreparedPut = Extract<Write, { kind: 'put' }>;
export type Prepare<T> = (key: string, document: T) => PreparedPut | Promise<PreparedPut>;

/**
 * Writes the documents of a source.
 *
 * @param prepare Checks one document and returns its write
 * @returns How many documents were written
 * @throws StatemeshError `cancelled` by the signal; errors of `prepare`, with the number of the document, and of the
 * store. Transactions committed before stay.
 */
export async function putDocuments<T>(
  store: DocumentStore,
  prepare: Prepare<T>,
  source: Documents<T>,
  { signal, onProgress }: PutManyOptions,
): Promise<number> {
  const inFlight = new Set<Promise<void>>();
  let written = 0;
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown): void => {
    failure ??= { error };
  };

  const send = async (batch: PreparedPut[]): Promise<void> => {
    try {
      const results = await store.write(batch);
      written += results.filter((result) => result !== undefined).length;
      onProgress?.({ written });
    } catch (error) {
      fail(error);
    }
  };

  try {
    for await (const batch of batchesOf(source, prepare, signal)) {
      if (failure !== undefined) break;
      const sent = send(batch).finally(() => inFlight.delete(sent));
      inFlight.add(sent);
      if (inFlight.size >= limits.batchesInFlightMax) await Promise.race(inFlight);
    }
  } catch (error) {
    fail(error);
  }
  await Promise.all(inFlight);
  if (failure !== undefined) throw failure.error;
  return written;
}

/** One batch is `limits.batchEntriesMax` documents or, with large ones, about `limits.batchBytesMax` characters. */
async function* batchesOf<T>(
  source: Documents<T>,
  prepare: Prepare<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<PreparedPut[], void, void> {
  const iterator = iteratorOf(source);
  // Closing a source that is still busy would wait for it.
  let isBusy = false;
  let isExhausted = false;
  let batch: PreparedPut[] = [];
  let characters = 0;
  try {
    for (let index = 0; ; index++) {
      if (signal?.aborted) throw cancelled();
      isBusy = true;
      const step = iterator.next();
      // Awaiting costs a turn of the microtask queue, so only promises are awaited.
      const { done, value } = isThenable(step) ? await unlessAborted(step, signal) : step;
      isBusy = false;
      isExhausted = done === true;
      if (isExhausted) break;
      const put = prepareItem(prepare, value, index);
      batch.push(isThenable(put) ? await unlessAborted(put, signal) : put);
      characters += batch.at(-1)?.payload.length ?? 0;
      if (batch.length < limits.batchEntriesMax && characters < limits.batchBytesMax) continue;
      yield batch;
      batch = [];
      characters = 0;
    }
    if (batch.length > 0) yield batch;
  } finally {
    if (!isExhausted) await close(iterator, isBusy);
  }
}

function iteratorOf<T>(source: Documents<T>): Iterator<unknown> | AsyncIterator<unknown> {
  if (typeof source === 'object' && source !== null) {
    if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]();
    if (Symbol.iterator in source) return source[Symbol.iterator]();
  }
  throw new StatemeshError('documentInvalid', 'putMany takes a list or a stream of documents.');
}

function prepareItem<T>(prepare: Prepare<T>, item: unknown, index: number): PreparedPut | Promise<PreparedPut> {
  if (!Array.isArray(item)) {
    throw new StatemeshError('documentInvalid', `Document ${index} of putMany is not a pair of key and document.`);
  }
  const [key, document] = item as [string, T];
  try {
    const put = prepare(key, document);
    return isThenable(put) ? put.catch((error: unknown) => Promise.reject(located(error, index, key))) : put;
  } catch (error) {
    throw located(error, index, key);
  }
}

function located(error: unknown, index: number, key: string): unknown {
  if (!isStatemeshError(error)) return error;
  const where = `Document ${index} of putMany, "${shortText(key)}"`;
  return new StatemeshError(error.code, `${where}: ${error.message}`, { cause: error.cause ?? error });
}

/** The result of a promise, or `cancelled` as soon as the signal aborts: the source may never answer. */
async function unlessAborted<V>(promise: PromiseLike<V>, signal: AbortSignal | undefined): Promise<V> {
  if (signal === undefined) return promise;
  let abort = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(cancelled());
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function close(iterator: Iterator<unknown> | AsyncIterator<unknown>, isBusy: boolean): Promise<void> {
  try {
    const closed = iterator.return?.();
    if (!isThenable(closed)) return;
    if (isBusy) ignoreRejection(closed);
    else await closed;
  } catch {
    // The caller gets the original error; a failure to close the source adds nothing to it.
  }
}

function cancelled(): StatemeshError {
  return new StatemeshError(
    'cancelled',
    'putMany was cancelled by its signal; the documents that onProgress reported stay written.',
  );
}
