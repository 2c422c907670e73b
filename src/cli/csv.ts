/**
 * CSV (RFC 4180) for spreadsheets: a row for each document, a column for each field, the key first.
 *
 * Invariant: reading what was written gives the same documents. A cell is JSON when it reads as JSON (numbers, true,
 * false, null, objects, lists, texts in quotation marks), otherwise the text itself; an empty cell is a missing field.
 * So a text that would read as JSON is written as JSON, and a number that would not survive exactly stays a text.
 */
import { controlLimits, parseJsonText, StatemeshError } from '../control/protocol.js';
import type { CsvNotes } from './csv-notes.js';
import { jsonNumberOf } from './decimal-commas.js';
import { badInput } from './failures.js';
import { jsonOf } from './output.js';

const keyColumn = 'key';
/** Spreadsheets take at most 16,384. */
const columnsMax = 4_096;
const separators = [',', ';', '\t'];

/** Whether a file's name says that it is CSV. */
export function isCsvFile(path: string): boolean {
  return /\.csv$/i.test(path);
}

interface Row {
  readonly cells: readonly string[];
  /** The line of its first character, from 1. */
  readonly line: number;
  /** How many lines it takes. */
  readonly lines: number;
}

export interface CsvInputOptions {
  /** The key column; by default the first one, which is called `key` and is not a field. */
  readonly key: string | undefined;
  /** Columns that are taken as text. */
  readonly texts: readonly string[];
  /** Columns of numbers with decimal commas. */
  readonly decimalCommas?: readonly string[];
  /** Hears of every key, and of text cells in columns whose type the caller has not given. */
  readonly notes?: CsvNotes;
}

/**
 * Lines of `{"key","document"}`, each at the line number where its row begins, so that errors name the right line.
 *
 * @throws StatemeshError `importInvalid` naming the line
 */
export async function* linesOfCsv(
  chunks: AsyncIterable<Uint8Array>,
  options: CsvInputOptions,
): AsyncGenerator<string, void, void> {
  let columns: readonly string[] | undefined;
  for await (const { cells, line, lines } of rowsOf(decoded(chunks))) {
    // As many lines as the row has; the first of them is the document.
    const blank = '\n'.repeat(lines);
    if (cells.length === 1 && cells[0] === '') yield blank;
    else if (columns === undefined) {
      columns = checkedHeader(cells, options, line);
      yield blank;
    } else yield documentLine(cells, { ...options, columns, line }) + blank;
  }
}

function checkedHeader(
  cells: readonly string[],
  { key, texts, decimalCommas = [] }: CsvInputOptions,
  line: number,
): readonly string[] {
  if (key === undefined && cells[0] !== keyColumn) {
    throw wrong(
      line,
      `the first column is called "${shown(cells[0] ?? '')}" and not "key": name the key column with --key`,
    );
  }
  for (const name of [...(key === undefined ? [] : [key]), ...texts, ...decimalCommas]) {
    if (!cells.includes(name)) throw wrong(line, `there is no column "${shown(name)}"`);
  }
  const fields = key === undefined ? cells.slice(1) : cells;
  const twice = fields.find((name, index) => fields.indexOf(name) !== index && name !== '');
  if (twice !== undefined) throw wrong(line, `the column "${shown(twice)}" occurs twice`);
  return cells;
}

interface Place extends CsvInputOptions {
  readonly columns: readonly string[];
  readonly line: number;
}

function documentLine(cells: readonly string[], place: Place): string {
  const { columns, key, line, notes } = place;
  if (cells.length !== columns.length) {
    throw wrong(line, `it has ${cells.length} cells, and the header ${columns.length}`);
  }
  const fields = columns.flatMap((name, index): [string, unknown][] => {
    const cell = cells[index] ?? '';
    if (cell === '' || (key === undefined && index === 0)) return [];
    return [[name, cellValue(cell, name, place)]];
  });
  const ownKey = cells[key === undefined ? 0 : columns.indexOf(key)];
  if (ownKey !== undefined) notes?.noticeKey(ownKey, line);
  return JSON.stringify({ key: ownKey, document: Object.fromEntries(fields) });
}

function cellValue(cell: string, name: string, { texts, decimalCommas = [], notes, line }: Place): unknown {
  if (texts.includes(name)) return cell;
  if (decimalCommas.includes(name)) {
    const value = readCell(jsonNumberOf(cell) ?? '');
    if (typeof value === 'number') return value;
    throw wrong(
      line,
      `"${shown(cell)}" in the column "${shown(name)}" is not a number with a decimal comma, or has too many digits`,
    );
  }
  const value = readCell(cell);
  if (value === cell) notes?.noticeText(name, cell, line);
  return value;
}

const number = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

