/** `statemesh inspect`: shows a recorded trace in the browser, like a live node. */
import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { exitCodeHelp, exitCodes } from './exit-codes.js';
import { badInput } from './failures.js';
import { untilInterrupted } from './interruption.js';
import { counted, list, paint, print, printJson } from './output.js';
import { createReadingProgress } from './reading-progress.js';

interface InspectOptions {
  readonly port?: string;
  readonly stately?: boolean;
  readonly json?: boolean;
}

const help = `
A trace comes from \`statemesh start --inspect-trace FILE\`, from \`inspector.trace\` of a configuration, or from
\`statemesh simulate --seed N --trace FILE\`. The page is served on this machine only, at an address with a secret token.

With --json, standard output has one line, {"event":"serving","url","records"}.

Examples:
  statemesh simulate --seed 17 --trace seed-17.jsonl
  statemesh inspect seed-17.jsonl`;

export function defineInspect(command: Command): void {
  const { ok, failed, badInput: bad, taken } = exitCodes;
  command
    .argument('<trace>', 'the file: JSON lines')
    .option('--port <number>', 'the port of the page on loopback; default: any')
    .option('--stately', "let the page relay to Stately's public inspector, if you ask it to")
    .option('--json', 'print JSON lines')
    .addHelpText('after', help)
    .addHelpText('after', exitCodeHelp([ok, failed, bad, taken]))
    .action(async (path: string, options: InspectOptions) => {
      process.exitCode = await inspect(path, options);
    });
}

async function inspect(path: string, { port = '0', stately, json = false }: InspectOptions): Promise<number> {
  const { readTrace, serveTrace } = await import('../inspector/index.js');
  const progress = createReadingProgress(sizeOf(path));
  const trace = await readTrace(path, progress.read).finally(progress.end);
  const server = await serveTrace(trace, { port: portOf(port), title: path, stately });
  const url = server.url.reveal();
  if (json) printJson({ event: 'serving', url, records: trace.records });
  else {
    print(paint('green', `${counted(trace.records, 'record')} of ${path}. Ctrl-C ends it.`));
    print(list([['  look at it', url]]));
  }
  await untilInterrupted();
  await server.close();
  return exitCodes.ok;
}

/** @throws StatemeshError `requestInvalid` */
export function portOf(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw badInput(`"${text}" is not a port: use a number from 0 to 65535.`);
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    // Reading the file reports what is wrong.
    return 0;
  }
}
