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

function argumentsOf(..._values: readonly unknown[]): unknown {
  // biome-ignore lint/complexity/noArguments: `arguments` is what the test is about.
  return arguments;
}

function throwingList(): unknown {
  return Object.defineProperty([], 0, {
    enumerable: true,
    get: () => {
      throw new Error('no');
    },
  });
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** Turns -0 into 0, and gives an object without a prototype the usual one. */
function plain(value: unknown): unknown {
  if (value === 0) return 0;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return new Map(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

describe('encodeDocument', () => {
  test('encodeDocument: any JSON value -> reads back unchanged', () => {
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

  test.each<[string, unknown, path: string, advice: string]>([
    ['undefined', undefined, '$', 'null'],
    ['an undefined field', { a: { b: undefined } }, '$.a.b', 'leave the field out or use null'],
    ['undefined in a list', { a: [1, undefined] }, '$.a[1]', 'use null'],
    ['a hole in a list', { a: [1, ...new Array(1), 2] }, '$.a[1]', 'use null'],
    ['a list of holes', new Array(5), '$[0]', 'use null'],
    ['the longest list of holes', new Array(2 ** 32 - 1), '$[0]', 'use null'],
    ['a function', { lines: [{ f: () => 1 }] }, '$.lines[0].f', 'leave it out'],
    ['a symbol', [Symbol('s')], '$[0]', 'leave it out'],
    ['a field under a symbol', { a: { [Symbol('s')]: 1 } }, '$.a["Symbol(s)"]', 'leave the field out'],
    ['a bigint', { 'two words': 1n }, '$["two words"]', 'String(value)'],
    ['NaN', { a: Number.NaN }, '$.a', 'use null or a text'],
    ['Infinity', [[Number.POSITIVE_INFINITY]], '$[0][0]', 'use null or a text'],
    ['a Buffer', { items: [1, 2, { photo: Buffer.from('x') }] }, '$.items[2].photo', 'base64'],
    ['a Float64Array', { a: new Float64Array(2) }, '$.a', 'base64'],
    ['an ArrayBuffer', { a: new ArrayBuffer(2) }, '$.a', 'base64'],
    ['a SharedArrayBuffer', { a: new SharedArrayBuffer(2) }, '$.a', 'base64'],
    ['a DataView', { a: new DataView(new ArrayBuffer(2)) }, '$.a', 'base64'],
    ['a Blob', { a: new Blob([]) }, '$.a', 'base64'],
    ['a Date', { at: new Date(0) }, '$.at', 'toISOString()'],
    ['an invalid Date', { at: new Date(Number.NaN) }, '$.at', 'toISOString()'],
    ['a Map', { a: new Map() }, '$.a', 'Object.fromEntries(map)'],
    ['a Set', { a: new Set() }, '$.a', '[...set]'],
    ['a WeakMap', { a: new WeakMap() }, '$.a', 'plain object'],
    ['an Error', { a: new Error('e') }, '$.a', 'plain object'],
    ['a regular expression', { a: /a/ }, '$.a', 'plain object'],
    ['a URL', { a: new URL('http://a') }, '$.a', 'plain object'],
    ['an instance of a class', { a: new (class Order {})() }, '$.a', 'class Order'],
    ['an instance of a class from null', { a: Object.create(Object.create(null)) }, '$.a', 'plain object'],
    ['the arguments of a function', { a: argumentsOf(1) }, '$.a', 'plain object'],
    ['a list of a class', { a: new (class List extends Array {})() }, '$.a', '[...list]'],
    ['a list with fields', { a: /b/.exec('abc') }, '$.a.index', '[...list]'],
    ['a list with a symbol', Object.assign([], { [Symbol('s')]: 1 }), '$["Symbol(s)"]', 'leave the field out'],
    ['a boxed text', { a: Object('text') }, '$.a', 'valueOf()'],
    ['a boxed number', { a: Object(1) }, '$.a', 'valueOf()'],
    ['a boxed bigint', { a: Object(1n) }, '$.a', 'plain object'],
    ['a promise', Promise.resolve(1), '$', 'plain object'],
    ['a toJSON', { a: { toJSON: () => 1 } }, '$.a.toJSON', 'leave it out'],
    ['a getter', { a: { get b(): number { return 1; } } }, '$.a.b', '{ ...object }'], // biome-ignore format: one line per case
    ['a getter that throws', { a: { get b(): number { throw new Error('no'); } } }, '$.a.b', '{ ...object }'], // biome-ignore format: one line per case
    ['a getter in a list that throws', { a: throwingList() }, '$.a[0]', 'leave it out'],
    ['a setter', { set a(_: number) {} }, '$.a', '{ ...object }'],
    ['a Proxy', { a: new Proxy({ b: 1 }, {}) }, '$.a', 'copy'],
    ['a Proxy of a list', { a: new Proxy([1], {}) }, '$.a', 'copy'],
    ['a revoked Proxy', { a: revoked() }, '$.a', 'copy'],
  ])('encodeDocument: %s -> documentInvalid with its path and advice', (_name, document, path, advice) => {
    const refusal = refusalOf(document);
    expect(refusal?.code).toBe('documentInvalid');
    expect(refusal?.message).toContain(`at ${path}:`);
    expect(refusal?.message).toContain(advice);
  });

  test('encodeDocument: -0 -> 0, which equals -0', () => {
    expect(encodeDocument({ a: -0 })).toBe('{"a":0}');
  });

  test('encodeDocument: fields that are not enumerable -> left out, as JSON.stringify does', () => {
    expect(encodeDocument(Object.defineProperty({ a: 1 }, 'hidden', { value: new Map() }))).toBe('{"a":1}');
    expect(encodeDocument(Object.defineProperty([1], 'hidden', { value: 1 }))).toBe('[1]');
  });

  test('encodeDocument: a toJSON on Object.prototype -> refused, and its result is not used', () => {
    for (const prototype of [Object.prototype, Array.prototype]) {
      Object.defineProperty(prototype, 'toJSON', { value: () => 'other', configurable: true });
      const refusal = refusalOf({ a: [1] });
      Reflect.deleteProperty(prototype, 'toJSON');
      expect(refusal?.code).toBe('documentInvalid');
    }
  });

  test('encodeDocument: any value -> reads back identical, or is refused with its path', () => {
    const strange = fc.constantFrom<unknown>(
      ...[undefined, Number.NaN, Number.POSITIVE_INFINITY, () => 1, Symbol('s'), Object(1), new URL('http://a')],
      ...[new Date(0), new Map([[1, 2]]), new Set([1]), Buffer.from('a'), new Float32Array(1), new ArrayBuffer(1)],
      ...[/b/.exec('abc'), new Proxy([], {}), { toJSON: () => 1 }],
    );
    const numbers = fc.oneof(
      fc.double(),
      fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
      fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(Number),
      fc.integer({ min: -1_100, max: 1_030 }).map((exponent) => 2 ** exponent),
    );
    const texts = fc.string({
      unit: fc.oneof(
        fc.nat(0xffff).map((code) => String.fromCharCode(code)),
        fc.string(),
      ),
    });
    const { value: documents } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        fc.oneof({ weight: 4, arbitrary: numbers }, { weight: 4, arbitrary: texts }, fc.boolean(), fc.constant(null)),
        { weight: 1, arbitrary: strange },
        { weight: 4, arbitrary: fc.array(tie('value'), { maxLength: 4 }) },
        { weight: 1, arbitrary: fc.sparseArray(tie('value'), { maxLength: 4 }) },
        { weight: 4, arbitrary: fc.dictionary(texts, tie('value'), { maxKeys: 4 }) },
        {
          weight: 1,
          arbitrary: fc
            .tuple(texts, tie('value'))
            .map(([name, value]) =>
              Object.defineProperty({}, name, { enumerable: true, configurable: true, get: () => value }),
            ),
        },
      ),
    }));
    let read = 0;
    fc.assert(
      fc.property(documents, (document) => {
        let payload: string;
        try {
          payload = encodeDocument(document);
        } catch (error) {
          expect(failureOf(error)).toEqual({
            code: 'documentInvalid',
            message: expect.stringMatching(/^Invalid document at \$.*: .+; .+\.$/su),
          });
          return;
        }
        expect(plain(decodeDocument(payload))).toStrictEqual(plain(document));
        read += 1;
      }),
      { numRuns: 3_000 },
    );
    expect(read).toBeGreaterThan(500);
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
  ])('decodeDocument: %j, which encodeDocument never writes -> undefined', (payload) => {
    expect(decodeDocument(payload)).toBeUndefined();
  });

  test.each([
    '{"__proto__":{"a":1}}',
    '{"1":2,"b":1}',
    '1e+21',
    '9007199254740992',
    '"a\\u0000b"',
    '{"constructor":1}',
  ])('decodeDocument: %j -> unchanged', (payload) => {
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
