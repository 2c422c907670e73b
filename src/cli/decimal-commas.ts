/**
 * Numbers with decimal commas in CSV. They become numbers only in columns that the caller names; elsewhere they stay
 * text, and the caller gets a hint, because "1,5" sorts and compares as text.
 */
import { counted } from './output.js';

/** `1,5`, `-0,25`, `1.234,5` (dots between thousands), `12`. */
const decimalComma = /^-?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?$/;
/** A possible number: `1,5`, `1.234,5`, and `1,234,567`, which has commas between thousands. */
const numberWithComma = /^-?(\d+(,\d+)+|\d{1,3}(\.\d{3})+,\d+)$/;
/** The maximum of columns that a hint names. */
const columnsToldMax = 5;

/** The same number as JSON writes it; undefined for a text that is not such a number. */
export function jsonNumberOf(cell: string): string | undefined {
  return decimalComma.test(cell) ? cell.replaceAll('.', '').replace(',', '.') : undefined;
}

interface Noticed {
  /** The first number with a comma, and its line. */
  readonly example: string;
  readonly line: number;
  withComma: number;
}

/** Counts, for each column, numbers with commas that were taken as text. */
export class TextNumbers {
  readonly #noticed = new Map<string, Noticed>();
  readonly #otherTexts = new Map<string, number>();

  /** @param cell A cell that was taken as text */
  notice(column: string, cell: string, line: number): void {
    if (!numberWithComma.test(cell)) {
      this.#otherTexts.set(column, (this.#otherTexts.get(column) ?? 0) + 1);
      return;
    }
    const noticed = this.#noticed.get(column);
    if (noticed === undefined) this.#noticed.set(column, { example: cell, line, withComma: 1 });
    else noticed.withComma += 1;
  }

  /** The hint for the caller; undefined when no column looks like numbers. */
  hint(): string | undefined {
    const columns = [...this.#noticed].filter(
      ([column, { withComma }]) => withComma >= (this.#otherTexts.get(column) ?? 0),
    );
    if (columns.length === 0) return undefined;
    const told = columns.slice(0, columnsToldMax);
    const names = told.map(([column]) => column).join(',');
    const examples = told.map(([column, { example, line }]) => `"${column}" (such as "${example}" on line ${line})`);
    const others = columns.length > told.length ? [counted(columns.length - told.length, 'other column')] : [];
    const what = [...examples, ...others].join(', ');
    return `Numbers with commas were taken as text in ${what}. For numbers, import again with --decimal-comma ${names}; for text, with --text ${names}, which ends this hint.`;
  }
}
