/**
 * Time as the system has it. The one place, with the network adapters, that calls `Date.now` and `setTimeout`.
 *
 * Invariant: a timer that waits keeps the process alive, since a running node should.
 */
import type { ActorOptions, AnyActorLogic } from 'xstate';
import type { Time, Timer } from '../ports/ports.js';

/** What XState takes as a clock; it exports the type under no name of its own. */
type Clock = NonNullable<ActorOptions<AnyActorLogic>['clock']>;

/** The clock of the services, and in the same object the one of `createActor(machine, { clock })`. */
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

/** `setTimeout` fires at once for anything longer (24.8 days), so longer delays are waited for in parts. */
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
