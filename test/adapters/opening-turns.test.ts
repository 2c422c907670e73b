/** Dials take turns with all other work, however many are requested at once. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createNetwork } from '../../src/adapters/network.js';
import { OpeningTurns } from '../../src/adapters/opening-turns.js';
import { limits } from '../../src/core/limits.js';
import type { Network } from '../../src/ports/ports.js';
import { host, security } from '../contracts/network-sockets.js';

const { dialsPerTurnMax } = limits;
let network: Network | undefined;
afterEach(() => network?.closeAll());

describe('the sockets of dials', () => {
  test('the next turn: many requests -> the first few at once, then as many per turn, in order', async () => {
    const turns = new OpeningTurns();
    const opened: number[] = [];
    const asked = Array.from({ length: 3 * dialsPerTurnMax + 1 }, (_, index) =>
      turns.next().then(() => opened.push(index)),
    );
    for (const count of [1, 2, 3]) {
      await Promise.resolve();
      await Promise.resolve();
      expect(opened.length).toBe(count * dialsPerTurnMax);
      await turn();
    }
    await Promise.all(asked);
    expect(opened).toEqual(asked.map((_, index) => index));
    await turn();
    void turns.next().then(() => opened.push(-1));
    await Promise.resolve();
    await Promise.resolve();
    expect(opened.at(-1)).toBe(-1);
  });

  test('dial: a hundred peers at once -> no turn opens more than a few, and all of them settle', async () => {
    network = createNetwork();
    const { signal } = new AbortController();
    const dials = Array.from({ length: 100 }, () =>
      network?.dial({ host, port: 1, security, timeoutMs: 5_000, signal }),
    );
    let settled = 0;
    const all = Promise.allSettled(dials.map((dial) => dial?.finally(() => settled++)));
    let most = 0;
    let before = 0;
    while (settled < dials.length) {
      await turn();
      const opened = settled + connecting();
      most = Math.max(most, opened - before);
      before = opened;
    }
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(2 * dialsPerTurnMax);
    expect((await all).every(({ status }) => status === 'rejected')).toBe(true);
  });
});

function connecting(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'TCPConnectWrap').length;
}
