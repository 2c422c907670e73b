/**
 * The fuzzing with a fixed number of runs from a fixed seed. For more, and different ones each time: `npm run fuzz`.
 */
import { describe, expect, it } from '@jest/globals';
import { fuzz } from '../../fuzz/fuzz.js';
import { targets } from '../../fuzz/targets.js';

const seed = 7;

describe('untrusted input', () => {
  it.each(targets.map((target) => [target.name, target.promise, target] as const))(
    '%s: %s',
    async (_name, _promise, target) => {
      const opened = await target.open();
      try {
        const { finding, runs } = await fuzz(target, opened, { seed, runs: target.runs });
        expect([finding, runs]).toEqual([undefined, target.runs]);
      } finally {
        await opened.close?.();
      }
    },
    60_000,
  );
});
