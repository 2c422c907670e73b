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
  /** How often it was added or removed, as far as the one knew who did it last. */
  readonly Decisions: number;
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
  const peers: RemotePeer[] = [];
  const problems: PeerProblem[] = [];
  for (let offset = 0, page: number = pageMax; page === pageMax; offset += pageMax) {
    const stored = await store.find(remotePeersCollection, { limit: pageMax, offset });
    page = offset + pageMax < documentsMax ? stored.length : 0;
    for (const document of stored) {
      try {
        if (await isRemoved(store, document.key)) continue;
        const peer = parseStored(document);
        if (peers.length === limits.peersMax) {
          const { message } = invalid('NodeId', `${limits.peersMax} peers come before it; the rest is left out`);
          return { peers, problems: [...problems, { key: document.key, message }] };
        }
        peers.push(peer);
      } catch (error) {
        problems.push({ key: document.key, message: messageOf(error) });
      }
    }
  }
  return { peers, problems };
}

const pageMax = limits.peersMax;
/** Documents of removed peers may have come back. Nobody removes so many. */
const documentsMax = 64 * pageMax;

/** @throws StatemeshError `peerInvalid` when the marker is malformed */
async function isRemoved(store: Store, key: DocumentKey): Promise<boolean> {
  const stored = await store.get(removedPeersCollection, key);
  const marker = markerIn(stored?.payload);
  if (stored !== undefined && marker === undefined) {
    throw invalid('IsRemoved', `what ${removedPeersCollection} has under its NodeId is no marker`);
  }
  return marker?.IsRemoved === true;
}

/** The marker in a document; undefined when there is none, or the text is none. */
export function markerIn(payload: string | undefined): RemovalMarker | undefined {
  const fields = payload === undefined ? undefined : decodeDocument(payload);
  if (typeof fields !== 'object' || fields === null) return undefined;
  const { NodeId, IsRemoved, Decisions } = fields as Partial<RemovalMarker>;
  if (typeof NodeId !== 'string' || typeof IsRemoved !== 'boolean') return undefined;
  return { NodeId, IsRemoved, Decisions: Number.isSafeInteger(Decisions) ? (Decisions as number) : 0 };
}

export function isRemovedBy(marker: string | undefined): boolean {
  return markerIn(marker)?.IsRemoved === true;
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
