import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeDocument, encodeDocument, formatJsonPath } from '../../src/core/document.js';
import { failureOf } from '../../src/core/errors.js';
import { limits } from '../../src/core/limits.js';

function refusalOf(document: unknown) {
  try {
    encodeDocument(document);
  } catch (error) {
    return failureOf(error);
  }
  return undefined;
}

function nested(levels: number, innermost: unknown = 1): unknown {
  let value = innermost;
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

describe('encodeDocument', () => {
  test('encodeDocument: any JSON value -> reads back as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (document) => {
        expect(decodeDocument(encodeDocument(document))).toEqual(JSON.parse(JSON.stringify(document)));
      }),
    );
  });

  test.each([
    ['an object', { a: [1, 'b', null, true, { c: -1.5e300 }] }],
    ['a list', [1, 2]],
    ['an empty text', ''],
    ['zero', 0],
    ['false', false],
    ['null', null],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
    ['a field named __proto__', JSON.parse('{"__proto__":{"a":1}}')],
  ])('encodeDocument: %s -> its JSON text', (_name, document) => {
    expect(encodeDocument(document)).toBe(JSON.stringify(document));
  });

  test.each([
    ['undefined', undefined, '$'],
    ['an undefined field', { a: { b: undefined } }, '$.a.b'],
    ['a hole in a list', { a: [1, ...new Array(1), 2] }, '$.a[1]'],
    ['a list of holes', new Array(5), '$[0]'],
    ['a function', { lines: [{ f: () => 1 }] }, '$.lines[0].f'],
    ['a symbol', [Symbol('s')], '$[0]'],
    ['a bigint', { 'two words': 1n }, '$["two words"]'],
    ['NaN', { a: Number.NaN }, '$.a'],
    ['Infinity', [[Number.POSITIVE_INFINITY]], '$[0][0]'],
    ['a Map', { a: new Map() }, '$.a'],
    ['an instance of a class', { a: new (class Order {})() }, '$.a'],
    ['a boxed text', { a: Object('text') }, '$.a'],
    ['a promise', Promise.resolve(1), '$'],
    ['an invalid Date', { at: new Date(Number.NaN) }, '$.at'],
    ['a toJSON that returns nothing', { a: { toJSON: () => undefined } }, '$.a'],
    ['a toJSON that returns an instance', { a: { toJSON: () => new Set() } }, '$.a'],
    ['a toJSON that returns NaN inside', { a: { toJSON: () => ({ b: Number.NaN }) } }, '$.a.b'],
  ])('encodeDocument: %s -> documentInvalid with its path', (_name, document, path) => {
    const refusal = refusalOf(document);
    expect(refusal?.code).toBe('documentInvalid');
    expect(refusal?.message).toContain(`at ${path}:`);
  });

  test('encodeDocument: a Date and other values with toJSON -> what toJSON returns', () => {
    const money = { toJSON: (key: string) => `${key}: 5 EUR` };
    expect(encodeDocument({ at: new Date(0), price: money })).toBe(
      '{"at":"1970-01-01T00:00:00.000Z","price":"price: 5 EUR"}',
    );
  });

  test('encodeDocument: a toJSON that has nothing to say the second time -> documentInvalid', () => {
    let calls = 0;
    expect(refusalOf({ toJSON: () => (calls++ === 0 ? 1 : undefined) })?.code).toBe('documentInvalid');
  });

  test('encodeDocument: a getter that throws -> documentInvalid with its message', () => {
    const document = {
      get a(): number {
        throw new Error('no access');
      },
    };
    expect(refusalOf(document)).toEqual({ code: 'documentInvalid', message: expect.stringContaining('no access') });
  });

  test('encodeDocument: a document that contains itself -> documentInvalid', () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    expect(refusalOf(cycle)?.code).toBe('documentInvalid');
    expect(refusalOf(cycle)?.message).toContain('contains itself');
  });

  test('encodeDocument: as deep as allowed -> written; one level more -> documentInvalid', () => {
    expect(refusalOf(nested(limits.documentDepthMax))).toBeUndefined();
    expect(refusalOf(nested(limits.documentDepthMax + 1))?.code).toBe('documentInvalid');
  });

  test('encodeDocument: as large as allowed, in bytes of UTF-8 -> written; one byte more -> documentTooLarge', () => {
    const ascii = 'x'.repeat(limits.documentBytesMax - 2);
    expect(refusalOf(ascii)).toBeUndefined();
    expect(refusalOf(`${ascii}x`)?.code).toBe('documentTooLarge');
    const euros = '€'.repeat((limits.documentBytesMax - 4) / 3);
    expect(Buffer.byteLength(encodeDocument(`${euros}xx`))).toBe(limits.documentBytesMax);
    expect(refusalOf(`${euros}xxx`)?.code).toBe('documentTooLarge');
    const controls = '\u0001'.repeat(limits.documentBytesMax / 6 + 1);
    expect(refusalOf(controls)?.code).toBe('documentTooLarge');
  });

  test('encodeDocument: one value shared until it would fill the memory -> documentTooLarge at once', () => {
    const doublings = [(value: unknown) => [value, value], (value: unknown) => ({ a: value, b: value })];
    for (const double of doublings) {
      let value: unknown = null;
      for (let level = 0; level < 60; level++) value = double(value);
      expect(refusalOf(value)?.code).toBe('documentTooLarge');
    }
    expect(refusalOf(new Array(1_000_000).fill('x'.repeat(1_000_000)))?.code).toBe('documentTooLarge');
  });

  test('encodeDocument: a lone surrogate -> well-formed text that reads back', () => {
    const payload = encodeDocument({ a: '\ud800' });
    expect(payload.isWellFormed()).toBe(true);
    expect(decodeDocument(payload)).toEqual({ a: '\ud800' });
  });
});

