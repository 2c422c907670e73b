/**
 * Reports the known peers to a listener: now, and after each commit that touches them.
 *
 * Invariants: there is one read at a time, and another one after it if a commit came meanwhile, so the last state is
 * always reported. The listener is never called from inside the store's notification. No failure reaches the store.
 */
import { type Failure, failureOf } from '../core/errors.js';
import type { Commit, Store } from '../ports/store.js';
import { resealedSecretsCollection } from './resealed-envelope.js';
import { type RemotePeers, readRemotePeers, remotePeersCollection, removedPeersCollection } from './stored-peers.js';

/**
 * Watches the remote peers.
 *
 * @param listener Receives the peers and the invalid documents; commits in quick succession are reported as one
 * @param onFailure Receives a failure to read the peers, or an error of the listener; the watch continues with the next
 * commit. A closed store is the end, not a failure
 * @param read How to read the peers
 * @returns A function that stops the watch; nothing is reported afterwards
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
      // There is no other place to report an error of the failure handler.
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
