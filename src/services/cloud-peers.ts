/**
 * Reports the stored cloud peers to the uplink, including disabled ones: now and at each change. Their secrets are the
 * resealed ones, so that gateways can open them.
 */
import { type EventObject, fromCallback } from 'xstate';
import type { CloudPeersInput } from '../actors/slots.js';
import type { NodeId } from '../core/ids.js';
import { type CloudPeer, PeerType } from '../remote-peers/remote-peer.js';
import { readWithResealedSecrets } from '../remote-peers/resealed-secrets.js';
import { watchRemotePeers } from '../remote-peers/watch-peers.js';

export function createCloudPeers() {
  return fromCallback<EventObject, CloudPeersInput>(({ input: { parent, store } }) =>
    watchRemotePeers(
      store,
      // Malformed documents are reported by the service that watches all peers.
      ({ peers }) => {
        const ofTheCloud = peers.filter((peer): peer is CloudPeer => peer.type === PeerType.CloudRemote);
        const byNodeId = new Map<NodeId, CloudPeer>(ofTheCloud.map((peer) => [peer.nodeId, peer]));
        parent.send({ type: 'cloudPeers.changed', peers: byNodeId });
      },
      (failure) => parent.send({ type: 'cloudPeers.failed', failure }),
      readWithResealedSecrets,
    ),
  );
}
