/** The generators: the contract, and the promises of a seed. */
import { describe, expect, test } from '@jest/globals';
import { systemRandomness } from '../../src/adapters/randomness.js';
import { randomStream } from '../../src/simulation/random.js';
import { describeRandomness } from './randomness.contract.js';

describeRandomness('the system', systemRandomness);

let starts = 0;
describeRandomness('the simulation', () => {
  starts += 1;
  return randomStream(1, `start ${starts}`);
});

describe('seeded randomness', () => {
  const draw = (seed: number, label: string) => {
    const stream = randomStream(seed, label);
    return Array.from({ length: 20 }, () => stream.float());
  };

  test('stream: the same seed and label -> the same draws; another of either -> other draws', () => {
    expect(draw(1, 'network')).toEqual(draw(1, 'network'));
    expect(draw(2, 'network')).not.toEqual(draw(1, 'network'));
    expect(draw(1, 'disk')).not.toEqual(draw(1, 'network'));
  });

  test('stream: draws from another stream in between -> the same draws', () => {
    const [alone, besides] = [randomStream(1, 'a'), randomStream(1, 'a')];
    const other = randomStream(1, 'b');
    for (let count = 0; count < 20; count += 1) {
      other.token();
      expect(besides.float()).toBe(alone.float());
    }
  });

  test('stream: a known seed -> the draws recorded for it', () => {
    // A change here turns every recorded seed into another run.
    expect(draw(1, 'network').slice(0, 3)).toEqual([0.18968326249159873, 0.9632260901853442, 0.2601447659544647]);
  });

  test('below and pick: many draws -> each of the few values, and no other', () => {
    const stream = randomStream(1, 'few');
    const drawn = Array.from({ length: 200 }, () => stream.below(3));
    expect([...new Set(drawn)].sort()).toEqual([0, 1, 2]);
    const picked = Array.from({ length: 200 }, () => stream.pick(['x', 'y']));
    expect([...new Set(picked)].sort()).toEqual(['x', 'y']);
  });
});
