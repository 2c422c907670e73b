/** Features that make a world faster, or let it be watched, change nothing in it. */
import { describe, expect, it } from '@jest/globals';
import type { TraceLine } from '../../src/simulation/index.js';
import { drawPlan } from '../../src/simulation/swarm/plan.js';
import { playPlan } from '../../src/simulation/swarm/play.js';

const seeds = [11, 12, 13];
const planOf = (seed: number) => drawPlan({ seed, nodes: [3, 5], durationMs: 8_000 });

describe('a run', () => {
  it.each(seeds)(
    'seed %i: promises waited for after every event, not only after some -> the same run',
    async (seed) => {
      const quick = await playPlan(planOf(seed));
      const patient = await playPlan(planOf(seed), { settleAlways: true });
      expect(patient).toEqual(quick);
      expect(quick.acknowledged).toBeGreaterThan(0);
    },
  );

  it.each(seeds.slice(0, 1))('seed %i: with a reader of its trace -> the same run', async (seed) => {
    const lines: TraceLine[] = [];
    const traced = await playPlan(planOf(seed), { trace: (line) => lines.push(line) });
    expect(traced).toEqual(await playPlan(planOf(seed)));
    const kinds = new Set(lines.map(({ kind }) => kind));
    for (const kind of ['world', 'frame', 'state', 'commit', 'event'] as const) expect(kinds).toContain(kind);
  });
});
