/**
 * The known peers of a cluster: documents of the synced collection `_system_remote_peers`, so they survive restarts and
 * reach every node.
 *
 * Invariants:
 * - A stored document has exactly the schema of the seed document "Remote Peer Configuration": NodeId, Address, Type,
 *   OAuth2Json, IsEnabled, with NodeId as its key.
 * - What is saved is checked; what came from elsewhere may be anything, so reading skips what it cannot use and reports it.
 * - No literal secret is stored: the collection is readable on every node. `${NAME}` names an environment variable, which
 *   the node that uses it resolves.
 */
import { parseAddress } from '../core/address.js';
import { decodeDocument, encodeDocument } from '../core/document.js';
import { messageOf, StatemeshError } from '../core/errors.js';
import { type CollectionName, type DocumentKey, isNodeId, type NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import {
  type OAuth2Configuration,
  PeerType,
  type RemotePeer,
  type RemotePeerDocument,
} from '../protocol/remote-peer.js';
import type { Store, StoredDocument, Written } from '../protocol/store.js';

/** Where known peers are stored. */
export const remotePeersCollection = '_system_remote_peers' as CollectionName;

/** A peer as an application names it. */
export interface RemotePeerInput extends Omit<RemotePeer, 'nodeId' | 'isEnabled'> {
  readonly nodeId: string;
  /** True when left out. */
  readonly isEnabled?: boolean;
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

/** The known peers of a node. */
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
  /** The known peers by NodeId, disabled ones too; documents that are no peers are left out. @throws `notRunning` */
  getRemotePeers(): Promise<readonly RemotePeer[]>;
  /** Forgets a peer. @returns undefined when there was none. @throws StatemeshError `peerInvalid`, `notRunning` */
  removeRemotePeer(nodeId: string): Promise<Written | undefined>;
}

/** @param getStore The store of the present identity; throws `notRunning` when there is none. */
export function createPeerStore(getStore: () => Store): PeerStore {
  const collection = remotePeersCollection;
  return {
    async saveRemotePeer(input) {
      const peer = checkPeer(input);
      const payload = encodeDocument(formatRemotePeer(peer));
      // An update: saving what is there already is no news to the cluster.
      const [written] = await getStore().write([
        { kind: 'update', collection, key: keyOf(peer.nodeId), recipe: () => payload },
      ]);
      return written;
    },
    async getRemotePeers() {
      return (await readRemotePeers(getStore())).peers;
    },
    async removeRemotePeer(nodeId) {
      const [written] = await getStore().write([
        { kind: 'delete', collection, key: keyOf(checkNodeId('nodeId', nodeId)) },
      ]);
      return written;
    },
  };
}

/** The known peers with the documents that are none. Never fails for what a document holds. */
export async function readRemotePeers(store: Store): Promise<RemotePeers> {
  const stored = await store.find(remotePeersCollection, { limit: limits.peersMax + 1 });
  const peers: RemotePeer[] = [];
  const problems: PeerProblem[] = [];
  for (const [index, document] of stored.entries()) {
    try {
      if (index >= limits.peersMax)
        throw invalid('NodeId', `${limits.peersMax} peers come before it; the rest is left out`);
      peers.push(parseStored(document));
    } catch (error) {
      problems.push({ key: document.key, message: messageOf(error) });
    }
  }
  return { peers, problems };
}

/**
 * The peer of a stored document. Fields that the schema does not have are ignored.
 *
 * @param key The document's key, which is the peer's NodeId
 * @throws StatemeshError `peerInvalid`, naming the field
 */
export function parseRemotePeer(key: string, document: unknown): RemotePeer {
  const fields = asFields('The document', document);
  const nodeId = checkNodeId('NodeId', fields.NodeId);
  if (nodeId !== key)
    throw invalid('NodeId', `it is "${nodeId}", but the key of the document is "${key.slice(0, 80)}"`);
  if (typeof fields.IsEnabled !== 'boolean') throw invalid('IsEnabled', 'it is not true or false');
  const type = checkType('Type', fields.Type);
  const peer = { nodeId, address: checkAddress('Address', fields.Address), type, isEnabled: fields.IsEnabled };
  if (type !== PeerType.CloudRemote) return peer;
  return { ...peer, oAuth2: checkOAuth2('OAuth2Json', parseOAuth2Json(fields.OAuth2Json)) };
}

/** The document of a peer, field by field as in the seed document. */
export function formatRemotePeer(peer: RemotePeer): RemotePeerDocument {
  return {
    NodeId: peer.nodeId,
    Address: peer.address,
    Type: peer.type,
    OAuth2Json: peer.oAuth2 === undefined ? null : JSON.stringify(peer.oAuth2),
    IsEnabled: peer.isEnabled,
  };
}

function parseStored({ key, payload }: StoredDocument): RemotePeer {
  const document = decodeDocument(payload);
  if (document === undefined) throw invalid('The document', 'it is not JSON');
  return parseRemotePeer(key, document);
}

function checkPeer(input: RemotePeerInput): RemotePeer {
  const { nodeId, address, type, isEnabled = true, oAuth2 } = asFields('The peer', input);
  if (typeof isEnabled !== 'boolean') throw invalid('isEnabled', 'it is not true or false');
  const peer = {
    nodeId: checkNodeId('nodeId', nodeId),
    address: checkAddress('address', address),
    type: checkType('type', type),
    isEnabled,
  };
  if (peer.type === PeerType.LanDiscovered) {
    throw invalid('type', 'peers that beacons have found are not stored; use PeerType.StaticRemote');
  }
  if (peer.type === PeerType.CloudRemote) return { ...peer, oAuth2: checkStorable(checkOAuth2('oAuth2', oAuth2)) };
  if (oAuth2 !== undefined && oAuth2 !== null) throw invalid('oAuth2', 'only cloud peers have one');
  return peer;
}

function checkNodeId(field: string, value: unknown): NodeId {
  if (typeof value !== 'string' || !isNodeId(value)) {
    throw invalid(field, `it is not a NodeId of 1 to ${limits.nodeIdLengthMax} of A-Z a-z 0-9 . _ -`);
  }
  return value;
}

function checkAddress(field: string, value: unknown): string {
  try {
    parseAddress(value as string);
    return value as string;
  } catch (error) {
    throw invalid(field, messageOf(error), { cause: error });
  }
}

function checkType(field: string, value: unknown): PeerType {
  if (value === PeerType.LanDiscovered || value === PeerType.StaticRemote || value === PeerType.CloudRemote)
    return value;
  throw invalid(field, 'it is not 0 (LAN), 1 (static) or 2 (cloud)');
}

function parseOAuth2Json(value: unknown): unknown {
  const configuration = typeof value === 'string' ? decodeDocument(value) : undefined;
  if (configuration === undefined) throw invalid('OAuth2Json', 'it is not a JSON text, which a cloud peer needs');
  return configuration;
}

function checkOAuth2(field: string, value: unknown): OAuth2Configuration {
  const { authority, clientId, clientSecret, scopes = [], audience } = asFields(field, value);
  if (typeof authority !== 'string' || !isAuthority(authority)) {
    throw invalid(`${field}.authority`, 'it is not an https URL (http only for loopback)');
  }
  if (typeof clientId !== 'string' || clientId === '') throw invalid(`${field}.clientId`, 'it is not a text');
  if (!Array.isArray(scopes) || !scopes.every((scope) => typeof scope === 'string')) {
    throw invalid(`${field}.scopes`, 'it is not a list of texts');
  }
  return {
    authority,
    clientId,
    ...optionalText(`${field}.clientSecret`, 'clientSecret', clientSecret),
    scopes: [...scopes],
    ...optionalText(`${field}.audience`, 'audience', audience),
  };
}

/** Sealing does not exist yet, and a secret in the clear would travel to every node and every backup. */
function checkStorable(oAuth2: OAuth2Configuration): OAuth2Configuration {
  if (oAuth2.clientSecret !== undefined && !/^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/.test(oAuth2.clientSecret)) {
    throw invalid(
      'oAuth2.clientSecret',
      `a literal secret is not stored; name an environment variable as in "\${NAME}"`,
    );
  }
  return oAuth2;
}

function optionalText<F extends string>(path: string, field: F, value: unknown): { readonly [K in F]?: string } {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'string') throw invalid(path, 'it is not a text');
  return { [field]: value } as { readonly [K in F]?: string };
}

function isAuthority(authority: string): boolean {
  if (!URL.canParse(authority)) return false;
  const { protocol, hostname } = new URL(authority);
  return protocol === 'https:' || (protocol === 'http:' && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname));
}

function asFields(field: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(field, 'it is not an object');
  return value as Record<string, unknown>;
}

/** Every NodeId is a document key: its alphabet is narrower and its length smaller. */
function keyOf(nodeId: NodeId): DocumentKey {
  return nodeId as string as DocumentKey;
}

function invalid(field: string, reason: string, options?: { cause: unknown }): StatemeshError {
  return new StatemeshError('peerInvalid', `Invalid remote peer, ${field}: ${reason}.`, options);
}
