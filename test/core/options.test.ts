import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nearestName } from '../../src/core/did-you-mean.js';
import { kinds, type OptionsShape, objectWith, oneOf, readOptions, wholeNumber } from '../../src/core/options.js';

interface Example {
  readonly limit?: number | undefined;
  readonly descending?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly mode?: 'fast' | 'slow' | undefined;
  readonly store?: object | undefined;
}

const shape: OptionsShape<Example> = {
  complaint: 'Invalid options of example',
  code: 'requestInvalid',
  fields: {
    limit: wholeNumber(0),
    descending: kinds.boolean,
    signal: kinds.signal,
    mode: oneOf('fast', 'slow'),
    store: objectWith('get'),
  },
};

const refusing = (options: unknown): string => {
  try {
    readOptions(options, shape);
  } catch (error) {
    expect(error).toMatchObject({ name: 'StatemeshError', code: 'requestInvalid' });
    return (error as Error).message;
  }
  return 'accepted';
};

describe('options', () => {
  test('options: valid ones, none, undefined ones -> a copy of those that are present', () => {
    const { signal } = new AbortController();
    const options = { limit: 5, descending: undefined, signal, mode: 'slow' };
    expect(readOptions(options, shape)).toEqual({ limit: 5, signal, mode: 'slow' });
    expect(Object.keys(readOptions(options, shape))).not.toContain('descending');
    expect(readOptions(undefined, shape)).toEqual({});
    expect(readOptions(Object.create(null), shape)).toEqual({});
    expect(readOptions(runInNewContext('({ limit: 1 })'), shape)).toEqual({ limit: 1 });
  });

  test.each([
    [
      { limt: 5 },
      'Invalid options of example: "limt" is unknown; there are limit, descending, signal, mode and store. Did you mean "limit"?',
    ],
    [{ desc: true }, /Did you mean "descending"\?$/],
    [{ zzz: undefined }, /^Invalid options of example: "zzz" is unknown; there are [^?]*$/],
    [{ limit: '5' }, 'Invalid options of example: limit takes a whole number from 0, not the text "5".'],
    [{ limit: null }, /limit takes a whole number from 0, not null/],
    [{ limit: -1 }, /not -1/],
    [{ limit: 1.5 }, /not 1.5/],
    [{ limit: Number.NaN }, /not NaN/],
    [{ limit: 2 ** 53 }, /not 9007199254740992/],
    [{ limit: [5] }, /not \[a list\]/],
    [{ descending: 'true' }, /descending takes true or false, not the text "true"/],
    [{ mode: 'medium' }, /mode takes "fast" or "slow", not the text "medium"/],
    [{ signal: {} }, /signal takes an AbortSignal/],
    [{ store: {} }, /store takes an object with get\(\)/],
    [null, /takes a plain object of fields, not null/],
    [[], /not \[a list\]/],
    ['limit', /not the text "limit"/],
    [new Map([['limit', 5]]), /plain object/],
    [
      new (class {
        limit = 5;
      })(),
      /plain object/,
    ],
    [Object.create({ limit: 5 }), /plain object/],
    [Object.create(Object.assign(Object.create(null), { limit: 5 })), /plain object/],
    [JSON.parse('{"__proto__":{"limit":5}}'), /"__proto__" is unknown/],
    [{ constructor: 1 }, /"constructor" is unknown/],
    [{ [Symbol('limit')]: 5 }, /Symbol\(limit\) is unknown/],
    [Object.defineProperty({}, 'limt', { value: 5 }), /"limt" is unknown/],
  ])('options: %p -> refused, with what to write', (options, message) => {
    expect(refusing(options)).toMatch(message);
  });

  test('options: a getter, a proxy -> read once; one that throws -> refused, with its error as cause', () => {
    let reads = 0;
    const getter = {
      get limit() {
        reads += 1;
        return reads === 1 ? 5 : -1;
      },
    };
    expect(readOptions(getter, shape)).toEqual({ limit: 5 });
    expect(readOptions(new Proxy({ limit: 6 }, {}), shape)).toEqual({ limit: 6 });
    const broken = new Error('broken');
    const throwing = new Proxy(
      {},
      {
        ownKeys: () => {
          throw broken;
        },
      },
    );
    expect(() => readOptions(throwing, shape)).toThrow(
      expect.objectContaining({ code: 'requestInvalid', cause: broken }),
    );
  });

  test('options: any value -> accepted, or refused with the code of the shape', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withMap: true, withDate: true }), (value) => {
        refusing(value);
        refusing({ limit: value });
        refusing({ store: value });
      }),
    );
  });

  test('options: a required field is missing -> refused by its name', () => {
    const required: OptionsShape<Example> = { ...shape, required: ['mode'] };
    expect(() => readOptions({ mode: undefined }, required)).toThrow('mode is missing: it takes "fast" or "slow".');
    expect(readOptions({ mode: 'fast' }, required)).toEqual({ mode: 'fast' });
  });
});

describe('the name that was probably meant', () => {
  test.each([
    ['limt', 'limit'],
    ['Limit', 'limit'],
    ['lmiit', 'limit'],
    ['orderby', 'orderBy'],
    ['desc', 'descending'],
    ['x', undefined],
    ['direction', undefined],
    ['l'.repeat(1_000_000), undefined],
  ])('%s -> %s', (wrong, meant) => {
    expect(nearestName(wrong, ['limit', 'descending', 'orderBy', 'where'])).toBe(meant);
  });
});
