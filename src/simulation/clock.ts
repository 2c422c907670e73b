/**
 * Virtual time: a heap of scheduled events, ordered by time and then by the order of scheduling.
 *
 * Nothing happens by itself: the owner of the clock steps it, so the end of a run is always explicit. Two runs that
 * schedule the same events in the same order see the same order of events.
 */
import { StatemeshError } from '../core/errors.js';
import { shownValue } from '../core/options.js';
import type { Timer } from '../ports/ports.js';

/** A timer class of its own, because a world schedules a million of them. */
class Scheduled implements Timer {
  readonly atMs: number;
  readonly sequence: number;
  callback: (() => void) | undefined;
  readonly isQuiet: boolean;

  constructor(atMs: number, sequence: number, callback: () => void, isQuiet: boolean) {
    this.atMs = atMs;
    this.sequence = sequence;
    this.callback = callback;
    this.isQuiet = isQuiet;
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
  #wasQuiet = true;

  /** Ms since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** The number of events that have fired. */
  get events(): number {
    return this.#events;
  }

  /** Whether the last event has settled no promise by itself. */
  get wasQuiet(): boolean {
    return this.#wasQuiet;
  }

  /** When the next event is due; undefined when none is scheduled. */
  get nextAtMs(): number | undefined {
    this.#dropCancelled();
    return this.#heap[0]?.atMs;
  }

  /** The number of scheduled events. */
  get planned(): number {
    return this.#heap.filter(({ callback }) => callback !== undefined).length;
  }

  /** @param isQuiet Whether the event settles no promise by itself, so that no work need be awaited after it */
  schedule(delayMs: number, callback: () => void, isQuiet = false): Timer {
    return this.scheduleAt(this.#nowMs + Math.max(0, delayMs), callback, isQuiet);
  }

  /** Takes an absolute time, not a delay: when two times are equal, rounding must not reverse their order. */
  scheduleAt(atMs: number, callback: () => void, isQuiet = false): Timer {
    this.#sequence += 1;
    const scheduled = new Scheduled(Math.max(this.#nowMs, atMs), this.#sequence, callback, isQuiet);
    this.#push(scheduled);
    return scheduled;
  }

  /** Fires the next event; false when none is scheduled. */
  step(): boolean {
    this.#dropCancelled();
    const next = this.#pop();
    if (next === undefined) return false;
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    this.#events += 1;
    this.#wasQuiet = next.isQuiet;
    next.callback?.();
    return true;
  }

  /** Advances the time to a moment at which nothing happens. */
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

const units = [
  ['ms', 1],
  ['s', 1_000],
  ['min', 60_000],
  ['h', 3_600_000],
] as const;
const unitsMs = new Map<string, number>(units);

/** A length of time: ms as a number, or a text such as `"500ms"`, `"10s"`, `"+20s"`, `"-2min"`, `"1h"`. */
export type Duration = number | `${'' | '+'}${number}${(typeof units)[number][0]}`;

/** @throws StatemeshError `requestInvalid` for a value that is not a duration */
export function millisecondsOf(duration: Duration): number {
  if (typeof duration === 'number' && Number.isFinite(duration)) return duration;
  const [, amount, unit = ''] = /^([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(ms|s|min|h)$/.exec(String(duration)) ?? [];
  const unitMs = unitsMs.get(unit);
  if (amount === undefined || unitMs === undefined)
    throw new StatemeshError('requestInvalid', `${shownValue(duration)} is not a duration such as "10s" or "500ms".`);
  return Number(amount) * unitMs;
}
