/**
 * Importing documents from lines of JSON.
 *
 * Invariants: lines are read no faster than they are written; at the first line that is not valid, reading stops, all lines
 * before it are written, and the error names the line and says how many were; a caller who goes away stops the import.
 */

import { encodeDocument } from './core/document.js';
import { failureOf, isStatemeshError, messageOf, StatemeshError } from './core/errors.js';
import { parseDocumentKey } from './core/ids.js';
import { parseJsonText } from './core/json-text.js';
import { own } from './core/own.js';
import { plural } from './core/plural.js';
import type { Collection } from './database/collection.js';

export interface ImportOptions {
  readonly lines: AsyncIterable<string>;
  /** The field of each document that is its key; without it, a line is `{"key","document"}`. */
  readonly keyField: string | undefined;
  readonly signal: AbortSignal;
}

/** How far an import is. */
export interface ImportProgress {
  /** Documents on disk. */
  readonly written: number;
  /** True in the last one only. */
  readonly done?: true;
}

/** @throws StatemeshError `importInvalid` naming the line; of the database, with how many documents were written before */
export async function* importLines(
  collection: Collection,
  { lines, keyField, signal }: ImportOptions,
): AsyncGenerator<ImportProgress, void, void> {
  const documents = new LineDocuments(lines, keyField);
  let written = 0;
  let isOver = false;
  // Progress is told as fast as the caller listens: only the latest number is kept.
  let wake = (): void => {};
  const over = collection
    .putMany(documents, {
      signal,
      onProgress: (progress) => {
        written = progress.written;
        wake();
      },
    })
    .then(() => undefined, failureOf)
    .finally(() => {
      isOver = true;
      wake();
    });
  for (let told = 0; !isOver; ) {
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (isOver || written > told) resolve();
    });
    if (isOver || written === told) continue;
    told = written;
    yield { written };
  }
  const failure = (await over) ?? documents.failure;
  if (failure === undefined) yield { written, done: true };
  else
    throw new StatemeshError(
      failure.code,
      `${failure.message} ${written} ${plural(written, 'document was written before and stays', 'documents were written before and stay')}.`,
    );
}

/** The documents of lines. Ends at the first wrong line, which it remembers, so that those before it are still written. */
class LineDocuments implements AsyncIterable<readonly [key: string, document: unknown]> {
  failure: StatemeshError | undefined;
  #number = 0;

  constructor(
    readonly lines: AsyncIterable<string>,
    readonly keyField: string | undefined,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly [key: string, document: unknown], void, void> {
    const lines = this.lines[Symbol.asyncIterator]();
    try {
      for (;;) {
        const pair = await this.#next(lines);
        if (pair === undefined) return;
        yield pair;
      }
    } finally {
      await lines.return?.();
    }
  }

  async #next(lines: AsyncIterator<string>): Promise<readonly [string, unknown] | undefined> {
    try {
      for (;;) {
        this.#number += 1;
        const { done, value } = await lines.next();
        if (done) return undefined;
        if (value.trim() !== '') return parseLine(value, this.keyField);
      }
    } catch (error) {
      // A connection that broke is no wrong line; the signal tells of it.
      if (!isStatemeshError(error)) throw error;
      const reason = error.message.replace(/\.$/, '');
      this.failure = new StatemeshError('importInvalid', `Line ${this.#number} is not valid: ${reason}.`);
      return undefined;
    }
  }
}

/** @throws StatemeshError with what is wrong with the line */
function parseLine(line: string, keyField: string | undefined): readonly [string, unknown] {
  const value = parseJson(line);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('it is not a JSON object');
  const [key, document] = keyField === undefined ? pairOf(value) : [keyIn(value, keyField), value];
  // Checked here and not only by the database: there, a wrong document would take its whole batch with it.
  encodeDocument(document);
  return [parseDocumentKey(key), document];
}

function pairOf(value: object): readonly [string, unknown] {
  const { key, document, ...rest } = value as { key?: unknown; document?: unknown };
  if (typeof key !== 'string') throw wrong('it has no "key" (or name the field that is the key)');
  if (document === undefined) throw wrong('it has no "document"');
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw wrong(`it has "${unknown.slice(0, 80)}" besides "key" and "document"`);
  return [key, document];
}

/** Integers make keys, too: many data sets have them as ids. Beyond 2^53 some of them are one number, so none is taken. */
function keyIn(value: object, field: string): string {
  const key: unknown = own(value as Record<string, unknown>, field);
  if (typeof key === 'string') return key;
  if (Number.isSafeInteger(key)) return String(key);
  const what = typeof key === 'number' ? 'is a fraction or beyond 2^53; write it as text' : 'is not a text or number';
  throw wrong(`its field "${field.slice(0, 80)}", the key, ${what}`);
}

function parseJson(line: string): unknown {
  try {
    return parseJsonText(line);
  } catch (error) {
    throw wrong(messageOf(error));
  }
}

function wrong(reason: string): StatemeshError {
  return new StatemeshError('importInvalid', reason);
}
