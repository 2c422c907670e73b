import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { failureOf } from '../../src/core/errors.js';
import { ClusterKeys } from '../../src/core/keys.js';
import {
  chooseEnvelope,
  isOutdated,
  isSealed,
  openSecret,
  type SealedFor,
  sealSecret,
} from '../../src/core/sealing.js';
import { Secret } from '../../src/core/secret.js';

type Root = Uint8Array;
const keysFrom = (byte: number) => new ClusterKeys(new Uint8Array(32).fill(byte));
const keys = keysFrom(1);
const nonce = Buffer.alloc(12, 7).toString('base64url');
const peer: SealedFor = { nodeId: 'cloud-1', authority: 'https://identity.example.com', clientId: 'lan' };
const seal = (text: string, options: { nonce?: string; peer?: SealedFor } = {}) =>
  sealSecret({ keys, peer, nonce, ...options, secret: new Secret(text) });

function refusalOf(envelope: string, options: { keys?: ClusterKeys | undefined; peer?: SealedFor } = {}) {
  try {
    openSecret({ keys, peer, ...options, envelope });
  } catch (error) {
    return failureOf(error);
  }
  return undefined;
}

describe('sealing', () => {
  test('sealSecret: a known secret -> the envelope of every version', () => {
    expect(seal('s3cr3t')).toBe(`sealed:1:${keys.first.keyId}:${nonce}:T_8uM6ajVZiVBXXH7a8sJ4gNyQ085g`);
  });

  test('openSecret: any text, sealed -> the same text, which the envelope does not show', () => {
    const bytes = fc.uint8Array({ minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), bytes, (text, random) => {
        const envelope = seal(text, { nonce: Buffer.from(random).toString('base64url') });
        expect(isSealed(envelope)).toBe(true);
        expect(openSecret({ keys, peer, envelope }).reveal()).toBe(text);
      }),
    );
    const envelope = seal('correct horse');
    expect(envelope).not.toContain('correct');
    expect(inspect(openSecret({ keys, peer, envelope }))).toBe('[redacted]');
  });

  test.each<[string, SealedFor]>([
    ['NodeId', { ...peer, nodeId: 'cloud-2' }],
    ['authority', { ...peer, authority: 'https://identity.example.org' }],
    ['clientId', { ...peer, clientId: 'other' }],
    ['split of its names', { ...peer, authority: `${peer.authority}","lan`, clientId: '' }],
  ])('openSecret: a different %s than it was sealed for -> secretUnsealable naming the peer', (_name, other) => {
    expect(refusalOf(seal('s3cr3t'), { peer: other })).toEqual({
      code: 'secretUnsealable',
      message: expect.stringContaining(`"${other.nodeId}" cannot be opened: it was sealed for another NodeId`),
    });
  });

  test('openSecret: a key of the ring that is not the first -> opens, and is outdated', () => {
    const [one, two] = [1, 2].map((byte) => new Uint8Array(32).fill(byte)) as [Uint8Array, Uint8Array];
    const ring = new ClusterKeys(two, one);
    const envelope = seal('s3cr3t');
    expect(openSecret({ keys: ring, peer, envelope }).reveal()).toBe('s3cr3t');
    expect(isOutdated(envelope, ring)).toBe(true);
    expect(isOutdated(envelope, new ClusterKeys(one, two))).toBe(false);
    expect(isOutdated(envelope, new ClusterKeys(two))).toBe(false);
    expect(isOutdated('no envelope', ring)).toBe(false);
  });

  test('chooseEnvelope: several -> that of the first key, or else of a key in the ring, or else the first', () => {
    const [one, two, three] = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte)) as [Root, Root, Root];
    const by = (root: Root) => sealSecret({ keys: new ClusterKeys(root), peer, nonce, secret: new Secret('s3cr3t') });
    const both = [by(one), by(two)] as const;
    expect(chooseEnvelope(both, new ClusterKeys(two, one))).toBe(both[1]);
    expect(chooseEnvelope(both, new ClusterKeys(one, two))).toBe(both[0]);
    expect(chooseEnvelope(both, new ClusterKeys(three, two))).toBe(both[1]);
    expect(chooseEnvelope(both, new ClusterKeys(three))).toBe(both[0]);
    expect(chooseEnvelope(both, undefined)).toBe(both[0]);
    expect(chooseEnvelope(['no envelope', both[1]], new ClusterKeys(two))).toBe(both[1]);
  });

  test('openSecret: another cluster key, or none -> secretUnsealable with the reason', () => {
    expect(refusalOf(seal('s3cr3t'), { keys: keysFrom(2) })?.message).toContain('another cluster key');
    expect(refusalOf(seal('s3cr3t'), { keys: undefined })).toMatchObject({
      code: 'secretUnsealable',
      message: expect.stringContaining('no cluster key'),
    });
  });

  test('openSecret: any character changed, cut off or added -> secretUnsealable', () => {
    const envelope = seal('s3cr3t');
    for (let index = 0; index < envelope.length; index += 1) {
      const changed = envelope[index] === 'A' ? 'B' : 'A';
      // The last character has spare bits, so the same bytes can be spelled in several ways.
      if (index < envelope.length - 1) {
        const damaged = `${envelope.slice(0, index)}${changed}${envelope.slice(index + 1)}`;
        expect([index, refusalOf(damaged)?.code]).toEqual([index, 'secretUnsealable']);
      }
      expect([index, refusalOf(envelope.slice(0, index))?.code]).toEqual([index, 'secretUnsealable']);
    }
    expect(refusalOf(`${envelope}A`)?.code).toBe('secretUnsealable');
    expect(refusalOf(envelope.replace('sealed:1:', 'sealed:2:'))?.message).toContain('newer version');
  });

  test.each(['s3cr3t', '', '$' + '{NAME}', 'unsealed:1:a', 'SEALED:1:a'])('isSealed: "%s" -> no', (text) => {
    expect(isSealed(text)).toBe(false);
  });

  test('isSealed: an envelope of another version, or damaged -> yes, because it is no secret either', () => {
    expect(isSealed('sealed:2:whatever')).toBe(true);
    expect(isSealed('sealed:1:')).toBe(true);
  });

  test('sealSecret: a nonce that is not 12 bytes -> an assertion', () => {
    for (const bad of ['', 'token-1', nonce.slice(1), `${nonce}AA`])
      expect(() => seal('x', { nonce: bad })).toThrow('12 bytes');
  });
});
