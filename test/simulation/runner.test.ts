import { describe, expect, it } from '@jest/globals';
import type { Plan } from '../../src/simulation/swarm/plan.js';
import { type Player, threadPlayer } from '../../src/simulation/swarm/player.js';
import { runSwarm, type SwarmOptions } from '../../src/simulation/swarm/runner.js';
import type { Verdict } from '../../src/simulation/verdict.js';

function verdictOn(seed: number, isBroken = false): Verdict {
  const breach = { kind: 'safety', checker: 'kept', message: 'lost', atMs: 1 } as const;
  return { seed, breach: isBroken ? breach : undefined, events: 10, virtualMs: 1_000, acknowledged: 1, traceHash: '' };
}

interface Play {
  readonly seed: number;
  readonly isAborted: boolean;
  end(isBroken?: boolean): void;
}

/** Players whose runs end when the test says so. */
function manualPlayers(count: number) {
  const plays: Play[] = [];
  const player: Player = {
    play: ({ seed }, { signal } = {}) =>
      new Promise((resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason));
        plays.push({
          seed,
          get isAborted() {
            return signal?.aborted === true;
          },
          end: (isBroken) => resolve(verdictOn(seed, isBroken)),
        });
      }),
    async close() {},
  };
  return { plays, players: Array.from({ length: count }, () => player) };
}

/** By then, everything that promises started has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

const plan: SwarmOptions['plan'] = { nodes: [3, 3], durationMs: 1_000 };

/** Ends the runs in progress, in the order that the test wants, until none is left. */
async function drive(plays: Play[], { order, failing }: { order: 'first' | 'last'; failing: readonly number[] }) {
  for (await settled(); plays.length > 0; await settled()) {
    const play = order === 'first' ? plays.shift() : plays.pop();
    if (play?.isAborted === false) play.end(failing.includes(play.seed));
  }
}

describe('runSwarm', () => {
  it.each([
    [1, 'first'],
    [3, 'first'],
    [3, 'last'],
    [8, 'last'],
  ] as const)(
    'several seeds fail: with %i players, the %s to start ends first -> the lowest is reported',
    async (players, order) => {
      const { plays, players: list } = manualPlayers(players);
      const told: number[] = [];
      const running = runSwarm({ from: 10, seeds: 20, plan, players: list, onVerdict: ({ seed }) => told.push(seed) });
      await drive(plays, { order, failing: [14, 15, 17] });
      expect(await running).toEqual({
        passed: 4,
        failure: verdictOn(14, true),
        events: 50,
        virtualMs: 5_000,
        isInterrupted: false,
      });
      expect(told).toEqual([10, 11, 12, 13, 14]);
    },
  );

  it('a failure: while others are in progress -> lower ones finish, higher ones end, no new ones start', async () => {
    const { plays, players } = manualPlayers(3);
    const running = runSwarm({ from: 1, seeds: 100, plan, players });
    await settled();
    plays[1]?.end(true);
    await settled();
    expect(plays.map(({ seed, isAborted }) => [seed, isAborted])).toEqual([
      [1, false],
      [2, false],
      [3, true],
    ]);
    plays[0]?.end();
    expect(await running).toMatchObject({ passed: 1, failure: { seed: 2 } });
    expect(plays).toHaveLength(3);
  });

  it('no failure: more players than seeds -> each seed once', async () => {
    const { plays, players } = manualPlayers(5);
    const seen: number[] = [];
    const running = runSwarm({ from: 0, seeds: 3, plan, players, onProgress: ({ played }) => seen.push(played) });
    await drive(plays, { order: 'last', failing: [] });
    expect(await running).toMatchObject({ passed: 3, failure: undefined, isInterrupted: false });
    expect(seen).toEqual([1, 2, 3]);
  });

  it('interrupted: during runs -> ends at once with the verdicts so far', async () => {
    const { plays, players } = manualPlayers(2);
    const interruption = new AbortController();
    const running = runSwarm({ from: 1, seeds: 10, plan, players, signal: interruption.signal });
    await settled();
    plays[0]?.end();
    await settled();
    interruption.abort();
    expect(await running).toMatchObject({ passed: 1, failure: undefined, isInterrupted: true });
    expect(plays).toHaveLength(3);
  });

  it('interrupted: after a failure, while a lower seed is in progress -> the failure is reported all the same', async () => {
    const { plays, players } = manualPlayers(2);
    const interruption = new AbortController();
    const running = runSwarm({ from: 1, seeds: 10, plan, players, signal: interruption.signal });
    await settled();
    plays[1]?.end(true);
    await settled();
    interruption.abort();
    expect(await running).toMatchObject({ passed: 0, failure: { seed: 2 }, isInterrupted: true });
  });

  it('interrupted: before the start -> plays nothing', async () => {
    const { plays, players } = manualPlayers(2);
    expect(await runSwarm({ from: 1, seeds: 10, plan, players, signal: AbortSignal.abort() })).toMatchObject({
      passed: 0,
      isInterrupted: true,
    });
    expect(plays).toEqual([]);
  });

  it('a player that fails: without being told to stop -> rejects, and the others are ended', async () => {
    const { plays, players } = manualPlayers(1);
    const broken: Player = { play: () => Promise.reject(new Error('no disk')), async close() {} };
    const running = runSwarm({ from: 1, seeds: 10, plan, players: [...players, broken] });
    await expect(running).rejects.toThrow('no disk');
    expect(plays.map(({ isAborted }) => isAborted)).toEqual([true]);
  });

  it('this thread: a plan that cannot be played -> crash, with its seed, and the run ends there', async () => {
    const play = async ({ seed }: Plan): Promise<Verdict> => {
      if (seed === 3) throw new Error('out of order');
      return verdictOn(seed);
    };
    const { passed, failure } = await runSwarm({ from: 1, seeds: 9, plan, players: [threadPlayer(play)] });
    expect(passed).toBe(2);
    expect(failure).toMatchObject({
      seed: 3,
      breach: { kind: 'crash', checker: 'run', message: 'Error: out of order' },
    });
  });
});
