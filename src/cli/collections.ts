/**
 * `statemesh collections`: lists the collections with their numbers of documents. Also the hints about a missing
 * collection.
 */
import type { Command } from 'commander';
import { defineTalking, type NodeAt, nodeAt, type TalkOptions } from './node-at.js';
import { clean, count, hintAt, jsonOf, print, table, written } from './output.js';

interface CollectionLine {
  readonly collection: string;
  readonly documents: number;
}

export function defineCollections(command: Command): void {
  defineTalking(command, {
    json: 'print one JSON object per line, {"collection","documents"}',
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

/** Prints a hint on standard error when a command has found nothing because the collection does not exist. */
export async function hintAtMissing(node: NodeAt, collection: string, options: TalkOptions): Promise<boolean> {
  const text = await missingText(node, collection);
  if (text !== undefined) hintAt(text, options);
  return text !== undefined;
}

/** What every command says about a collection that does not exist; undefined if it exists. */
export async function missingText(node: NodeAt, collection: string): Promise<string | undefined> {
  // Those of statemesh itself are not listed.
  if (collection.startsWith('_system_')) return undefined;
  for await (const line of node.stream('collections', {})) {
    if ((line as CollectionLine).collection === collection) return undefined;
  }
  return `There is no collection "${clean(collection)}" with documents: see \`statemesh collections\`.`;
}

/**
 * Prints a hint on standard error for fields that no document has: they are often misspelled, and a query accepts them.
 */
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

function rowOf({ collection, documents }: CollectionLine): string[] {
  return [clean(collection), count(documents)];
}
