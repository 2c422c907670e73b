/**
 * Changes to the remote peers of a cluster: made on any node, effective on all.
 *
 * Two edits of one peer converge, because the last write wins. A removal wins over every edit that had not seen it, and
 * only adding the peer again revives it: adding and removing write the peer's marker, which editing does not touch.
 */
import { decodeDocument, encodeDocument } from '../core/document.js';
import { StatemeshError } from '../core/errors.js';
import { isDocumentKey, type NodeId } from '../core/ids.js';
import type { ClusterKeys } from '../core/keys.js';
import { chooseEnvelope, isSealed, openSecret } from '../core/sealing.js';
import type { Randomness } from '../ports/ports.js';
import type { DocumentStore, Write, Written } from '../ports/store.js';
import {
  checkNodeId,
  checkPeer,
  formatRemotePeer,
  invalid,
  parseRemotePeer,
  type RemotePeerInput,
  readPeer,
} from './peer-document.js';
import { type OAuth2Configuration, PeerType, type RemotePeer } from './remote-peer.js';
import { envelopeIn, keyOfEnvelope, resealedSecretsCollection } from './resealed-envelope.js';
import {
  isRemovedBy,
  keyOf,
  markerIn,
  type RemovalMarker,
  readRemotePeers,
  remotePeersCollection,
  removedPeersCollection,
} from './stored-peers.js';

/** The remote peers of a cluster. See docs/architecture.md. */
export interface PeerManagement {
  /**
   * Makes a cloud node known to the cluster, or replaces what is known of it. The leader connects to it.
   *
   * @param address `host:port` (TLS) or `wss://host/path`
   * @param oAuth2 A `clientSecret` of the form `${NAME}` is stored as it is, and the leader reads the variable from its
   * own environment. A literal secret is stored sealed with the cluster key.
   * @returns undefined if the same peer was already stored
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
  /**
   * Makes a node at a fixed address known to the cluster. Every node dials it.
   *
   * @throws as {@link PeerManagement.addCloudPeer}
   */
  addStaticPeer(nodeId: string, address: string): Promise<Written | undefined>;
  /**
   * The stored peers by NodeId, including disabled ones. Documents that are not valid peers are left out.
   *
   * @throws `notRunning`
   */
  getAllRemotePeers(): Promise<readonly RemotePeer[]>;
  /**
   * Enables a peer.
   *
   * @returns undefined if it was already enabled
   * @throws StatemeshError `peerUnknown`, `peerInvalid`, `notRunning`
   */
  enablePeer(nodeId: string): Promise<Written | undefined>;
  /**
   * Keeps a peer, but stops connecting to it.
   *
   * @returns and @throws as {@link PeerManagement.enablePeer}
   */
  disablePeer(nodeId: string): Promise<Written | undefined>;
  /**
   * Removes a peer, permanently unless it is added again. A document that is not a valid peer is removed by its key.
   *
   * @returns undefined if there was none
   * @throws StatemeshError `peerInvalid`, `notRunning`
   */
  removeRemotePeer(nodeId: string): Promise<Written | undefined>;
}

/**
 * The remote peers of a cluster as one saves, reads and removes them whole. Has the same effects as
 * {@link PeerManagement}.
 */
export interface PeerStore {
  /**
   * Adds a peer, or replaces the one with its NodeId. Every node of the cluster learns of it.
   *
   * @returns undefined if the same peer was already stored
   * @throws StatemeshError `peerInvalid` (names the field), `notRunning`, and of the store
   *
   * @example
   * await peerStore.saveRemotePeer({ nodeId: 'gateway-1', address: '192.168.1.50:25000', type: PeerType.StaticRemote
   * });
   */
  saveRemotePeer(peer: RemotePeerInput): Promise<Written | undefined>;
  /** As {@link PeerManagement.getAllRemotePeers}. */
  getRemotePeers(): Promise<readonly RemotePeer[]>;
  /** As {@link PeerManagement.removeRemotePeer}. */
  removeRemotePeer(nodeId: string): Promise<Written | undefined>;
}

export interface PeerManagementOptions {
  /** The store of the present identity; throws `notRunning` if there is none. */
  getStore(): DocumentStore;
  /** The keys that seal secrets; undefined with security `none`. */
  getKeys(): ClusterKeys | undefined;
  readonly randomness: Randomness;
  /** The NodeId of the node itself, which is no peer of its own; undefined where no node runs. */
  readonly getNodeId?: () => string | undefined;
  /** Whether the node knows a peer of this name, stored or not. */
  readonly isPeer?: (nodeId: string) => boolean;
}

/**
 * The stored state on which a change decides. It is read in the change's own transaction, so concurrent changes are
 * made one after the other.
 */
interface Present {
  readonly document: string | undefined;
  readonly marker: string | undefined;
}

/**
 * Returns the new state; undefined deletes the document. `resealed` is the resealed form of the envelope that was
 * looked up.
 */
type Change = (present: Present, resealed: string | undefined) => Present;

