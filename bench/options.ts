/** The command line of the bench. */
import { parseArgs } from 'node:util';
import { commonOptions, type Item, listOf, namesIn, wholeNumber } from '../tools/program.js';

export interface Options {
  readonly quick: boolean;
  readonly json: boolean;
  readonly help: boolean;
  /** Names of figures; empty for all. */
  readonly only: readonly string[];
  /** Undefined leaves it to each figure. */
  readonly rounds: number | undefined;
}

/** @throws Error that says what is wrong with the arguments */
export function parseOptions(args: readonly string[], figures: readonly Item[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: { ...commonOptions, quick: { type: 'boolean', default: false }, rounds: { type: 'string' } },
  });
  return {
    quick: values.quick,
    json: values.json,
    help: values.help,
    only: namesIn(values.only, figures, 'figure'),
    rounds: wholeNumber('--rounds', values.rounds, roundsMax),
  };
}

const roundsMax = 100;

export function helpText(figures: readonly { readonly name: string; readonly about: string }[]): string {
  return `Usage: npm run bench -- [options]

Measures statemesh beside its limits: what the bare parts below it reach in the same run.

Options:
  --quick        smaller databases and fewer rounds: about two minutes instead of eight
  --json         one JSON line for each figure instead of the table
  --only NAME    only this figure; may be given more than once
  --rounds N     how often each side is measured; the medians count
  --help         show this text

Figures:
${listOf(figures)}

The databases are written to the system's temporary directory (TMPDIR) and removed at the end.
Exit codes: 0 measured, 1 a measurement failed, 2 wrong arguments, 130 interrupted. A slow result is not a failure.`;
}
