/** `statemesh watch`: shows entries, of this node or others, as they arrive. */
import type { Command } from 'commander';
import { hintAtMissing } from './collections.js';
import { untilInterrupted } from './interruption.js';
import { defineTalking, nodeAt, type TalkOptions } from './node-at.js';
import { clean, jsonOf, paint, written } from './output.js';

interface WatchOptions extends TalkOptions {
  readonly since?: string;
}

interface ChangeLine {
  readonly cursor: string;
  readonly collection: string;
  readonly key: string;
  readonly operation: 'put' | 'delete';
  readonly document?: unknown;
  readonly nodeId: string;
  readonly current: boolean;
}

const help = `
Each entry comes once, in the order in which it arrived on this node. A cursor is a position in that order. To continue
later, give --since the last cursor that you have seen. A cursor expires when the database is restored. Ctrl-C ends the
command, with exit code 0.`;

export function defineWatch(command: Command): void {
  command
    .argument('[collection]', 'show only this collection')
    .option('--since <cursor>', 'also show entries after this cursor; 0 for all; default: only new entries')
    .addHelpText('after', help);
  defineTalking(command, {
    json: 'print one JSON object per line, {"cursor","collection","key","operation","document","hlc","nodeId","current"}',
    examples: ['statemesh watch', 'statemesh watch articles --since 0 --json'],
  }).action(async (collection: string | undefined, options: WatchOptions) => {
    const ending = new AbortController();
    void untilInterrupted().then(() => ending.abort());
    const { signal } = ending;
    const body = {
      ...(collection === undefined ? {} : { collection }),
      ...(options.since === undefined ? {} : { since: options.since === '0' ? 0 : options.since }),
    };
    const node = nodeAt(options);
    // Beside the stream, so that the stream misses no entry. When this fails, the stream reports the failure, too.
    if (collection !== undefined) hintAtMissing(node, collection, options).catch(() => {});
    try {
      for await (const change of node.stream('changes', { body }, { signal })) {
        await written(options.json ? jsonOf(change) : lineOf(change as ChangeLine));
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    // Its listeners for signals would keep the process alive.
    process.exit();
  });
}

function lineOf({ cursor, collection, key, operation, document, nodeId, current }: ChangeLine): string {
  const what = operation === 'delete' ? paint('red', 'deleted') : jsonOf(document);
  const note = current ? '' : paint('dim', ' (a later write was there already)');
  return `${paint('dim', `${cursor} ${nodeId}`)}  ${paint('bold', `${clean(collection)} ${clean(key)}`)}  ${what}${note}`;
}
