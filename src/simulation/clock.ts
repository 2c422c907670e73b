/**
 * Virtual time: a heap of what is to happen, ordered by time and then by the order in which it was asked for.
 *
 * Nothing happens by itself: whoever holds the clock steps it, so the end of a run is always explicit. Two runs that ask for
 * the same things in the same order see the same order of events.
 */
import type { Timer } from '../protocol/ports.js';

/** Its own timer, since a world plans a million of them. */
class Scheduled implements Timer {
  readonly atMs: number;
  readonly sequence: number;
  callback: (() => void) | undefined;

  constructor(atMs: number, sequence: number, callback: () => void) {
    this.atMs = atMs;
    this.sequence = sequence;
    this.callback = callback;
  }

  cancel(): void {
    this.callback = undefined;
  }
}

export class VirtualClock {
  readonly #heap: Scheduled[] = [];
  #nowMs = 0;
  #sequence = 0;
  #events = 0;

  /** Ms since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** How many events have been fired. */
  get events(): number {
    return this.#events;
  }

  /** When the next event is due; undefined when nothing is planned. */
  get nextAtMs(): number | undefined {
    this.#dropCancelled();
    return this.#heap[0]?.atMs;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    return this.scheduleAt(this.#nowMs + Math.max(0, delayMs), callback);
  }

  /** At a moment, not after a delay: of two that are equal, rounding must not make the later one the earlier. */
  scheduleAt(atMs: number, callback: () => void): Timer {
    this.#sequence += 1;
    const scheduled = new Scheduled(Math.max(this.#nowMs, atMs), this.#sequence, callback);
    this.#push(scheduled);
    return scheduled;
  }

  /** Fires the next event; false when nothing is planned. */
  step(): boolean {
    this.#dropCancelled();
    const next = this.#pop();
    if (next === undefined) return false;
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    this.#events += 1;
    next.callback?.();
    return true;
  }

  /** Lets time pass to a moment at which nothing happens. */
  advanceTo(atMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, atMs);
  }

  #dropCancelled(): void {
    while (this.#heap[0] !== undefined && this.#heap[0].callback === undefined) this.#pop();
  }

  #push(scheduled: Scheduled): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(scheduled);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(scheduled, heap[parent] as Scheduled)) break;
      heap[index] = heap[parent] as Scheduled;
      index = parent;
    }
    heap[index] = scheduled;
  }

  #pop(): Scheduled | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Scheduled, heap[child] as Scheduled)) child += 1;
      if (!isBefore(heap[child] as Scheduled, last)) break;
      heap[index] = heap[child] as Scheduled;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}

const unitsMs = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000 } as const;

/** A length of time: ms as a number, or a text such as `"500ms"`, `"10s"`, `"-2min"`, `"1h"`. */
export type Duration = number | `${number}${keyof typeof unitsMs}`;

export function millisecondsOf(duration: Duration): number {
  if (typeof duration === 'number') return duration;
  const [, amount, unit] = /^([+-]?[\d.]+)(ms|s|min|h)$/.exec(duration) ?? [];
  if (amount === undefined) throw new RangeError(`"${duration}" is not a duration such as "10s" or "500ms".`);
  return Number(amount) * unitsMs[unit as keyof typeof unitsMs];
}
