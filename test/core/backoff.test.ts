import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { backoffMs } from '../../src/core/backoff.js';

const options = fc.record({
  firstMs: fc.integer({ min: 1, max: 10_000 }),
  maxMs: fc.integer({ min: 10_000, max: 600_000 }),
  attempt: fc.nat(10_000),
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});

test('backoff: any attempt -> between half of the exponential wait and all of it, whole milliseconds, bounded', () => {
  fc.assert(
    fc.property(options, (given) => {
      const ceiling = Math.min(given.maxMs, given.firstMs * 2 ** Math.min(given.attempt, 1_000));
      const wait = backoffMs(given);
      expect(Number.isInteger(wait)).toBe(true);
      expect(wait).toBeGreaterThanOrEqual(Math.floor(ceiling / 2));
      expect(wait).toBeLessThanOrEqual(ceiling);
    }),
  );
});

test('backoff: one attempt after another -> doubles up to the bound', () => {
  const waits = [0, 1, 2, 3, 4, 50].map((attempt) => backoffMs({ firstMs: 100, maxMs: 1_000, attempt, random: 0 }));
  expect(waits).toEqual([50, 100, 200, 400, 500, 500]);
});
