/**
 * Runs all asynchronous work that an event has started to its end before the next event.
 *
 * Intuition: a tick of the process comes after all promises that can continue by themselves, however long their chains
 * are; counting microtasks instead would break with each change of the code. From time to time the wait is a real turn
 * of the event loop, so that signals, messages and timers of the process are handled.
 *
 * Most events start no such work (a timer, a heartbeat that arrives), and a turn costs more than they do. So code that
 * hands out or settles a promise notes it; after all other events the next event follows at once. A test plays runs
 * both ways and compares.
 */
const settledPerTurn = 256;

export class PendingWork {
  #isNoted = true;
  #settled = 0;

  constructor(private readonly always = false) {}

  /** Notes that asynchronous work has begun or continued. */
  note(): void {
    this.#isNoted = true;
  }

  get isNoted(): boolean {
    return this.#isNoted || this.always;
  }

  settle(): Promise<void> {
    this.#settled += 1;
    return new Promise((resolve) => {
      const rest = (): void => {
        this.#isNoted = false;
        resolve();
      };
      if (this.#settled % settledPerTurn === 0) setImmediate(rest);
      // A tick that is requested outside of promises would run before them.
      else queueMicrotask(() => process.nextTick(rest));
    });
  }
}
