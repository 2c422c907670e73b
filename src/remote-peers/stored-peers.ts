/**
 * The remote peers of a cluster as they are stored: documents of the synced collection `_system_remote_peers`, so they
 * survive restarts and reach every node.
 *
 * A document from another node may contain anything, so reading sets unusable documents aside, in quarantine, and
 * reports them. A peer whose marker in `_system_removed_peers` says so is removed, even if its document exists: because
 * the last write wins, an edit on a node that had not heard of the removal may have brought the document back.
 */
import { decodeDocument } from '../core/document.js';
import { type Failure, isStatemeshError, messageOf } from '../core/errors.js';
import type { CollectionName, DocumentKey, NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { DocumentStore, StoredDocument } from '../ports/store.js';
import { invalid, parseRemotePeer } from './peer-document.js';
import type { QuarantinedDocument, RemotePeer } from './remote-peer.js';
import { envelopeIn, resealedSecretsCollection } from './resealed-envelope.js';

export const remotePeersCollection = '_system_remote_peers' as CollectionName;
export const removedPeersCollection = '_system_removed_peers' as CollectionName;

/** Decides whether a peer is removed. Written by adding and by removing, never by editing. */
export interface RemovalMarker {
  readonly NodeId: string;
  readonly IsRemoved: boolean;
  /** How often the peer was added or removed, as far as the last node to decide knew. */
  readonly Decisions: number;
}

export interface RemotePeers {
  /** Ordered by NodeId; at most `limits.peersMax`. The node itself may be among them. */
  readonly peers: readonly RemotePeer[];
  /** The first `limits.quarantinedMax` unusable documents. */
  readonly quarantined: readonly QuarantinedDocument[];
  /** Set if there are more than `limits.peersMax` peers: the rest is left out. */
  readonly surplus: Failure | undefined;
}

/** The stored peers, and the documents that cannot be used. Never fails because of a document's content. */
export async function readRemotePeers(store: DocumentStore): Promise<RemotePeers> {
  const quarantined: QuarantinedDocument[] = [];
  const set = ({ key, collection, error }: Unusable): void => {
    if (quarantined.length < limits.quarantinedMax) {
      quarantined.push({ collection, documentKey: key, reason: reasonOf(error) });
    }
  };
  await checkMarkers(store, set);
  await checkEnvelopes(store, set);
  const peers: RemotePeer[] = [];
  for await (const document of documentsOf(store, remotePeersCollection)) {
    const { key } = document;
    const peer = peerOrError(document);
    // There may be many invalid documents; their markers are not read if nothing depends on them.
    if (peer instanceof Error && quarantined.length === limits.quarantinedMax) continue;
    const marker = (await store.get(removedPeersCollection, key))?.payload;
    // An invalid marker does not tell whether the peer is removed; the marker itself is set aside.
    if (isRemovedBy(marker) || (marker !== undefined && markerIn(marker) === undefined)) continue;
    if (peer instanceof Error) set({ collection: remotePeersCollection, key, error: peer });
    else if (peers.length === limits.peersMax) return { peers, quarantined, surplus };
    else peers.push(peer);
  }
  return { peers, quarantined, surplus: undefined };
}

interface Unusable {
  readonly collection: CollectionName;
  readonly key: DocumentKey;
  readonly error: unknown;
}

const surplus: Failure = {
  code: 'connectionLimit',
  message: `There are more than ${limits.peersMax} remote peers; the rest, in order of NodeId, is left out.`,
};

async function checkMarkers(store: DocumentStore, set: (unusable: Unusable) => void): Promise<void> {
  for await (const { key, payload } of documentsOf(store, removedPeersCollection)) {
    if (markerIn(payload) !== undefined) continue;
    set({
      collection: removedPeersCollection,
      key,
      error: invalid('IsRemoved', 'it is not a marker of a removed peer'),
    });
  }
}

async function checkEnvelopes(store: DocumentStore, set: (unusable: Unusable) => void): Promise<void> {
  for await (const { key, payload } of documentsOf(store, resealedSecretsCollection)) {
    if (envelopeIn(payload) !== undefined) continue;
    set({ collection: resealedSecretsCollection, key, error: invalid('Envelope', 'it is not a sealed secret') });
  }
}

/**
 * Larger than the maximum of peers, because documents of removed peers may have come back. More removals than this are
 * not expected.
 */
const documentsMax = 64 * limits.peersMax;

async function* documentsOf(
  store: DocumentStore,
  collection: CollectionName,
): AsyncGenerator<StoredDocument, void, void> {
  for await (const page of store.pages(collection, { limit: documentsMax })) yield* page;
}

/** The fault in our own words: an error of another kind could quote the document. */
function reasonOf(error: unknown): string {
  return isStatemeshError(error) && error.code === 'peerInvalid' ? error.message : 'It cannot be read.';
}

/** The marker in a document; undefined if there is no document, or it is not a marker. */
export function markerIn(payload: string | undefined): RemovalMarker | undefined {
  if (payload === undefined || payload.length > limits.remotePeerLengthMax) return undefined;
  const fields = decodeDocument(payload);
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

function peerOrError(document: StoredDocument): RemotePeer | Error {
  try {
    return parseStored(document);
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error));
  }
}

function parseStored({ key, payload }: StoredDocument): RemotePeer {
  if (payload.length > limits.remotePeerLengthMax) {
    throw invalid('The document', `it has more than ${limits.remotePeerLengthMax} characters`);
  }
  const document = decodeDocument(payload);
  if (document === undefined) throw invalid('The document', 'it is not JSON');
  return parseRemotePeer(key, document);
}
