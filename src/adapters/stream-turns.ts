/**
 * Streams of answers take turns: one works for some milliseconds, then the event loop has its turn, then the next
 * stream works. So a hundred streams at once do not delay other answers.
 */
import { limits } from '../core/limits.js';
import type { Time } from '../ports/ports.js';

export class StreamTurns {
  readonly #time: Pick<Time, 'turn' | 'monotonicMs'>;
  readonly #waiting: (() => void)[] = [];
  #isTurning = false;
  #startedMs = Number.NEGATIVE_INFINITY;

  constructor(time: Pick<Time, 'turn' | 'monotonicMs'>) {
    this.#time = time;
  }

  /**
   * Called before each step of a stream: waits when others wait, or when this turn of the event loop has done enough
   * work.
   */
  pass(): Promise<void> | undefined {
    const now = this.#time.monotonicMs();
    const isOver = now - this.#startedMs >= limits.readingPerTurnMs;
    if (!isOver && this.#waiting.length === 0) return undefined;
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      void this.#turn();
    });
  }

  async #turn(): Promise<void> {
    if (this.#isTurning) return;
    this.#isTurning = true;
    while (this.#waiting.length > 0) {
      await this.#time.turn();
      this.#startedMs = this.#time.monotonicMs();
      this.#waiting.shift()?.();
    }
    this.#isTurning = false;
  }
}
