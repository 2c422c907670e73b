import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseJsonText } from '../../src/core/json-text.js';

function refusalOf(text: string): string | undefined {
  try {
    parseJsonText(text);
  } catch (error) {
    return (error as Error).message;
  }
  return undefined;
}

describe('numbers', () => {
  test.each([
    ['9007199254740993', '$', '9007199254740992'],
    ['{"a":[1, -9007199254740993]}', '$.a[1]', '-9007199254740992'],
    ['{"id": 12345678901234567890}', '$.id', '12345678901234567000'],
    ['{"id":1152921504606846976}', '$.id', '1152921504606847000'],
    ['9007199254740993.0', '$', '9007199254740992'],
    ['9007199254740993e0', '$', '9007199254740992'],
    ['90071992547409930e-1', '$', '9007199254740992'],
    ['90071992547409935e-1', '$', '9007199254740994'],
    ['12345678901234567.89', '$', '12345678901234568'],
    ['1e400', '$', 'larger than any number'],
    ['[-1e400]', '$[0]', 'larger than any number'],
    ['1e-400', '$', 'would become 0'],
    ['3e-324', '$', 'would become 5e-324'],
    ['{"a b":{"c":[[],{},1e400]}}', '$["a b"].c[2]', 'larger than any number'],
    [`{"x":"1e400, [\\"{","y":9007199254740993}`, '$.y', '9007199254740992'],
    [`{"\\\\":"\\\\","y":9007199254740993}`, '$.y', '9007199254740992'],
    [`1${'0'.repeat(1_000)}`, '$', 'larger than any number'],
  ])('%s -> refused at its path, with the value that it would become', (text, path, what) => {
    const message = refusalOf(text);
    expect(message).toContain(`at ${path}: `);
    expect(message).toContain(what);
    expect(message).toContain('write it as text');
  });

  test.each([
    ['9007199254740992', 2 ** 53],
    ['-9007199254740994', -(2 ** 53) - 2],
    ['1152921504606847000', 2 ** 60],
    ['10000000000000000000000', 1e22],
    ['1.0', 1],
    ['1.50E+3', 1500],
    [' -0 ', -0],
    ['0e999999', 0],
    ['0.1', 0.1],
    ['5e-324', 5e-324],
    ['0.10000000000000001', 0.1],
    ['52.5200065999999987', 52.5200066],
    ['1.00000000000000000001', 1],
    ['179769313486231570000e288', Number.MAX_VALUE],
  ])('%s -> accepted', (text, value) => {
    expect(parseJsonText(text)).toBe(value);
  });

  test('integers up to 2^64 -> accepted if their digits come back, otherwise refused', () => {
    const integers = fc.oneof(
      fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
      fc.bigInt({ min: -5n, max: 5n }).map((offset) => 2n ** 53n + offset),
    );
    fc.assert(
      fc.property(integers, (integer) => {
        expect(refusalOf(`[ ${integer} ]`) === undefined).toBe(String(Number(integer)) === String(integer));
      }),
    );
  });

  test('doubles of all scales, as any program prints them -> the same doubles', () => {
    const bits = fc
      .bigInt({ min: 0n, max: 2n ** 64n - 1n })
      .map((n) => new Float64Array(BigUint64Array.of(n).buffer)[0] ?? 0);
    fc.assert(
      fc.property(bits.filter(Number.isFinite), (double) => {
        // With more digits than needed, an integer has different ones, and so may a value next to 0.
        const isRound = Number.isInteger(double) || Math.abs(double) < 2 ** -1022;
        const texts = [String(double), double.toExponential(), ...(isRound ? [] : [double.toPrecision(17)])];
        for (const text of texts) expect(parseJsonText(` ${text}`)).toBe(double);
      }),
    );
  });
});

describe('fields', () => {
  test.each([
    ['{"a":1,"a":1}', '$.a'],
    ['{"a":1, "\\u0061":2}', '$.a'],
    ['[{"b":{"__proto__":1,"__proto__":2}}]', '$[0].b.__proto__'],
    ['{"":1,"":2}', '$[""]'],
    ['{"a":{"a":1},"b":[{"a":1},{"a":1,"a":2}]}', '$.b[1].a'],
  ])('%s -> refused at the path of the second field', (text, path) => {
    expect(refusalOf(text)).toContain(`at ${path}: the field occurs twice`);
  });
});

test('any JSON, with any blanks -> the value that JSON.parse reads', () => {
  const blanks = fc.constantFrom('', ' ', '\n', '\t', '\r\n');
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), blanks, (value, blank) => {
      const text = JSON.stringify(value, null, 1).replace(/\n */g, (indent) => indent + blank);
      expect(parseJsonText(`${blank}${text}${blank}`)).toEqual(JSON.parse(text));
    }),
  );
});

test.each(['', '{', '{"a":}', '01', "{'a':1}", '[1,]'])('%j -> refused as not JSON', (text) => {
  expect(refusalOf(text)).toMatch(/^it is not JSON, /);
});

test('nested without end, and 4 MB of digits -> an answer', () => {
  const deep = 100_000;
  expect(parseJsonText(`${'['.repeat(deep)}${']'.repeat(deep)}`)).toBeDefined();
  expect(refusalOf(`${'['.repeat(deep)}1e400${']'.repeat(deep)}`)).toContain('…: 1e400');
  expect(refusalOf('9'.repeat(4_000_000))?.length).toBeLessThan(200);
  expect(parseJsonText(`0.${'1'.repeat(4_000_000)}`)).toBe(1 / 9);
});
