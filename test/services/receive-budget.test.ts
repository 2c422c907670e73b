import { describe, expect, it } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import { type ReceiveAccount, ReceiveBudget } from '../../src/services/receive-budget.js';
import { VirtualClock } from '../../src/simulation/clock.js';
import { simulatedTime } from '../../src/simulation/node-ports.js';

function setup(count: number) {
  const clock = new VirtualClock();
  const budget = new ReceiveBudget(simulatedTime(clock));
  const given: number[] = [];
  const accounts: ReceiveAccount[] = [];
  for (let index = 0; index < count; index += 1) {
    const giveUp = () => {
      given.push(index);
      accounts[index]?.close();
    };
    accounts.push(budget.open({ pause: () => {}, resume: () => {}, giveUp }));
  }
  const paused = () => accounts.flatMap((account, index) => (account.isPaused && !account.isClosed ? [index] : []));
  const run = (forMs: number): void => {
    const untilMs = clock.nowMs + forMs;
    while ((clock.nextAtMs ?? Number.POSITIVE_INFINITY) <= untilMs) clock.step();
    clock.advanceTo(untilMs);
  };
  return { run, budget, accounts: accounts as [ReceiveAccount, ...ReceiveAccount[]], given, paused };
}

const half = limits.receiveBytesMax / 2;

describe('receive budget', () => {
  it('a link that holds everything in one frame -> continues: it must be able to finish it', () => {
    const { accounts, paused } = setup(1);
    accounts[0].hold({ partialBytes: limits.receiveBytesMax + 1 });
    expect(paused()).toEqual([]);
  });

  it('too much in all -> links with more than limits.receiveBytesGranted wait, except one; when that has finished, the next continues', () => {
    const { accounts, paused } = setup(4);
    for (const account of accounts.slice(0, 3)) account.hold({ partialBytes: half });
    accounts[3]?.hold({ partialBytes: limits.receiveBytesGranted });
    expect(paused()).toEqual([1, 2]);
    accounts[0].hold({ partialBytes: 0, batchBytes: half });
    // It now waits for this node's disk.
    expect(paused()).toEqual([0, 1, 2]);
    accounts[0].hold({ batchBytes: 0 });
    // The rest fits, apart from the small one.
    expect(paused()).toEqual([2]);
    accounts[1]?.close();
    expect(paused()).toEqual([]);
  });

  it('nothing moves for limits.receivePatienceMs -> the link with the most is given up, until the rest fits', () => {
    const { run, accounts, given, budget } = setup(3);
    for (const [index, account] of accounts.entries()) account.hold({ partialBytes: half + index });
    run(limits.receivePatienceMs - 1);
    expect(given).toEqual([]);
    run(2 * limits.receivePatienceMs + 1);
    // All of them had moved when the first patience began.
    expect(given).toEqual([2, 1]);
    expect(budget.heldBytes).toBe(half);
    run(60_000);
    expect(given).toEqual([2, 1]);
  });

  it("batches that wait for this node's disk -> no link is given up", () => {
    const { run, accounts, given, paused } = setup(2);
    for (const account of accounts) account.hold({ batchBytes: 2 * half });
    expect(paused()).toEqual([0, 1]);
    run(60_000);
    expect(given).toEqual([]);
  });

  it('closed twice, or used after it was closed -> its bytes are returned once', () => {
    const { accounts, budget } = setup(2);
    for (const account of accounts) account.hold({ partialBytes: 1_000 });
    accounts[0].close();
    accounts[0].close();
    accounts[0].hold({ partialBytes: 5 });
    expect(budget.heldBytes).toBe(1_000);
  });
});
