/** The command line of the fuzzing. */
import { parseArgs } from 'node:util';
import { commonOptions, type Item, listOf, namesIn, wholeNumber } from '../tools/program.js';

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
export function parseOptions(args: readonly string[], targets: readonly Item[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: { ...commonOptions, seconds: { type: 'string' }, seed: { type: 'string' } },
  });
  return {
    help: values.help,
    json: values.json,
    only: namesIn(values.only, targets, 'target'),
    seconds: wholeNumber('--seconds', values.seconds),
    seed: wholeNumber('--seed', values.seed),
  };
}

export function helpText(targets: readonly { readonly name: string; readonly promise: string }[]): string {
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
${listOf(targets.map(({ name, promise }) => ({ name, about: promise })))}

Exit codes: 0 all promises held, 1 a promise was broken, 2 wrong arguments.`;
}
