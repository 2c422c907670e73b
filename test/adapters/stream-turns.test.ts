import { describe, expect, it } from '@jest/globals';
import { StreamTurns } from '../../src/adapters/stream-turns.js';
import { limits } from '../../src/core/limits.js';

/** A clock that work advances, and counted turns of an event loop. */
function setup() {
  const world = { nowMs: 0, turns: 0 };
  const time = {
    monotonicMs: () => world.nowMs,
    turn: () =>
      new Promise<void>((resolve) =>
        setImmediate(() => {
          world.turns += 1;
          resolve();
        }),
      ),
  };
  const turns = new StreamTurns(time);
  const work = async (steps: number, stepMs: number, done: (step: number) => void): Promise<void> => {
    for (let step = 0; step < steps; step += 1) {
      await turns.pass();
      world.nowMs += stepMs;
      done(step);
    }
  };
  return { world, work };
}

describe('stream turns', () => {
  it('many streams with long steps -> one step per turn of the event loop, one stream after the other', async () => {
    const { world, work } = setup();
    const order: string[] = [];
    const streams = ['a', 'b', 'c'].map((name) =>
      work(3, limits.readingPerTurnMs, (step) => order.push(`${name}${step}`)),
    );
    await Promise.all(streams);
    expect(order).toEqual(['a0', 'b0', 'c0', 'a1', 'b1', 'c1', 'a2', 'b2', 'c2']);
    expect(world.turns).toBeGreaterThanOrEqual(order.length - 1);
  });

  it('one stream with short steps -> some milliseconds of them per turn', async () => {
    const { world, work } = setup();
    await work(100, 1, () => {});
    expect(world.turns).toBeLessThanOrEqual(100 / limits.readingPerTurnMs + 1);
    expect(world.turns).toBeGreaterThan(5);
  });
});
