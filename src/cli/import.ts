/**
 * `statemesh import`: writes documents from JSON Lines or CSV, with progress on a terminal.
 *
 * Invariants: the file is read no faster than the node writes. Only whole lines are sent. So Ctrl-C, which ends the
 * stream and waits for the node's final answer, leaves no partial document and prints a true count.
 */
import { createReadStream, existsSync, statSync } from 'node:fs';
import cliProgress from 'cli-progress';
import type { Command } from 'commander';
import { controlLimits, StatemeshError } from '../control/protocol.js';
import { isCsvFile, linesOfCsv } from './csv.js';
import { CsvNotes } from './csv-notes.js';
import { inputStream, inputUnreadable } from './exact-input.js';
import { exitCodes } from './exit-codes.js';
import { badInput, reportFailure } from './failures.js';
import { defineTalking, nodeAt, type TalkOptions } from './node-at.js';
import { clean, counted, hintAt, print, printJson } from './output.js';

interface ImportOptions extends TalkOptions {
  readonly key?: string;
  readonly csv?: boolean;
  readonly text?: string;
  readonly decimalComma?: string;
}

const lineHelp = `
A line is {"key":"...","document":...} or, with --key, a document that has its key in that field. Without a collection,
the file is the output of \`statemesh export\` or \`statemesh export --history\`, and the documents become what they were
there. Import stops at the first invalid line; the lines before it are written. Importing a file again writes the same
documents again.

CSV (--csv, or a name that ends with .csv) has a row for each document. The first row has the names of the fields,
separated by commas, semicolons or tabs. The first column is the key and is called "key", unless --key names another one.
  - A cell that is JSON is taken as JSON: numbers, true, false, null, {...}, [...], "...".
  - Any other cell is text, such as 007, TRUE, or a number that would lose digits.
  - An empty cell means that the document lacks the field.
  - --text takes a column as text, whatever its cells look like.
  - --decimal-comma takes a column as numbers such as 1,5 or 1.234,5. Without it they are text, and the command says so.`;

export function defineImport(command: Command): void {
  command
    .usage('[options] [collection] <file>')
    .argument('<collection>', 'leave it out when the lines name their collections, as those of `statemesh export` do')
    .argument('[file]', 'JSON Lines or CSV, or - for standard input')
    .option('--key <field>', 'take each line as a document, and this field of it as the key')
    .option('--csv', 'the file is CSV')
    .option('--text <fields>', 'with CSV: columns that are always text, separated by commas: zip,phone')
    .option('--decimal-comma <fields>', 'with CSV: columns of numbers with a decimal comma: price,weight')
    .addHelpText('after', lineHelp);
  defineTalking(command, {
    json: 'print {"written"} at the end',
    others: [exitCodes.interrupted],
    examples: [
      'statemesh import cities cities.jsonl --key id',
      'statemesh import articles articles.csv --key sku --text zip --decimal-comma price',
      'statemesh export | ssh till-2 statemesh import -',
      'gunzip -c cities.jsonl.gz | statemesh import cities - --key id',
    ],
  }).action(async (first: string, second: string | undefined, options: ImportOptions) => {
    const [collection, file] = second === undefined ? [undefined, first] : [first, second];
    if (second === undefined && file !== '-' && !existsSync(file))
      throw badInput(`There is no file ${file}. Usage: statemesh import [collection] <file>.`);
    process.exitCode = await importFile(collection, file, options);
  });
}

async function importFile(collection: string | undefined, file: string, options: ImportOptions): Promise<number> {
  const node = nodeAt(options);
  const isCsv = options.csv ?? isCsvFile(file);
  if (isCsv && collection === undefined)
    throw badInput('CSV names no collections: name the collection to import into.');
  if (!isCsv && options.text !== undefined)
    throw badInput('--text is for CSV: in JSON Lines, texts are in quotation marks.');
  if (!isCsv && options.decimalComma !== undefined)
    throw badInput('--decimal-comma is for CSV: JSON has decimal points.');
  if (!isCsv && collection === undefined && options.key !== undefined)
    throw badInput(`With --key, name the collection: statemesh import COLLECTION ${file} --key ${options.key}.`);
  const source = openSource(file);
  const progress = createProgress(source);
  const parameters = {
    ...(collection === undefined ? {} : { collection }),
    ...(options.key === undefined || isCsv ? {} : { key: options.key }),
  };
  const notes = new CsvNotes();
  const texts = options.text?.split(',') ?? [];
  const decimalCommas = options.decimalComma?.split(',') ?? [];
  const lines = isCsv ? linesOfCsv(source.lines(), { key: options.key, texts, decimalCommas, notes }) : source.lines();
  const stop = (): void => {
    // A second Ctrl-C ends the process at once.
    if (source.isStopped) process.exit(exitCodes.interrupted);
    source.stop();
  };
  process.on('SIGINT', stop);
  let written = 0;
  try {
    for await (const item of node.stream('import', { lines, parameters })) {
      written = (item as { written: number }).written;
      progress.update(written);
    }
  } catch (error) {
    progress.end();
    if (isNoJson(error) && !isCsv)
      throw new StatemeshError('importInvalid', `${error.message} If the file is CSV, add --csv.`);
    if ((error as { code?: unknown }).code !== 'connectionLost') throw error;
    throw new StatemeshError(
      'connectionLost',
      `${(error as Error).message} At least ${counted(written, 'document was', 'documents were')} kept.`,
    );
  } finally {
    progress.end();
    process.off('SIGINT', stop);
    source.stop();
    for (const hint of notes.hints()) hintAt(clean(hint), options);
  }
  if (source.isInterrupted) {
    const message = `The import was interrupted: ${counted(written, 'document was written and stays', 'documents were written and stay')}.`;
    return reportFailure(new StatemeshError('cancelled', message), options);
  }
  if (options.json) printJson({ written });
  else print(`Imported ${counted(written, 'document')}${collection === undefined ? '' : ` into ${collection}`}.`);
  return exitCodes.ok;
}

