/**
 * The ports of one simulated process. They can be revoked: a crashed process runs no code, so none of its timers fires,
 * none of its promises settles and nothing reaches its sockets any more.
 */
import type { SystemTime } from '../adapters/time.js';
import type { Timer } from '../ports/ports.js';
import type { VirtualClock } from './clock.js';

export interface SimulatedTime extends SystemTime {
  /** Moves the wall clock of this process; the monotonic clock continues unchanged. */
  skew(byMs: number): void;
  /** Resolves after this delay, unless the process is gone by then. */
  pause(delayMs: number): Promise<void>;
  revoke(): void;
}

/** The start of all worlds: 2026-01-01T00:00:00Z. */
export const worldEpochMs = 1_767_225_600_000;
/** Duration of a turn of the event loop. It is not zero, because otherwise no event could come between two turns. */
const turnMs = 0.05;

export function simulatedTime(clock: VirtualClock, skewMs = 0): SimulatedTime {
  let skewedMs = skewMs;
  let isRevoked = false;
  /** Timers that have not fired yet: a process that is gone leaves none behind. */
  const planned = new Set<Timer>();
  const schedule = (delayMs: number, callback: () => void, isQuiet: boolean): Timer => {
    // Code that was running when the process was killed still runs to its end.
    if (isRevoked) return { cancel() {} };
    const timer = clock.schedule(
      delayMs,
      () => {
        planned.delete(timer);
        if (!isRevoked) callback();
      },
      isQuiet,
    );
    planned.add(timer);
    return {
      cancel() {
        planned.delete(timer);
        timer.cancel();
      },
    };
  };
  return {
    now: () => Math.floor(worldEpochMs + clock.nowMs + skewedMs),
    monotonicMs: () => clock.nowMs,
    // All three may settle promises: of delays, of writers, and of code that waits for its turn.
    after: (delayMs, callback) => schedule(delayMs, callback, false),
    soon: (callback) => void schedule(turnMs, callback, false),
    turn: () => new Promise((resolve) => schedule(turnMs, resolve, false)),
    // For delays of machines, which settle no promise.
    setTimeout: (callback: () => void, delayMs: number) => schedule(delayMs, callback, true),
    clearTimeout: (timer: Timer | undefined) => timer?.cancel(),
    pause: (delayMs) => new Promise((resolve) => schedule(delayMs, resolve, false)),
    skew(byMs) {
      skewedMs += byMs;
    },
    revoke() {
      isRevoked = true;
      for (const timer of planned) timer.cancel();
      planned.clear();
    },
  };
}
