/**
 * Changes to the remote peers of a cluster: made on any node, effective on all.
 *
 * Two edits of one peer converge, since the last write wins. A removal wins over every edit that had not seen it, and only adding
 * revives: both write the peer's marker, which editing does not touch.
 */
import { decodeDocument, encodeDocument } from '../core/document.js';
import { StatemeshError } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import type { ClusterKeys } from '../core/keys.js';
import { isSealed, openSecret } from '../core/sealing.js';
import type { Randomness } from '../protocol/ports.js';
import { type OAuth2Configuration, PeerType, type RemotePeer } from '../protocol/remote-peer.js';
import { checkNodeId, checkPeer, formatRemotePeer, type RemotePeerInput } from '../protocol/remote-peer-document.js';
import type { Store, Write, Written } from '../protocol/store.js';
import {
  isRemoved,
  keyOf,
  type RemovalMarker,
  readRemotePeer,
  readRemotePeers,
  remotePeersCollection,
  removedPeersCollection,
} from './remote-peers.js';

/** The remote peers of a cluster, as the seed document "Remote Peer Configuration" has them. */
export interface PeerManagement {
  /**
   * Makes a cloud node known to the cluster, or replaces what is known of it; whoever leads connects to it.
   *
   * @param address `host:port` (TLS) or `wss://host/path`
   * @param oAuth2 A `clientSecret` of the form `${NAME}` is kept as it is, and read from the environment of whoever leads; a
   * literal one is stored sealed with the cluster key
   * @returns undefined when the same was stored already
   * @throws StatemeshError `peerInvalid` (names the field), `notRunning`, and of the store
   *
   * @example
   * await node.addCloudPeer('cloud-1', 'cloud.example.com:9000', {
   *   authority: 'https://identity.example.com',
   *   clientId: 'corner-shop',
   *   clientSecret: '${SHOP_SECRET}',
   *   scopes: ['entgldb:sync'],
   * });
   */
  addCloudPeer(nodeId: string, address: string, oAuth2: OAuth2Configuration): Promise<Written | undefined>;
  /** Makes a node at a fixed address known to the cluster; every node dials it. @throws as {@link PeerManagement.addCloudPeer} */
  addStaticPeer(nodeId: string, address: string): Promise<Written | undefined>;
  /** The stored peers by NodeId, disabled ones too; documents that are no peers are left out. @throws `notRunning` */
  getAllRemotePeers(): Promise<readonly RemotePeer[]>;
  /** @returns undefined when it was enabled already. @throws StatemeshError `peerUnknown`, `peerInvalid`, `notRunning` */
  enablePeer(nodeId: string): Promise<Written | undefined>;
  /** Keeps a peer, but connects to it no more. @returns and @throws as {@link PeerManagement.enablePeer} */
  disablePeer(nodeId: string): Promise<Written | undefined>;
  /** Forgets a peer, for good unless it is added again. @returns undefined when there was none. @throws `peerInvalid`, `notRunning` */
  removeRemotePeer(nodeId: string): Promise<Written | undefined>;
}

/** The same as the seed document "Dynamic Reconfiguration" has it. */
export interface PeerStore {
  /**
   * Adds a peer, or replaces the one with its NodeId. Every node of the cluster comes to know it.
   *
   * @returns undefined when the same was stored already
   * @throws StatemeshError `peerInvalid` (names the field), `notRunning`, and of the store
   *
   * @example
   * await peerStore.saveRemotePeer({ nodeId: 'gateway-1', address: '192.168.1.50:25000', type: PeerType.StaticRemote });
   */
  saveRemotePeer(peer: RemotePeerInput): Promise<Written | undefined>;
  /** As {@link PeerManagement.getAllRemotePeers}. */
  getRemotePeers(): Promise<readonly RemotePeer[]>;
  /** As {@link PeerManagement.removeRemotePeer}. */
  removeRemotePeer(nodeId: string): Promise<Written | undefined>;
}

export interface PeerManagementOptions {
  /** The store of the present identity; throws `notRunning` when there is none. */
  getStore(): Store;
  /** What secrets are sealed with; undefined with security `none`. */
  getKeys(): ClusterKeys | undefined;
  readonly randomness: Randomness;
}

