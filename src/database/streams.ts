/**
 * Streams of a database: async iterators that read when they are asked and wait for a commit when there is nothing.
 *
 * Invariants:
 * - Pull-based: a stream reads only while its consumer waits in `next()`, and subscribes to the store only while there is
 *   nothing to give. A slow or forgotten consumer costs neither memory nor commits.
 * - No wake-up is lost: the stream notes the store's cursor before it reads, subscribes, and asks for what lies behind that
 *   cursor before it sleeps.
 * - What counts against `limits.watchersMax` is a stream that waits for a commit: one whose consumer does something else, or has
 *   forgotten it, holds nothing but itself, and goes with the consumer's last reference to it.
 * - A stream ends by its consumer (`return`, `break`), by its signal or by {@link Streams.end}, also while it waits, and by an
 *   error of the store when it reads. After that it holds nothing. A store tells nobody that it closes, so whoever closes
 *   it calls {@link Streams.end} first.
 */
import { StatemeshError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Commit, Store } from '../ports/store.js';

/** An async iterator to loop over once, with `for await` or by hand. `return()` ends it even while `next()` waits. */
export interface Stream<T> extends AsyncIterableIterator<T, void, void> {
  return(): Promise<IteratorResult<T, void>>;
}

/** What the body of a stream works with. */
export interface StreamScope {
  readonly store: Store;
  /**
   * Waits for a commit that concerns the stream; returns at once when any commit came after `seen`.
   * @param seen The store's cursor before the last read
   * @returns False when the stream has ended meanwhile
   */
  untilCommit(seen: number, concerns: (commit: Commit) => boolean): Promise<boolean>;
}

export interface StreamOptions<T> {
  readonly store: Store;
  readonly signal?: AbortSignal | undefined;
  generate(scope: StreamScope): AsyncGenerator<T, void, void>;
}

/** The open streams of one database. At most `limits.watchersMax` of them wait for a commit at once. */
export interface Streams {
  /** Over the limit, the `next()` that would have to wait throws `watcherLimit`, and ends the stream. */
  open<T>(options: StreamOptions<T>): Stream<T>;
  /** Ends every open stream, since its store goes away: with an error, or as if there were no more to come. */
  end(reason: StatemeshError | undefined): void;
}

export function createStreams(): Streams {
  const all: OpenStreams = {
    open: new Set(),
    waiting: new Set(),
    forgotten: new FinalizationRegistry((stream) => stream.end()),
  };
  return {
    open: (options) => createStream(all, options),
    end(reason) {
      for (const stream of [...all.open]) stream.end(reason);
    },
  };
}

interface OpenStreams {
  readonly open: Set<OpenStream>;
  readonly waiting: Set<OpenStream>;
  /** Ends those whose consumers have let go of them. */
  readonly forgotten: FinalizationRegistry<OpenStream>;
}

interface OpenStream {
  /** What the consumer holds, while it waits in `next()`: it may hold nothing but that promise. */
  awaited: unknown;
  end(reason?: StatemeshError): void;
}

function createStream<T>(
  { open, waiting, forgotten }: OpenStreams,
  { store, signal, generate }: StreamOptions<T>,
): Stream<T> {
  let ended = signal?.aborted === true;
  let reason: StatemeshError | undefined;
  let wake = (): void => {};

  const stream: OpenStream = {
    awaited: undefined,
    end(why) {
      if (ended) return;
      ended = true;
      reason = why;
      open.delete(stream);
      signal?.removeEventListener('abort', abort);
      wake();
    },
  };
  const abort = (): void => stream.end();

  const scope: StreamScope = {
    store,
    async untilCommit(seen, concerns) {
      if (ended) return false;
      admit(waiting, stream);
      let unsubscribe = (): void => {};
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
        unsubscribe = store.subscribe((commit) => {
          if (concerns(commit)) resolve();
        });
      });
      try {
        // What was committed before we subscribed wakes nobody.
        if (store.cursor() === seen) await woken;
      } finally {
        unsubscribe();
        waiting.delete(stream);
      }
      return !ended;
    },
  };

  async function* run(): AsyncGenerator<T, void, void> {
    // The signal may have been aborted between the call and the first `next()`.
    if (ended || signal?.aborted) return;
    open.add(stream);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      for await (const item of generate(scope)) {
        if (ended) break;
        yield item;
        if (ended) break;
      }
    } catch (error) {
      // A consumer who has left does not care that the store failed afterwards.
      if (!ended) throw error;
    } finally {
      stream.end();
    }
    if (reason !== undefined) throw reason;
  }

  const result = asStream(run(), stream, abort);
  forgotten.register(result, stream);
  return result;
}

/** A generator's own `return()` would wait until a pending `next()` has settled, hence `leave` first. */
function asStream<T>(generator: AsyncGenerator<T, void, void>, open: OpenStream, leave: () => void): Stream<T> {
  let steps = 0;
  return {
    async next() {
      open.awaited = this;
      steps += 1;
      try {
        return await generator.next();
      } finally {
        steps -= 1;
        if (steps === 0) open.awaited = undefined;
      }
    },
    return() {
      leave();
      return generator.return();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function admit(waiting: Set<OpenStream>, stream: OpenStream): void {
  if (waiting.size >= limits.watchersMax) {
    throw new StatemeshError(
      'watcherLimit',
      `${limits.watchersMax} changes and watch streams of the database wait for a commit, as many as it allows; end some of them.`,
    );
  }
  waiting.add(stream);
}
