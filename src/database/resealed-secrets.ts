/**
 * Secrets of remote peers, sealed again: when a new cluster key has become the first, what was sealed with an older one of the ring
 * has to stand sealed with it before the older one is dropped.
 *
 * The documents of the peers are not touched, or a concurrent edit, made a moment earlier elsewhere, would be lost to ours. The new
 * envelope stands beside them, in a synced collection, under a key made of the old one. So it stands for that very envelope: an edit
 * brings another one, and is never outranked.
 */
import { decodeDocument, encodeDocument } from '../core/document.js';
import type { CollectionName, DocumentKey } from '../core/ids.js';
import type { ClusterKeys } from '../core/keys.js';
import { isOutdated, isSealed, nameOfEnvelope, openSecret, sealSecret } from '../core/sealing.js';
import type { Randomness } from '../protocol/ports.js';
import type { RemotePeer } from '../protocol/remote-peer.js';
import type { Store, Write } from '../protocol/store.js';
import { type RemotePeers, readRemotePeers } from './remote-peers.js';

export const resealedSecretsCollection = '_system_resealed_secrets' as CollectionName;

/** The remote peers, with secrets as they were sealed last. */
export async function readWithLatestSecrets(store: Store): Promise<RemotePeers> {
  const { peers, problems } = await readRemotePeers(store);
  return { peers: await Promise.all(peers.map((peer) => withLatestSecret(store, peer))), problems };
}

async function withLatestSecret(store: Store, peer: RemotePeer): Promise<RemotePeer> {
  const { oAuth2 } = peer;
  const secret = oAuth2?.clientSecret;
  if (oAuth2 === undefined || secret === undefined || !isSealed(secret)) return peer;
  return { ...peer, oAuth2: { ...oAuth2, clientSecret: await latestEnvelope(store, secret) } };
}

/** The envelope to open in place of one that a peer has: the same when it was not sealed again. */
async function latestEnvelope(store: Store, envelope: string): Promise<string> {
  const stored = await store.get(resealedSecretsCollection, keyOf(envelope));
  const resealed = stored === undefined ? undefined : envelopeIn(stored.payload);
  return resealed ?? envelope;
}

export interface ResealOptions {
  readonly store: Store;
  readonly keys: ClusterKeys;
  readonly randomness: Randomness;
}

/**
 * Seals again what is not sealed with the first key of the ring, and forgets what stands for envelopes that no peer has any more.
 * What cannot be opened stays as it is: whoever needs it says so.
 */
export async function resealSecrets({ store, keys, randomness }: ResealOptions): Promise<void> {
  const writes: Write[] = [];
  const inUse = new Set<DocumentKey>();
  for (const [peer, envelope] of await sealedPeers(store)) {
    inUse.add(keyOf(envelope));
    const latest = await latestEnvelope(store, envelope);
    if (!isOutdated(latest, keys)) continue;
    const resealed = sealedAgain(peer, latest, { keys, nonce: randomness.token() });
    if (resealed === undefined) continue;
    const payload = encodeDocument({ NodeId: peer.nodeId, Envelope: resealed });
    writes.push({ kind: 'put', collection: resealedSecretsCollection, key: keyOf(envelope), payload });
  }
  for (const { key } of await store.find(resealedSecretsCollection, {})) {
    if (!inUse.has(key)) writes.push({ kind: 'delete', collection: resealedSecretsCollection, key });
  }
  if (writes.length > 0) await store.write(writes);
}

/** Peers with the envelopes that their own documents have. */
async function sealedPeers(store: Store): Promise<(readonly [RemotePeer, string])[]> {
  const { peers } = await readRemotePeers(store);
  return peers.flatMap((peer) => {
    const secret = peer.oAuth2?.clientSecret;
    return secret !== undefined && isSealed(secret) ? [[peer, secret] as const] : [];
  });
}

function sealedAgain(
  { nodeId, oAuth2 }: RemotePeer,
  envelope: string,
  { keys, nonce }: { keys: ClusterKeys; nonce: string },
): string | undefined {
  const peer = { nodeId, authority: oAuth2?.authority ?? '', clientId: oAuth2?.clientId ?? '' };
  try {
    return sealSecret({ keys, peer, nonce, secret: openSecret({ keys, peer, envelope }) });
  } catch {
    return undefined;
  }
}

function envelopeIn(payload: string): string | undefined {
  const fields = decodeDocument(payload) as { Envelope?: unknown } | null | undefined;
  const envelope = fields?.Envelope;
  return typeof envelope === 'string' && isSealed(envelope) ? envelope : undefined;
}

function keyOf(envelope: string): DocumentKey {
  return nameOfEnvelope(envelope) as DocumentKey;
}
