/**
 * Secrets that are stored: AES-256-GCM (NIST SP 800-38D) with the sealing key of the cluster, as
 * `sealed:1:<key id>:<nonce>:<ciphertext and tag>`, each part base64url.
 *
 * Invariant: a sealed secret is bound to its peer, its authority and its client, so that whoever can write documents cannot have it
 * sent elsewhere; nonces are random and 96 bits long, and are never chosen here.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { StatemeshError } from './errors.js';
import type { NodeId } from './ids.js';
import type { ClusterKeys } from './keys.js';
import { Secret } from './secret.js';

/** Whose secret it is: what may not change without the secret being given anew. */
export interface SecretOwner {
  readonly nodeId: NodeId;
  readonly authority: string;
  readonly clientId: string;
}

const prefix = 'sealed:1:';
const envelope = /^sealed:1:([A-Za-z0-9_-]{1,32}):([A-Za-z0-9_-]{16}):([A-Za-z0-9_-]{22,8192})$/;
const tagBytes = 16;

export function isSealed(text: string): boolean {
  return text.startsWith(prefix);
}

/** @param nonce 12 random bytes, base64url: never used before */
export function sealSecret({
  keys,
  owner,
  nonce,
  secret,
}: {
  readonly keys: ClusterKeys;
  readonly owner: SecretOwner;
  readonly nonce: string;
  readonly secret: string;
}): string {
  const cipher = createCipheriv('aes-256-gcm', keys.sealingKey, Buffer.from(nonce, 'base64url'));
  cipher.setAAD(additionalData(owner));
  const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${prefix}${keys.keyId}:${nonce}:${sealed.toString('base64url')}`;
}

/** @throws StatemeshError `secretUnsealable`, naming the peer */
export function openSecret({
  keys,
  owner,
  text,
}: {
  readonly keys: ClusterKeys | undefined;
  readonly owner: SecretOwner;
  readonly text: string;
}): Secret {
  const [, keyId, nonce = '', data = ''] = envelope.exec(text) ?? [];
  if (keyId === undefined) throw unsealable(owner, 'it is damaged');
  if (keyId !== keys?.keyId) throw unsealable(owner, 'it was sealed with another cluster key');
  const bytes = Buffer.from(data, 'base64url');
  try {
    const decipher = createDecipheriv('aes-256-gcm', keys.sealingKey, Buffer.from(nonce, 'base64url'), {
      authTagLength: tagBytes,
    });
    decipher.setAAD(additionalData(owner)).setAuthTag(bytes.subarray(-tagBytes));
    return new Secret(
      Buffer.concat([decipher.update(bytes.subarray(0, -tagBytes)), decipher.final()]).toString('utf8'),
    );
  } catch (cause) {
    throw unsealable(owner, 'it was sealed for another peer, authority or client, or is damaged', cause);
  }
}

function additionalData({ nodeId, authority, clientId }: SecretOwner): Buffer {
  return Buffer.from(JSON.stringify([nodeId, authority, clientId]));
}

function unsealable({ nodeId }: SecretOwner, reason: string, cause?: unknown): StatemeshError {
  return new StatemeshError(
    'secretUnsealable',
    `The client secret of "${nodeId}" cannot be opened: ${reason}. Add the peer again, with its secret.`,
    { cause },
  );
}
