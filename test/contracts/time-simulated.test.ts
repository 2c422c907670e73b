/** Virtual time: the contract of the real one, and the abilities of a virtual clock. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { VirtualClock } from '../../src/simulation/clock.js';
import { simulatedTime, worldEpochMs } from '../../src/simulation/node-ports.js';
import { stepUntil } from './simulated-clock.js';
import { describeTime } from './time.contract.js';

describeTime('the simulation', async () => {
  const clock = new VirtualClock();
  return {
    time: simulatedTime(clock),
    until: (condition) => stepUntil(clock, condition),
    close: async () => {},
  };
});

describeTime('the simulation, long after its beginning and with a wrong wall clock', async () => {
  const clock = new VirtualClock();
  clock.advanceTo(1e9 + 0.1);
  return {
    time: simulatedTime(clock, -12_345.6),
    until: (condition) => stepUntil(clock, condition),
    close: async () => {},
  };
});

describe('virtual clock', () => {
  let clock: VirtualClock;
  let fired: string[];
  const fire = (name: string) => () => fired.push(`${name} ${clock.nowMs}`);

  beforeEach(() => {
    clock = new VirtualClock();
    fired = [];
  });

  function runOut(): void {
    while (clock.step());
  }

  test('schedule: in any order -> fired by time, equal times in the order of requests', () => {
    const delays = [5, 3, 9, 3, 1, 7, 3, 9, 0, 5];
    for (const [index, delayMs] of delays.entries()) clock.schedule(delayMs, fire(`#${index}`));
    runOut();
    expect(fired).toEqual(['#8 0', '#4 1', '#1 3', '#3 3', '#6 3', '#0 5', '#9 5', '#5 7', '#2 9', '#7 9']);
    expect(clock.events).toBe(10);
  });

  test('scheduleAt: one moment requested at several times -> in the order of requests, despite rounding', () => {
    const momentMs = 783.9054910600058;
    // For the second, adding the remaining time to the time of the request yields a little less than the moment.
    for (const [index, askedAtMs] of [1, 199.5070910786522, 400].entries()) {
      clock.schedule(askedAtMs, () => clock.scheduleAt(momentMs, fire(`#${index}`)));
    }
    runOut();
    expect(fired).toEqual([0, 1, 2].map((index) => `#${index} ${momentMs}`));
  });

  test('scheduleAt: a moment in the past -> now, and time does not go back', () => {
    clock.advanceTo(10);
    clock.scheduleAt(3, fire('late'));
    runOut();
    expect(fired).toEqual(['late 10']);
  });

  test('cancel: everything planned -> nothing is left, and nothing fires', () => {
    const timers = [1, 2, 3].map((delayMs) => clock.schedule(delayMs, fire('never')));
    for (const timer of timers) timer.cancel();
    expect(clock.nextAtMs).toBeUndefined();
    expect(clock.step()).toBe(false);
    expect(fired).toEqual([]);
  });
});

describe('simulated time', () => {
  test('skew: while it runs -> the wall clock jumps, the monotonic clock does not', () => {
    const clock = new VirtualClock();
    const time = simulatedTime(clock, 1_000);
    clock.advanceTo(500);
    expect([time.now(), time.monotonicMs()]).toEqual([worldEpochMs + 1_500, 500]);
    time.skew(-4_000);
    expect([time.now(), time.monotonicMs()]).toEqual([worldEpochMs - 2_500, 500]);
  });

  test('revoke: code that still runs sets a timer -> nothing is planned', () => {
    const clock = new VirtualClock();
    const time = simulatedTime(clock);
    time.revoke();
    time.after(10, () => {});
    time.setTimeout(() => {}, 10);
    time.soon(() => {});
    expect(clock.planned).toBe(0);
  });

  test('revoke: timers and turns are waiting -> none of them ever fires', async () => {
    const clock = new VirtualClock();
    const time = simulatedTime(clock);
    const called: string[] = [];
    time.after(1, () => called.push('after'));
    time.soon(() => called.push('soon'));
    void time.turn().then(() => called.push('turn'));
    time.setTimeout(() => called.push('setTimeout'), 1);
    time.revoke();
    await stepUntil(clock, () => clock.nextAtMs === undefined);
    expect(called).toEqual([]);
  });
});
