/**
 * Every key of a cluster, from the one passphrase that its members share.
 *
 * Invariants: the passphrase goes through scrypt exactly once, and each key through HKDF (RFC 5869) under a label of its
 * own, so that what a beacon shows in the clear says nothing about the key that protects connections. Secrets appear
 * neither in `util.inspect` nor in `JSON.stringify`, which is where logs and the inspector would leak them.
 */
import { createHmac, hkdfSync, scrypt, timingSafeEqual } from 'node:crypto';
import { assert, StatemeshError } from './errors.js';

const redacted = '[redacted]';
// Node's own hook, by its registered symbol, so that core needs no `node:util`.
const inspectCustom = Symbol.for('nodejs.util.inspect.custom');

export interface ClusterKeySource {
  /** What the members of the cluster share; best made by {@link encodeClusterKey}. */
  readonly passphrase: string;
  /** Not secret, the same in the whole cluster: makes guessing passphrases of many clusters at once no cheaper. */
  readonly salt: string;
}

/**
 * Derives all keys of a cluster. Takes about a tenth of a second, off the event loop, since it must be slow to guess.
 *
 * @throws StatemeshError `clusterKeyMissing` for an empty passphrase, `configurationInvalid` for an empty salt
 *
 * @example
 * const keys = await deriveClusterKeys({ passphrase: 'correct horse battery staple', salt: 'shop-42' });
 * await network.dial({ host, port, security: keys.security, timeoutMs: 5_000, signal });
 */
export async function deriveClusterKeys({ passphrase, salt }: ClusterKeySource): Promise<ClusterKeys> {
  if (passphrase.length === 0) {
    throw new StatemeshError(
      'clusterKeyMissing',
      'The cluster key is empty: configure the one that the cluster shares.',
    );
  }
  if (salt.length === 0) {
    throw new StatemeshError(
      'configurationInvalid',
      'The salt of the cluster key is empty: configure the one that the cluster shares.',
    );
  }
  // The same text typed on two systems can differ in its code points; NFC makes it one (RFC 8265, OpaqueString).
  const root = await stretch(passphrase.normalize('NFC'), salt.normalize('NFC'));
  return new ClusterKeys(root);
}

/** What protects connections: a `ConnectionSecurity` whose key does not show when it is printed. */
export interface PresharedKey {
  readonly kind: 'psk';
  readonly keyId: string;
  readonly key: Uint8Array;
}

/** The keys of a cluster. Its secrets are getters of the prototype, so printing, spreading or cloning shows none. */
export class ClusterKeys {
  /** Names the pre-shared key on the wire: 12 bytes, base64url. Not secret. */
  readonly keyId: string;
  /** Names the cluster in beacons: 8 upper-case hex digits. Not secret, and not unique either. */
  readonly clusterHash: string;
  readonly #pskKey: Uint8Array;
  readonly #beaconKey: Uint8Array;
  readonly #sealingKey: Uint8Array;

  /** @internal Use {@link deriveClusterKeys}. */
  constructor(root: Uint8Array) {
    this.keyId = Buffer.from(expand(root, 'psk-identity', 12)).toString('base64url');
    this.clusterHash = Buffer.from(expand(root, 'cluster-hash', 4))
      .toString('hex')
      .toUpperCase();
    this.#pskKey = expand(root, 'psk', 32);
    this.#beaconKey = expand(root, 'beacon', 32);
    this.#sealingKey = expand(root, 'sealing', 32);
  }

  /** Protects connections: 32 bytes. */
  get pskKey(): Uint8Array {
    return this.#pskKey;
  }

  /** Authenticates beacons: 32 bytes. */
  get beaconKey(): Uint8Array {
    return this.#beaconKey;
  }

  /** Seals secrets that are stored: 32 bytes. */
  get sealingKey(): Uint8Array {
    return this.#sealingKey;
  }

  /** What `listen` and `dial` take as `security`. */
  get security(): PresharedKey {
    return new RedactedPresharedKey(this.keyId, this.#pskKey);
  }

  toJSON(): string {
    return redacted;
  }

  [inspectCustom](): string {
    return `ClusterKeys ${redacted}`;
  }
}

/**
 * The text of a new cluster key, from random bytes that the caller supplies: at least 16, since this text is all that
 * protects the cluster.
 */
export function encodeClusterKey(bytes: Uint8Array): string {
  assert(bytes.length >= clusterKeyBytesMin, `A cluster key needs at least ${clusterKeyBytesMin} random bytes.`);
  return Buffer.from(bytes).toString('base64url');
}

/** HMAC-SHA256 of a text, base64url. */
export function authenticationCode(key: Uint8Array, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url');
}

/** Compares without telling by its duration where the difference lies. Lengths are not secret. */
export function isEqualInConstantTime(a: string | Uint8Array, b: string | Uint8Array): boolean {
  const bytesA = Buffer.from(a);
  const bytesB = Buffer.from(b);
  return bytesA.length === bytesB.length && timingSafeEqual(bytesA, bytesB);
}

const clusterKeyBytesMin = 16;

/** 2^15 * 8 * 128 bytes is 32 MiB for one derivation (OWASP's second choice, N=2^15, r=8). */
const scryptCost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
const rootBytes = 32;

class RedactedPresharedKey implements PresharedKey {
  readonly kind = 'psk';
  readonly keyId: string;
  readonly #key: Uint8Array;

  constructor(keyId: string, key: Uint8Array) {
    this.keyId = keyId;
    this.#key = key;
  }

  get key(): Uint8Array {
    return this.#key;
  }

  toJSON(): string {
    return redacted;
  }

  [inspectCustom](): string {
    return `PresharedKey ${redacted}`;
  }
}

function stretch(passphrase: string, salt: string): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase, `statemesh cluster key\0${salt}`, rootBytes, scryptCost, (error, root) => {
      if (error === null) resolve(root);
      else
        reject(
          new StatemeshError('internal', `The cluster key could not be derived: ${error.message}`, { cause: error }),
        );
    });
  });
}

function expand(root: Uint8Array, label: string, bytes: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', root, '', `statemesh 1 ${label}`, bytes));
}
