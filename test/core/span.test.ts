import { describe, expect, it } from '@jest/globals';
import { begun, ended, notYet } from '../../src/core/span.js';

describe('span', () => {
  it('begun and ended twice -> the sum of both', () => {
    const once = ended(begun(notYet, 10), 15);
    expect(once).toEqual({ sinceMs: undefined, lastedMs: 5 });
    expect(ended(begun(once, 100), 103)).toEqual({ sinceMs: undefined, lastedMs: 8 });
  });

  it('ended without a beginning -> 0', () => {
    expect(ended(notYet, 15)).toEqual(notYet);
  });
});
