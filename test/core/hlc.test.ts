import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { epochMs, type Hlc, isHlc, isTooFarAhead, logicOf, nextHlc, packHlc, wallMsOf } from '../../src/core/hlc.js';

const walls = fc.integer({ min: epochMs, max: Date.UTC(2089, 0, 1) });
const logics = fc.integer({ min: 0, max: 4_095 });
const stamps = fc.tuple(walls, logics).map(([wallMs, logic]) => packHlc(wallMs, logic));

describe('hybrid logical clock', () => {
  test('pack: any wall clock and counter -> a safe integer that yields both again', () => {
    fc.assert(
      fc.property(walls, logics, (wallMs, logic) => {
        const hlc = packHlc(wallMs, logic);
        expect([Number.isSafeInteger(hlc), wallMsOf(hlc), logicOf(hlc)]).toEqual([true, wallMs, logic]);
      }),
    );
  });

  test('order: two stamps -> ordered by wall clock, then by counter', () => {
    fc.assert(
      fc.property(fc.tuple(walls, logics), fc.tuple(walls, logics), (a, b) => {
        const expected = Math.sign(a[0] - b[0] || a[1] - b[1]);
        expect(Math.sign(packHlc(...a) - packHlc(...b))).toBe(expected);
      }),
    );
  });

  test('next: any wall clock, even one set back or before the epoch -> above the last stamp, and not below the wall clock', () => {
    fc.assert(
      fc.property(
        stamps,
        fc.array(fc.integer({ min: 0, max: Date.UTC(2089, 0, 1) }), { maxLength: 20 }),
        (first, clock) => {
          let last = first;
          for (const wallMs of clock) {
            const next = nextHlc(last, wallMs);
            expect(next).toBeGreaterThan(last);
            expect(wallMsOf(next)).toBeGreaterThanOrEqual(wallMs);
            last = next;
          }
        },
      ),
    );
  });

  test('next: the counter is full -> the next millisecond', () => {
    const full = packHlc(epochMs + 5, 4_095);
    expect(nextHlc(full, epochMs)).toBe(packHlc(epochMs + 6, 0));
  });

  test('next: the wall clock has moved on -> the wall clock, counter 0', () => {
    expect(nextHlc(packHlc(epochMs + 5, 7), epochMs + 6)).toBe(packHlc(epochMs + 6, 0));
  });

  test('stamp: zero, negative, fractions, beyond safe integers -> refused', () => {
    expect([1, Number.MAX_SAFE_INTEGER].map(isHlc)).toEqual([true, true]);
    const refused = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER + 1];
    expect(refused.map(isHlc)).toEqual(refused.map(() => false));
  });

  test('drift: at the limit and one millisecond beyond -> accepted, refused', () => {
    const at = (wallMs: number): Hlc => packHlc(wallMs, 4_095);
    expect(isTooFarAhead(at(epochMs + 1_060), epochMs + 1_000, 60)).toBe(false);
    expect(isTooFarAhead(at(epochMs + 1_061), epochMs + 1_000, 60)).toBe(true);
  });
});
