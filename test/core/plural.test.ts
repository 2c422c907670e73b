import { describe, expect, it } from '@jest/globals';
import { plural } from '../../src/core/plural.js';

describe('plural', () => {
  it.each([
    [0, 'documents', 'entries'],
    [1, 'document', 'entry'],
    [2, 'documents', 'entries'],
  ])('%d: with a regular and an irregular noun -> %s, %s', (count, regular, irregular) => {
    expect([plural(count, 'document'), plural(count, 'entry', 'entries')]).toEqual([regular, irregular]);
  });
});
