/** What the command line takes from its surroundings without a port: only this file of src/cli does. */
import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';

export function randomKeyBytes(): Uint8Array {
  return randomBytes(32);
}

export function sleep(delayMs: number): Promise<void> {
  return setTimeout(delayMs);
}

/** Runs a callback later, unless the process has ended by then: the timer does not keep the process alive. */
export function later(delayMs: number, callback: () => void): void {
  void setTimeout(delayMs, undefined, { ref: false }).then(callback);
}

/** The same, with a way to cancel it. */
export function timer(delayMs: number, callback: () => void): { cancel(): void } {
  const controller = new AbortController();
  setTimeout(delayMs, undefined, { ref: false, signal: controller.signal }).then(callback, () => {});
  return { cancel: () => controller.abort() };
}

/** Wall clock, ms since 1970. */
export function now(): number {
  return Date.now();
}

/** Ms since an arbitrary moment; for measuring durations. */
export function monotonicMs(): number {
  return performance.now();
}

/**
 * Polls for a value.
 *
 * @returns undefined when time is up
 */
export async function poll<T>(
  look: () => Promise<T | undefined> | T | undefined,
  { intervalMs, attemptsMax }: { intervalMs: number; attemptsMax: number },
): Promise<T | undefined> {
  for (let attempt = 1; ; attempt++) {
    const found = await look();
    if (found !== undefined || attempt === attemptsMax) return found;
    await sleep(intervalMs);
  }
}
