/**
 * Decides which link may read: all links of a node together use some milliseconds of a turn of the event loop, then
 * sockets, timers and callers have their turn. Waiting links continue in the order in which they asked.
 *
 * One frame may take longer than a turn: a clock of 100,000 authors takes half a second. Its link rests before its next
 * frame, the longer the more, so that a peer that sends nothing else does not keep the node from its own work.
 */
import { limits } from '../core/limits.js';
import type { Time, Timer } from '../ports/ports.js';

export class ReadingTurns {
  readonly #time: Time;
  readonly #waiting = new Set<() => void>();
  readonly #resting = new Map<() => void, Timer>();
  #isScheduled = false;
  #frames = 0;
  #spentMs = 0;
  #atMs = Number.NEGATIVE_INFINITY;
  /** How long the link of the last frame should rest. */
  restMs = 0;

  constructor(time: Time) {
    this.#time = time;
  }

  /** Whether a link may read now; if not, it has to wait. Called before its first frame. */
  begin(): boolean {
    const now = this.#time.monotonicMs();
    // The event loop has done other work meanwhile.
    if (now - this.#atMs >= pauseMs && this.#waiting.size === 0) this.#reset();
    this.#atMs = now;
    return !this.#isOver && this.#waiting.size === 0;
  }

  /** Whether the link may read another frame. Called after each frame. */
  goesOn(): boolean {
    const now = this.#time.monotonicMs();
    this.#frames += 1;
    this.#spentMs += now - this.#atMs;
    this.restMs = restAfter(now - this.#atMs);
    this.#atMs = now;
    return !this.#isOver;
  }

  /** Calls a link when it may read; once, however often it asks meanwhile. */
  wait(read: () => void, restMs = 0): void {
    if (restMs > 0) {
      this.#rest(read, restMs);
      return;
    }
    this.#waiting.add(read);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#time.soon(() => this.#turn());
  }

  forget(read: () => void): void {
    this.#waiting.delete(read);
    this.#resting.get(read)?.cancel();
    this.#resting.delete(read);
  }

  #rest(read: () => void, restMs: number): void {
    const timer = this.#time.after(restMs, () => {
      this.#resting.delete(read);
      this.wait(read);
    });
    this.#resting.set(read, timer);
  }

  get #isOver(): boolean {
    return this.#frames >= limits.framesPerTurnMax || this.#spentMs >= limits.readingPerTurnMs;
  }

  #turn(): void {
    this.#isScheduled = false;
    this.#reset();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [index, read] of waiting.entries()) {
      if (this.#isOver) {
        for (const rest of waiting.slice(index)) this.wait(rest);
        return;
      }
      this.#atMs = this.#time.monotonicMs();
      read();
    }
  }

  #reset(): void {
    this.#frames = 0;
    this.#spentMs = 0;
  }
}

/** Frames of the usual size let a link rest not at all. */
function restAfter(frameMs: number): number {
  if (frameMs <= limits.readingPerTurnMs) return 0;
  return Math.min(limits.readingRestMaxMs, (frameMs * frameMs) / limits.readingHeavyMs);
}

/** After this time without a frame, a new turn has begun. */
const pauseMs = 1;
