/** The command line of the fuzzing. */
import { parseArgs } from 'node:util';

export interface Options {
  readonly help: boolean;
  readonly json: boolean;
  /** Names of targets; empty for all. */
  readonly only: readonly string[];
  /** Undefined: without end. */
  readonly seconds: number | undefined;
  /** The seed of the first round; undefined: drawn. */
  readonly seed: number | undefined;
}

/** @throws Error that says what is wrong with the arguments */
export function parseOptions(args: readonly string[], names: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      json: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      seconds: { type: 'string' },
      seed: { type: 'string' },
    },
  });
  const only = values.only.flatMap((list) => list.split(','));
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`There is no target "${unknown}": choose from ${names.join(', ')}.`);
  const { help, json } = values;
  return { help, json, only, seconds: whole('--seconds', values.seconds), seed: whole('--seed', values.seed) };
}

function whole(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value < 1) throw new Error(`${flag} is a whole number from 1, not "${text}".`);
  return value;
}

export function helpText(targets: readonly { readonly name: string; readonly promise: string }[]): string {
  const width = Math.max(...targets.map(({ name }) => name.length));
  const list = targets.map(({ name, promise }) => `  ${name.padEnd(width)}  ${promise}`);
  return `Usage: npm run fuzz -- [options]

Feeds the code that reads untrusted input with bytes, texts and values that are wrong in every way, and checks whether its promises
still hold. Runs round after round over all targets, until a promise is broken, the time is over, or Ctrl-C.

Options:
  --seconds N    end after about this many seconds; the default is no end
  --seed N       start with this seed; a finding names the seed of its round, with which it comes again at once
  --only NAME    only this target; may be given more than once
  --json         one JSON line for each target and round
  --help         show this text

Targets:
${list.join('\n')}

Exit codes: 0 all promises held, 1 a promise was broken, 2 wrong arguments.`;
}
