import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Author, Incarnation } from '../../src/core/author.js';
import { chainRun, chainStart, type Entry, endOf, hashEntry } from '../../src/core/entry.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';

type Unhashed = Omit<Entry, 'hash'>;

/** Short texts of few letters, so that the end of one field can equal the beginning of another. */
const texts = fc.stringMatching(/^[ab/:]{1,3}$/);
const entries: fc.Arbitrary<Unhashed> = fc.record({
  hlc: fc.integer({ min: 1, max: 12 }) as fc.Arbitrary<Hlc>,
  collection: texts as fc.Arbitrary<CollectionName>,
  key: texts as fc.Arbitrary<DocumentKey>,
  operation: fc.constantFrom<Entry['operation']>('put', 'delete'),
  payload: fc.oneof(texts, fc.constant('')),
});
const author: Author = { nodeId: 'a' as NodeId, incarnation: 'x' as Incarnation, scope: 'shared' };

describe('the hash chain', () => {
  test('hash: two inputs that differ in any one field -> two hashes', () => {
    const fields = ['hlc', 'collection', 'key', 'operation', 'payload'] as const;
    fc.assert(
      fc.property(entries, entries, texts, texts, (one, other, author, previous) => {
        const mixtures = fields.map((field) => ({ ...one, [field]: other[field] }));
        for (const mixture of [other, ...mixtures]) {
          const same = JSON.stringify(mixture) === JSON.stringify(one);
          expect(hashEntry(mixture, author, previous) === hashEntry(one, author, previous)).toBe(same);
        }
        expect(hashEntry(one, author, previous) === hashEntry(one, previous, author)).toBe(author === previous);
      }),
    );
  });

  test('hash: text moved from one field to the next -> another hash', () => {
    const base: Unhashed = {
      hlc: 1 as Hlc,
      collection: 'ab' as CollectionName,
      key: 'c' as DocumentKey,
      operation: 'put',
      payload: '1',
    };
    const moved: Unhashed = { ...base, collection: 'a' as CollectionName, key: 'bc' as DocumentKey };
    expect(hashEntry(base, 'k', '')).not.toBe(hashEntry(moved, 'k', ''));
    expect(hashEntry(base, 'k', 'p')).not.toBe(hashEntry(base, 'pk', ''));
  });

  test('chain: split anywhere -> the same hashes; changed anywhere -> every later hash differs', () => {
    const chains = fc.array(entries, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(chains, fc.nat(5), (list, at) => {
        const whole = chainRun(author, chainStart, list);
        const cut = at % list.length;
        const first = chainRun(author, chainStart, list.slice(0, cut));
        const second = chainRun(author, endOf(first), list.slice(cut));
        expect([...first.entries, ...second.entries]).toEqual(whole.entries);
        const changed = list.map((entry, index) =>
          index === cut ? { ...entry, payload: `${entry.payload}!` } : entry,
        );
        const other = chainRun(author, chainStart, changed);
        const differ = whole.entries.map(({ hash }, index) => hash !== other.entries[index]?.hash);
        expect(differ).toEqual(list.map((_, index) => index >= cut));
      }),
    );
  });

  test('end: of a run, and of an empty run -> its last entry, and where it would begin', () => {
    const run = chainRun(author, chainStart, [
      { hlc: 1 as Hlc, collection: 'a' as CollectionName, key: 'b' as DocumentKey, operation: 'put', payload: '1' },
    ]);
    expect(endOf(run)).toEqual({ hlc: 1, hash: run.entries[0]?.hash });
    expect(endOf({ ...run, entries: [] })).toBe(chainStart);
  });
});