export function createPeerManagement({
  getStore,
  getKeys,
  randomness,
}: PeerManagementOptions): PeerManagement & PeerStore {
  const save = async (input: RemotePeerInput): Promise<Written | undefined> => {
    const store = getStore();
    const keys = getKeys();
    const peer = checkPeer(input, { keys, nonce: () => randomness.token() });
    const present = await readRemotePeer(store, peer.nodeId).catch(() => undefined);
    if (present !== undefined && isSame(present, peer, keys)) return undefined;
    const payload = encodeDocument(formatRemotePeer(peer));
    const [, written] = await store.write([
      marker(peer.nodeId, false),
      { kind: 'put', collection: remotePeersCollection, key: keyOf(peer.nodeId), payload },
    ]);
    return written;
  };

  const setEnabled = async (input: string, isEnabled: boolean): Promise<Written | undefined> => {
    const store = getStore();
    const nodeId = checkNodeId('nodeId', input);
    if ((await readRemotePeer(store, nodeId)) === undefined) throw unknown(nodeId);
    const [written] = await store.write([
      {
        kind: 'update',
        collection: remotePeersCollection,
        key: keyOf(nodeId),
        recipe: (payload) => {
          // Removed since: it stays so.
          const document = payload === undefined ? undefined : decodeDocument(payload);
          return document === undefined ? payload : encodeDocument({ ...(document as object), IsEnabled: isEnabled });
        },
      },
    ]);
    return written;
  };

  const getAll = async () => (await readRemotePeers(getStore())).peers;

  const remove = async (input: string): Promise<Written | undefined> => {
    const store = getStore();
    const nodeId = checkNodeId('nodeId', input);
    const key = keyOf(nodeId);
    const stored = await store.get(remotePeersCollection, key);
    if (stored === undefined || (await isRemoved(store, key))) return undefined;
    const [written] = await store.write([
      marker(nodeId, true),
      { kind: 'delete', collection: remotePeersCollection, key },
    ]);
    return written;
  };

  return {
    addCloudPeer: (nodeId, address, oAuth2) => save({ nodeId, address, type: PeerType.CloudRemote, oAuth2 }),
    addStaticPeer: (nodeId, address) => save({ nodeId, address, type: PeerType.StaticRemote }),
    getAllRemotePeers: getAll,
    enablePeer: (nodeId) => setEnabled(nodeId, true),
    disablePeer: (nodeId) => setEnabled(nodeId, false),
    removeRemotePeer: remove,
    saveRemotePeer: save,
    getRemotePeers: getAll,
  };
}

/** Always a put: its stamp says when that was decided. */
function marker(nodeId: NodeId, isRemoved: boolean): Write {
  const document: RemovalMarker = { NodeId: nodeId, IsRemoved: isRemoved };
  return { kind: 'put', collection: removedPeersCollection, key: keyOf(nodeId), payload: encodeDocument(document) };
}

/** Two sealings of one secret differ: what counts is what is in them. */
function isSame(a: RemotePeer, b: RemotePeer, keys: ClusterKeys | undefined): boolean {
  return JSON.stringify(revealed(a, keys)) === JSON.stringify(revealed(b, keys));
}

function revealed({ oAuth2, ...peer }: RemotePeer, keys: ClusterKeys | undefined): object {
  const { clientSecret, ...rest } = oAuth2 ?? {};
  if (clientSecret === undefined || !isSealed(clientSecret)) return { ...peer, ...rest, clientSecret };
  const { authority = '', clientId = '' } = rest as Partial<OAuth2Configuration>;
  try {
    const owner = { nodeId: peer.nodeId, authority, clientId };
    return { ...peer, ...rest, secret: openSecret({ keys, peer: owner, envelope: clientSecret }).reveal() };
  } catch {
    return { ...peer, ...rest, clientSecret };
  }
}

function unknown(nodeId: NodeId): StatemeshError {
  return new StatemeshError('peerUnknown', `There is no remote peer "${nodeId}": it may have been removed.`);
}
