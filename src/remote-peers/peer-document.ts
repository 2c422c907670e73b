/**
 * Remote peers as stored documents, and as programs and configurations name them: which ones are valid, and what is
 * stored.
 *
 * Invariants: a document has exactly the fields of {@link RemotePeerDocument}, which EntglDB defines. It never contains
 * a literal secret, because every node and every backup can read it: a secret is sealed, or `${NAME}` names the
 * variable that holds it.
 */
import { isLoopback, parseAddress, parseCloudAddress } from '../core/address.js';
import { decodeJson } from '../core/document.js';
import { messageOf, StatemeshError } from '../core/errors.js';
import { isNodeId, type NodeId } from '../core/ids.js';
import type { ClusterKeys } from '../core/keys.js';
import { limits } from '../core/limits.js';
import { kinds, type OptionsShape, readOptions } from '../core/options.js';
import { isSealed, openSecret, sealSecret } from '../core/sealing.js';
import { Secret } from '../core/secret.js';
import { type OAuth2Configuration, PeerType, type RemotePeer, type RemotePeerDocument } from './remote-peer.js';

/** A peer as an application names it. */
export interface RemotePeerInput extends Omit<RemotePeer, 'nodeId' | 'isEnabled'> {
  readonly nodeId: string;
  /** Default: true. */
  readonly isEnabled?: boolean;
}

/** The means to seal a literal secret. */
export interface Sealing {
  /** Undefined with security `none`. */
  readonly keys: ClusterKeys | undefined;
  /** 12 random bytes, base64url, different for each secret. */
  nonce(): string;
}

/**
 * The peer of a stored document. Unknown fields are ignored.
 *
 * @param key The document's key, which is the peer's NodeId
 * @throws StatemeshError `peerInvalid`, naming the field
 */
export function parseRemotePeer(key: string, document: unknown): RemotePeer {
  const fields = asFields('The document', document);
  const nodeId = checkNodeId('NodeId', fields.NodeId);
  if (nodeId !== key) throw invalid('NodeId', 'it is not the key of the document');
  if (typeof fields.IsEnabled !== 'boolean') throw invalid('IsEnabled', 'it is not true or false');
  const type = checkType('Type', fields.Type);
  const address = checkStoredAddress(fields.Address, type);
  const peer = { nodeId, address, type, isEnabled: fields.IsEnabled };
  if (type !== PeerType.CloudRemote) return peer;
  return { ...peer, oAuth2: checkOAuth2('OAuth2Json', parseOAuth2Json(fields.OAuth2Json)) };
}

/** The document of a peer. */
export function formatRemotePeer(peer: RemotePeer): RemotePeerDocument {
  return {
    NodeId: peer.nodeId,
    Address: peer.address,
    Type: peer.type,
    OAuth2Json: peer.oAuth2 === undefined ? null : JSON.stringify(peer.oAuth2),
    IsEnabled: peer.isEnabled,
  };
}

/** {@link checkPeer} checks the values of the fields; it never repeats a secret. */
const { any } = kinds;
const peerShape: OptionsShape<RemotePeerInput> = {
  complaint: 'Invalid remote peer',
  code: 'peerInvalid',
  fields: { nodeId: any, address: any, type: any, isEnabled: any, oAuth2: any },
};
const oAuth2Shape: OptionsShape<OAuth2Configuration> = {
  complaint: 'Invalid remote peer, oAuth2',
  code: 'peerInvalid',
  fields: { authority: any, clientId: any, clientSecret: any, scopes: any, audience: any },
};

/**
 * A copy of a peer from an application. Its fields are known ones, with unchecked values.
 *
 * @throws StatemeshError `peerInvalid`, naming the unknown field
 */
export function readPeer(given: RemotePeerInput): RemotePeerInput {
  const { oAuth2, ...peer } = readOptions(given, peerShape);
  return oAuth2 === undefined || oAuth2 === null ? peer : { ...peer, oAuth2: readOptions(oAuth2, oAuth2Shape) };
}

/**
 * Checks a peer that {@link readPeer} has read, and seals its secret.
 *
 * @throws StatemeshError `peerInvalid`, naming the field
 */
export function checkPeer(input: RemotePeerInput, sealing: Sealing): RemotePeer {
  const { nodeId, address, type, isEnabled = true, oAuth2 }: Record<string, unknown> = { ...input };
  if (typeof isEnabled !== 'boolean') throw invalid('isEnabled', 'it is not true or false');
  const peer = {
    nodeId: checkNodeId('nodeId', nodeId),
    address: checkAddress('address', address, type as PeerType),
    type: checkType('type', type),
    isEnabled,
  };
  if (peer.type === PeerType.LanDiscovered) {
    throw invalid('type', 'peers found by beacons are not stored; use PeerType.StaticRemote');
  }
  if (peer.type === PeerType.CloudRemote) {
    return { ...peer, oAuth2: seal(peer.nodeId, checkOAuth2('oAuth2', oAuth2), sealing) };
  }
  if (oAuth2 !== undefined) throw invalid('oAuth2', 'only cloud peers have one');
  return peer;
}

