/**
 * Resealing the secrets of remote peers. When a new cluster key becomes the first of the ring, secrets sealed with an
 * older key are sealed again with the new one, before the older key is dropped.
 *
 * The documents of the peers stay untouched; otherwise a concurrent edit, made a moment earlier on another node, would
 * lose to the resealing. The new envelope stands beside them in a synced collection, under a key derived from the old
 * envelope. So it stands for that very envelope: an edit brings another envelope and is never outranked. The new
 * envelope does not replace the old one either. A rotation may be abandoned, or may have come less far on some nodes,
 * and then only the old envelope can be opened.
 */
import { encodeDocument } from '../core/document.js';
import type { DocumentKey } from '../core/ids.js';
import type { ClusterKeys } from '../core/keys.js';
import { chooseEnvelope, isOutdated, isSealed, openSecret, sealSecret } from '../core/sealing.js';
import type { Randomness } from '../ports/ports.js';
import type { Store, Write } from '../ports/store.js';
import type { CloudPeer, RemotePeer } from './remote-peer.js';
import { envelopeIn, keyOfEnvelope, resealedSecretsCollection } from './resealed-envelope.js';
import { type RemotePeers, readRemotePeers } from './stored-peers.js';

/** The remote peers, with their secrets in resealed form where there is one. */
export async function readWithResealedSecrets(store: Store): Promise<RemotePeers> {
  const { peers, ...others } = await readRemotePeers(store);
  return { ...others, peers: await Promise.all(peers.map((peer) => withResealedSecret(store, peer))) };
}

async function withResealedSecret(store: Store, peer: RemotePeer): Promise<RemotePeer | CloudPeer> {
  const { oAuth2 } = peer;
  const secret = oAuth2?.clientSecret;
  if (oAuth2 === undefined || secret === undefined || !isSealed(secret)) return peer;
  const resealedSecret = await resealedEnvelope(store, secret);
  return resealedSecret === undefined ? peer : { ...peer, oAuth2, resealedSecret };
}

/** The resealed form of an envelope; undefined if it was not sealed again. */
async function resealedEnvelope(store: Store, envelope: string): Promise<string | undefined> {
  return envelopeIn((await store.get(resealedSecretsCollection, keyOfEnvelope(envelope)))?.payload);
}

/**
 * Of an envelope and its resealed form, the one that a node with this ring can open; the envelope itself if it can open
 * neither.
 */
async function usableEnvelope(store: Store, envelope: string, keys: ClusterKeys): Promise<string> {
  const resealed = await resealedEnvelope(store, envelope);
  return resealed === undefined ? envelope : chooseEnvelope([envelope, resealed], keys);
}

export interface ResealOptions {
  readonly store: Store;
  readonly keys: ClusterKeys;
  readonly randomness: Randomness;
}

/**
 * Seals again every secret that is not sealed with the first key of the ring, and deletes resealed forms of envelopes
 * that no peer has any more. A secret that cannot be opened stays as it is; the gateway that needs it reports the
 * failure.
 */
export async function resealSecrets({ store, keys, randomness }: ResealOptions): Promise<void> {
  const writes: Write[] = [];
  const inUse = new Set<DocumentKey>();
  for (const [peer, envelope] of await sealedPeers(store)) {
    inUse.add(keyOfEnvelope(envelope));
    const usable = await usableEnvelope(store, envelope, keys);
    if (!isOutdated(usable, keys)) continue;
    const resealed = sealedAgain(peer, usable, { keys, nonce: randomness.token() });
    if (resealed === undefined) continue;
    const payload = encodeDocument({ NodeId: peer.nodeId, Envelope: resealed });
    writes.push({ kind: 'put', collection: resealedSecretsCollection, key: keyOfEnvelope(envelope), payload });
  }
  for await (const page of store.pages(resealedSecretsCollection, {})) {
    for (const { key } of page) {
      if (!inUse.has(key)) writes.push({ kind: 'delete', collection: resealedSecretsCollection, key });
    }
  }
  if (writes.length > 0) await store.write(writes);
}

/** Peers with the envelopes of their own documents. */
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
