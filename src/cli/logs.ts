/**
 * `statemesh logs`: shows what the running node has logged and logs, wherever its standard error goes; and sets its log
 * level.
 */
import { Argument, type Command } from 'commander';
import { limits, nearestName } from '../control/protocol.js';
import type { LogLine, MissedLines } from '../control/recent-log.js';
import type { Reconfiguration } from '../index.js';
import { badInput } from './failures.js';
import { writtenFields } from './field-options.js';
import { untilInterrupted } from './interruption.js';
import { defineTalking, type NodeAt, nodeAt, type TalkOptions } from './node-at.js';
import { clean, counted, jsonOf, paint, print, printJson, written } from './output.js';

interface LogsOptions extends TalkOptions {
  readonly follow?: boolean;
  readonly lines: string;
}

const help = `
Without a level, the last lines of the node's log are shown. The node keeps the last ${limits.logLinesMax} lines of its level in memory;
all of them go to its standard error, which a service manager or a redirection stores. With a level, the node logs
at that level from now on, until its configuration says otherwise (\`statemesh config set logLevel=...\` lasts).`;

export function defineLogs(command: Command): void {
  const levels = writtenFields().find(({ name }) => name === 'logLevel')?.choices ?? [];
  command
    .addArgument(
      // The choices are for the help and for completion.
      new Argument('[level]', 'log at this level from now on')
        .choices(levels)
        .argParser((level) => levelIn(levels, level)),
    )
    .option('-f, --follow', 'continue with new lines, until the node stops or Ctrl-C')
    .option('-n, --lines <number>', 'how many of the last lines to show', '50')
    .addHelpText('after', help);
  defineTalking(command, {
    json: 'print a JSON line for each, {"atMs","level","message"}, or {"missed"}; with a level, {"changes":[{"field","from","to"}],...} first',
    examples: [
      'statemesh logs',
      'statemesh logs --follow --lines 100',
      'statemesh logs debug',
      'statemesh logs debug --follow',
    ],
  }).action(async (level: string | undefined, options: LogsOptions) => {
    if (!/^\d{1,6}$/.test(options.lines)) throw badInput(`--lines is a whole number from 0, not "${options.lines}".`);
    const node = nodeAt(options);
    if (level !== undefined) await setLevel(node, level, options);
    if (level === undefined || options.follow) await show(node, options);
  });
}

function levelIn(levels: readonly string[], level: string): string {
  if (levels.includes(level)) return level;
  const meant = nearestName(level, levels);
  const advice = meant === undefined ? '' : ` Did you mean ${meant}?`;
  throw badInput(`There is no log level "${level}". Allowed choices are ${levels.join(', ')}.${advice}`);
}

async function setLevel(node: NodeAt, level: string, { json }: LogsOptions): Promise<void> {
  const answer = (await node.call('reconfigure', { partial: { logLevel: level } })) as Reconfiguration;
  const [change] = answer.changes;
  if (json) printJson(answer);
  else if (change === undefined) print(`The node logs at level ${level} already.`);
  else print(`The node now logs at level ${level}, not ${change.from}.`);
}

async function show(node: NodeAt, { lines, follow = false, json }: LogsOptions): Promise<void> {
  const ending = new AbortController();
  if (follow) void untilInterrupted().then(() => ending.abort());
  const { signal } = ending;
  try {
    for await (const line of node.stream('logs', { body: { last: Number(lines), follow } }, { signal })) {
      await written(json ? jsonOf(line) : lineOf(line as LogLine | MissedLines));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  // The listeners for signals would keep the process alive.
  if (follow) process.exit();
}

const styles = { debug: 'dim', info: 'green', warn: 'yellow', error: 'red' } as const;

function lineOf(line: LogLine | MissedLines): string {
  if ('missed' in line) return paint('yellow', `... ${counted(line.missed, 'line')} came too fast to be shown`);
  const { atMs, level, message } = line;
  return `${paint('dim', new Date(atMs).toISOString())} ${paint(styles[level], level.toUpperCase().padEnd(5))} ${clean(message)}`;
}
