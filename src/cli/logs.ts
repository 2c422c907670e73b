/** `statemesh logs`: how much the running node logs, from now on and until its configuration says otherwise. */
import { Argument, type Command } from 'commander';
import type { Reconfiguration } from '../index.js';
import { configurationFields } from '../protocol/configuration-fields.js';
import { defineTalking, nodeAt, type TalkOptions } from './node-at.js';
import { print, printJson } from './output.js';

export function defineLogs(command: Command): void {
  const levels = configurationFields().find(({ name }) => name === 'logLevel')?.choices ?? [];
  command
    .addArgument(new Argument('<level>', 'how much').choices(levels))
    .addHelpText('after', '\nLogs go to the standard error of the node. `statemesh config set logLevel=...` lasts.');
  defineTalking(command, {
    json: 'print {"changes":[{"field","from","to"}],...} as `reconfigure` does',
    examples: ['statemesh logs debug', 'statemesh logs warn --data-dir ./data'],
  }).action(async (level: string, options: TalkOptions) => {
    const answer = (await nodeAt(options).call('reconfigure', { partial: { logLevel: level } })) as Reconfiguration;
    const [change] = answer.changes;
    if (options.json) printJson(answer);
    else if (change === undefined) print(`The node logs at level ${level} already.`);
    else print(`The node logs at level ${level} now, not ${change.from}.`);
  });
}
