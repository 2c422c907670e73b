import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { drawPlan, type Plan } from '../../src/simulation/swarm/plan.js';
import { playPlan } from '../../src/simulation/swarm/play.js';
import { literal, scenarioOf } from '../../src/simulation/swarm/scenario.js';
import type { Breach, Verdict } from '../../src/simulation/verdict.js';
import { typeProblems } from '../type-check.js';

const breach: Breach = { kind: 'safety', checker: 'kept', message: "node-b's write\nis lost", atMs: 1_234.5 };
const header = [
  "import { expect, it } from '@jest/globals';",
  "import { playPlan } from '../../src/simulation/swarm/play.js';",
].join('\n');

/** Registers the one test of a scenario, and returns its title and body. */
function paste(scenario: string, play: typeof playPlan): { title: string; body: () => Promise<void> } {
  const { outputText } = ts.transpileModule(scenario, { compilerOptions: { target: ts.ScriptTarget.ES2022 } });
  const found: { title: string; body: () => Promise<void> }[] = [];
  const register = (title: string, body: () => Promise<void>) => found.push({ title, body });
  new Function('it', 'expect', 'playPlan', outputText)(register, expect, play);
  const [only] = found;
  if (only === undefined || found.length > 1) throw new Error(`Not one test: ${scenario}`);
  return only;
}

describe('scenarioOf', () => {
  it('a small plan: -> reads like this', () => {
    const plan: Plan = {
      seed: 17,
      nodes: 3,
      wiring: 'ring',
      clouds: 0,
      tokenLifetimeMs: 60_000,
      options: { syncIntervalMs: 2_000 },
      durationMs: 12_000,
      faults: [
        { atMs: 1_200, kind: 'crash', node: 1, downMs: 100 },
        { atMs: 2_000.25, kind: 'partition', group: [0, 2], oneWay: true },
      ],
      writes: [{ atMs: 500, node: 0, key: 'k1', value: undefined }],
    };
    expect(scenarioOf(plan, { breach, command: 'statemesh simulate --seed 17' })).toBe(
      `
// safety: kept at 1234.5 ms: node-b's write is lost
// Found by statemesh simulate --seed 17
it('seed 17: kept, crash and partition with 1 write -> nothing broken', async () => {
  const verdict = await playPlan({
    seed: 17,
    nodes: 3,
    wiring: 'ring',
    clouds: 0,
    tokenLifetimeMs: 60_000,
    options: { syncIntervalMs: 2_000 },
    durationMs: 12_000,
    faults: [
      { atMs: 1_200, kind: 'crash', node: 1, downMs: 100 },
      { atMs: 2_000.25, kind: 'partition', group: [0, 2], oneWay: true },
    ],
    writes: [
      { atMs: 500, node: 0, key: 'k1', value: undefined },
    ],
  });
  expect(verdict.breach).toBeUndefined();
});`.trim(),
    );
  });

  it('plans of several seeds: pasted into a file of scenarios -> compile', () => {
    const plans = [1, 2, 3].map((seed) => drawPlan({ seed, nodes: [3, 5], durationMs: 60_000 }));
    const scenarios = plans.map((plan) => scenarioOf(plan, { breach }));
    expect(typeProblems(new Map([['test/scenarios/pasted.test.ts', [header, ...scenarios].join('\n')]]))).toEqual([]);
    const broken = scenarioOf({ ...plans[0], nodes: 'three' } as unknown as Plan, { breach });
    expect(typeProblems(new Map([['test/scenarios/pasted.test.ts', `${header}\n${broken}`]]))).toHaveLength(1);
  }, 60_000);

  it('a drawn plan: pasted and run -> plays the very plan, to the same verdict', async () => {
    const plan = drawPlan({ seed: 8, nodes: [3, 3], durationMs: 5_000 });
    const played: [Plan, Verdict][] = [];
    const { title, body } = paste(scenarioOf(plan, { breach }), async (pasted) => {
      const verdict = await playPlan(pasted);
      played.push([pasted, verdict]);
      return verdict;
    });
    await body();
    expect(title).toMatch(/^seed 8: kept, /);
    expect(played).toEqual([[plan, await playPlan(plan)]]);
  });

  it('a plan that fails: pasted and run -> the test fails', async () => {
    const plan = drawPlan({ seed: 8, nodes: [3, 3], durationMs: 5_000 });
    const verdict: Verdict = { seed: 8, breach, events: 1, virtualMs: 1, acknowledged: 0, traceHash: '' };
    const { body } = paste(scenarioOf(plan, { breach }), async () => verdict);
    await expect(body()).rejects.toThrow('toBeUndefined');
  });
});

describe('literal', () => {
  it.each<[unknown, string]>([
    [0, '0'],
    [999, '999'],
    [1_000, '1_000'],
    [-1_234_567.125, '-1_234_567.125'],
    [1e-7, '1e-7'],
    [1e21, '1e+21'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    ['it\'s "\\" \n', `'it\\'s "\\\\" \\n'`],
    [undefined, 'undefined'],
    [null, 'null'],
    [[], '[]'],
    [{}, '{}'],
    [{ a: 1, 'b-c': [true, { d: 'e' }] }, "{ a: 1, 'b-c': [true, { d: 'e' }] }"],
  ])('%j: -> %s', (value, expected) => {
    expect(literal(value)).toBe(expected);
    expect(new Function(`return (${expected})`)()).toEqual(value);
  });
});
