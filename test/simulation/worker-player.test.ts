/** The player of a worker, with programs that misbehave; the determinism tests play in the real one. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { drawPlan } from '../../src/simulation/swarm/plan.js';
import { type Player, threadPlayer } from '../../src/simulation/swarm/player.js';
import { wallMsMax, workerPlayer } from '../../src/simulation/swarm/worker-player.js';
import { until } from '../integration/cli-fixture.js';

const planOf = (seed: number) => drawPlan({ seed, nodes: [3, 3], durationMs: 1_000 });
const players: Player[] = [];

afterEach(async () => {
  await Promise.all(players.splice(0).map((player) => player.close()));
});

/** Its timer fires when the test says so. */
function playerOf(body: string) {
  const program = new URL(
    `data:text/javascript,${encodeURIComponent(`
      import { parentPort as port, threadId } from 'node:worker_threads';
      const passed = (seed) => port.postMessage({ verdict: { seed, events: threadId } });
      port.on('message', ({ plan: { seed }, traceFile }) => { ${body} });`)}`,
  );
  const limits: { readonly delayMs: number; isCancelled: boolean; fire(): void }[] = [];
  const player = workerPlayer({
    program,
    wallMs: 7_000,
    timer(delayMs, fire) {
      const limit = { delayMs, fire, isCancelled: false };
      limits.push(limit);
      return {
        cancel() {
          limit.isCancelled = true;
        },
      };
    },
  });
  players.push(player);
  return { player, limits };
}

describe('workerPlayer', () => {
  it('several plans: -> one worker plays them all, and each wall limit is cancelled', async () => {
    const { player, limits } = playerOf('passed(seed)');
    const [first, second] = [await player.play(planOf(1)), await player.play(planOf(2))];
    expect([first.seed, second.seed]).toEqual([1, 2]);
    expect(first.events).toBe(second.events);
    expect(limits).toMatchObject([
      { delayMs: 7_000, isCancelled: true },
      { delayMs: 7_000, isCancelled: true },
    ]);
  });

  it.each([
    ['an error that nobody catches', 'setImmediate(() => { throw new Error("stray"); })', 'Error: stray'],
    ['a rejection that nobody catches', 'Promise.reject(new Error("stray"))', 'Error: stray'],
    ['its end', 'process.exit(3)', 'The worker ended by itself, with exit code 3.'],
  ])('a worker that dies: by %s -> crash, and another one plays the next plan', async (_what, death, message) => {
    const { player } = playerOf(`if (seed === 1) { ${death} } else passed(seed)`);
    const { seed, breach } = await player.play(planOf(1));
    expect({ seed, breach }).toEqual({ seed: 1, breach: { kind: 'crash', checker: 'worker', message, atMs: 0 } });
    expect(await player.play(planOf(2))).toMatchObject({ seed: 2 });
  });

  it('a worker that dies: after its answer -> another one plays the next plan', async () => {
    const { player } = playerOf('passed(seed); if (seed === 1) process.exit(1)');
    const first = await player.play(planOf(1));
    await until(() => !process.getActiveResourcesInfo().includes('MessagePort'), 'the end of the worker');
    const second = await player.play(planOf(2));
    expect(second).toMatchObject({ seed: 2, events: expect.any(Number) });
    expect(second.breach).toBeUndefined();
    expect(second.events).not.toBe(first.events);
  });

  it('a worker: in an endless loop beyond the wall limit -> crash, and another one plays the next plan', async () => {
    const { player, limits } = playerOf('if (seed === 1) for (;;); else passed(seed)');
    const playing = player.play(planOf(1));
    limits[0]?.fire();
    expect(await playing).toMatchObject({ seed: 1, breach: { kind: 'crash', checker: 'wall-limit' } });
    expect(await player.play(planOf(2))).toMatchObject({ seed: 2 });
  });

  it('a run that is not needed: in an endless loop -> ended with the reason of the signal, and another one plays the next plan', async () => {
    const { player } = playerOf('if (seed === 1) for (;;); else passed(seed)');
    const interruption = new AbortController();
    const playing = player.play(planOf(1), { signal: interruption.signal });
    interruption.abort(new Error('enough'));
    await expect(playing).rejects.toThrow('enough');
    expect(await player.play(planOf(2))).toMatchObject({ seed: 2 });
  });

  it('closed: during a run -> the run is ended', async () => {
    const { player } = playerOf('for (;;);');
    const playing = player.play(planOf(1));
    const rejected = expect(playing).rejects.toThrow('closed');
    await player.close();
    await rejected;
  });

  it('two plans at once: -> refused', async () => {
    const { player } = playerOf('for (;;);');
    const playing = player.play(planOf(1)).catch(() => {});
    await expect(player.play(planOf(2))).rejects.toThrow('one plan at a time');
    await player.close();
    await playing;
  });

  it('wall limit: of a longer run -> longer, and within what a timer of Node.js can hold even for a day', () => {
    expect(wallMsMax(60_000)).toBeGreaterThan(wallMsMax(1_000));
    expect(wallMsMax(86_400_000)).toBeLessThan(2 ** 31);
  });
});

describe('a trace', () => {
  it('its file: not writable -> rejects as invalid input, and reports no breach of the run', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'statemesh-trace-'));
    const playing = threadPlayer().play(planOf(1), { traceFile: directory });
    await expect(playing).rejects.toMatchObject({ code: 'requestInvalid' });
    await rm(directory, { recursive: true });
  });
});
