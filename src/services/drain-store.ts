/**
 * The second half of a change of database: the old one finishes its writes, and what is left follows. See `copy-store`.
 */
import { fromPromise } from 'xstate';
import type { SuccessionInput } from '../actors/slots.js';
import { copy } from './copy-store.js';

/** Waits for the writes in progress, and copies the rest. */
export function createDrainStore() {
  return fromPromise<void, SuccessionInput>(async ({ input: { store, successor }, signal }) => {
    await store.idle();
    await copy(store, successor, { entriesMax: Number.POSITIVE_INFINITY, signal });
  });
}
