/**
 * Everything that has happened, in order, and the state at any moment of it.
 *
 * Invariants: records are only added at the end. Times never go back. The state at a position is computed from the
 * nearest checkpoint before it, so any moment costs at most `checkpointEvery` records.
 */
import { Fold, recordsOf } from '../../../src/inspector/fold.js';
import type { InspectorRecord } from '../../../src/inspector/records.js';
import { type Band, Bands } from './bands.js';
import { type Identity, learn } from './identities.js';

/** An actor's name, also when the actor has ended. */
export interface ActorName {
  readonly sessionId: string;
  readonly parentId: string | undefined;
  readonly rootId: string;
  readonly node: string;
  readonly name: string;
  readonly logic: string;
  readonly isMachine: boolean;
}

const checkpointEvery = 2_000;
const addedAtOnceMax = 10_000;
const earliestDateMs = 1e12;

export class Timeline {
  readonly records: InspectorRecord[] = [];
  /** The time of each record. Processes of one machine may report late, so it is the latest time so far. */
  readonly times: number[] = [];
  readonly directory = new Map<string, ActorName>();
  /** The last known identity of each process, also of processes that are down. */
  readonly identities = new Map<string, Identity>();
  /** By start: leaders, and faults of the world. */
  readonly #bands = new Bands();
  readonly #checkpoints: Fold[] = [new Fold()];
  readonly #latest = new Fold();
  /** The last requested state and its position: the next request is mostly near. */
  #found = { count: 0, fold: new Fold() };

  get length(): number {
    return this.records.length;
  }

  get firstMs(): number {
    return this.times[0] ?? 0;
  }

  get lastMs(): number {
    return this.times.at(-1) ?? 0;
  }

  get bands(): readonly Band[] {
    return this.#bands.all(this.lastMs);
  }

  add(records: readonly InspectorRecord[]): void {
    for (const record of records) {
      this.records.push(record);
      this.#latest.add(record);
      this.times.push(Math.max(this.times.at(-1) ?? record.atMs, record.atMs));
      if (record.type === '@xstate.actor') this.#register(record);
      learn(this.identities, record);
      this.#bands.add(record, this.#latest, this.lastMs, this.identities);
      if (this.records.length % checkpointEvery === 0) this.#checkpoints.push(new Fold(this.#latest));
    }
  }

  /** A timeline of the latest `count` records, after the state before them: a page has limited memory. */
  latest(count: number): Timeline {
    const begin = Math.max(0, this.records.length - count);
    const timeline = new Timeline();
    timeline.add([...recordsOf(this.foldAt(begin))]);
    for (let at = begin; at < this.records.length; at += addedAtOnceMax) {
      timeline.add(this.records.slice(at, at + addedAtOnceMax));
    }
    return timeline;
  }

  /** The state after this many records. It must not be changed. */
  foldAt(count: number): Fold {
    if (count >= this.records.length) return this.#latest;
    const checkpoint = Math.floor(count / checkpointEvery);
    const isNear = this.#found.count <= count && this.#found.count >= checkpoint * checkpointEvery;
    const from = isNear ? this.#found : { count: checkpoint * checkpointEvery, fold: this.#checkpoints[checkpoint] };
    if (from.count === count && from.fold !== undefined) return from.fold;
    const fold = new Fold(from.fold);
    for (let index = from.count; index < count; index++) fold.add(this.records[index] as InspectorRecord);
    this.#found = { count, fold };
    return fold;
  }

  /** The same as a copy, for callers that keep it while more records come. */
  copyAt(count: number): Fold {
    return new Fold(this.foldAt(count));
  }

  /** Whether times are wall-clock times: a simulation counts from 0. */
  get hasWallClock(): boolean {
    return this.firstMs > earliestDateMs;
  }

  /** How many records had come until then. */
  countAt(ms: number): number {
    let [low, high] = [0, this.times.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.times[middle] as number) <= ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The time of the last of the first `count` records. */
  timeAt(count: number): number {
    return this.times[Math.min(count, this.times.length) - 1] ?? this.firstMs;
  }

  #register(record: Extract<InspectorRecord, { type: '@xstate.actor' }>): void {
    const { sessionId, parentId, rootId, node, name, logic, isMachine } = record;
    this.directory.set(sessionId, { sessionId, parentId, rootId, node, name, logic, isMachine });
  }
}
