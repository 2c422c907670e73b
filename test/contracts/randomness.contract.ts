/** The contract of the `Randomness` port: the system's generator and the seeded one both pass it. */
import { describe, expect, test } from '@jest/globals';
import type { Randomness } from '../../src/ports/ports.js';

export function describeRandomness(name: string, make: () => Randomness): void {
  describe(`randomness contract: ${name}`, () => {
    test('float: many draws -> in [0, 1), evenly spread', () => {
      const { float } = make();
      const draws = Array.from({ length: 10_000 }, float);
      expect(draws.every((value) => value >= 0 && value < 1)).toBe(true);
      expect(new Set(draws).size).toBeGreaterThan(9_990);
      const tenths = new Array<number>(10).fill(0);
      for (const value of draws) tenths[Math.floor(value * 10)] = (tenths[Math.floor(value * 10)] ?? 0) + 1;
      // A thousand each, within five standard deviations.
      expect(tenths.every((count) => Math.abs(count - 1_000) < 150)).toBe(true);
    });

    test('token: many draws -> 12 bytes in base64url, none twice', () => {
      const { token } = make();
      const draws = Array.from({ length: 1_000 }, token);
      expect(draws.every((value) => /^[A-Za-z0-9_-]{16}$/.test(value))).toBe(true);
      expect(new Set(draws).size).toBe(1_000);
    });

    test('token: of two generators -> differ', () => {
      // The tokens of a process must be its own, even right after its start.
      expect(make().token()).not.toBe(make().token());
    });
  });
}
