import { describe, expect, it } from '@jest/globals';
import { BucketMap } from '../../src/core/bucket-map.js';

const sorted = (entries: Iterable<readonly [string, number]>) => [...entries].sort(([a], [b]) => (a < b ? -1 : 1));

describe('a map of buckets', () => {
  it('any series of puts and removals -> the same content as in a Map', () => {
    let map = BucketMap.empty<number>();
    const model = new Map<string, number>();
    // A fixed sequence that returns to keys that it has used before.
    let number = 1;
    for (let step = 0; step < 5_000; step += 1) {
      number = (number * 48_271) % 2_147_483_647;
      const key = `session-${number % 1_500}`;
      if (number % 3 === 0) {
        map = map.without(key);
        model.delete(key);
      } else {
        map = map.with(key, step);
        model.set(key, step);
      }
      expect([map.size, map.get(key)]).toEqual([model.size, model.get(key)]);
    }
    expect(sorted(map)).toEqual(sorted(model));
    expect([...map.values()].sort()).toEqual([...model.values()].sort());
  });

  it('a change -> leaves the map before it unchanged', () => {
    const one = BucketMap.empty<number>().with('a', 1);
    const two = one.with('a', 2).with('b', 3);
    expect([sorted(one), sorted(two), sorted(two.without('a'))]).toEqual([
      [['a', 1]],
      [
        ['a', 2],
        ['b', 3],
      ],
      [['b', 3]],
    ]);
    expect(one.without('nobody')).toBe(one);
  });

  it('names that every object inherits -> ordinary keys', () => {
    const map = BucketMap.empty<number>();
    expect(map.get('constructor')).toBeUndefined();
    expect(sorted(map.with('__proto__', 1).with('constructor', 2))).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ]);
  });
});
