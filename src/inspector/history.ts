/**
 * The latest records as lines of JSON, within bounds of number and size. Earlier records are folded into a beginning,
 * so a late reader still sees the whole state and can follow from there.
 *
 * Intuition: a reader starts at the oldest record that is not folded. A quarter of the room holds records that are
 * folded already, so that a reader has time to be sent the beginning before its first record is forgotten.
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
const largest: HistoryBounds = { recordsMax: 100_000, charactersMax: 64 * 1024 * 1024 };
/** At most an eighth of the heap, since a character may take two bytes. */
const heapBytesPerCharacter = 16;

/** What is kept by default in a process with such a heap: watching a node must not end it. */
export function boundsFor(heapBytes: number): HistoryBounds {
  return { ...largest, charactersMax: Math.min(largest.charactersMax, Math.floor(heapBytes / heapBytesPerCharacter)) };
}

/** The latest records, within bounds. */
export class History {
  readonly #bounds: HistoryBounds;
  /** The state at `start`. */
  readonly #before = new Fold();
  #lines: string[] = [];
  /** Lines at the front that are forgotten but not yet cut off. */
  #gone = 0;
  /** The position of the first line that is kept. */
  #oldest = 0;
  #start = 0;
  /** Of all lines that are kept, and of those from `start` on. */
  #characters = 0;
  #charactersAhead = 0;
  #listeners = new Set<() => void>();

  constructor(bounds: HistoryBounds = largest) {
    this.#bounds = bounds;
  }

  /** Positions count all records that were ever added. A reader begins here, with the state of `beginning`. */
  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#oldest + this.#lines.length - this.#gone;
  }

  add(record: InspectorRecord): void {
    this.addLine(JSON.stringify(record));
  }

  /** @param line A record as JSON, on one line */
  addLine(line: string): void {
    this.#lines.push(line);
    this.#characters += line.length;
    this.#charactersAhead += line.length;
    while (isOver(this.end - this.#start, this.#charactersAhead, aheadShare, this.#bounds)) this.#fold();
    while (isOver(this.end - this.#oldest, this.#characters, 1, this.#bounds)) this.#forget();
    for (const listener of this.#listeners) listener();
  }

  /** @param position From `start` of some time on; undefined once its lines are forgotten */
  read(position: number, { linesMax, charactersMax }: Portion): readonly string[] | undefined {
    if (position < this.#oldest) return undefined;
    const from = this.#indexOf(position);
    let [end, characters] = [from, 0];
    // A record that is larger than a portion travels alone.
    while (end < this.#lines.length && end - from < linesMax && (end === from || characters < charactersMax)) {
      characters += (this.#lines[end] as string).length;
      end += 1;
    }
    return this.#lines.slice(from, end);
  }

  /** Lines that lead to the state at `start` as it is now. Each is made when it is taken: there may be thousands. */
  beginning(): Iterable<string> {
    return linesOf(recordsOf(this.#before));
  }

  /** Calls `listener` when lines were added. Returns a function that removes the listener. */
  onAdded(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #indexOf(position: number): number {
    return position - this.#oldest + this.#gone;
  }

  #fold(): void {
    const line = this.#lines[this.#indexOf(this.#start)] as string;
    this.#before.add(JSON.parse(line) as InspectorRecord);
    this.#charactersAhead -= line.length;
    this.#start += 1;
  }

  #forget(): void {
    this.#characters -= (this.#lines[this.#gone] as string).length;
    this.#gone += 1;
    this.#oldest += 1;
    if (this.#gone < cutEvery) {
      this.#lines[this.#gone - 1] = '';
      return;
    }
    this.#lines = this.#lines.slice(this.#gone);
    this.#gone = 0;
  }
}

/** The share of the room that a new reader is sent. */
const aheadShare = 0.75;

/** One record stays, however large. */
function isOver(records: number, characters: number, share: number, { recordsMax, charactersMax }: HistoryBounds) {
  return records > Math.ceil(share * recordsMax) || (characters > share * charactersMax && records > 1);
}

function* linesOf(records: Iterable<InspectorRecord>): Generator<string> {
  for (const record of records) yield JSON.stringify(record);
}

/** Cutting off copies the rest, so it happens rarely. */
const cutEvery = 8_192;
