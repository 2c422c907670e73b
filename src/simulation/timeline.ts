/** Runs a world: event after event, with all asynchronous work that each starts, up to an explicit end. */
import type { VirtualClock } from './clock.js';
import type { PendingWork } from './pending-work.js';

export interface TimelineOptions {
  readonly clock: VirtualClock;
  readonly pending: PendingWork;
  /** A run that fires more events is stuck in a loop, and fails. */
  readonly eventsMax: number;
  /** `look` is called after events, at most once per this many virtual ms; it throws to end the run. */
  readonly lookEveryMs: number;
  /** Waits until it is time for an event of that moment; undefined lets time pass as fast as it can. */
  readonly pace: ((atMs: number) => Promise<void>) | undefined;
  look(): void;
  /** Called after each event; throws to end the run. */
  check(): void;
}

export class Timeline {
  readonly #options: TimelineOptions;
  #lookAtMs = 0;

  constructor(options: TimelineOptions) {
    this.#options = options;
  }

  /**
   * Fires events up to a moment, or until `isDone` holds; returns whether it does. The caller may have started work, so
   * asynchronous work comes first.
   *
   * @throws Error when more than `eventsMax` events were fired
   */
  async advance(endMs: number, isDone: () => boolean): Promise<boolean> {
    const { clock, pending, eventsMax, check, pace } = this.#options;
    pending.note();
    for (;;) {
      if (pending.isNoted) await pending.settle();
      check();
      if (isDone()) return true;
      if (pace !== undefined) {
        await pace(Math.min(clock.nextAtMs ?? endMs, endMs));
        // A viewer may have done something meanwhile.
        pending.note();
      }
      if ((clock.nextAtMs ?? Number.POSITIVE_INFINITY) > endMs) return false;
      clock.step();
      if (!clock.wasQuiet) pending.note();
      if (clock.events > eventsMax) {
        throw new Error(`More than ${eventsMax} events: the run is stuck in a loop.`);
      }
      if (clock.nowMs >= this.#lookAtMs) {
        this.#lookAtMs = clock.nowMs + this.#options.lookEveryMs;
        this.#options.look();
      }
    }
  }
}
