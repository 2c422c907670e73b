import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isStatemeshError } from '../../src/core/errors.js';
import { parseField } from '../../src/core/field-path.js';
import { limits } from '../../src/core/limits.js';
import { parseCount, parseOrderBy, parseQuery, parseWhere, type Where } from '../../src/core/query.js';

const refused = expect.objectContaining({ code: 'queryInvalid' });

describe('parsing queries', () => {
  test('query: an unknown field -> queryInvalid, because ignoring it would match everything', () => {
    expect(() => parseQuery({ wher: { a: 1 } } as never)).toThrow(refused);
    for (const query of [null, [], 'a', 1, new Map(), Object.create({ where: {} })])
      expect(() => parseQuery(query)).toThrow(refused);
    expect(() => parseQuery({ where: {}, orderBy: [], limit: 1, offset: 1 })).not.toThrow();
  });

  test('where: fields, operators and logic -> parsed', () => {
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

  test.each([
    [{ name: undefined }, 'name is undefined'],
    [{ name: { $gt: undefined } }, 'name: $gt is undefined'],
    [{ $or: undefined }, '$or is undefined'],
    [{ $and: new Array(1) }, 'not undefined'],
    [{ a: { $in: new Array(1) } }, '$in takes a list of texts'],
    [Object.create({ a: 1 }), 'where takes an object of fields'],
    [new Map([['a', 1]]), 'where takes an object of fields'],
    [{ a: new Date(0) }, 'toISOString'],
    [{ a: ['x'] }, 'write { $in: [...] }'],
    [{ address: { city: 'x' } }, 'write "address.city"'],
    [{ a: { $exists: true } }, '{ $ne: null }'],
    [{ a: { $lt: '5', $gtee: 1 } }, 'Did you mean "$gte"?'],
    [{ $ands: [] }, 'Did you mean "$and"?'],
    [{ $price: 1 }, 'write "\\\\$"'],
    [{ key: 'p1' }, 'use get(key)'],
    [{ a: { $like: 'c:\\dir' } }, '$like takes a text with a backslash only before'],
    [{ [Symbol('a')]: 1 }, 'Symbol(a) is unknown'],
    [{ $and: Array(1_000_000) }, 'more than'],
  ])('where: %p -> queryInvalid, with what to write', (where, message) => {
    expect(() => parseWhere(where)).toThrow(
      expect.objectContaining({ code: 'queryInvalid', message: expect.stringContaining(message) }),
    );
    expect(() => parseQuery({ where })).toThrow(refused);
  });

  test('where: __proto__ and other inherited names -> ordinary fields', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const where = JSON.parse(`{"${name}":1}`) as Where;
      const filters = [{ kind: 'compare', field: name, operator: '$eq', value: 1 }];
      expect(parseWhere(where)).toEqual({ kind: 'and', filters });
      expect(parseWhere(parseQuery({ where }).where)).toEqual({ kind: 'and', filters });
    }
  });

  test('query: changed after the check, or answering differently -> stays as checked', () => {
    let reads = 0;
    const where = {
      get a() {
        reads += 1;
        return reads === 1 ? 1 : undefined;
      },
    };
    const orderBy = ['a'];
    const query = parseQuery({ where, orderBy });
    orderBy.push('b');
    reads = 1;
    expect(query).toEqual({ where: { a: 1 }, orderBy: [{ field: 'a', descending: false }] });
  });

  test('where: at the maximum depth and number of conditions, and one more -> parsed, refused', () => {
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

  test('where: any JSON value -> parsed, or refused with queryInvalid', () => {
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

  test('field: paths -> accepted; paths that could escape their quotes, or are invalid -> refused', () => {
    for (const field of [
      'a',
      'a.b',
      'a b',
      'größe',
      'a$',
      '0',
      '-a',
      ' a',
      'a"b',
      "a'b",
      'a\0',
      'x'.repeat(limits.fieldPathLengthMax),
    ])
      expect(parseField(field)).toBe(field);
    for (const [field, shortest] of [
      ['a\\.b', 'a\\.b'],
      ['a\\-b', 'a-b'],
      ['\\$a', '\\$a'],
      ['a.\\$b', 'a.$b'],
      ['a\\[0\\]', 'a\\[0\\]'],
      ['\\key', '\\key'],
      ['a.key', 'a.key'],
    ] as const) {
      expect(parseField(field)).toBe(shortest);
    }
    for (const field of [
      '',
      '.',
      'a.',
      '.a',
      'a..b',
      '$a',
      'a[0]',
      'a]',
      'a\\b',
      'a\\',
      '\\keys',
      'key',
      'a\ud800',
      'x'.repeat(300),
      5,
      null,
    ]) {
      expect(() => parseField(field as string)).toThrow(refused);
    }
  });

  test('order, limit and offset: shapes and numbers -> parsed, or refused', () => {
    expect(parseOrderBy(['a', { field: 'b', descending: true }, { field: 'c' }])).toEqual([
      { field: 'a', descending: false },
      { field: 'b', descending: true },
      { field: 'c', descending: false },
    ]);
    expect(parseOrderBy(['-a', { field: '-a' }, '\\-a'])).toEqual([
      { field: 'a', descending: true },
      { field: '-a', descending: false },
      { field: '-a', descending: false },
    ]);
    const hole: string[] = new Array(1);
    for (const orderBy of [
      ...['a', [{}], [null], ['a['], {}, Array(limits.queryConditionsMax + 1).fill('a'), hole, [['a']], ['-'], ['key']],
      ...[[{ field: 'a', desc: true }], [{ field: 'a', direction: 'desc' }], [{ field: 'a', descending: 'true' }]],
      ...[[{ field: 'a', descending: null }], [{ field: 'a', descending: 1 }], new Set(['a'])],
    ])
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
