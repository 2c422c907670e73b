/**
 * Streams of a database: async iterators that read when they are asked and wait for a commit when there is nothing.
 *
 * Invariants:
 * - Pull-based: a stream reads only while its consumer waits in `next()`, and subscribes to the store only while there is
 *   nothing to give. A slow or forgotten consumer costs neither memory nor commits.
 * - No wake-up is lost: the stream notes the store's cursor before it reads, subscribes, and asks for what lies behind that
 *   cursor before it sleeps.
 * - A stream ends by its consumer (`return`, `break`), by its signal or by {@link Streams.end}, also while it waits, and by an
 *   error of the store when it reads. After that it holds nothing. A store tells nobody that it closes, so whoever closes
 *   it calls {@link Streams.end} first.
 */
import { StatemeshError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Commit, Store } from '../protocol/store.js';

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

/** The open streams of one database, at most `limits.watchersMax`. */
export interface Streams {
  /** A stream counts as open from its first `next()` on; over the limit, that throws `watcherLimit`. */
  open<T>(options: StreamOptions<T>): Stream<T>;
  /** Ends every open stream, since its store goes away: with an error, or as if there were no more to come. */
  end(reason: StatemeshError | undefined): void;
}

export function createStreams(): Streams {
  const open = new Set<OpenStream>();
  return {
    open: (options) => createStream(open, options),
    end(reason) {
      for (const stream of [...open]) stream.end(reason);
    },
  };
}

interface OpenStream {
  end(reason?: StatemeshError): void;
}

function createStream<T>(open: Set<OpenStream>, { store, signal, generate }: StreamOptions<T>): Stream<T> {
  let ended = signal?.aborted === true;
  let reason: StatemeshError | undefined;
  let wake = (): void => {};

  const stream: OpenStream = {
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
      }
      return !ended;
    },
  };

  async function* run(): AsyncGenerator<T, void, void> {
    // The signal may have been aborted between the call and the first `next()`.
    if (ended || signal?.aborted) return;
    admit(open, stream);
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

  return asStream(run(), abort);
}

/** A generator's own `return()` would wait until a pending `next()` has settled, hence `leave` first. */
function asStream<T>(generator: AsyncGenerator<T, void, void>, leave: () => void): Stream<T> {
  return {
    next: () => generator.next(),
    return() {
      leave();
      return generator.return();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function admit(open: Set<OpenStream>, stream: OpenStream): void {
  if (open.size >= limits.watchersMax) {
    throw new StatemeshError(
      'watcherLimit',
      `The database has ${limits.watchersMax} open changes and watch streams, as many as it allows; end some of them.`,
    );
  }
  open.add(stream);
}
