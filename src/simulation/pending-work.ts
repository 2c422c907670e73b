/**
 * Lets everything asynchronous that an event has set off run to its end before the next event: a tick of the process comes after
 * all promises that can go on by themselves, however long their chains. Counting microtasks instead would break with each change.
 * Now and then it is a real turn of the event loop, so that signals, messages and timers of the process have theirs.
 *
 * Most events set off nothing of the kind (a timer, a heartbeat that arrives), and a turn costs more than they do. So whoever
 * hands out or settles a promise says so; after all other events the next one follows at once. A test plays runs both ways and
 * compares.
 */
const settledPerTurn = 256;

export class PendingWork {
  #isNoted = true;
  #settled = 0;

  constructor(private readonly always = false) {}

  /** Something asynchronous has begun or gone on. */
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
      // A tick that is asked for outside of promises would come before them.
      else queueMicrotask(() => process.nextTick(rest));
    });
  }
}
