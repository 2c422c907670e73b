/**
 * The system's time. Besides the network adapters, the only place that calls `Date.now` and `setTimeout`.
 *
 * Invariant: a waiting timer keeps the process alive, as a running node should.
 */
import type { ActorOptions, AnyActorLogic } from 'xstate';
import type { Time, Timer } from '../ports/ports.js';

/** The type of XState's clock, which it does not export under a name of its own. */
type Clock = NonNullable<ActorOptions<AnyActorLogic>['clock']>;

/** The clock of the services, and in the same object the clock of `createActor(machine, { clock })`. */
export interface SystemTime extends Time, Clock {}

export function systemTime(): SystemTime {
  return {
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    after,
    soon: (callback) => {
      setImmediate(callback);
    },
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    setTimeout: (callback, delayMs) => after(delayMs, callback),
    clearTimeout: (timer: Timer | undefined) => timer?.cancel(),
  };
}

/** `setTimeout` fires at once for longer delays (24.8 days), so they are waited for in parts. */
const delayMaxMs = 2 ** 31 - 1;

function after(delayMs: number, callback: () => void): Timer {
  let handle: NodeJS.Timeout;
  const wait = (remainingMs: number): void => {
    const partMs = Math.min(remainingMs, delayMaxMs);
    handle = setTimeout(() => {
      if (remainingMs > partMs) wait(remainingMs - partMs);
      else callback();
    }, partMs);
  };
  wait(delayMs);
  return { cancel: () => clearTimeout(handle) };
}
