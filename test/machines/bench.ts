/** A workbench for one machine: a clock that the test moves, and mailboxes that record what they receive. */
import { type ActorOptions, type AnyActorLogic, createActor, fromCallback } from 'xstate';
import type { Mailbox } from '../../src/actors/mailboxes.js';
import type { Time } from '../../src/ports/ports.js';

type Clock = NonNullable<ActorOptions<AnyActorLogic>['clock']>;

export interface ManualClock extends Clock {
  /** Advances the time and fires due timers, in order. */
  advance(milliseconds: number): void;
}

export function manualClock(): ManualClock {
  let now = 0;
  let count = 0;
  const timers = new Map<number, { at: number; callback: () => void }>();
  return {
    setTimeout(callback: () => void, delayMs: number) {
      count += 1;
      timers.set(count, { at: now + delayMs, callback });
      return count;
    },
    clearTimeout: (id: number) => void timers.delete(id),
    advance(milliseconds) {
      const end = now + milliseconds;
      for (;;) {
        const due = [...timers].filter(([, { at }]) => at <= end).sort(([i, a], [j, b]) => a.at - b.at || i - j)[0];
        if (due === undefined) break;
        const [id, { at, callback }] = due;
        timers.delete(id);
        now = at;
        callback();
      }
      now = end;
    },
  };
}

export interface Recorder<E extends { type: string }> {
  readonly mailbox: Mailbox<E>;
  readonly events: readonly E[];
  types(): string[];
  /** The events received since the last call. */
  take(): E[];
}

export function recorder<E extends { type: string }>(): Recorder<E> {
  const events: E[] = [];
  let taken = 0;
  const logic = fromCallback<E>(({ receive }) => receive((event) => void events.push(event)));
  const actor = createActor(logic).start();
  return {
    mailbox: actor as unknown as Mailbox<E>,
    events,
    types: () => events.map(({ type }) => type),
    take() {
      const news = events.slice(taken);
      taken = events.length;
      return news;
    },
  };
}

/** Lets promises of services settle. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A time port that the test moves. */
export function manualTime(): Time & { advance(ms: number): void } {
  const clock = manualClock();
  const epochMs = 1_767_225_600_000;
  let elapsedMs = 0;
  return {
    now: () => epochMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    after(delayMs, callback) {
      const timer = clock.setTimeout(callback, delayMs);
      return { cancel: () => clock.clearTimeout(timer) };
    },
    soon: (callback) => void setImmediate(callback),
    turn: settled,
    advance(ms) {
      elapsedMs += ms;
      clock.advance(ms);
    },
  };
}
