/**
 * The ports of one simulated process. They can be revoked: a crashed process runs no code, so none of its timers fires, none
 * of its promises settles and nothing reaches its sockets any more.
 */
import type { SystemTime } from '../adapters/time.js';
import type { Timer } from '../ports/ports.js';
import type { VirtualClock } from './clock.js';

export interface SimulatedTime extends SystemTime {
  /** Moves the wall clock of this process by so much, now; the monotonic clock goes on. */
  skew(byMs: number): void;
  /** Resolves after so long, unless the process is gone by then. */
  pause(delayMs: number): Promise<void>;
  revoke(): void;
}

/** When the worlds begin: 2026-01-01T00:00:00Z. */
export const worldEpochMs = 1_767_225_600_000;
/** How long a turn of the event loop takes: work is never free, or nothing could ever come between. */
const turnMs = 0.05;

export function simulatedTime(clock: VirtualClock, skewMs = 0): SimulatedTime {
  let skewedMs = skewMs;
  let isRevoked = false;
  /** What has not fired yet: a process that is gone leaves nothing behind. */
  const planned = new Set<Timer>();
  const schedule = (delayMs: number, callback: () => void, isQuiet: boolean): Timer => {
    // What was running when the process was killed still comes to its end.
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
    // All three settle promises, or may: of who waits for so long only, of writers, and of those who wait for their turn.
    after: (delayMs, callback) => schedule(delayMs, callback, false),
    soon: (callback) => void schedule(turnMs, callback, false),
    turn: () => new Promise((resolve) => schedule(turnMs, resolve, false)),
    // For delays of machines, which settle none.
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
