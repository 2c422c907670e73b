/** `statemesh put`, `get` and `delete`: one document. */

import type { Command } from 'commander';
import { StatemeshError } from '../control/protocol.js';
import { missingText } from './collections.js';
import { jsonArgument, standardInput } from './exact-input.js';
import { malformedAdvice } from './malformed.js';
import { defineTalking, type NodeAt, nodeAt, type TalkOptions } from './node-at.js';
import { jsonOf, print, printJson } from './output.js';

interface GetAnswer {
  readonly found: boolean;
  readonly document?: unknown;
  readonly malformed?: boolean;
}

export function definePut(command: Command): void {
  command
    .argument('<collection>', 'for example articles')
    .argument('<key>', 'names the document in its collection')
    .argument('<json>', 'the document, or - to read it from standard input');
  defineTalking(command, {
    json: 'print the position of the write as one JSON object: hlc, cursor',
    examples: [
      'statemesh put articles espresso \'{"name":"Espresso","price":1.2}\'',
      'statemesh put articles espresso - < espresso.json',
    ],
  }).action(async (collection: string, key: string, json: string, options: TalkOptions) => {
    const document = jsonArgument(json === '-' ? await standardInput() : json, 'The document', 'documentInvalid');
    const written = await nodeAt(options).call('put', { collection, key, document });
    if (options.json) printJson(written);
    else print(`Written: ${key} in ${collection}.`);
  });
}

export function defineGet(command: Command): void {
  command.argument('<collection>').argument('<key>');
  defineTalking(command, {
    json: 'print the document on one line',
    examples: ['statemesh get articles espresso', 'statemesh get articles espresso --json'],
    notFound: 'no document under the key',
  }).action(async (collection: string, key: string, options: TalkOptions) => {
    const node = nodeAt(options);
    const answer = (await node.call('get', { collection, key })) as GetAnswer;
    if (answer.malformed) throw malformed(collection, key);
    if (!answer.found) throw await notFound(node, collection, key);
    print(jsonOf(answer.document, options.json ? undefined : 2));
  });
}

export function defineDelete(command: Command): void {
  command.argument('<collection>').argument('<key>');
  defineTalking(command, {
    json: 'print the position of the deletion as one JSON object: hlc, cursor',
    examples: ['statemesh delete articles espresso'],
    notFound: 'no document under the key',
  }).action(async (collection: string, key: string, options: TalkOptions) => {
    const node = nodeAt(options);
    const answer = (await node.call('delete', { collection, key })) as { found: boolean };
    const { found, ...written } = answer;
    if (!found) throw await notFound(node, collection, key);
    if (options.json) printJson(written);
    else print(`Deleted: ${key} in ${collection}.`);
  });
}

function malformed(collection: string, key: string): StatemeshError {
  const what = `The document "${key}" in ${collection} is malformed and cannot be read; another node wrote it.`;
  return new StatemeshError('documentNotFound', `${what} ${malformedAdvice}`);
}

async function notFound(node: NodeAt, collection: string, key: string): Promise<StatemeshError> {
  const missing = await missingText(node, collection);
  const where = missing === undefined ? ` in ${collection}.` : `. ${missing}`;
  return new StatemeshError('documentNotFound', `There is no document "${key}"${where}`);
}
