import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createActor, createMachine } from 'xstate';
import { BucketMap } from '../../src/core/bucket-map.js';
import { Secret } from '../../src/core/secret.js';
import { type Summary, summarize, summaryLimits } from '../../src/inspector/summary.js';

const planted = 'planted-secret-4711';

class Store {
  readonly inside = planted;
}

describe('summary', () => {
  it('plain values -> themselves; values without JSON form -> a word, or nothing', () => {
    const value = { a: 1, b: 'x', c: true, d: null, e: undefined, f: () => 1, g: 10n, h: Number.NaN };
    expect(summarize(value)).toEqual({ a: 1, b: 'x', c: true, d: null, g: '10', h: 'NaN' });
  });

  it.each<[string, unknown, Summary]>([
    ['a secret', new Secret(planted), '[secret]'],
    ['a foreign class', new Store(), '[Store]'],
    ['bytes', new Uint8Array(5), '[5 bytes]'],
    ['a sealed text', 'sealed:1:key:nonce:text', '[sealed]'],
    ['a set', new Set(['a', 'b']), ['a', 'b']],
    ['a map', new Map([['a', 1]]), { a: 1 }],
    ['a map of buckets', BucketMap.empty().with('a', 1), { a: 1 }],
    ['a place in a chain', { hlc: 7, hash: 'abcdefghij' }, '7 abcdef'],
    ['an error', new TypeError('wrong'), { name: 'TypeError', message: 'wrong' }],
    ['entries', { runs: [{ entries: [1, 2] }, { entries: [3] }] }, { runs: '[3 entries of 2 authors]' }],
    ['a document', { payload: `{"a":"${planted}"}` }, { payload: '[27 characters]' }],
  ])('%s -> sizes and names, not contents', (_, value, summary) => {
    expect(summarize(value)).toEqual(summary);
  });

  it('an actor -> its name', () => {
    const actor = createActor(createMachine({ id: 'door' }), { id: 'front' });
    expect(summarize({ actor })).toEqual({ actor: '[actor front]' });
  });

  it('fields that hold secrets -> withheld, at any depth', () => {
    const names = [
      'clientSecret',
      'clusterKey',
      'acceptedClusterKeys',
      'token',
      'key',
      'keys',
      'password',
      'collector',
    ];
    for (const name of names) {
      const text = JSON.stringify(summarize({ list: [new Map([['x', { [name]: planted }]])] }));
      expect([name, text.includes(planted)]).toEqual([name, false]);
    }
  });

  it('anything -> JSON of bounded size, without the planted secrets', () => {
    const secret = fc.constantFrom<unknown>(new Secret(planted), new Store(), { token: planted }, { payload: planted });
    const value = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'large' },
        fc.string({ maxLength: 2_000 }),
        fc.double(),
        fc.constant(undefined),
        secret,
        fc.array(tie('value'), { maxLength: 60 }),
        fc.dictionary(fc.string(), tie('value'), { maxKeys: 60 }),
      ),
    })).value;
    fc.assert(
      fc.property(value, (anything) => {
        const text = JSON.stringify(summarize(anything) ?? null);
        expect(text.includes(planted)).toBe(false);
        expect(depthOf(JSON.parse(text))).toBeLessThanOrEqual(summaryLimits.depthMax + 2);
      }),
      { numRuns: 200 },
    );
  });

  it('a set and a map of thousands -> no more entries are read than are shown', () => {
    let looked = 0;
    const counted = function* <T>(values: Iterable<T>): Generator<T> {
      for (const value of values) {
        looked += 1;
        yield value;
      }
    };
    const entries = Array.from({ length: 5_000 }, (_, index) => [`f${index}`, index] as const);
    const map = new Map(entries);
    const set = new Set(entries.map(([name]) => name));
    map[Symbol.iterator] = () => counted(map.entries()) as never;
    set[Symbol.iterator] = () => counted(set.values()) as never;
    const shown = summarize({ map, set }) as { map: Record<string, Summary>; set: Summary[] };
    const { fieldsMax, itemsMax } = summaryLimits;
    expect([Object.keys(shown.map).length, shown.map['…']]).toEqual([fieldsMax + 1, `${5_000 - fieldsMax} more`]);
    expect(shown.set.slice(-2)).toEqual([`f${itemsMax - 1}`, `… ${5_000 - itemsMax} more`]);
    expect(looked).toBeLessThanOrEqual(fieldsMax + itemsMax + 2);
  });

  it('a value that contains itself -> ends', () => {
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    expect(JSON.stringify(summarize(loop)).length).toBeLessThan(500);
  });

  it('long texts, lists and objects -> their beginning, and how much more there is', () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`f${index}`, index]));
    expect(summarize('x'.repeat(1_000))).toMatch(/^x{200}… \(1000 characters\)$/);
    expect(summarize(Array(100).fill(0))).toHaveLength(summaryLimits.itemsMax + 1);
    expect(summarize(many)).toMatchObject({ '…': '52 more' });
  });
});

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}