describe('decodeDocument', () => {
  test.each(['', '{', 'undefined', 'NaN', '{"a":1}x', "{'a':1}", '\u0000'])(
    'decodeDocument: %j -> undefined',
    (payload) => {
      expect(decodeDocument(payload)).toBeUndefined();
    },
  );

  test.each([
    '{"v":1,"v":2}',
    '{"v":1,"\\u0076":2}',
    '{"a":{"v":1,"v":1}}',
    '{"__proto__":1,"__proto__":2}',
    '{ "v":1}',
    '{"v":1}\n',
    '\ufeff{"v":1}',
    '{"v":1}\0',
    '1e400',
    '{"v":-0}',
    '1.0',
    '1E3',
    '9007199254740993',
    '{"v":0.1000000000000000055511151231257827}',
    '"\\u0041"',
    '"\\/"',
    '{"b":1,"1":2}',
  ])('decodeDocument: %j, which no node of ours would write -> undefined', (payload) => {
    expect(decodeDocument(payload)).toBeUndefined();
  });

  test.each([
    '{"__proto__":{"a":1}}',
    '{"1":2,"b":1}',
    '1e+21',
    '9007199254740992',
    '"a\\u0000b"',
    '{"constructor":1}',
  ])('decodeDocument: %j -> as it is', (payload) => {
    expect(JSON.stringify(decodeDocument(payload))).toBe(payload);
  });

  test('decodeDocument: as deep as can be written -> read; one level more, or many -> undefined', () => {
    const deepest = JSON.stringify(nested(limits.documentDepthMax));
    expect(decodeDocument(deepest)).toEqual(JSON.parse(deepest));
    expect(decodeDocument('['.repeat(101) + ']'.repeat(101))).toBeUndefined();
    expect(decodeDocument('['.repeat(100_000) + ']'.repeat(100_000))).toBeUndefined();
  });

  test('decodeDocument: null -> null, which is a document', () => {
    expect(decodeDocument('null')).toBeNull();
  });
});

test('formatJsonPath: fields, indexes and odd names -> the notation of RFC 9535', () => {
  expect(formatJsonPath([])).toBe('$');
  expect(formatJsonPath(['lines', 0, 'a.b', Symbol('s')])).toBe('$.lines[0]["a.b"]["Symbol(s)"]');
});
