import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type AuthorKey, allScopes } from '../../src/core/author.js';
import { chainStart, type Position } from '../../src/core/entry.js';
import type { Hlc } from '../../src/core/hlc.js';
import {
  authorsDiverged,
  clockToRemember,
  digestClock,
  positionOf,
  type VectorClock,
} from '../../src/core/vector-clock.js';

const keys = fc.constantFrom('a/x/shared', 'a/y/shared', 'b/x/cluster') as fc.Arbitrary<AuthorKey>;
const positions: fc.Arbitrary<Position> = fc.record({
  hlc: fc.integer({ min: 1, max: 3 }) as fc.Arbitrary<Hlc>,
  hash: fc.constantFrom('p', 'q'),
});
const clocks: fc.Arbitrary<VectorClock> = fc
  .uniqueArray(fc.tuple(keys, positions), { selector: ([key]) => key })
  .map((list) => new Map(list));

describe('vector clocks', () => {
  test('compare: any two clocks -> diverged exactly where one stamp has two hashes', () => {
    fc.assert(
      fc.property(clocks, clocks, (ours, theirs) => {
        const diverged = authorsDiverged(ours, theirs);
        for (const key of new Set([...ours.keys(), ...theirs.keys()])) {
          const [a, b] = [positionOf(ours, key), positionOf(theirs, key)];
          expect(diverged.includes(key)).toBe(a.hlc === b.hlc && a.hash !== b.hash);
        }
      }),
    );
  });

  test('compare: a clock with itself -> not diverged', () => {
    fc.assert(
      fc.property(clocks, (clock) => {
        expect(authorsDiverged(clock, clock)).toEqual([]);
      }),
    );
  });

  test('digest: any two clocks -> equal exactly if the clocks are, in any order of filling', () => {
    fc.assert(
      fc.property(clocks, clocks, (one, other) => {
        const sorted = (clock: VectorClock) =>
          JSON.stringify([...clock].map(([key, { hlc, hash }]) => `${key} ${hlc} ${hash}`).sort());
        expect(digestClock(one) === digestClock(other)).toBe(sorted(one) === sorted(other));
        expect(digestClock(new Map([...one].reverse()))).toBe(digestClock(one));
      }),
    );
  });

  test('remember: any clock -> its positions of all authors that we have, and of the allowed number of others', () => {
    fc.assert(
      fc.property(clocks, clocks, fc.nat(3), (ours, theirs, othersMax) => {
        const remembered = clockToRemember(theirs, { ours, scopes: allScopes, othersMax });
        for (const [key, position] of remembered) expect(theirs.get(key)).toEqual(position);
        const known = [...theirs.keys()].filter((key) => ours.has(key));
        for (const key of known) expect(remembered.has(key)).toBe(true);
        expect(remembered.size - known.length).toBe(Math.min(othersMax, theirs.size - known.length));
      }),
    );
  });

  test('position: an unknown author -> the start of the chain', () => {
    expect(positionOf(new Map(), 'a/x/shared' as AuthorKey)).toBe(chainStart);
  });
});