function readCell(cell: string): unknown {
  const isJson = /^["[{]/.test(cell) || number.test(cell) || ['true', 'false', 'null'].includes(cell);
  if (!isJson) return cell;
  try {
    return parseJsonText(cell);
  } catch {
    return cell;
  }
}

async function* decoded(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let lines = 1;
  const decode = (chunk?: Uint8Array): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
    } catch {
      throw new StatemeshError(
        'importInvalid',
        `The file is not UTF-8, on line ${lines} or soon after: save it as "CSV UTF-8", or convert it, for example with iconv.`,
      );
    }
  };
  for await (const chunk of chunks) {
    const text = decode(chunk);
    yield text;
    lines += text.split('\n').length - 1;
  }
  yield decode();
}

/** The separator is found in the first row: the first comma, semicolon or tab that is not quoted. */
async function* rowsOf(texts: AsyncIterable<string>): AsyncGenerator<Row, void, void> {
  let separator: string | undefined;
  let cells: string[] = [];
  let cell = '';
  let state: 'start' | 'plain' | 'quoted' | 'closed' = 'start';
  let [line, first, characters] = [1, 1, 0];
  const endCell = (): void => {
    // A line may end with CR LF.
    cells.push(state === 'plain' ? cell.replace(/\r$/, '') : cell);
    cell = '';
    state = 'start';
  };
  const endRow = (): Row => {
    endCell();
    const row = { cells, line: first, lines: line - first };
    cells = [];
    [first, characters] = [line, 0];
    separator ??= ',';
    return row;
  };
  for await (const text of texts) {
    for (const character of text) {
      if (character === '\n') line += 1;
      characters += 1;
      if (characters > controlLimits.lineBytesMax)
        throw wrong(first, 'it is too long; is a quotation mark not closed?');
      if (state === 'quoted') {
        if (character === '"') state = 'closed';
        else cell += character;
      } else if (character === '"' && state === 'closed') {
        cell += character;
        state = 'quoted';
      } else if (character === '"' && state === 'start') state = 'quoted';
      else if (character === '\n') yield endRow();
      else if (separator === undefined ? separators.includes(character) : character === separator) {
        separator = character;
        endCell();
      } else if (state !== 'closed') {
        cell += character;
        state = 'plain';
      } else if (character !== '\r') throw wrong(line, 'there is text after a closing quotation mark');
    }
  }
  if (state === 'quoted') throw wrong(first, 'a quotation mark is not closed');
  if (cell !== '' || cells.length > 0 || state !== 'start') yield endRow();
}

function wrong(line: number, reason: string): StatemeshError {
  return new StatemeshError('importInvalid', `Line ${line} is not valid: ${reason}.`);
}

function shown(name: string): string {
  return name.slice(0, 80);
}

interface Found {
  readonly key: string;
  readonly document: unknown;
}

/**
 * Rows of documents, the header first. The documents are iterated twice, because a row is complete only when all
 * columns are known.
 *
 * @throws StatemeshError `requestInvalid` for documents that are not objects, for too many columns, and when a field
 * was added between the two reads
 */
export async function* csvOf(documents: AsyncIterable<unknown>): AsyncGenerator<string, void, void> {
  const columns = new Set<string>();
  let isEmpty = true;
  for await (const found of documents) {
    isEmpty = false;
    for (const name of Object.keys(fieldsOf(found as Found))) columns.add(name);
    if (columns.size > columnsMax)
      throw badInput(`There are more than ${columnsMax} fields: export JSON Lines instead.`);
  }
  if (isEmpty) return;
  yield [keyColumn, ...columns].map(quoted).join(',');
  for await (const found of documents) {
    const fields = new Map(Object.entries(fieldsOf(found as Found)));
    const cells = [...columns].map((name) => (fields.has(name) ? cellOf(fields.get(name)) : ''));
    for (const name of fields.keys()) {
      if (!columns.has(name))
        throw badInput(`A document with another field, "${shown(name)}", was written meanwhile: export again.`);
    }
    yield [(found as Found).key, ...cells].map(quoted).join(',');
  }
}

function fieldsOf({ key, document }: Found): object {
  if (typeof document === 'object' && document !== null && !Array.isArray(document)) return document;
  throw badInput(`The document of "${shown(key)}" is not an object, so it has no columns: export JSON Lines instead.`);
}

function cellOf(value: unknown): string {
  if (typeof value !== 'string') return jsonOf(value);
  const isPlain = value !== '' && readCell(value) === value && !unprintable.test(value);
  return isPlain ? value : jsonOf(value);
}

/** Control characters except tab and line ends, and lone surrogates, which UTF-8 cannot encode. */
const unprintable = /[^\P{Cc}\t\n\r]|\p{Cs}/u;

function quoted(cell: string): string {
  return /[",;\t\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
