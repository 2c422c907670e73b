/** Advances virtual time for the contract suites, as a world does: one event, then everything that it has caused. */
import type { VirtualClock } from '../../src/simulation/clock.js';
import { PendingWork } from '../../src/simulation/pending-work.js';

const virtualMsMax = 60_000;

export async function stepUntil(clock: VirtualClock, condition: () => boolean): Promise<void> {
  const pending = new PendingWork(true);
  const endMs = clock.nowMs + virtualMsMax;
  await pending.settle();
  while (!condition()) {
    if ((clock.nextAtMs ?? Number.POSITIVE_INFINITY) > endMs) throw new Error(`never came true: ${condition}`);
    clock.step();
    await pending.settle();
  }
}
