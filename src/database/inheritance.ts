/**
 * What goes along when a node takes another identity: the remote peers with their secrets, at the lowest rank, so that a node with static peers, or
 * alone with a cloud peer, is not cut off in its new life, and whatever its new cluster has decided stands.
 */
import { fromPromise } from 'xstate';
import type { Store, Write } from '../protocol/store.js';
import { keyOf, readRemotePeers, remotePeersCollection } from './remote-peers.js';
import { resealedSecretsCollection } from './resealed-envelope.js';

export function createDrainStore() {
  return fromPromise<readonly Write[], { store: Store }>(async ({ input: { store } }) => {
    await store.idle();
    return inheritanceOf(store);
  });
}

/** Documents that are no peers stay behind, and so do those of removed peers. */
async function inheritanceOf(store: Store): Promise<readonly Write[]> {
  const { peers } = await readRemotePeers(store);
  const documents = await Promise.all(peers.map(({ nodeId }) => store.get(remotePeersCollection, keyOf(nodeId))));
  const resealed = await store.find(resealedSecretsCollection, {});
  return [
    ...documents
      .filter((document) => document !== undefined)
      .map((document) => ({ kind: 'initial', collection: remotePeersCollection, ...document }) as const),
    ...resealed.map((document) => ({ kind: 'initial', collection: resealedSecretsCollection, ...document }) as const),
  ];
}
