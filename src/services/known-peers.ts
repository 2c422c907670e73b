/**
 * Reports the known peers to membership, now and at each change: those of the configuration and those of the synced
 * collection, which take precedence. A stored peer that is disabled is not dialed.
 */
import { type EventObject, fromCallback } from 'xstate';
import type { Address } from '../actors/mailboxes.js';
import type { KnownPeersInput } from '../actors/slots.js';
import { parseAddress } from '../core/address.js';
import { encodeDocument } from '../core/document.js';
import { type Failure, failureOf } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import type { Store } from '../ports/store.js';
import { PeerType, type RemotePeerDocument } from '../remote-peers/remote-peer.js';
import { keyOf, remotePeersCollection } from '../remote-peers/stored-peers.js';
import { watchRemotePeers } from '../remote-peers/watch-peers.js';

export function createKnownPeers() {
  return fromCallback<EventObject, KnownPeersInput>(({ input: { parent, store, configuration, initialPeers } }) => {
    const configured = configuration.knownPeers.map(
      ({ nodeId, address }) => [nodeId as NodeId, parseAddress(address)] as const,
    );
    const report = (failure: Failure): void => parent.send({ type: 'knownPeers.failed', failure });
    let stopWatching = (): void => {};
    let isStopped = false;
    const watch = () =>
      watchRemotePeers(
        store,
        ({ peers, quarantined, surplus }) => {
          const stored = peers
            .filter(({ type, isEnabled }) => type === PeerType.StaticRemote && isEnabled)
            .map(({ nodeId, address }) => [nodeId, parseAddress(address)] as const);
          parent.send({
            type: 'knownPeers.changed',
            peers: new Map<NodeId, Address>([...configured, ...stored]),
            quarantined,
            surplus,
          });
        },
        report,
      );
    const begin = (): void => {
      if (!isStopped) stopWatching = watch();
    };
    storeInitialPeers(store, initialPeers).then(begin, (error: unknown) => {
      if (!isStopped) report(failureOf(error));
      begin();
    });
    return () => {
      isStopped = true;
      stopWatching();
    };
  });
}

/**
 * They rank below every decision that the cluster has ever made: so a node that was away, or is new, overwrites and
 * revives nothing.
 */
async function storeInitialPeers(store: Store, peers: readonly RemotePeerDocument[]): Promise<void> {
  if (peers.length === 0) return;
  await store.write(
    peers.map((peer) => ({
      kind: 'initial',
      collection: remotePeersCollection,
      key: keyOf(peer.NodeId as NodeId),
      payload: encodeDocument(peer),
    })),
  );
}
