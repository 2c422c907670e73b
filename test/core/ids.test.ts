import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  compareCodeUnits,
  isCollectionName,
  isDocumentKey,
  isNodeId,
  isToken,
  parseCollectionName,
  parseDocumentKey,
  parseNodeId,
} from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';

describe('names', () => {
  test('NodeId: within the alphabet and the maximum length -> accepted; anything else -> nodeIdInvalid', () => {
    for (const name of ['a', 'Node-1.shop_2', '0', 'x'.repeat(limits.nodeIdLengthMax)])
      expect(parseNodeId(name)).toBe(name);
    for (const name of [
      '',
      '.',
      '-a',
      '_a',
      'a/b',
      '../a',
      'a b',
      'ä',
      'a\n',
      'x'.repeat(limits.nodeIdLengthMax + 1),
    ]) {
      expect([name, isNodeId(name)]).toEqual([name, false]);
      expect(() => parseNodeId(name)).toThrow(expect.objectContaining({ code: 'nodeIdInvalid' }));
    }
  });

  test('NodeId: any text -> accepted only if it is safe as a file name', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        if (isNodeId(name)) expect(name).toMatch(/^(?!\.)[\w.-]{1,64}$/);
      }),
    );
  });

  test('collection and key: empty, too long, control characters, lone surrogates -> refused with their codes', () => {
    const bad = ['', 'a\0b', 'a\nb', '\x7f', '\u0085', 'a\ud800', '\udc00'];
    for (const name of [...bad, 'x'.repeat(limits.collectionNameLengthMax + 1)]) {
      expect(() => parseCollectionName(name)).toThrow(expect.objectContaining({ code: 'collectionNameInvalid' }));
    }
    for (const key of [...bad, 'x'.repeat(limits.keyLengthMax + 1)]) {
      expect(() => parseDocumentKey(key)).toThrow(expect.objectContaining({ code: 'keyInvalid' }));
    }
    for (const value of [undefined, null, 5, {}])
      expect([isCollectionName(value), isDocumentKey(value)]).toEqual([false, false]);
  });

  test('collection and key: any accepted text -> survives UTF-8, and has no NUL, which separates fields', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (name) => {
        if (!isDocumentKey(name)) return;
        expect(Buffer.from(name, 'utf8').toString('utf8')).toBe(name);
        expect(name.includes('\0')).toBe(false);
        expect(parseDocumentKey(name)).toBe(name);
      }),
    );
  });

  test('token: base64url of 12 bytes -> accepted; a slash, an empty text, a text too long -> refused', () => {
    expect(['AZaz09_-', 'a'.repeat(32)].map(isToken)).toEqual([true, true]);
    expect(['', 'a/b', 'a'.repeat(33), 'a b'].map(isToken)).toEqual([false, false, false, false]);
  });

  test('order: any texts -> by code units, as Array.sort orders them', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (texts) => {
        expect([...texts].sort(compareCodeUnits)).toEqual([...texts].sort());
      }),
    );
  });
});