export function createPeerManagement({
  getStore,
  getKeys,
  randomness,
  getNodeId = () => undefined,
  isPeer = () => false,
}: PeerManagementOptions): PeerManagement & PeerStore {
  const save = async (given: RemotePeerInput): Promise<Written | undefined> => {
    const input = readPeer(given);
    if (input.nodeId === getNodeId()) {
      throw invalid('nodeId', 'it is the name of this node, which is no peer of its own: name the other node');
    }
    const keys = getKeys();
    const check = (peer: RemotePeerInput) => checkPeer(peer, { keys, nonce: () => randomness.token() });
    const replace = (peer: RemotePeer, present: Present): Present => {
      const stored = peerIn(peer.nodeId, present);
      if (stored !== undefined && isSame(stored, peer, keys)) return present;
      const document = encodeDocument(formatRemotePeer(peer));
      return { document, marker: markerAfter(present.marker, peer.nodeId, false) };
    };
    const envelope = envelopeOf(input);
    if (envelope === undefined) {
      const peer = check(input);
      return change(getStore(), { nodeId: peer.nodeId }, (present) => replace(peer, present));
    }
    // The envelope may have been read before its key left the ring. Then its resealed form is stored.
    const nodeId = checkNodeId('nodeId', input.nodeId);
    return change(getStore(), { nodeId, envelope }, (present, resealed) => {
      const clientSecret = chooseEnvelope([envelope, resealed ?? envelope], keys);
      return replace(check(withSecret(input, clientSecret)), present);
    });
  };

  const setEnabled = async (input: string, isEnabled: boolean): Promise<Written | undefined> => {
    const nodeId = checkNodeId('nodeId', input);
    return change(getStore(), { nodeId }, (present) => {
      const { document, marker } = present;
      if (document === undefined || isRemovedBy(marker)) throw unknown(nodeId, isPeer(nodeId));
      const fields = decodeDocument(document);
      // Keeps unknown fields. Throws for a document that is not a valid peer.
      parseRemotePeer(nodeId, fields);
      return { document: encodeDocument({ ...(fields as object), IsEnabled: isEnabled }), marker };
    });
  };

  const remove = async (input: string): Promise<Written | undefined> => {
    // Not checked as a NodeId: an unusable document may have any key, and is removed by that key, too.
    const nodeId = checkName(input);
    const store = getStore();
    const removed = await change(store, { nodeId }, (present) => {
      const isMalformed = present.marker !== undefined && markerIn(present.marker) === undefined;
      if (!isMalformed && (present.document === undefined || isRemovedBy(present.marker))) return present;
      return { document: undefined, marker: markerAfter(present.marker, nodeId, true) };
    });
    const [ofEnvelope] = await store.write([
      {
        kind: 'update',
        collection: resealedSecretsCollection,
        key: keyOf(nodeId),
        recipe: (payload) => (envelopeIn(payload) === undefined ? undefined : payload),
      },
    ]);
    return removed ?? ofEnvelope;
  };

  const getAll = async () => (await readRemotePeers(getStore())).peers;

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

/** The sealed secret of an unchecked peer, in which a program may have put any value. */
function envelopeOf({ oAuth2 }: RemotePeerInput): string | undefined {
  const secret: unknown = oAuth2?.clientSecret;
  return typeof secret === 'string' && isSealed(secret) ? secret : undefined;
}

function withSecret({ oAuth2, ...peer }: RemotePeerInput, clientSecret: string): RemotePeerInput {
  return oAuth2 === undefined ? peer : { ...peer, oAuth2: { ...oAuth2, clientSecret } };
}

interface Subject {
  readonly nodeId: NodeId;
  readonly envelope?: string;
}

/** Reads the marker, decides with the document, and writes both: one request, which is one transaction. */
async function change(
  store: DocumentStore,
  { nodeId, envelope }: Subject,
  decide: Change,
): Promise<Written | undefined> {
  const key = keyOf(nodeId);
  let marker: string | undefined;
  let resealed: string | undefined;
  let decided: Present | undefined;
  const ofMarker = (recipe: (payload: string | undefined) => string | undefined): Write => ({
    kind: 'update',
    collection: removedPeersCollection,
    key,
    recipe,
  });
  const lookUp = (sealed: string): Write => ({
    kind: 'update',
    collection: resealedSecretsCollection,
    key: keyOfEnvelope(sealed),
    recipe: (payload) => {
      resealed = envelopeIn(payload);
      return payload;
    },
  });
  const written = await store.write([
    ...(envelope === undefined ? [] : [lookUp(envelope)]),
    ofMarker((payload) => {
      marker = payload;
      return payload;
    }),
    {
      kind: 'update',
      collection: remotePeersCollection,
      key,
      recipe: (document) => {
        decided = decide({ document, marker }, resealed);
        return decided.document;
      },
    },
    ofMarker((payload) => (decided === undefined ? payload : decided.marker)),
  ]);
  const [ofDocument, ofRemoval] = written.slice(-2);
  return ofDocument ?? ofRemoval;
}

function peerIn(nodeId: NodeId, { document, marker }: Present): RemotePeer | undefined {
  if (document === undefined || isRemovedBy(marker)) return undefined;
  try {
    return parseRemotePeer(nodeId, decodeDocument(document));
  } catch {
    // An invalid document is replaced.
    return undefined;
  }
}

/** Counts decisions, so that each one is written, with a stamp that tells when it was made. */
function markerAfter(present: string | undefined, nodeId: NodeId, isRemoved: boolean): string {
  const decisions = (markerIn(present)?.Decisions ?? 0) + 1;
  return encodeDocument({ NodeId: nodeId, IsRemoved: isRemoved, Decisions: decisions } satisfies RemovalMarker);
}

/** Two sealings of one secret differ, so the secrets themselves are compared. */
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

function checkName(input: string): NodeId {
  if (!isDocumentKey(input)) throw invalid('nodeId', 'it is not a possible name of a stored peer');
  return input as string as NodeId;
}

function unknown(nodeId: NodeId, isPeer: boolean): StatemeshError {
  return new StatemeshError(
    'peerUnknown',
    isPeer ? notStoredText(nodeId) : `There is no remote peer "${nodeId}": it may have been removed.`,
  );
}

/** Why a peer that is not stored cannot be enabled, disabled or removed, and what can be done. */
export function notStoredText(nodeId: string): string {
  return `"${nodeId}" is no stored peer: it was discovered on the network, or stands in knownPeers, and is a member by its cluster key. To keep it out, stop it there (\`statemesh stop\`), or replace the cluster key.`;
}
