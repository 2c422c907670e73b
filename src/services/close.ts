/**
 * Closes what a node has open, in an order in which nothing is lost: first the listeners, then the stores, which finish
 * their writes.
 */
import { fromPromise } from 'xstate';
import type { CloseInput } from '../actors/slots.js';

export function createClose() {
  return fromPromise<void, CloseInput>(({ input }) => closeParts(input));
}

/** Closes the listeners, then the databases, all of them, and rejects with the first failure. */
export async function closeParts({ listenings, stores }: CloseInput): Promise<void> {
  const outcomes = [
    ...(await Promise.allSettled(listenings.map((listening) => listening.close()))),
    ...(await Promise.allSettled(stores.map((store) => store.close()))),
  ];
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
