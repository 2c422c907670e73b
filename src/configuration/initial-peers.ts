/**
 * The initial remote peers of a configuration, and the documents that are stored for them. They may be written in our
 * form, or in the form of EntglDB's `appsettings.json`, where names may have any case.
 */
import { isStatemeshError, StatemeshError } from '../core/errors.js';
import { checkPeer, formatRemotePeer, type RemotePeerInput, type Sealing } from '../remote-peers/peer-document.js';
import { PeerType, type RemotePeerDocument } from '../remote-peers/remote-peer.js';
import type { InitialRemotePeer } from './schema.js';

/**
 * Converts `{ EntglDb: { InitialRemotePeers: [...] } }` in a configuration to our form.
 *
 * @throws StatemeshError `configurationInvalid`
 */
export function withSeedForm(input: unknown): unknown {
  if (!isObject(input)) return input;
  const found = Object.entries(input).find(([name]) => isSameName(name, 'EntglDb'));
  if (found === undefined) return input;
  const [key, section] = found;
  const rest: Record<string, unknown> = Object.fromEntries(Object.entries(input).filter(([name]) => name !== key));
  if (!isObject(section)) throw invalid(`${key}: it is not an object`);
  const [name, another] = Object.keys(section);
  if (another !== undefined && isSameName(`${name}`, another)) throw invalid(`${key}.${another}: it occurs twice`);
  const unknown = Object.keys(section).find((other) => !isSameName(other, 'InitialRemotePeers'));
  if (unknown !== undefined) throw invalid(`${key}.${unknown}: only InitialRemotePeers is allowed here`);
  const [peers] = Object.values(section);
  if (peers === undefined) return rest;
  if (!Array.isArray(peers)) throw invalid(`${key}.InitialRemotePeers: it is not a list`);
  const { initialRemotePeers: present = [] } = rest;
  // The schema refuses it under its own name.
  if (!Array.isArray(present)) return rest;
  return { ...rest, initialRemotePeers: [...present, ...peers.map(named)] };
}

/**
 * The documents to store for initial peers, with their secrets sealed.
 *
 * @throws StatemeshError `configurationInvalid`, naming the peer and field
 */
export function initialPeerDocuments(peers: readonly InitialRemotePeer[], sealing: Sealing): RemotePeerDocument[] {
  const seen = new Set<string>();
  return peers.map((peer, index) => {
    if (seen.has(peer.nodeId)) throw invalid(`initialRemotePeers.${index}.nodeId: "${peer.nodeId}" occurs twice`);
    seen.add(peer.nodeId);
    try {
      return formatRemotePeer(checkPeer({ ...peer, type: typeOf(peer.type) } as RemotePeerInput, sealing));
    } catch (error) {
      if (!isStatemeshError(error)) throw error;
      throw invalid(`initialRemotePeers.${index}: ${error.message.replace(/\.$/, '')}`);
    }
  });
}

/**
 * Checks whether initial peers can be stored, before there are keys to seal their secrets with.
 *
 * @param canSeal Whether there will be keys
 * @throws StatemeshError `configurationInvalid`
 */
export function checkInitialPeers(peers: readonly InitialRemotePeer[], canSeal: boolean): void {
  const nonce = () => '';
  const withoutSecret = ({ oAuth2, ...peer }: InitialRemotePeer): InitialRemotePeer =>
    oAuth2 === undefined ? peer : { ...peer, oAuth2: { ...oAuth2, clientSecret: undefined } };
  initialPeerDocuments(canSeal ? peers.map(withoutSecret) : peers, { keys: undefined, nonce });
}

function typeOf(type: InitialRemotePeer['type']): PeerType {
  return type === 'CloudRemote' || type === PeerType.CloudRemote ? PeerType.CloudRemote : PeerType.StaticRemote;
}

const peerNames = ['nodeId', 'address', 'type', 'oAuth2', 'isEnabled'];
const oAuth2Names = ['authority', 'clientId', 'clientSecret', 'scopes', 'audience'];

function named(peer: unknown): unknown {
  const fields = renamed(peer, peerNames);
  return isObject(fields) && 'oAuth2' in fields ? { ...fields, oAuth2: renamed(fields.oAuth2, oAuth2Names) } : fields;
}

/** A name that is not one of ours stays unchanged, and is refused later under that name. */
function renamed(value: unknown, names: readonly string[]): unknown {
  if (!isObject(value)) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([name, field]) => [names.find((ours) => isSameName(ours, name)) ?? name, field] as const),
  );
}

function isSameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(problem: string): StatemeshError {
  return new StatemeshError('configurationInvalid', `Invalid configuration: ${problem}.`);
}
