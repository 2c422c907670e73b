import { inspect } from 'node:util';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { isToken } from '../../src/core/ids.js';
import {
  authenticationCode,
  type ClusterKey,
  type ClusterKeys,
  deriveClusterKeys,
  encodeClusterKey,
  isEqualInConstantTime,
} from '../../src/core/keys.js';
import type { ConnectionSecurity } from '../../src/ports/ports.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('deriveClusterKeys', () => {
  let ring: ClusterKeys;
  let keys: ClusterKey;

  beforeAll(async () => {
    ring = await deriveClusterKeys({ passphrase: 'correct horse battery staple', salt: 'shop-42' });
    keys = ring.first;
  });

  test('cluster keys: a known passphrase and salt -> the keys of every version of statemesh', () => {
    expect({
      keyId: keys.keyId,
      clusterHash: keys.clusterHash,
      pskKey: hex(keys.pskKey),
      beaconKey: hex(keys.beaconKey),
      sealingKey: hex(keys.sealingKey),
    }).toEqual({
      keyId: 'kywIxu63IZpxjK_r',
      clusterHash: 'B2673EE0',
      pskKey: '4dc7ea0fb880e0287a0011c5efdcf58907a21a1196ea3871dc1f1bb383abd527',
      beaconKey: 'd1d47d6ca285602e5be20701b5ef5b65404655a90e8cc720fd2d051453f8ae74',
      sealingKey: '38dccd410b19f24bddb456f23109e9f9de505688d4ce7fc9fce4226346e0bae5',
    });
  });

  test('cluster keys: by purpose -> the right shapes, all different', () => {
    expect(isToken(keys.keyId)).toBe(true);
    expect(Buffer.from(keys.keyId, 'base64url')).toHaveLength(12);
    expect(keys.clusterHash).toMatch(/^[0-9A-F]{8}$/);
    const all = [keys.pskKey, keys.beaconKey, keys.sealingKey];
    expect(all.map((key) => key.length)).toEqual([32, 32, 32]);
    expect(new Set(all.map(hex)).size).toBe(3);
  });

  test('cluster keys: another passphrase or another salt -> nothing in common', async () => {
    const others = await Promise.all([
      deriveClusterKeys({ passphrase: 'correct horse battery stable', salt: 'shop-42' }),
      deriveClusterKeys({ passphrase: 'correct horse battery staple', salt: 'shop-43' }),
    ]);
    for (const { first: other } of others) {
      expect(other.keyId).not.toBe(keys.keyId);
      expect(other.clusterHash).not.toBe(keys.clusterHash);
      expect(hex(other.pskKey)).not.toBe(hex(keys.pskKey));
      expect(hex(other.beaconKey)).not.toBe(hex(keys.beaconKey));
      expect(hex(other.sealingKey)).not.toBe(hex(keys.sealingKey));
    }
  });

  test('cluster keys: one text in two Unicode forms -> the same keys', async () => {
    const [composed, decomposed] = await Promise.all([
      deriveClusterKeys({ passphrase: 'caf\u00e9', salt: 's' }),
      deriveClusterKeys({ passphrase: 'cafe\u0301', salt: 's' }),
    ]);
    expect(composed.first.keyId).toBe(decomposed.first.keyId);
  });

  test('cluster keys: printed, logged, spread or cloned -> no secret shows', () => {
    const security: ConnectionSecurity = ring.security;
    const secrets = [keys.pskKey, keys.beaconKey, keys.sealingKey];
    const printed = [
      inspect(keys, { depth: 9, showHidden: true }),
      inspect({ deep: { keys, security } }, { depth: 9, showHidden: true }),
      JSON.stringify({ ring, keys, security }),
      String(keys),
      String(ring),
      inspect(ring, { depth: 9, showHidden: true }),
      inspect({ ...ring }, { depth: 9, showHidden: true }),
      JSON.stringify({ ...ring }),
      JSON.stringify({ keys: { ...keys }, security: { ...security } }),
      inspect({ ...keys }, { showHidden: true }),
      inspect({ ...security }, { showHidden: true }),
      inspect(structuredClone({ ...keys })),
    ]
      .join('\n')
      .replace(/\s+/g, ' ');
    for (const secret of secrets) {
      const [first, second] = secret;
      const looks = [
        hex(secret).slice(0, 6),
        Buffer.from(secret).toString('base64').slice(0, 6),
        // A Uint8Array and a Buffer as inspected, and as stringified.
        `${first}, ${second}`,
        hex(secret.subarray(0, 3)).replace(/(..)(?!$)/g, '$1 '),
        `"0":${first},"1":${second}`,
      ];
      for (const look of looks) expect(printed).not.toContain(look);
    }
    expect(printed).toContain('[redacted]');
  });

  test('cluster keys: as security -> the key ids and the keys, the first key first', async () => {
    const source = {
      passphrase: 'correct horse battery staple',
      acceptedPassphrases: ['the next one'],
      salt: 'shop-42',
    };
    const { security, first, all } = await deriveClusterKeys(source);
    expect(first.keyId).toBe(keys.keyId);
    expect(security.kind).toBe('psk');
    expect(security.keys.map(({ keyId, key }) => [keyId, hex(key)])).toEqual(
      all.map(({ keyId, pskKey }) => [keyId, hex(pskKey)]),
    );
    expect(all).toHaveLength(2);
  });

  test('cluster keys: one passphrase twice -> one key; a key by its name -> that of the ring, or undefined', async () => {
    const passphrase = 'correct horse battery staple';
    const twice = await deriveClusterKeys({
      passphrase,
      acceptedPassphrases: [passphrase, 'caf\u00e9', 'cafe\u0301'],
      salt: 's',
    });
    expect(twice.all).toHaveLength(2);
    expect(twice.find(twice.all[1]?.keyId ?? '')).toBe(twice.all[1]);
    expect(twice.find(keys.keyId)).toBeUndefined();
  });

  test('cluster keys: an empty passphrase or salt -> an error that says so', async () => {
    await expect(deriveClusterKeys({ passphrase: '', salt: 's' })).rejects.toMatchObject({ code: 'clusterKeyMissing' });
    await expect(deriveClusterKeys({ passphrase: 'p', salt: '' })).rejects.toMatchObject({
      code: 'configurationInvalid',
      message: expect.stringMatching(/salt/),
    });
  });
});

describe('key helpers', () => {
  test('encodeClusterKey: random bytes -> base64url; too few -> an error', () => {
    expect(encodeClusterKey(new Uint8Array(24).fill(255))).toBe('_'.repeat(32));
    expect(() => encodeClusterKey(new Uint8Array(15))).toThrow(/16 random bytes/);
  });

  test('isEqualInConstantTime: texts and bytes -> equal only when all is equal', () => {
    expect(isEqualInConstantTime('abc', 'abc')).toBe(true);
    expect(isEqualInConstantTime('abc', 'abd')).toBe(false);
    expect(isEqualInConstantTime('abc', 'abcd')).toBe(false);
    expect(isEqualInConstantTime('', '')).toBe(true);
    expect(isEqualInConstantTime(Uint8Array.of(97), 'a')).toBe(true);
    expect(isEqualInConstantTime(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
  });

  test('authenticationCode: the test case 2 of RFC 4231 -> its HMAC-SHA256', () => {
    const code = authenticationCode(Buffer.from('Jefe'), 'what do ya want for nothing?');
    expect(hex(Buffer.from(code, 'base64url'))).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    );
  });
});
