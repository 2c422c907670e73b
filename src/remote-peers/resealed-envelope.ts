/**
 * A resealed secret as it is stored: a document of a synced collection, with a key derived from the envelope that it
 * stands for.
 */
import { decodeDocument } from '../core/document.js';
import type { CollectionName, DocumentKey } from '../core/ids.js';
import { limits } from '../core/limits.js';
import { isSealed, nameOfEnvelope } from '../core/sealing.js';

export const resealedSecretsCollection = '_system_resealed_secrets' as CollectionName;

/** The envelope in a document of the collection; undefined if there is none. */
export function envelopeIn(payload: string | undefined): string | undefined {
  if (payload === undefined || payload.length > limits.remotePeerLengthMax) return undefined;
  const envelope = (decodeDocument(payload) as { Envelope?: unknown } | null | undefined)?.Envelope;
  return typeof envelope === 'string' && isSealed(envelope) ? envelope : undefined;
}

/** The key under which the collection holds the resealed form of an envelope. */
export function keyOfEnvelope(envelope: string): DocumentKey {
  return nameOfEnvelope(envelope) as DocumentKey;
}
