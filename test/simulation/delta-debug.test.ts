import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { deltaDebug } from '../../src/simulation/swarm/delta-debug.js';

const enough = 10_000;
const lengthMax = 12;

/** A list, and which of its sublists fail, without any pattern: by a table of drawn bits. The whole list fails. */
const anyFailure = fc
  .tuple(fc.integer({ min: 0, max: lengthMax }), fc.infiniteStream(fc.boolean()))
  .map(([length, answers]) => {
    const table = new Map<string, boolean>();
    const items = Array.from({ length }, (_, index) => index);
    table.set(items.join(), true);
    const fails = (candidate: readonly number[]): boolean => {
      const name = candidate.join();
      const known = table.get(name) ?? answers.next().value;
      table.set(name, known);
      return known;
    };
    return { items, fails };
  });

describe('deltaDebug', () => {
  it('a failing list: with any runs allowed -> a sublist that fails, in order, within the runs, none of them twice', () =>
    fc.assert(
      fc.asyncProperty(anyFailure, fc.nat(60), async ({ items, fails }, runsMax) => {
        const asked: string[] = [];
        const reduced = await deltaDebug(
          items,
          (candidate) => {
            asked.push(candidate.join());
            return fails(candidate);
          },
          runsMax,
        );
        expect(fails(reduced.items)).toBe(true);
        expect(reduced.items).toEqual(items.filter((item) => reduced.items.includes(item)));
        expect(reduced.runs).toBe(asked.length);
        expect(asked.length).toBeLessThanOrEqual(runsMax);
        expect(new Set(asked).size).toBe(asked.length);
      }),
    ));

  it('a failing list: with enough runs -> no single item can be left out', () =>
    fc.assert(
      fc.asyncProperty(anyFailure, async ({ items, fails }) => {
        const reduced = await deltaDebug(items, fails, enough);
        expect(reduced.isMinimal).toBe(true);
        for (const left of reduced.items) expect(fails(reduced.items.filter((item) => item !== left))).toBe(false);
      }),
    ));

  it('items that fail together: among many -> exactly those', () =>
    fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(99), { maxLength: 5 }), async (culprits) => {
        const items = Array.from({ length: 100 }, (_, index) => index);
        const fails = (candidate: readonly number[]) => culprits.every((culprit) => candidate.includes(culprit));
        const { items: found } = await deltaDebug(items, fails, enough);
        expect(found).toEqual([...culprits].sort((a, b) => a - b));
      }),
    ));

  it('one of twelve: found by halves -> in a handful of runs', async () => {
    const items = Array.from({ length: 12 }, (_, index) => index);
    const reduced = await deltaDebug(items, (candidate) => candidate.includes(4), enough);
    expect(reduced).toEqual({ items: [4], runs: 7, isMinimal: true });
  });

  it('no runs allowed: -> the list as it was, and not called minimal', async () => {
    expect(await deltaDebug([1, 2], () => true, 0)).toEqual({ items: [1, 2], runs: 0, isMinimal: false });
    expect(await deltaDebug([], () => true, 0)).toEqual({ items: [], runs: 0, isMinimal: true });
  });
});
