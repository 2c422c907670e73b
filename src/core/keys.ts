/**
 * The keys of a cluster: a ring of one key, or of several while a new key replaces an old one. Each key of the ring
 * derives every key that is needed from one passphrase that the members share.
 *
 * Invariants: the passphrase goes through scrypt exactly once, and each derived key through HKDF (RFC 5869) under a
 * label of its own. So what a beacon shows in the clear tells nothing about the key that protects connections. Secrets
 * appear neither in `util.inspect` nor in `JSON.stringify`, where logs and the inspector would leak them.
 */
import { createHmac, hkdfSync, scrypt, timingSafeEqual } from 'node:crypto';
import { assert, StatemeshError } from './errors.js';

const redacted = '[redacted]';
// Node's own hook, by its registered symbol, so that core needs no `node:util`.
const inspectCustom = Symbol.for('nodejs.util.inspect.custom');

export interface ClusterKeySource {
  /** The secret that the members of the cluster share; best made by {@link encodeClusterKey}. */
  readonly passphrase: string;
  /** Further passphrases that are accepted while one replaces another. */
  readonly acceptedPassphrases?: readonly string[];
  /**
   * Not secret, and the same in the whole cluster. With it, an attacker cannot guess the passphrases of many clusters
   * at the cost of one.
   */
  readonly salt: string;
}

/**
 * Derives all keys of a cluster. Takes about a tenth of a second per passphrase, off the event loop, because guessing
 * must be slow. Equal passphrases make one key.
 *
 * @throws StatemeshError `clusterKeyMissing` for an empty passphrase, `configurationInvalid` for an empty salt
 *
 * @example
 * const keys = await deriveClusterKeys({ passphrase: 'correct horse battery staple', salt: 'shop-42' });
 * await network.dial({ host, port, security: keys.security, timeoutMs: 5_000, signal });
 */
export async function deriveClusterKeys(
  { passphrase, acceptedPassphrases = [], salt }: ClusterKeySource,
  derive: (passphrase: string, salt: string) => Promise<Uint8Array> = stretch,
): Promise<ClusterKeys> {
  const passphrases = [passphrase, ...acceptedPassphrases];
  if (passphrases.some(({ length }) => length === 0)) {
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
  const texts = new Set(passphrases.map((text) => text.normalize('NFC')));
  const [first, ...others] = await Promise.all([...texts].map((text) => derive(text, salt.normalize('NFC'))));
  return new ClusterKeys(first as Uint8Array, ...others);
}

/** A key that protects connections. The keys of a cluster do not show when printed. */
export interface PresharedKey {
  /** Names the key on the wire. Not secret. */
  readonly keyId: string;
  readonly key: Uint8Array;
}

/** The ring of keys. The first key is the one to use; data made with any other key of the ring is accepted, too. */
export class ClusterKeys {
  readonly first: ClusterKey;
  readonly all: readonly ClusterKey[];

  /** @internal Use {@link deriveClusterKeys}. */
  constructor(root: Uint8Array, ...others: readonly Uint8Array[]) {
    this.first = new ClusterKey(root);
    this.all = [this.first, ...others.map((other) => new ClusterKey(other))];
  }

  /** The key with this name; undefined if the ring does not, or no longer, contain it. */
  find(keyId: string): ClusterKey | undefined {
    return this.all.find((key) => key.keyId === keyId);
  }

  /** The `security` argument of `listen` and `dial`. */
  get security(): { readonly kind: 'psk'; readonly keys: readonly PresharedKey[] } {
    return { kind: 'psk', keys: this.all.map(({ presharedKey }) => presharedKey) };
  }

  toJSON(): string {
    return redacted;
  }

  [inspectCustom](): string {
    return `ClusterKeys ${redacted}`;
  }
}

/**
 * Every key that one passphrase yields. The secrets are getters of the prototype, so printing, spreading or cloning
 * shows none.
 */
export class ClusterKey {
  /** Names the pre-shared key on the wire: 12 bytes, base64url. Not secret. */
  readonly keyId: string;
  /** Names the cluster in beacons: 8 upper-case hex digits. Neither secret nor unique. */
  readonly clusterHash: string;
  readonly #pskKey: Uint8Array;
  readonly #beaconKey: Uint8Array;
  readonly #sealingKey: Uint8Array;

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

  /** Seals stored secrets: 32 bytes. */
  get sealingKey(): Uint8Array {
    return this.#sealingKey;
  }

  get presharedKey(): PresharedKey {
    return new RedactedPresharedKey(this.keyId, this.#pskKey);
  }

  toJSON(): string {
    return redacted;
  }

  [inspectCustom](): string {
    return `ClusterKey ${redacted}`;
  }
}

/**
 * The text of a new cluster key.
 *
 * @param bytes Random bytes from the caller, at least 16: this text is all that protects the cluster
 */
export function encodeClusterKey(bytes: Uint8Array): string {
  assert(bytes.length >= clusterKeyBytesMin, `A cluster key needs at least ${clusterKeyBytesMin} random bytes.`);
  return Buffer.from(bytes).toString('base64url');
}

/** HMAC-SHA256 of a text, base64url. */
export function authenticationCode(key: Uint8Array, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url');
}

/** Compares in constant time, so that the duration does not tell where the difference lies. Lengths are not secret. */
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

/** The slow part: scrypt (RFC 7914), on a thread of its own. */
export function stretch(passphrase: string, salt: string): Promise<Uint8Array> {
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
