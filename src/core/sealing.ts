/**
 * Sealed secrets: what a document, which every node and every backup holds, contains in place of a client secret.
 *
 * Invariants:
 * - A sealed secret opens only for the peer that it was sealed for. The peer's NodeId, authority and client are
 *   authenticated with it, so editing the document cannot send the secret to another authority.
 * - The text names its version and its key, neither of which is secret. A secret that cannot be opened yields the
 *   reason.
 *
 * Source: AES-256-GCM, NIST SP 800-38D. Nonces are 96 random bits, enough for some 2^32 secrets under one key.
 */
import { createCipheriv, createDecipheriv, hash } from 'node:crypto';
import { assert, StatemeshError } from './errors.js';
import type { ClusterKeys } from './keys.js';
import { Secret } from './secret.js';

/** The peer that a secret is for: it opens for no other. */
export interface SealedFor {
  readonly nodeId: string;
  readonly authority: string;
  readonly clientId: string;
}

export interface SealOptions {
  readonly keys: ClusterKeys;
  readonly peer: SealedFor;
  /** 12 bytes, base64url, from the randomness port; never used before. */
  readonly nonce: string;
  readonly secret: Secret;
}

export interface OpenOptions {
  /** Undefined with security `none`, where nothing can be opened. */
  readonly keys: ClusterKeys | undefined;
  readonly peer: SealedFor;
  readonly envelope: string;
}

/** Seals a secret in an envelope: `sealed:1:<keyId>:<nonce>:<ciphertext and tag>`, each part base64url. */
export function sealSecret({ keys, peer, nonce, secret }: SealOptions): string {
  const iv = Buffer.from(nonce, 'base64url');
  assert(iv.length === nonceBytes && iv.toString('base64url') === nonce, 'A nonce is 12 bytes, base64url.');
  const { keyId, sealingKey } = keys.first;
  const cipher = createCipheriv(algorithm, sealingKey, iv, { authTagLength: tagBytes });
  cipher.setAAD(additionalDataOf(peer));
  const sealed = Buffer.concat([cipher.update(secret.reveal(), 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${prefix}${version}:${keyId}:${nonce}:${sealed.toString('base64url')}`;
}

/**
 * Opens the secret in an envelope.
 *
 * @throws StatemeshError `secretUnsealable`, naming the peer and the reason
 */
export function openSecret({ keys, peer, envelope }: OpenOptions): Secret {
  if (keys === undefined) throw unsealable(peer, 'this node has no cluster key');
  const parts = envelopePattern.exec(envelope);
  if (parts === null) throw unsealable(peer, 'it is damaged, or was sealed by a newer version');
  const [, keyId = '', nonce = '', body = ''] = parts;
  const key = keys.find(keyId);
  if (key === undefined)
    throw unsealable(peer, 'it was sealed with another cluster key, which this node does not have');
  const sealed = Buffer.from(body, 'base64url');
  const iv = Buffer.from(nonce, 'base64url');
  if (sealed.length < tagBytes) throw unsealable(peer, 'it is damaged');
  try {
    const decipher = createDecipheriv(algorithm, key.sealingKey, iv, { authTagLength: tagBytes });
    decipher.setAAD(additionalDataOf(peer));
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    const secret = Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]);
    return new Secret(secret.toString('utf8'));
  } catch (cause) {
    throw unsealable(peer, 'it was sealed for another NodeId, authority or clientId, or is damaged', { cause });
  }
}

/**
 * Which of several envelopes of one secret to open: one of the first key of the ring, or else of another key of the
 * ring. If there is none, the first envelope, so that opening it yields the reason.
 */
export function chooseEnvelope(envelopes: readonly [string, ...string[]], keys: ClusterKeys | undefined): string {
  const sealers = keys?.all.map(({ keyId }) => keyId) ?? [];
  for (const keyId of sealers) {
    const envelope = envelopes.find((each) => keyIdOf(each) === keyId);
    if (envelope !== undefined) return envelope;
  }
  return envelopes[0];
}

/**
 * Whether a secret must be sealed again with the first key of the ring. That takes the key that it is sealed with, so
 * that key must still be in the ring.
 */
export function isOutdated(envelope: string, keys: ClusterKeys): boolean {
  const keyId = keyIdOf(envelope);
  return keyId !== keys.first.keyId && keys.find(keyId) !== undefined;
}

/** A name for an envelope that does not reveal its content: SHA-256, base64url. */
export function nameOfEnvelope(envelope: string): string {
  return hash('sha256', envelope, 'base64url');
}

/** Whether a text is an envelope of any version, intact or not. Such a text is never a secret itself. */
export function isSealed(text: string): boolean {
  return text.startsWith(prefix);
}

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;
const prefix = 'sealed:';
const version = 1;
const envelopePattern = /^sealed:1:([A-Za-z0-9_-]+):([A-Za-z0-9_-]{16}):([A-Za-z0-9_-]+)$/;

/** The key that an envelope names; "" if the text is not a valid envelope. */
function keyIdOf(envelope: string): string {
  return envelopePattern.exec(envelope)?.[1] ?? '';
}

/** As JSON, so that two different peers never yield the same bytes. */
function additionalDataOf({ nodeId, authority, clientId }: SealedFor): Buffer {
  return Buffer.from(JSON.stringify(['statemesh sealed secret', version, nodeId, authority, clientId]), 'utf8');
}

function unsealable({ nodeId }: SealedFor, reason: string, options?: { cause: unknown }): StatemeshError {
  return new StatemeshError(
    'secretUnsealable',
    `The client secret of the remote peer "${nodeId}" cannot be opened: ${reason}. Save the peer with its secret again.`,
    options,
  );
}
