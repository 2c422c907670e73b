import { describe, expect, it } from '@jest/globals';
import type { Fault, Plan } from '../../src/simulation/swarm/plan.js';
import { shrinkPlan, shrinkRunsMax } from '../../src/simulation/swarm/shrink.js';
import type { Breach, Verdict } from '../../src/simulation/verdict.js';

const breach: Breach = { kind: 'safety', checker: 'kept', message: 'a write is lost', atMs: 50_000.5 };
const faults = Array.from({ length: 30 }, (_, index): Fault => {
  const atMs = index * 2_000 + 123.456;
  const kinds: Fault[] = [
    { atMs, kind: 'heal' },
    { atMs, kind: 'skew', node: 0, byMs: index },
    { atMs, kind: 'crash', node: 1, downMs: 100 },
    { atMs, kind: 'partition', group: [0, 1], oneWay: false },
  ];
  return kinds[index % kinds.length] as Fault;
});
const plan: Plan = {
  seed: 5,
  nodes: 5,
  wiring: 'mesh',
  clouds: 0,
  tokenLifetimeMs: 60_000,
  durationMs: 60_000,
  options: {},
  faults,
  writes: Array.from({ length: 60 }, (_, index) => ({
    atMs: index * 997.3,
    node: 0,
    key: `k${index % 9}`,
    value: index,
  })),
};

/** Plays nothing: its answers are given, failure or success. */
function player(fails: (plan: Plan) => Breach | undefined) {
  const played: Plan[] = [];
  const play = async (candidate: Plan): Promise<Verdict> => {
    played.push(candidate);
    return { seed: candidate.seed, breach: fails(candidate), events: 1, virtualMs: 1, acknowledged: 1, traceHash: '' };
  };
  return { play, played };
}

const strikes = (kind: Fault['kind']) => (candidate: Plan) => candidate.faults.some((fault) => fault.kind === kind);
const hasCrash = strikes('crash');
const hasKey = (candidate: Plan) => candidate.writes.some(({ key }) => key === 'k3');

