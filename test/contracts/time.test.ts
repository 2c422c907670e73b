/** The system's time: the contract, and what XState needs of it as a clock. */
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { createActor, createMachine } from 'xstate';
import { systemTime } from '../../src/adapters/time.js';
import { describeTime } from './time.contract.js';

describeTime('the system', async () => ({
  time: systemTime(),
  async until(condition) {
    const deadlineMs = performance.now() + 5_000;
    while (!condition()) {
      if (performance.now() > deadlineMs) throw new Error('never came true');
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  },
  close: async () => {},
}));

describe('system time', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  test('system time: as the clock of an actor -> its delayed transitions happen, cancelled ones do not', async () => {
    const machine = createMachine({
      initial: 'waiting',
      states: {
        waiting: { after: { 10: 'leaving' } },
        leaving: { after: { 10: 'done', 5000: 'wrong' } },
        wrong: {},
        done: { type: 'final' },
      },
    });
    const actor = createActor(machine, { clock: systemTime() });
    const done = new Promise<void>((resolve) => {
      actor.subscribe({ complete: () => resolve() });
    });
    actor.start();
    await done;
    expect(actor.getSnapshot().value).toBe('done');
  });

  test('system time: the setTimeout and clearTimeout of a clock -> the one cleared is not called', async () => {
    const clock = systemTime();
    const called: string[] = [];
    const cleared = clock.setTimeout(() => called.push('cleared'), 1);
    clock.clearTimeout(cleared);
    clock.clearTimeout(undefined);
    await new Promise<void>((resolve) => {
      clock.setTimeout(() => {
        called.push('called');
        resolve();
      }, 10);
    });
    expect(called).toEqual(['called']);
  });

  test('system time: a delay longer than a timer of Node.js can be -> is waited for in full, and can be cancelled', () => {
    jest.useFakeTimers();
    const time = systemTime();
    const dayMs = 24 * 60 * 60 * 1000;
    let calls = 0;
    const count = () => {
      calls += 1;
    };
    time.after(40 * dayMs, count);
    const cancelled = time.after(41 * dayMs, count);
    jest.advanceTimersByTime(40 * dayMs - 1);
    expect(calls).toBe(0);
    jest.advanceTimersByTime(1);
    expect(calls).toBe(1);
    cancelled.cancel();
    jest.advanceTimersByTime(2 * dayMs);
    expect(calls).toBe(1);
    expect(jest.getTimerCount()).toBe(0);
  });
});
