/**
 * Imports documents from lines of JSON.
 *
 * Invariants: the import reads lines no faster than it writes them. At the first invalid line it stops reading, writes
 * all lines before it, and names the line and the number of documents written. A caller who disconnects stops the
 * import.
 */

import { encodeDocument } from '../core/document.js';
import { type Failure, failureOf, isStatemeshError, messageOf, StatemeshError } from '../core/errors.js';
import { isSystemCollection, parseDocumentKey } from '../core/ids.js';
import { parseJsonText } from '../core/json-text.js';
import { limits } from '../core/limits.js';
import { own } from '../core/own.js';
import { plural } from '../core/plural.js';
import type { Collection } from '../database/collection.js';

export interface ImportOptions {
  readonly lines: AsyncIterable<string>;
  /** The field that holds a document's key. Without it, a line is `{"key","document"}`. */
  readonly keyField: string | undefined;
  readonly signal: AbortSignal;
}

/** Progress of an import. */
export interface ImportProgress {
  /** Documents on disk. */
  readonly written: number;
  /** True in the last one only. */
  readonly done?: true;
}

/**
 * @throws StatemeshError `importInvalid` naming the line; the errors of the database, with the number of documents
 * written before
 */
export async function* importLines(
  collection: Collection,
  { lines, keyField, signal }: ImportOptions,
): AsyncGenerator<ImportProgress, void, void> {
  const documents = new ParsedLines(lines, (line) => parseLine(line, keyField));
  let written = 0;
  let isOver = false;
  // Yields progress as fast as the caller reads: only the latest number is kept.
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
  else throw withCount(failure, written);
}

function withCount({ code, message }: Failure, written: number): StatemeshError {
  const kept = plural(written, 'document was written before and stays', 'documents were written before and stay');
  return new StatemeshError(code, `${message} ${written} ${kept}.`);
}

/**
 * Imports documents and deletions from lines that name their collections: what `export` writes for all collections, or
 * for a history.
 *
 * Entries that lost to an earlier write when they arrived are skipped, so the result equals the documents of the
 * exporting node. Lines are written in batches. If a batch has several lines for one document, only the last is
 * written.
 *
 * @throws as {@link importLines}
 */
export async function* importExport(
  collectionOf: (name: string) => Collection,
  { lines, signal }: Pick<ImportOptions, 'lines' | 'signal'>,
): AsyncGenerator<ImportProgress, void, void> {
  const edits = new ParsedLines(lines, (line) => parseEdit(line, collectionOf));
  let written = 0;
  let failure: Failure | undefined;
  try {
    for await (const batch of batchesOf(edits)) {
      if (signal.aborted) throw new StatemeshError('cancelled', 'The import was cancelled.');
      await write(batch);
      written += batch.length;
      yield { written };
    }
    failure = edits.failure;
  } catch (error) {
    failure = failureOf(error);
  }
  if (failure === undefined) yield { written, done: true };
  else throw withCount(failure, written);
}

/** The change that a line makes to a document. Undefined deletes the document. */
interface Edit {
  readonly collection: Collection;
  readonly key: string;
  readonly document: unknown;
  readonly characters: number;
}

async function* batchesOf(edits: AsyncIterable<Edit>): AsyncGenerator<Edit[], void, void> {
  let batch: Edit[] = [];
  let characters = 0;
  for await (const edit of edits) {
    batch.push(edit);
    characters += edit.characters;
    if (batch.length < limits.batchEntriesMax && characters < limits.batchBytesMax) continue;
    yield batch;
    batch = [];
    characters = 0;
  }
  if (batch.length > 0) yield batch;
}

