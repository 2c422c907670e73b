/** `statemesh export`: writes documents, or the whole history, as JSON Lines or CSV. */
import { createWriteStream, existsSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import cliProgress from 'cli-progress';
import type { Command } from 'commander';
import { messageOf, StatemeshError } from '../control/protocol.js';
import { hintAtMissing } from './collections.js';
import { csvOf, isCsvFile } from './csv.js';
import { badInput } from './failures.js';
import { placeFor } from './file-place.js';
import { documentsOf } from './malformed.js';
import { defineTalking, nodeAt, type TalkOptions } from './node-at.js';
import { counted, jsonOf, print, printJson } from './output.js';

interface ExportOptions extends TalkOptions {
  readonly to?: string;
  readonly history?: boolean;
  readonly csv?: boolean;
  readonly force?: boolean;
}

const help = `
There is one line for each document: {"key","document"} when a collection is named, otherwise
{"collection","key","document"}. All lines of a collection show one moment, that of its first line. \`statemesh import\`
reads them. Statemesh's own documents are left out.

With --history, there is one line for each entry, including deletions and earlier versions: {"collection","key",
"operation","document","hlc","nodeId","current"}. current is false when a later write was there already, so that the entry
changed nothing. A malformed entry of another node has "malformed":true in place of a document. \`statemesh import\` reads
these lines, too.

With --csv, or --to a name that ends with .csv, a collection becomes a table for spreadsheets: a row for each document, a
column for each field. \`statemesh import\` restores the same documents. Objects, lists, and texts that look like numbers
are written as JSON.`;

export function defineExport(command: Command): void {
  command
    .argument('[collection]', 'default: all of them')
    .option('--to <file>', 'write to this file; default: standard output')
    .option('--force', 'replace the file if it exists')
    .option('--history', 'every entry, with its time stamp and its author')
    .option('--csv', 'as CSV; needs a collection')
    .addHelpText('after', help);
  defineTalking(command, {
    json: 'with --to, print {"lines","file"} at the end',
    examples: [
      'statemesh export articles > articles.jsonl',
      'statemesh export articles --to articles.csv',
      'statemesh export --history --to all.jsonl',
    ],
  }).action(async (collection: string | undefined, options: ExportOptions) => {
    const { to, history = false } = options;
    const place = to === undefined ? undefined : placeIn(to, options);
    const body = { ...(collection === undefined ? {} : { collection }), ...(history ? { history } : {}) };
    const node = nodeAt(options);
    const isCsv = options.csv ?? (to !== undefined && isCsvFile(to));
    if (isCsv && (collection === undefined || history))
      throw badInput('CSV needs a collection, and excludes --history.');
    const documents = documentsOf(node, 'export', { body, options });
    const lines = isCsv ? csvOf(documents) : jsonLinesOf(documents);
    const written = place === undefined ? await write(lines, process.stdout) : await writeFileOf(lines, place);
    // The header is not a document.
    const count = isCsv ? Math.max(0, written - 1) : written;
    documents.hint();
    if (count === 0 && collection !== undefined) await hintAtMissing(node, collection, options);
    if (to === undefined) return;
    if (options.json) printJson({ lines: count, file: to });
    else print(`${counted(count, history ? 'line' : 'document')} in ${to}.`);
  });
}

/** @throws StatemeshError `requestInvalid`, also when the directory does not exist */
function placeIn(to: string, options: ExportOptions): string {
  const place = placeFor(to, options);
  const directory = dirname(place);
  if (existsSync(directory)) return place;
  throw badInput(`There is no directory ${directory} for ${basename(place)}.`);
}

async function* jsonLinesOf(lines: AsyncIterable<unknown>): AsyncGenerator<string, void, void> {
  for await (const line of lines) yield jsonOf(line);
}

/** Under another name first, so that a partial file is never mistaken for a complete one. */
async function writeFileOf(lines: AsyncIterable<string>, path: string): Promise<number> {
  const partial = `${path}.partial`;
  rmSync(partial, { force: true });
  // Never overwrites a file that another program may have created there.
  const file = createWriteStream(partial, { flags: 'wx', mode: 0o600 });
  try {
    const count = await write(lines, file);
    file.end();
    await finished(file);
    renameSync(partial, path);
    return count;
  } catch (error) {
    file.destroy();
    rmSync(partial, { force: true });
    if (error instanceof StatemeshError) throw error;
    throw badInput(`${path} cannot be written: ${messageOf(error)}.`);
  }
}

async function write(lines: AsyncIterable<string>, target: Writable): Promise<number> {
  const progress = createProgress(target);
  let failure: unknown;
  // One listener for all writes: one per wait would be a leak, and cause a warning.
  let wake = (): void => {};
  target.once('error', (error) => {
    failure = error;
    wake();
  });
  target.on('drain', () => wake());
  let count = 0;
  try {
    for await (const line of lines) {
      if (failure !== undefined) throw failure;
      count += 1;
      progress.update(count);
      if (!target.write(`${line}\n`)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    if (failure !== undefined) throw failure;
  } finally {
    progress.end();
  }
  return count;
}

/** Shown only when standard error is a terminal and the output does not go to that terminal. */
function createProgress(target: Writable): { update(count: number): void; end(): void } {
  if (!process.stderr.isTTY || (target === process.stdout && process.stdout.isTTY)) return { update() {}, end() {} };
  const bar = new cliProgress.SingleBar(
    { format: '{value} lines', stream: process.stderr, clearOnComplete: true, hideCursor: true },
    cliProgress.Presets.shades_classic,
  );
  bar.start(0, 0);
  return { update: (count) => bar.update(count), end: () => bar.stop() };
}
