import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  authorKeyOf,
  compareStamps,
  type Incarnation,
  parseAuthorKey,
  type Scope,
  type Stamp,
  scopeOf,
  wins,
} from '../../src/core/author.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { CollectionName, NodeId } from '../../src/core/ids.js';

const names = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,8}$/);
const tokens = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/);
const stamps: fc.Arbitrary<Stamp> = fc.record({
  hlc: fc.integer({ min: 1, max: 3 }) as fc.Arbitrary<Hlc>,
  nodeId: fc.oneof(fc.constantFrom('a', 'A', 'b', 'a.1'), names) as fc.Arbitrary<NodeId>,
  incarnation: fc.oneof(fc.constantFrom('x', 'y'), tokens) as fc.Arbitrary<Incarnation>,
});

describe('the order of writes', () => {
  test('compare: any stamps -> a total order, zero only for equals', () => {
    fc.assert(
      fc.property(stamps, stamps, stamps, (a, b, c) => {
        expect(Math.sign(compareStamps(a, b))).toBe(-Math.sign(compareStamps(b, a)) + 0);
        expect(compareStamps(a, b) === 0).toBe(JSON.stringify(a) === JSON.stringify(b));
        if (compareStamps(a, b) <= 0 && compareStamps(b, c) <= 0) expect(compareStamps(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });

  test('compare: the time stamp, then the NodeId by code units, then the incarnation -> in this rank', () => {
    const at = (hlc: number, nodeId: string, incarnation: string) => ({ hlc, nodeId, incarnation }) as Stamp;
    const ascending = [at(1, 'b', 'z'), at(2, 'A', 'z'), at(2, 'a', 'X'), at(2, 'a', 'x'), at(3, '0', '0')];
    expect([...ascending].reverse().sort(compareStamps)).toEqual(ascending);
  });

  test('wins: nothing present, later, equal, earlier -> yes, yes, no, no', () => {
    const [early, late] = [1, 2].map((hlc) => ({ hlc, nodeId: 'a', incarnation: 'x' }) as Stamp) as [Stamp, Stamp];
    expect([wins(early, undefined), wins(late, early), wins(early, early), wins(early, late)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  test('wins: any writes in any order -> the same winner', () => {
    fc.assert(
      fc.property(fc.array(stamps, { minLength: 1, maxLength: 6 }), (writes) => {
        const last = (order: readonly Stamp[]) =>
          order.reduce<Stamp | undefined>((present, write) => (wins(write, present) ? write : present), undefined);
        expect(last([...writes].reverse())).toEqual(last(writes));
      }),
    );
  });
});

describe('authors', () => {
  test('key: any author -> parses back to the same author', () => {
    fc.assert(
      fc.property(names, tokens, fc.constantFrom<Scope>('cluster', 'shared'), (nodeId, incarnation, scope) => {
        const author = { nodeId: nodeId as NodeId, incarnation: incarnation as Incarnation, scope };
        expect(parseAuthorKey(authorKeyOf(author))).toEqual(author);
      }),
    );
  });

  test('key: malformed -> undefined', () => {
    for (const key of [
      '',
      'a',
      'a/b',
      'a/b/other',
      'a/b/shared/c',
      '/b/shared',
      'a//shared',
      'ä/b/shared',
      'a/b c/shared',
    ]) {
      expect([key, parseAuthorKey(key)]).toEqual([key, undefined]);
    }
  });

  test('scope: system collections and others -> cluster, shared', () => {
    expect(['_system_peers', '_systempeers', 'x_system_'].map((name) => scopeOf(name as CollectionName))).toEqual([
      'cluster',
      'shared',
      'shared',
    ]);
  });
});