async function write(batch: readonly Edit[]): Promise<void> {
  const collections = new Map<string, { collection: Collection; documents: Map<string, unknown> }>();
  for (const { collection, key, document } of batch) {
    const edited = collections.get(collection.name) ?? { collection, documents: new Map() };
    collections.set(collection.name, edited);
    edited.documents.set(key, document);
  }
  const writes = [...collections.values()].flatMap(({ collection, documents }) => {
    const all = [...documents];
    return [
      collection.putMany(all.filter(([, document]) => document !== undefined)),
      ...all.flatMap(([key, document]) => (document === undefined ? [collection.delete(key)] : [])),
    ];
  });
  const failed = (await Promise.allSettled<unknown>(writes)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/**
 * The parsed lines. The iteration ends at the first invalid line, which it remembers, so that the lines before it are
 * still written.
 */
class ParsedLines<T> implements AsyncIterable<T> {
  failure: StatemeshError | undefined;
  #number = 0;

  constructor(
    readonly lines: AsyncIterable<string>,
    /** Returns undefined for a line to skip. */
    readonly parse: (line: string) => T | undefined,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    const lines = this.lines[Symbol.asyncIterator]();
    try {
      for (;;) {
        const parsed = await this.#next(lines);
        if (parsed === undefined) return;
        yield parsed;
      }
    } finally {
      await lines.return?.();
    }
  }

  async #next(lines: AsyncIterator<string>): Promise<T | undefined> {
    try {
      for (;;) {
        this.#number += 1;
        const { done, value } = await lines.next();
        if (done) return undefined;
        const parsed = value.trim() === '' ? undefined : this.parse(value);
        if (parsed !== undefined) return parsed;
      }
    } catch (error) {
      // A broken connection is not an invalid line: the signal reports it.
      if (!isStatemeshError(error)) throw error;
      const reason = error.message.replace(/\.$/, '');
      this.failure = new StatemeshError('importInvalid', `Line ${this.#number} is not valid: ${reason}.`);
      return undefined;
    }
  }
}

/** @throws StatemeshError that says what is wrong with the line */
function parseLine(line: string, keyField: string | undefined): readonly [string, unknown] {
  const value = parseObject(line);
  const [key, document] = keyField === undefined ? pairOf(value) : [keyIn(value, keyField), value];
  // Checked here as well as by the database: there, one invalid document would fail its whole batch.
  encodeDocument(document);
  return [parseDocumentKey(key), document];
}

function pairOf(value: object): readonly [string, unknown] {
  const { key, document, ...rest } = value as { key?: unknown; document?: unknown; collection?: unknown };
  if (typeof key !== 'string') throw wrong('it has no "key" (or name the field that is the key)');
  if (document === undefined) throw wrong('it has no "document"');
  if (typeof rest.collection === 'string') throw wrong('it names its "collection": leave out the one before the file');
  refuseUnknown(rest, '"key" and "document"');
  return [key, document];
}

/**
 * Integers are valid keys, too: many data sets use them as ids. Integers above 2^53 are refused, because different ones
 * would become the same number.
 */
function keyIn(value: object, field: string): string {
  const key: unknown = own(value as Record<string, unknown>, field);
  if (typeof key === 'string') return key;
  if (Number.isSafeInteger(key)) return String(key);
  const what = typeof key === 'number' ? 'is a fraction or beyond 2^53; write it as text' : 'is not a text or number';
  throw wrong(`its field "${field.slice(0, 80)}", the key, ${what}`);
}

/**
 * @returns undefined for an entry that changed nothing
 * @throws StatemeshError that says what is wrong with the line
 */
function parseEdit(line: string, collectionOf: (name: string) => Collection): Edit | undefined {
  const {
    collection: name,
    key,
    document,
    operation = 'put',
    current = true,
    malformed = false,
    ...rest
  } = parseObject(line);
  const { hlc: _hlc, nodeId: _nodeId, ...unknown } = rest;
  refuseUnknown(unknown, 'what `statemesh export` writes');
  if (typeof name !== 'string') throw wrong('it has no "collection" (or name the collection before the file)');
  if (typeof key !== 'string') throw wrong('it has no "key"');
  if (operation !== 'put' && operation !== 'delete') throw wrong('its "operation" is neither "put" nor "delete"');
  if (typeof current !== 'boolean' || typeof malformed !== 'boolean')
    throw wrong('"current" and "malformed" are true or false');
  const collection = collectionOf(name);
  if (isSystemCollection(collection.name)) throw wrong(`"${name.slice(0, 80)}" is written by statemesh only`);
  // An entry that another node wrote malformed counts as no document.
  const isDeletion = operation === 'delete' || malformed;
  if (isDeletion !== (document === undefined))
    throw wrong(isDeletion ? 'a deletion has no "document"' : 'it has no "document"');
  if (!isDeletion) encodeDocument(document);
  return current ? { collection, key: parseDocumentKey(key), document, characters: line.length } : undefined;
}

function parseObject(line: string): Record<string, unknown> {
  if (/^\s*\[/.test(line))
    throw wrong('a list is no JSON Lines: write each document on a line of its own, as `jq -c .[]` does');
  const value = parseJson(line);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('it is not a JSON object');
  return value as Record<string, unknown>;
}

function refuseUnknown(fields: object, known: string): void {
  const [unknown] = Object.keys(fields);
  if (unknown !== undefined) throw wrong(`it has "${unknown.slice(0, 80)}" besides ${known}`);
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
