import { describe, expect, it } from '@jest/globals';
import { hashTexts } from '../../src/core/text-hash.js';

describe('hash of texts', () => {
  it('the same texts -> the same hash; another cut, another order, one text more -> another hash', () => {
    const others = [['ab', ''], ['', 'ab'], ['b', 'a'], ['a'], ['a', 'b', ''], ['ab']].map(hashTexts);
    expect(hashTexts(['a', 'b'])).toBe(hashTexts(['a', 'b']));
    expect(new Set([...others, hashTexts(['a', 'b'])]).size).toBe(others.length + 1);
  });
});
