/**
 * `statemesh reconfigure`: changes fields of the running node. The file stays unchanged: a field keeps its value until
 * the configuration changes it.
 */
import type { Command } from 'commander';
import type { ConfigurationChange, Reconfiguration } from '../index.js';
import { exitCodes } from './exit-codes.js';
import { assignmentHelp, readAssignments } from './field-assignments.js';
import { defineTalking, nodeAt, type TalkOptions } from './node-at.js';
import { clean, jsonOf, print, printJson, table } from './output.js';

interface ReconfigureOptions extends TalkOptions {
  readonly stdin?: boolean;
}

export function defineReconfigure(command: Command): void {
  command
    .argument('[assignments...]', 'FIELD=VALUE')
    .option('--stdin', 'read fields as a JSON object from standard input')
    .addHelpText('after', assignmentHelp);
  defineTalking(command, {
    others: [exitCodes.taken, exitCodes.database],
    json: 'print {"changes":[{"field","from","to"}],"tookMs","writesHeldMs","connectionsRefusedMs"}',
    examples: [
      'statemesh reconfigure port=9001',
      'statemesh reconfigure nodeId=till-2',
      'statemesh reconfigure eligible=false heartbeat-interval-ms=500',
      'statemesh reconfigure --stdin < new-key.json',
    ],
  }).action(async (args: string[], options: ReconfigureOptions) => {
    const assignments = await readAssignments(args, options.stdin === true);
    // JSON has no undefined.
    const partial = Object.fromEntries(Object.entries(assignments).map(([name, value]) => [name, value ?? null]));
    const answer = (await nodeAt(options).call('reconfigure', { partial })) as Reconfiguration;
    if (options.json) printJson(answer);
    else report(answer);
  });
}

function report({ changes, tookMs, writesHeldMs, connectionsRefusedMs }: Reconfiguration): void {
  if (changes.length === 0) {
    print('Nothing to change: the node already has these values.');
    return;
  }
  print(table(['FIELD', 'FROM', 'TO'], changes.map(rowOf)));
  const ms = (value: number) => `${Math.round(value)} ms`;
  print(
    `In force after ${ms(tookMs)}; writes waited ${ms(writesHeldMs)}, connections were refused for ${ms(connectionsRefusedMs)}.`,
  );
  const moved = changes.find(({ field }) => field === 'dataDir');
  if (moved !== undefined)
    print(`Its control socket moved, too: name the directory with --data-dir ${shown(moved.to)}.`);
}

export function rowOf({ field, from, to }: ConfigurationChange): string[] {
  return [field, shown(from), shown(to)];
}

export function shown(value: unknown): string {
  return value === undefined ? 'default' : clean(typeof value === 'string' ? value : jsonOf(value));
}
