/**
 * The latest records as lines of JSON, within bounds of number and size. Forgotten records are folded into a beginning,
 * so a late reader still sees the whole state and can follow from there.
 */
import { Fold, recordsOf } from './fold.js';
import type { InspectorRecord } from './records.js';

/** How much is kept. */
export interface HistoryBounds {
  readonly recordsMax: number;
  /** Length of the text in characters; a character takes one or two bytes. */
  readonly charactersMax: number;
}

/** How much is read at a time. */
export interface Portion {
  readonly linesMax: number;
  readonly charactersMax: number;
}

/** About 15 minutes of a busy node. */
export const defaultBounds: HistoryBounds = { recordsMax: 100_000, charactersMax: 64 * 1024 * 1024 };

/** The latest records, within bounds. */
export class History {
  readonly #bounds: HistoryBounds;
  /** The state before the first line that is kept. */
  readonly #before = new Fold();
  #lines: string[] = [];
  /** Lines at the front that are forgotten but not yet cut off. */
  #gone = 0;
  #forgotten = 0;
  #characters = 0;
  #listeners = new Set<() => void>();

  constructor(bounds: HistoryBounds = defaultBounds) {
    this.#bounds = bounds;
  }

  /** Positions count all records that were ever added; those from `start` to `end` are kept. */
  get start(): number {
    return this.#forgotten;
  }

  get end(): number {
    return this.#forgotten + this.#lines.length - this.#gone;
  }

  add(record: InspectorRecord): void {
    this.addLine(JSON.stringify(record));
  }

  /** @param line A record as JSON, on one line */
  addLine(line: string): void {
    this.#lines.push(line);
    this.#characters += line.length;
    const { recordsMax, charactersMax } = this.#bounds;
    while (this.end - this.start > recordsMax || (this.#characters > charactersMax && this.end - this.start > 1)) {
      this.#forget();
    }
    for (const listener of this.#listeners) listener();
  }

  /** @param position From `start` on; an earlier position gives undefined, because its lines are forgotten */
  read(position: number, { linesMax, charactersMax }: Portion): readonly string[] | undefined {
    if (position < this.start) return undefined;
    const from = position - this.#forgotten + this.#gone;
    let [end, characters] = [from, 0];
    // A record that is larger than a portion travels alone.
    while (end < this.#lines.length && end - from < linesMax && (end === from || characters < charactersMax)) {
      characters += (this.#lines[end] as string).length;
      end += 1;
    }
    return this.#lines.slice(from, end);
  }

  /** Lines that lead to the state at `start`. */
  beginning(): readonly string[] {
    return recordsOf(this.#before).map((record) => JSON.stringify(record));
  }

  /** Calls `listener` when lines were added. Returns a function that removes the listener. */
  onAdded(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #forget(): void {
    const line = this.#lines[this.#gone] as string;
    this.#before.add(JSON.parse(line) as InspectorRecord);
    this.#characters -= line.length;
    this.#gone += 1;
    this.#forgotten += 1;
    if (this.#gone < cutEvery) {
      this.#lines[this.#gone - 1] = '';
      return;
    }
    this.#lines = this.#lines.slice(this.#gone);
    this.#gone = 0;
  }
}

/** Cutting off copies the rest, so it happens rarely. */
const cutEvery = 8_192;
