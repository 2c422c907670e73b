import { describe, expect, it } from '@jest/globals';
import type { WebSocket } from 'ws';
import { StreamTurns } from '../../src/adapters/stream-turns.js';
import { limits } from '../../src/core/limits.js';
import { History } from '../../src/inspector/history.js';
import { pump } from '../../src/inspector/pump.js';
import type { Time } from '../../src/ports/ports.js';

/** A clock on which each message takes 4 ms to build, and turns of the event loop that are counted. */
function setup({ linesKept = 40_000 } = {}) {
  const world = { nowMs: 0, turns: 0 };
  const time = {
    monotonicMs: () => world.nowMs,
    after: () => ({ cancel: () => {} }),
    turn: () =>
      new Promise<void>((resolve) =>
        setImmediate(() => {
          world.turns += 1;
          resolve();
        }),
      ),
  } as unknown as Time;
  const history = new History({ recordsMax: linesKept, charactersMax: 1e9 });
  const turns = new StreamTurns(time);
  /** The number of messages by the turn in which they were sent. */
  const sent = new Map<number, number>();
  const join = async ({ bufferedAmount = 0 } = {}) => {
    const socket = { readyState: 1, OPEN: 1, bufferedAmount, send: () => {}, close: () => {} } as unknown as WebSocket;
    const heard: string[] = [];
    let stop = (): void => {};
    const caughtUp = new Promise<void>((resolve) => {
      stop = pump({
        socket,
        history,
        time,
        turns,
        onCaughtUp: resolve,
        wrap: (lines) => {
          world.nowMs += 4;
          sent.set(world.turns, (sent.get(world.turns) ?? 0) + 1);
          heard.push(...lines);
          return '';
        },
      });
    });
    return { heard, caughtUp, stop };
  };
  const start = (actors: number): void => {
    for (let id = 1; id <= actors; id += 1) {
      history.add({
        id,
        node: 'a',
        atMs: 0,
        type: '@xstate.actor',
        sessionId: `s${id}`,
        rootId: 's1',
        name: 'x',
        logic: 'x',
        isMachine: false,
        snapshot: {},
      });
    }
  };
  return { history, join, sent, start };
}

const perTurnMax = Math.ceil(limits.readingPerTurnMs / 4);

describe('pump', () => {
  it('16 viewers join at once -> each receives all, and together they take some milliseconds of each turn', async () => {
    const { history, join, sent, start } = setup();
    start(20_000);
    const viewers = await Promise.all(Array.from({ length: 16 }, () => join()));
    await Promise.all(viewers.map(({ caughtUp }) => caughtUp));
    expect(new Set(viewers.map(({ heard }) => heard.length))).toEqual(new Set([history.end]));
    expect(Math.max(...sent.values())).toBeLessThanOrEqual(perTurnMax);
  });

  it('what the history forgot is the state of thousands of actors -> travels in portions, too, as it was at the start', async () => {
    const { join, sent, start, history } = setup({ linesKept: 10 });
    start(5_000);
    const { heard, caughtUp } = await join();
    expect(heard.length).toBeLessThan(1_000);
    await caughtUp;
    expect(heard.length).toBeGreaterThanOrEqual(5_000);
    expect(Math.max(...sent.values())).toBeLessThanOrEqual(perTurnMax);
    expect(JSON.parse(heard.at(-1) as string)).toMatchObject({ id: history.end });
  });

  it('records keep coming while a viewer is sent what is there -> it catches up, though the oldest are forgotten', async () => {
    const { join, start, history } = setup({ linesKept: 8_000 });
    start(10_000);
    const { heard, caughtUp, stop } = await join();
    let isDone = false;
    void caughtUp.then(() => {
      isDone = true;
    });
    for (let turn = 0; turn < 1_000 && !isDone; turn += 1) {
      start(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    stop();
    expect([isDone, heard.length]).toEqual([true, history.end + 1]);
  });

  it('a viewer that does not read -> is sent nothing, not even what the history forgot', async () => {
    const { join, start } = setup({ linesKept: 10 });
    start(5_000);
    const { heard, stop } = await join({ bufferedAmount: 1e9 });
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual([]);
    stop();
  });

  it('a viewer leaves meanwhile -> is sent nothing more', async () => {
    const { join, start } = setup();
    start(20_000);
    const { heard, stop } = await join();
    await new Promise((resolve) => setImmediate(resolve));
    stop();
    const { length } = heard;
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(heard.length).toBe(length);
  });
});
