/** What the command line takes from its surroundings without a port: the one file of src/cli that does. */
import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';

export function randomKeyBytes(): Uint8Array {
  return randomBytes(32);
}

export function sleep(delayMs: number): Promise<void> {
  return setTimeout(delayMs);
}

/** Runs a callback later, unless the process has ended by then: it does not keep it alive. */
export function later(delayMs: number, callback: () => void): void {
  void setTimeout(delayMs, undefined, { ref: false }).then(callback);
}

/** The same, and it can be cancelled. */
export function timer(delayMs: number, callback: () => void): { cancel(): void } {
  const controller = new AbortController();
  setTimeout(delayMs, undefined, { ref: false, signal: controller.signal }).then(callback, () => {});
  return { cancel: () => controller.abort() };
}

/** Wall clock, ms since 1970. */
export function now(): number {
  return Date.now();
}

/** Ms since some moment; for lengths of time. */
export function monotonicMs(): number {
  return performance.now();
}

/** Asks for something again and again until it is there. @returns undefined when time is up */
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