export function checkNodeId(field: string, value: unknown): NodeId {
  if (typeof value !== 'string' || !isNodeId(value)) {
    throw invalid(field, `it is not a NodeId of 1 to ${limits.nodeIdLengthMax} of A-Z a-z 0-9 . _ -`);
  }
  return value;
}

function checkAddress(field: string, value: unknown, type: PeerType): string {
  try {
    if (type === PeerType.CloudRemote) parseCloudAddress(value as string);
    else parseAddress(value as string);
    return value as string;
  } catch (error) {
    // The inner message ends with a full stop, and the outer one adds its own.
    throw invalid(field, messageOf(error).replace(/\.$/, ''), { cause: error });
  }
}

/** Does not repeat the stored address: its author may have put a password into it. */
function checkStoredAddress(value: unknown, type: PeerType): string {
  try {
    return checkAddress('Address', value, type);
  } catch (error) {
    const form = type === PeerType.CloudRemote ? 'host:port or wss://host/path' : 'host:port';
    throw invalid('Address', `it is not an address of the form ${form}`, { cause: error });
  }
}

function checkType(field: string, value: unknown): PeerType {
  if (value === PeerType.LanDiscovered || value === PeerType.StaticRemote || value === PeerType.CloudRemote)
    return value;
  throw invalid(field, 'it is not 0 (LAN), 1 (static) or 2 (cloud)');
}

/** Other implementations write the names in other cases. */
function parseOAuth2Json(value: unknown): unknown {
  const configuration = typeof value === 'string' ? decodeJson(value) : undefined;
  if (configuration === undefined) throw invalid('OAuth2Json', 'it is not a JSON text, which a cloud peer needs');
  const fields = asFields('OAuth2Json', configuration);
  const valueUnder = (name: string) =>
    Object.entries(fields).find(([other]) => other.toLowerCase() === name.toLowerCase());
  return Object.fromEntries(oAuth2Names.map((name) => [name, valueUnder(name)?.[1]]));
}

const oAuth2Names = ['authority', 'clientId', 'clientSecret', 'scopes', 'audience'] as const;

function checkOAuth2(field: string, value: unknown): OAuth2Configuration {
  const { authority, clientId, clientSecret, audience, ...rest } = asFields(field, value);
  const scopes = rest.scopes ?? [];
  if (!isText(authority) || !isAuthority(authority)) {
    throw invalid(`${field}.authority`, 'it is not an https URL (http only for loopback)');
  }
  if (!isText(clientId) || clientId === '') throw invalid(`${field}.clientId`, notText);
  if (!Array.isArray(scopes) || scopes.length > limits.scopesMax || !scopes.every(isText)) {
    throw invalid(`${field}.scopes`, `it is not a list of at most ${limits.scopesMax} texts`);
  }
  return {
    authority,
    clientId,
    ...optionalText(`${field}.clientSecret`, 'clientSecret', clientSecret),
    scopes: [...scopes],
    ...optionalText(`${field}.audience`, 'audience', audience),
  };
}

const variable = /^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/;

/**
 * A sealed secret that was read from another node may be stored again. One that cannot be opened would only fail later,
 * so it is refused.
 */
function seal(nodeId: NodeId, oAuth2: OAuth2Configuration, { keys, nonce }: Sealing): OAuth2Configuration {
  const { clientSecret, authority, clientId } = oAuth2;
  if (clientSecret === undefined || variable.test(clientSecret)) return oAuth2;
  const owner = { nodeId, authority, clientId };
  if (isSealed(clientSecret)) {
    try {
      openSecret({ keys, peer: owner, envelope: clientSecret });
    } catch (error) {
      throw invalid('oAuth2.clientSecret', messageOf(error), { cause: error });
    }
    return oAuth2;
  }
  if (keys === undefined) {
    throw invalid(
      'oAuth2.clientSecret',
      `without a cluster key a literal secret cannot be sealed; name an environment variable as in "\${NAME}"`,
    );
  }
  return {
    ...oAuth2,
    clientSecret: sealSecret({ keys, peer: owner, nonce: nonce(), secret: new Secret(clientSecret) }),
  };
}

function optionalText<F extends string>(path: string, field: F, value: unknown): { readonly [K in F]?: string } {
  if (value === undefined || value === null) return {};
  if (!isText(value)) throw invalid(path, notText);
  return { [field]: value } as { readonly [K in F]?: string };
}

const notText = `it is not a text of at most ${limits.oAuth2TextLengthMax} characters`;

function isText(value: unknown): value is string {
  // A sealed secret is longer than the secret in it.
  return typeof value === 'string' && value.length <= (isSealed(value) ? 2 : 1) * limits.oAuth2TextLengthMax;
}

function isAuthority(authority: string): boolean {
  if (!URL.canParse(authority)) return false;
  const { protocol, hostname } = new URL(authority);
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replace(/^\[|\]$/g, '')));
}

function asFields(field: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(field, 'it takes an object');
  return value as Record<string, unknown>;
}

export function invalid(field: string, reason: string, options?: { cause: unknown }): StatemeshError {
  return new StatemeshError('peerInvalid', `Invalid remote peer, ${field}: ${reason}.`, options);
}
