/** `statemesh find`: prints the documents that match a query, as a table of keys and JSON, or as JSON Lines. */
import type { Command } from 'commander';
import { hintAtMissing, hintAtUnknownFields } from './collections.js';
import { jsonArgument, quotingAdvice } from './exact-input.js';
import { badInput } from './failures.js';
import { documentsOf } from './malformed.js';
import { defineTalking, type NodeAt, nodeAt, type TalkOptions } from './node-at.js';
import { clean, jsonOf, paint, print, printJson, written } from './output.js';

interface FindOptions extends TalkOptions {
  readonly where?: string;
  readonly orderBy?: string;
  readonly limit?: string;
  readonly offset?: string;
  readonly count?: boolean;
}

const operators = `
A condition is a JSON object of fields: {"price":1.2} or {"address.city":{"$like":"Ber%"}}. Operators of a field are $eq
$ne $gt $gte $lt $lte $in $like. $and and $or take lists of conditions, $not takes one. A backslash makes the next
character of a field literal: {"a\\\\.b":1} is the field "a.b". Fields that hold lists cannot be compared yet.`;

export function defineFind(command: Command): void {
  command
    .argument('<collection>')
    .option('--where <json>', 'only documents that fulfill this condition')
    .option('--order-by <fields>', 'fields separated by commas; a - before a field sorts descending: -price,name')
    .option('--limit <number>', 'at most this many documents')
    .option('--offset <number>', 'skip this many documents first')
    .option('--count', 'print only how many match')
    .addHelpText('after', operators);
  defineTalking(command, {
    json: 'print one JSON object per line, {"key","document"}; with --count {"count"}',
    examples: [
      'statemesh find articles --where \'{"price":{"$lt":2}}\' --order-by -price,name --limit 10',
      'statemesh find articles --count',
    ],
  }).action(async (collection: string, options: FindOptions) => {
    const node = nodeAt(options);
    const where = options.where === undefined ? {} : { where: parseWhere(options.where) };
    if (options.count) {
      const answer = (await node.call('count', { collection, ...where })) as { count: number };
      if (options.json) printJson(answer);
      else print(String(answer.count));
      if (answer.count === 0) await hintAtNothing(node, collection, { ...where, options });
      return;
    }
    const orderBy = options.orderBy?.split(',').map(parseOrder);
    const body = {
      collection,
      ...where,
      ...(orderBy === undefined ? {} : { orderBy }),
      ...numberOption('limit', options.limit),
      ...numberOption('offset', options.offset),
    };
    let isEmpty = true;
    const documents = documentsOf(node, 'find', { body, options });
    for await (const item of documents) {
      isEmpty = false;
      const { key, document } = item as { key: string; document: unknown };
      await written(options.json ? jsonOf(item) : `${paint('bold', clean(key))}  ${jsonOf(document)}`);
    }
    documents.hint();
    if (isEmpty) await hintAtNothing(node, collection, { ...where, options });
    else if (orderBy !== undefined)
      await hintAtUnknownFields(node, { collection, fields: orderBy.map(({ field }) => field) }, options);
  });
}

function parseWhere(json: string): unknown {
  const where = jsonArgument(json, '--where', 'queryInvalid');
  // No query can name a field with an empty name; it is what a shell leaves of "$lt" in double quotes.
  if (!/(?<!\\)""\s*:/.test(json)) return where;
  throw badInput(`--where cannot be used: a name in it is empty. ${quotingAdvice}`, 'queryInvalid');
}

async function hintAtNothing(
  node: NodeAt,
  collection: string,
  { where, options }: { where?: unknown; options: FindOptions },
): Promise<void> {
  if (await hintAtMissing(node, collection, options)) return;
  await hintAtUnknownFields(node, { collection, fields: fieldsOf(where) }, options);
}

/** The fields of a condition that the node has accepted. */
function fieldsOf(where: unknown): string[] {
  if (typeof where !== 'object' || where === null) return [];
  return Object.entries(where).flatMap(([name, condition]) => {
    if (!name.startsWith('$')) return [name];
    return Array.isArray(condition) ? condition.flatMap(fieldsOf) : fieldsOf(condition);
  });
}

function parseOrder(field: string): { field: string; descending: boolean } {
  const name = field.trim();
  return name.startsWith('-') ? { field: name.slice(1), descending: true } : { field: name, descending: false };
}

function numberOption(name: 'limit' | 'offset', text: string | undefined): { [name: string]: number } {
  if (text === undefined) return {};
  if (!/^\d{1,15}$/.test(text)) throw badInput(`--${name} is a whole number from 0, not "${text}".`, 'queryInvalid');
  return { [name]: Number(text) };
}
