/**
 * Lets dials open only a few sockets per turn of the event loop. Each needs a TLS connection of its own, about a third
 * of a millisecond. Opening sockets for all stored peers at once, as when a node starts, would keep all other work
 * waiting for long.
 *
 * Invariant: sockets open in the order of the requests, and wait for nothing but turns.
 */
import { limits } from '../core/limits.js';

export class OpeningTurns {
  readonly #waiting: (() => void)[] = [];
  #opened = 0;
  #isScheduled = false;

  /** Settles when a socket may be opened: at once for the first few of a turn. */
  async next(): Promise<void> {
    this.#schedule();
    if (this.#opened < limits.dialsPerTurnMax) {
      this.#opened += 1;
      return;
    }
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isScheduled = false;
    const next = this.#waiting.splice(0, limits.dialsPerTurnMax);
    this.#opened = next.length;
    for (const open of next) open();
    if (next.length > 0) this.#schedule();
  }
}
