/** A small swarm on every run of the tests; a larger one finds more. */
import { describe, expect, it } from '@jest/globals';
import { drawPlan } from '../../src/simulation/swarm/plan.js';
import { playPlan } from '../../src/simulation/swarm/play.js';

describe('swarm', () => {
  it.each(Array.from({ length: 12 }, (_, index) => index + 1))(
    'seed %i: faults of all kinds -> no breach',
    async (seed) => {
      const verdict = await playPlan(drawPlan({ seed, nodes: [3, 5], durationMs: 20_000 }));
      expect(verdict.breach).toBeUndefined();
      expect(verdict.acknowledged).toBeGreaterThan(0);
    },
  );

  it('a plan: drawn again -> is the same', () => {
    const draw = () => drawPlan({ seed: 5, nodes: [3, 7], durationMs: 60_000 });
    expect(draw()).toEqual(draw());
    expect(draw().faults.length).toBeGreaterThan(0);
  });
});
