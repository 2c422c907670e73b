import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isStatemeshError } from '../../src/core/errors.js';
import { limits } from '../../src/core/limits.js';
import { parseCount, parseField, parseOrderBy, parseQuery, parseWhere, type Where } from '../../src/core/query.js';

const refused = expect.objectContaining({ code: 'queryInvalid' });

describe('parsing queries', () => {
  test('query: a field that is none -> queryInvalid, or it would find everything', () => {
    expect(() => parseQuery({ wher: { a: 1 } } as never)).toThrow(refused);
    expect(() => parseQuery({ where: {}, orderBy: [], limit: 1, offset: 1 })).not.toThrow();
  });

  test('where: fields, operators and logic -> taken apart', () => {
    const where: Where = {
      a: 1,
      b: { $gt: 'x', $ne: null },
      $or: [{ c: { $in: [1, true] } }, {}],
      $not: { 'd.e': { $like: '%' } },
    };
    expect(parseWhere(where)).toEqual({
      kind: 'and',
      filters: [
        { kind: 'compare', field: 'a', operator: '$eq', value: 1 },
        { kind: 'compare', field: 'b', operator: '$gt', value: 'x' },
        { kind: 'compare', field: 'b', operator: '$ne', value: null },
        {
          kind: 'or',
          filters: [
            { kind: 'and', filters: [{ kind: 'in', field: 'c', values: [1, true] }] },
            { kind: 'and', filters: [] },
          ],
        },
        {
          kind: 'not',
          filter: { kind: 'and', filters: [{ kind: 'compare', field: 'd.e', operator: '$like', value: '%' }] },
        },
      ],
    });
  });

  test('where: unknown operators, wrong values and shapes -> queryInvalid', () => {
    const wrong: unknown[] = [
      null,
      [],
      'a',
      { $nor: [] },
      { $or: {} },
      { $and: [1] },
      { $not: [] },
      { $not: null },
      { a: [] },
      { a: {} },
      { a: { $gt: null } },
      { a: { $gt: true } },
      { a: { $lt: Number.NaN } },
      { a: { $eq: {} } },
      { a: { $in: 1 } },
      { a: { $in: [[]] } },
      { a: { $like: 1 } },
      { a: { $regex: 'x' } },
      { a: { b: 1 } },
      { a: Number.POSITIVE_INFINITY },
      { a: () => 1 },
      { a: 1n },
    ];
    for (const where of wrong) expect(() => parseWhere(where as Where)).toThrow(refused);
  });

  test('where: as deep and as many as allowed, and one more -> parsed, refused', () => {
    const nested = (depth: number): Where => (depth === 0 ? { a: 1 } : { $not: nested(depth - 1) });
    const many = (count: number): Where => ({ $and: Array.from({ length: count }, () => ({ a: 1 })) });
    const among = (count: number): Where => ({ a: { $in: Array.from({ length: count }, () => 1) } });
    expect(() => parseWhere(nested(limits.queryDepthMax))).not.toThrow();
    expect(() => parseWhere(nested(limits.queryDepthMax + 1))).toThrow(refused);
    expect(() => parseWhere(many(limits.queryConditionsMax))).not.toThrow();
    expect(() => parseWhere(many(limits.queryConditionsMax + 1))).toThrow(refused);
    expect(() => parseWhere(among(limits.queryConditionsMax - 1))).not.toThrow();
    expect(() => parseWhere(among(limits.queryConditionsMax))).toThrow(refused);
  });

  test('where: anything that JSON can say -> parsed, or refused with queryInvalid', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        try {
          expect(parseWhere(value as Where).kind).toBe('and');
        } catch (error) {
          expect(isStatemeshError(error) && error.code).toBe('queryInvalid');
        }
      }),
    );
  });

  test('field: paths -> accepted; what could leave a quoted path, or is none -> refused', () => {
    for (const field of ['a', 'a.b', 'a b', 'größe', 'a$', '0', 'x'.repeat(limits.fieldPathLengthMax)])
      expect(parseField(field)).toBe(field);
    for (const field of [
      '',
      '.',
      'a.',
      '.a',
      'a..b',
      '$a',
      'a"b',
      "a'b",
      'a[0]',
      'a\\b',
      ' a',
      'a\0',
      'a\nb',
      'x'.repeat(300),
      5,
      null,
    ]) {
      expect(() => parseField(field as string)).toThrow(refused);
    }
  });

  test('order, limit and offset: shapes and numbers -> taken apart, or refused', () => {
    expect(parseOrderBy(['a', { field: 'b', descending: true }, { field: 'c' }])).toEqual([
      { field: 'a', descending: false },
      { field: 'b', descending: true },
      { field: 'c', descending: false },
    ]);
    for (const orderBy of ['a', [{}], [null], ['a"'], {}, Array(limits.queryConditionsMax + 1).fill('a')])
      expect(() => parseOrderBy(orderBy as string[])).toThrow(refused);
    expect([parseCount('limit', undefined), parseCount('limit', 0), parseCount('offset', 5)]).toEqual([
      undefined,
      0,
      5,
    ]);
    for (const count of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1']) {
      expect(() => parseCount('limit', count as number)).toThrow(refused);
    }
  });
});
