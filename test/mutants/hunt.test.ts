/** How a hunt judges the verdicts of its players. */
import { describe, expect, it } from '@jest/globals';
import { type Control, controlsOf, playControl } from '../../mutants/control.js';
import { hunt } from '../../mutants/hunt.js';
import { sideBySide } from '../../mutants/side-by-side.js';
import type { Breach, Plan, Player } from '../../src/simulation/index.js';

describe('a hunt', () => {
  it('seeds: the third one fails -> caught, and no further one is played', async () => {
    const played: number[] = [];
    const outcome = await hunt({ breaks: ['latency', 'safety'], seedsMax: 5 }, [
      playerOf(({ seed }) => {
        played.push(seed);
        return seed === 3 ? breach : undefined;
      }),
    ]);
    expect(outcome).toEqual({ kind: 'caught', breach, seed: 3 });
    expect(played).toEqual([1, 2, 3]);
  });

  it('seeds: none fails -> escaped', async () => {
    expect(await hunt({ breaks: ['safety'], seedsMax: 3 }, [playerOf(() => undefined)])).toEqual({ kind: 'escaped' });
  });

  it('a seed: fails in another way than the bug would -> mistaken', async () => {
    const outcome = await hunt({ breaks: ['leak'], seedsMax: 3 }, [playerOf(() => breach)]);
    expect(outcome).toEqual({ kind: 'mistaken', breach, seed: 1 });
  });

  it('a mutant: with plan options of its own -> plans are drawn with them', async () => {
    const drawn: Plan[] = [];
    const player = playerOf((plan) => {
      drawn.push(plan);
      return undefined;
    });
    await hunt({ breaks: ['leak'], seedsMax: 2, plan: { nodes: [2, 2], durationMs: 7_000, faults: [] } }, [player]);
    expect(drawn.map(({ seed, nodes, durationMs, faults }) => ({ seed, nodes, durationMs, faults }))).toEqual([
      { seed: 1, nodes: 2, durationMs: 7_000, faults: [] },
      { seed: 2, nodes: 2, durationMs: 7_000, faults: [] },
    ]);
  });

  it('the signal: aborted -> the hunt ends with its reason', async () => {
    const controller = new AbortController();
    const player = playerOf(() => {
      controller.abort();
      return undefined;
    });
    const hunting = hunt({ breaks: ['leak'], seedsMax: 5 }, [player], controller.signal);
    await expect(hunting).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('the control', () => {
  it('mutants with the same and with other plans -> each seed of each kind of plan is played once', () => {
    const controls = controlsOf([{ seedsMax: 3 }, { seedsMax: 2 }, { seedsMax: 1, plan: { nodes: [2, 2] } }]);
    expect(controls.map(({ plan: { nodes }, seeds }) => ({ nodes, seeds }))).toEqual([
      { nodes: [3, 5], seeds: 3 },
      { nodes: [2, 2], seeds: 1 },
    ]);
  });

  it('a seed: fails without any bug -> a false alarm', async () => {
    const [control] = controlsOf([{ seedsMax: 3 }]);
    const player = playerOf(({ seed }) => (seed === 2 ? breach : undefined));
    expect(await playControl(control as Control, [player])).toMatchObject({ verdict: { seed: 2, breach } });
  });
});

describe('jobs side by side', () => {
  it('three jobs, two at a time: the first one slow -> the third starts when the second is done', async () => {
    const told: string[] = [];
    let release = (): void => {};
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    const results = await sideBySide(['a', 'b', 'c'], 2, async (job) => {
      told.push(`${job} begins`);
      if (job === 'a') await slow;
      else await Promise.resolve();
      if (job === 'c') release();
      told.push(`${job} ends`);
      return job.toUpperCase();
    });
    expect(told).toEqual(['a begins', 'b begins', 'b ends', 'c begins', 'c ends', 'a ends']);
    expect(results).toEqual(['A', 'B', 'C']);
  });
});

const breach: Breach = { kind: 'safety', checker: 'some', message: 'broken', atMs: 1 };

/** A player that asks the test for the breach of a plan. */
function playerOf(breaks: (plan: Plan) => Breach | undefined): Player {
  return {
    async play(plan) {
      const { seed } = plan;
      return { seed, breach: breaks(plan), events: 0, virtualMs: 0, acknowledged: 0, traceHash: '' };
    },
    async close() {},
  };
}
