/**
 * Reads from the store what the other side lacks. It waits a turn of the event loop first, or queued batches starve it.
 */
import { fromPromise } from 'xstate';
import type { Time } from '../ports/ports.js';
import type { ReadOptions, ReadResult, Store } from '../ports/store.js';

export function createReadBatch({ time }: { time: Time }) {
  return fromPromise<ReadResult, ReadOptions & { store: Store }>(async ({ input: { store, ...options } }) => {
    await time.turn();
    return store.read(options);
  });
}
