/**
 * Tells a listener of the known peers: now, and after each commit that touches them.
 *
 * Invariants: one reading at a time, and another one after it if a commit came meanwhile, so the last state is always told;
 * the listener is never called from inside the store's notification; nothing that goes wrong reaches the store.
 */
import { type Failure, failureOf } from '../core/errors.js';
import type { Commit, Store } from '../ports/store.js';
import { resealedSecretsCollection } from './resealed-envelope.js';
import { type RemotePeers, readRemotePeers, remotePeersCollection, removedPeersCollection } from './stored-peers.js';

/**
 * @param listener Hears the peers and the documents that are none; commits in quick succession are told as one
 * @param onFailure Hears that the peers could not be read, or that the listener has thrown; the watch goes on with the next
 *   commit. A closed store is the end, not a failure
 * @param read How to read them
 * @returns How to stop; nothing is told afterwards
 */
export function watchRemotePeers(
  store: Store,
  listener: (remotePeers: RemotePeers) => void,
  onFailure: (failure: Failure) => void = () => {},
  read: (store: Store) => Promise<RemotePeers> = readRemotePeers,
): () => void {
  let isStopped = false;
  let isReading = false;
  let isStale = false;

  const readAll = async (): Promise<void> => {
    isStale = true;
    if (isReading) return;
    isReading = true;
    while (isStale && !isStopped) {
      isStale = false;
      try {
        const remotePeers = await read(store);
        if (!isStopped) listener(remotePeers);
      } catch (error) {
        report(error);
      }
    }
    isReading = false;
  };

  const report = (error: unknown): void => {
    const failure = failureOf(error);
    if (isStopped || failure.code === 'storeClosed') return;
    try {
      onFailure(failure);
    } catch {
      // Whoever reports by throwing has nobody left to tell.
    }
  };

  const unsubscribe = store.subscribe((commit) => {
    if (isOfPeers(commit)) void readAll();
  });
  void readAll();
  return () => {
    isStopped = true;
    unsubscribe();
  };
}

function isOfPeers({ collections }: Commit): boolean {
  return [remotePeersCollection, removedPeersCollection, resealedSecretsCollection].some((name) =>
    collections.has(name),
  );
}