describe('shrinkPlan', () => {
  it('one fault and one write that matter: -> those only, in whole seconds, ended after the last of them', async () => {
    const { play, played } = player((candidate) => (hasCrash(candidate) && hasKey(candidate) ? breach : undefined));
    const shrunk = await shrinkPlan(plan, { breach, play });
    expect(shrunk.isMinimal).toBe(true);
    expect(shrunk.runs).toBe(played.length);
    expect(shrunk.runs).toBeLessThan(60);
    const { faults, writes, durationMs, ...rest } = shrunk.plan;
    expect(faults.map(({ kind }) => kind)).toEqual(['crash']);
    expect(writes.map(({ key }) => key)).toEqual(['k3']);
    const times = [...faults, ...writes].map(({ atMs }) => atMs);
    expect(durationMs - Math.max(...times)).toBeLessThanOrEqual(1_000);
    expect([...times, durationMs].filter((atMs) => atMs % 1_000 !== 0)).toEqual([]);
    expect(rest).toEqual({ seed: 5, nodes: 5, wiring: 'mesh', clouds: 0, tokenLifetimeMs: 60_000, options: {} });
  });

  it('a safety breach: before any other try -> the steps after it are cut off', async () => {
    const { play, played } = player(() => breach);
    await shrinkPlan(plan, { breach, play });
    expect(played[0]?.durationMs).toBe(50_001);
    expect(Math.max(...(played[0]?.writes ?? []).map(({ atMs }) => atMs))).toBeLessThanOrEqual(breach.atMs);
  });

  it('a fault that matters only with a write: the write is removed -> the fault is removed, too', async () => {
    // With the write of k3, the partition is needed; without it, neither is.
    const fails = (candidate: Plan) => hasCrash(candidate) && (!hasKey(candidate) || strikes('partition')(candidate));
    const late: Breach = { ...breach, atMs: 90_000 };
    const { play, played } = player((candidate) => (fails(candidate) ? late : undefined));
    const shrunk = await shrinkPlan(plan, { breach: late, play });
    expect(played.some(({ faults, writes }) => faults.length === 2 && writes.length === plan.writes.length)).toBe(true);
    expect(shrunk.plan.faults.map(({ kind }) => kind)).toEqual(['crash']);
    expect(shrunk.plan.writes).toEqual([]);
  });

  it.each<[string, Partial<Breach>]>([
    ['kind', { kind: 'liveness' }],
    ['checker', { checker: 'digest' }],
  ])('candidates that fail with another %s: -> do not count', async (_what, other) => {
    const { play } = player((candidate) =>
      hasCrash(candidate) && hasKey(candidate) ? breach : { ...breach, ...other },
    );
    const shrunk = await shrinkPlan(plan, { breach, play });
    expect(shrunk.breach).toEqual(breach);
    expect(hasCrash(shrunk.plan) && hasKey(shrunk.plan)).toBe(true);
  });

  it('isSame: given by the caller -> decides which failures count', async () => {
    const { play } = player((candidate) => (hasCrash(candidate) ? breach : { ...breach, checker: 'digest' }));
    const shrunk = await shrinkPlan(plan, { breach, play, isSame: (a, b) => a.kind === b.kind });
    expect(shrunk.plan.faults).toEqual([]);
    expect(shrunk.breach.checker).toBe('digest');
  });

  it.each([0, 1, 9, 20])('runs: %i allowed -> no more are played, and the result fails', async (runsMax) => {
    const fails = (candidate: Plan) => candidate.faults.filter(({ kind }) => kind === 'skew').length >= 3;
    const { play, played } = player((candidate) => (fails(candidate) ? breach : undefined));
    const shrunk = await shrinkPlan(plan, { breach, play, runsMax });
    expect(played.length).toBeLessThanOrEqual(runsMax);
    expect(shrunk.runs).toBe(played.length);
    expect(shrunk.isMinimal).toBe(false);
    expect(fails(shrunk.plan)).toBe(true);
  });

  it('progress: each run -> reported, with the smallest plan so far', async () => {
    const { play } = player((candidate) => (hasCrash(candidate) ? breach : undefined));
    const told: number[] = [];
    let sizes: number[] = [];
    const { runs } = await shrinkPlan(plan, {
      breach,
      play,
      onProgress({ runs, runsMax, plan: { faults } }) {
        expect(runsMax).toBe(shrinkRunsMax);
        told.push(runs);
        sizes = [...sizes, faults.length];
      },
    });
    expect(told).toEqual(Array.from({ length: runs }, (_, index) => index + 1));
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
  });

  it('twice: the same plan and the same verdicts -> the same result', async () => {
    const shrink = () =>
      shrinkPlan(plan, { breach, play: player((c) => (hasCrash(c) && hasKey(c) ? breach : undefined)).play });
    expect(await shrink()).toEqual(await shrink());
  });

  it('interrupted: in the midst of a run -> the smallest plan so far', async () => {
    const interruption = new AbortController();
    const { play, played } = player((candidate) => (hasCrash(candidate) ? breach : undefined));
    const shrunk = await shrinkPlan(plan, {
      breach,
      signal: interruption.signal,
      play: async (candidate) => {
        if (played.length < 4) return play(candidate);
        interruption.abort();
        throw interruption.signal.reason;
      },
    });
    expect(shrunk).toMatchObject({ runs: 5, isMinimal: false });
    expect(shrunk.plan.faults.length).toBeLessThan(plan.faults.length);
    expect(hasCrash(shrunk.plan)).toBe(true);
  });

  it('a player that fails: without being told to stop -> rejects', async () => {
    const play = () => Promise.reject(new Error('no disk'));
    await expect(shrinkPlan(plan, { breach, play })).rejects.toThrow('no disk');
  });
});
