/**
 * Reports the known peers to membership: those of the configuration and those of the synced collection, which win, now and
 * at each change. A stored peer that is disabled is not dialed.
 */
import { type EventObject, fromCallback } from 'xstate';
import { parseAddress } from '../core/address.js';
import type { Failure } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import type { Address } from '../protocol/events.js';
import { PeerType } from '../protocol/remote-peer.js';
import type { KnownPeersInput } from '../protocol/services.js';
import { watchRemotePeers } from './watch-remote-peers.js';

export function createKnownPeers() {
  return fromCallback<EventObject, KnownPeersInput>(({ input: { parent, store, configuration } }) => {
    const configured = configuration.knownPeers.map(
      ({ nodeId, address }) => [nodeId as NodeId, parseAddress(address)] as const,
    );
    return watchRemotePeers(
      store,
      ({ peers, problems }) => {
        const stored = peers
          .filter(({ type, isEnabled }) => type === PeerType.StaticRemote && isEnabled)
          .map(({ nodeId, address }) => [nodeId, parseAddress(address)] as const);
        parent.send({
          type: 'knownPeers.changed',
          peers: new Map<NodeId, Address>([...configured, ...stored]),
          problems: problems.map(({ message }): Failure => ({ code: 'peerInvalid', message })),
        });
      },
      (failure) => parent.send({ type: 'knownPeers.failed', failure }),
    );
  });
}
