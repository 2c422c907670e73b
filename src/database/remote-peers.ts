/**
 * The remote peers of a cluster as they are stored: documents of the synced collection `_system_remote_peers`, so they survive
 * restarts and reach every node.
 *
 * What came from elsewhere may be anything, so reading skips what it cannot use and reports it. A peer whose marker in
 * `_system_removed_peers` says so is removed, whatever its document says: an edit on a node that had not heard of the removal may
 * have brought the document back, since the last write wins.
 */
import { decodeDocument } from '../core/document.js';
import { messageOf } from '../core/errors.js';
import type { CollectionName, DocumentKey, NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { RemotePeer } from '../protocol/remote-peer.js';
import { invalid, parseRemotePeer } from '../protocol/remote-peer-document.js';
import type { Store, StoredDocument } from '../protocol/store.js';

export const remotePeersCollection = '_system_remote_peers' as CollectionName;
export const removedPeersCollection = '_system_removed_peers' as CollectionName;

/** The last word on whether a peer is removed: written by adding and by removing, never by editing. */
export interface RemovalMarker {
  readonly NodeId: string;
  readonly IsRemoved: boolean;
}

/** A stored document that is no peer: written by another program, or by a newer version of this one. */
export interface PeerProblem {
  readonly key: DocumentKey;
  /** Names the field. */
  readonly message: string;
}

export interface RemotePeers {
  /** Ordered by NodeId; at most `limits.peersMax`. The node itself may be among them. */
  readonly peers: readonly RemotePeer[];
  readonly problems: readonly PeerProblem[];
}

/** The stored peers with the documents that are none. Never fails for what a document holds. */
export async function readRemotePeers(store: Store): Promise<RemotePeers> {
  const stored = await store.find(remotePeersCollection, { limit: limits.peersMax + 1 });
  const peers: RemotePeer[] = [];
  const problems: PeerProblem[] = [];
  for (const [index, document] of stored.entries()) {
    try {
      if (await isRemoved(store, document.key)) continue;
      if (index >= limits.peersMax)
        throw invalid('NodeId', `${limits.peersMax} peers come before it; the rest is left out`);
      peers.push(parseStored(document));
    } catch (error) {
      problems.push({ key: document.key, message: messageOf(error) });
    }
  }
  return { peers, problems };
}

/** One stored peer; undefined when there is none, or it is removed. @throws StatemeshError `peerInvalid` when it is malformed */
export async function readRemotePeer(store: Store, nodeId: NodeId): Promise<RemotePeer | undefined> {
  const stored = await store.get(remotePeersCollection, keyOf(nodeId));
  if (stored === undefined || (await isRemoved(store, keyOf(nodeId)))) return undefined;
  return parseStored(stored);
}

export async function isRemoved(store: Store, key: DocumentKey): Promise<boolean> {
  const marker = await store.get(removedPeersCollection, key);
  const fields = marker && (decodeDocument(marker.payload) as Partial<RemovalMarker> | null | undefined);
  return fields?.IsRemoved === true;
}

/** Every NodeId is a document key: its alphabet is narrower and its length smaller. */
export function keyOf(nodeId: NodeId): DocumentKey {
  return nodeId as string as DocumentKey;
}

function parseStored({ key, payload }: StoredDocument): RemotePeer {
  const document = decodeDocument(payload);
  if (document === undefined) throw invalid('The document', 'it is not JSON');
  return parseRemotePeer(key, document);
}
