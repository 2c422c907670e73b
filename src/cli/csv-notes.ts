/**
 * What a user of a spreadsheet may not expect of an import, noticed while rows are read: numbers and truth values that
 * were taken as text, and rows that replace an earlier row because they have its key.
 */
import { TextNumbers } from './decimal-commas.js';
import { counted } from './output.js';

/** Keys are compared with this many earlier ones, so that memory does not grow with the file. */
const keysRememberedMax = 200_000;

export class CsvNotes {
  readonly #numbers = new TextNumbers();
  readonly #truths = new Map<string, Truths>();
  readonly #keys = new Set<string>();
  #repeated = 0;
  #firstRepeated: { readonly key: string; readonly line: number } | undefined;

  /** @param cell A cell that was taken as text */
  noticeText(column: string, cell: string, line: number): void {
    this.#numbers.notice(column, cell, line);
    const isTruth = /^(true|false)$/i.test(cell);
    const truths = this.#truths.get(column);
    if (truths !== undefined) truths[isTruth ? 'truths' : 'others'] += 1;
    else this.#truths.set(column, { example: cell, line, truths: isTruth ? 1 : 0, others: isTruth ? 0 : 1 });
  }

  noticeKey(key: string, line: number): void {
    if (this.#keys.has(key)) {
      this.#repeated += 1;
      this.#firstRepeated ??= { key, line };
    } else if (this.#keys.size < keysRememberedMax) this.#keys.add(key);
  }

  hints(): string[] {
    return [this.#numbers.hint(), this.#truthHint(), this.#keyHint()].filter((hint) => hint !== undefined);
  }

  /** About columns that hold nothing but truth values and empty cells. */
  #truthHint(): string | undefined {
    const columns = [...this.#truths].filter(([, { truths, others }]) => truths > 0 && others === 0);
    if (columns.length === 0) return undefined;
    const places = columns.map(([column, { example, line }]) => `"${column}" (such as "${example}" on line ${line})`);
    const names = columns.map(([column]) => column).join(',');
    return `TRUE and FALSE were taken as text in ${places.join(', ')}. Write true and false for truth values; --text ${names} ends this hint.`;
  }

  #keyHint(): string | undefined {
    if (this.#firstRepeated === undefined) return undefined;
    const { key, line } = this.#firstRepeated;
    const rows = counted(this.#repeated, 'row has', 'rows have');
    return `${rows} the key of an earlier row and replaced its document: "${key}" on line ${line} is the first.`;
  }
}

interface Truths {
  readonly example: string;
  readonly line: number;
  truths: number;
  others: number;
}