/** Whether the first line already is no JSON at all. */
function isNoJson(error: unknown): error is StatemeshError {
  return error instanceof StatemeshError && /^Line 1 is not valid: it is not JSON/.test(error.message);
}

/** The source of an import: a file, or standard input. */
interface Source {
  /** Undefined when the size is not known in advance. */
  readonly totalBytes: number | undefined;
  readonly sentBytes: number;
  readonly isStopped: boolean;
  /** Stopped before its end. */
  readonly isInterrupted: boolean;
  lines(): AsyncIterable<Uint8Array>;
  /** Ends the lines after the last whole one. */
  stop(): void;
}

function openSource(file: string): Source {
  const stopping = new AbortController();
  let sentBytes = 0;
  let isComplete = false;
  const totalBytes = file === '-' ? undefined : sizeOf(file);
  const stream = file === '-' ? inputStream() : createReadStream(file, { highWaterMark: 256 * 1024 });
  // The stream may fail before it is read; the reader then gets the error.
  stream.on('error', () => {});
  return {
    totalBytes,
    get sentBytes() {
      return sentBytes;
    },
    get isStopped() {
      return stopping.signal.aborted;
    },
    get isInterrupted() {
      return stopping.signal.aborted && !isComplete;
    },
    stop: () => stopping.abort(),
    async *lines() {
      stopping.signal.addEventListener('abort', () => stream.destroy());
      let rest: Uint8Array[] = [];
      let restBytes = 0;
      try {
        for await (const chunk of stream as AsyncIterable<Buffer>) {
          restBytes += chunk.length;
          // The node refuses a line that is longer than this, so there is no need to hold it.
          const end = restBytes > controlLimits.lineBytesMax ? chunk.length : chunk.lastIndexOf('\n') + 1;
          if (end === 0) {
            rest.push(chunk);
            continue;
          }
          const whole = Buffer.concat([...rest, chunk.subarray(0, end)]);
          rest = [chunk.subarray(end)];
          restBytes = chunk.length - end;
          sentBytes += whole.length;
          yield whole;
        }
      } catch (error) {
        if (!stopping.signal.aborted) throw unreadable(file, error);
      }
      if (stopping.signal.aborted) return;
      isComplete = true;
      yield Buffer.concat(rest);
    },
  };
}

function sizeOf(file: string): number {
  try {
    const found = statSync(file);
    if (found.isDirectory()) throw badInput(`${file} is a directory; name a file of JSON Lines.`);
    return found.size;
  } catch (error) {
    if (error instanceof StatemeshError) throw error;
    throw unreadable(file, error);
  }
}

function unreadable(file: string, error: unknown): StatemeshError {
  return inputUnreadable(error, file === '-' ? undefined : file);
}

/** The library passes a text when it cannot tell. */
function timeText(seconds: unknown, options: cliProgress.Options, roundToMultipleOf: number): string {
  if (typeof seconds !== 'number') return '?';
  return cliProgress.Format.TimeFormat(seconds, options, roundToMultipleOf);
}

interface Progress {
  update(written: number): void;
  end(): void;
}

/** A bar on standard error, when that is a terminal. */
function createProgress(source: Source): Progress {
  if (!process.stderr.isTTY) return { update() {}, end() {} };
  const isSized = source.totalBytes !== undefined && source.totalBytes > 0;
  const bar = new cliProgress.SingleBar(
    {
      format: isSized ? '{bar} {percentage}% | {written} documents | {eta_formatted} left' : '{written} documents',
      formatTime: timeText,
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(source.totalBytes ?? 0, 0, { written: 0 });
  return {
    update: (written) => bar.update(source.sentBytes, { written }),
    end: () => bar.stop(),
  };
}
