/** `statemesh collections`: which collections there are, with how many documents; and what is said of one that is not there. */
import type { Command } from 'commander';
import { defineTalking, type NodeAt, nodeAt, type TalkOptions } from './node-at.js';
import { clean, count, jsonOf, print, printError, table, written } from './output.js';

interface CollectionLine {
  readonly collection: string;
  readonly documents: number;
}

export function defineCollections(command: Command): void {
  defineTalking(command, {
    json: 'print one JSON object a line, {"collection","documents"}',
    examples: ['statemesh collections', 'statemesh collections --json'],
  }).action(async (options: TalkOptions) => {
    const lines: CollectionLine[] = [];
    for await (const line of nodeAt(options).stream('collections', {})) {
      if (options.json) await written(jsonOf(line));
      else lines.push(line as CollectionLine);
    }
    if (options.json) return;
    if (lines.length === 0) print('There are no documents yet.');
    else print(table(['COLLECTION', 'DOCUMENTS'], lines.map(rowOf), [1]));
  });
}

/** Says so on standard error, where a command has found nothing in a collection because there is none of that name. */
export async function hintAtMissing(node: NodeAt, collection: string, options: TalkOptions): Promise<boolean> {
  for await (const line of node.stream('collections', {})) {
    if ((line as CollectionLine).collection === collection) return false;
  }
  hintAt(`There is no collection "${clean(collection)}" with documents: see \`statemesh collections\`.`, options);
  return true;
}

/** Says on standard error which of the fields no document has: they are often misspelled, and to a query that is no mistake. */
export async function hintAtUnknownFields(
  node: NodeAt,
  { collection, fields }: { readonly collection: string; readonly fields: Iterable<string> },
  options: TalkOptions,
): Promise<void> {
  for (const field of new Set(fields)) {
    const body = { collection, where: { [field]: { $ne: null } }, limit: 1 };
    let isKnown = false;
    for await (const _ of node.stream('find', { body })) isKnown = true;
    if (!isKnown) hintAt(`No document in ${clean(collection)} has the field "${clean(field)}".`, options);
  }
}

/** Says on standard error what no failure is, but worth knowing. */
export function hintAt(hint: string, { json }: TalkOptions): void {
  printError(json ? jsonOf({ hint }) : `hint:  ${hint}`);
}

function rowOf({ collection, documents }: CollectionLine): string[] {
  return [clean(collection), count(documents)];
}
