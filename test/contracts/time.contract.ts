/** The contract of the `Time` port: the system's time and the virtual one both pass it. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Time } from '../../src/ports/ports.js';

export interface TimeHarness {
  readonly time: Time;
  /** Lets time pass until the condition holds; rejects when it clearly never will. */
  until(condition: () => boolean): Promise<void>;
  close(): Promise<void>;
}

export function describeTime(name: string, makeHarness: () => Promise<TimeHarness>): void {
  describe(`time contract: ${name}`, () => {
    let harness: TimeHarness;
    let time: Time;

    beforeEach(async () => {
      harness = await makeHarness();
      time = harness.time;
    });

    afterEach(() => harness.close());

    test('after: a delay -> called once, not before it has passed on the monotonic clock', async () => {
      const startedMs = time.monotonicMs();
      const calledMs: number[] = [];
      time.after(20, () => calledMs.push(time.monotonicMs()));
      let isOver = false;
      time.after(60, () => {
        isOver = true;
      });
      await harness.until(() => isOver);
      expect(calledMs).toHaveLength(1);
      // The timers of Node.js count whole milliseconds, so they may be early by less than one.
      expect((calledMs[0] as number) - startedMs).toBeGreaterThan(19);
    });

    test('after: several delays -> in the order of their times, equal ones in the order of requests', async () => {
      const called: string[] = [];
      time.after(30, () => called.push('late'));
      time.after(5, () => called.push('early'));
      time.after(15, () => called.push('first of two'));
      time.after(15, () => called.push('second of two'));
      await harness.until(() => called.includes('late'));
      expect(called).toEqual(['early', 'first of two', 'second of two', 'late']);
    });

    test('after: no delay -> not called from inside', async () => {
      let isCalled = false;
      time.after(0, () => {
        isCalled = true;
      });
      expect(isCalled).toBe(false);
      await harness.until(() => isCalled);
    });

    test('cancel: before its time, twice, or after it -> no call, no error', async () => {
      const called: string[] = [];
      const cancelled = time.after(5, () => called.push('cancelled'));
      const done = time.after(5, () => called.push('done'));
      cancelled.cancel();
      cancelled.cancel();
      time.after(15, () => called.push('end'));
      await harness.until(() => called.includes('end'));
      done.cancel();
      expect(called).toEqual(['done', 'end']);
    });

    test('soon and turn: requested now -> in the next turn, in order, after everything already scheduled', async () => {
      const called: string[] = [];
      time.soon(() => called.push('soon 1'));
      time.soon(() => called.push('soon 2'));
      const turned = time.turn().then(() => called.push('turn'));
      void Promise.resolve().then(() => called.push('promise'));
      expect(called).toEqual([]);
      let isOver = false;
      void turned.then(() => {
        isOver = true;
      });
      await harness.until(() => isOver);
      expect(called).toEqual(['promise', 'soon 1', 'soon 2', 'turn']);
    });

    test('now and monotonicMs: as time passes -> both advance by about as much', async () => {
      const startedNow = time.now();
      const startedMs = time.monotonicMs();
      let isOver = false;
      time.after(50, () => {
        isOver = true;
      });
      await harness.until(() => isOver);
      expect(time.monotonicMs() - startedMs).toBeGreaterThan(49);
      expect(Math.abs(time.now() - startedNow - (time.monotonicMs() - startedMs))).toBeLessThan(25);
      expect(Number.isInteger(time.now())).toBe(true);
    });
  });
}
