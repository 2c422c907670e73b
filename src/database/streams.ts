/**
 * Streams of a database: async iterators that read on demand, and wait for a commit when there is nothing to read.
 *
 * Invariants:
 * - Pull-based: a stream reads only while its consumer waits in `next()`, and subscribes to the store only while it has
 *   nothing to return. A slow or forgotten consumer costs neither memory nor commits.
 * - No wake-up is lost: the stream notes the store's cursor before it reads, then subscribes, and checks for commits
 *   after that cursor before it sleeps.
 * - Only streams that wait for a commit count against `limits.watchersMax`. A stream whose consumer is busy elsewhere,
 *   or has forgotten it, holds nothing but itself, and goes with the consumer's last reference to it.
 * - A stream ends by its consumer (`return`, `break`), by its signal or by {@link Streams.end}, even while it waits,
 *   and by an error of the store when it reads. After that it holds nothing. A store does not announce that it closes,
 *   so call {@link Streams.end} before closing it.
 */
import { StatemeshError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Commit, DocumentStore } from '../ports/store.js';

/** An async iterator for one loop, with `for await` or by hand. `return()` ends it even while `next()` waits. */
export interface Stream<T> extends AsyncIterableIterator<T, void, void> {
  return(): Promise<IteratorResult<T, void>>;
}

/** The means of a stream's body. */
export interface StreamScope {
  readonly store: DocumentStore;
  /**
   * Waits for a commit that concerns the stream; returns at once if any commit came after `seen`.
   *
   * @param seen The store's cursor before the last read
   * @returns False if the stream has ended meanwhile
   */
  untilCommit(seen: number, concerns: (commit: Commit) => boolean): Promise<boolean>;
}

export interface StreamOptions<T> {
  readonly store: DocumentStore;
  readonly signal?: AbortSignal | undefined;
  generate(scope: StreamScope): AsyncGenerator<T, void, void>;
}

/** The open streams of one database. At most `limits.watchersMax` of them wait for a commit at once. */
export interface Streams {
  /** Over the limit, the `next()` that would have to wait throws `watcherLimit`, and the stream ends. */
  open<T>(options: StreamOptions<T>): Stream<T>;
  /** Ends every open stream, because its store goes away: with an error, or as if there were no more to come. */
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
  /** Ends streams that their consumers no longer reference. */
  readonly forgotten: FinalizationRegistry<OpenStream>;
}

interface OpenStream {
  /** The consumer's iterator while it waits in `next()`: the consumer itself may hold nothing but that promise. */
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
        // A commit from before the subscription does not wake the stream.
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
      // After the consumer has left, a failure of the store no longer matters.
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

/** A generator's own `return()` would wait until a pending `next()` has settled, so `leave` runs first. */
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
      `${limits.watchersMax} changes and watch streams of the database already wait for a commit, which is the maximum; end some of them.`,
    );
  }
  waiting.add(stream);
}
