import { limits } from '../core/limits.js';

/**
 * Calls `giveUp` when the queue of an ended connection stands still for `limits.lingerMs`. Starts once, however often
 * `begin` is called.
 */
export class Linger {
  readonly #queuedBytes: () => number;
  readonly #giveUp: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(queuedBytes: () => number, giveUp: () => void) {
    this.#queuedBytes = queuedBytes;
    this.#giveUp = giveUp;
  }

  begin(): void {
    if (this.#timer === undefined) this.#wait(this.#queuedBytes());
  }

  /** The connection has closed by itself. */
  end(): void {
    clearTimeout(this.#timer);
  }

  #wait(queuedBefore: number): void {
    this.#timer = setTimeout(() => {
      const queued = this.#queuedBytes();
      if (queued > 0 && queued < queuedBefore) this.#wait(queued);
      else this.#giveUp();
    }, limits.lingerMs);
  }
}
