/** The command line of the bench. */
import { parseArgs } from 'node:util';

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
export function parseOptions(args: readonly string[], figureNames: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      only: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
    },
  });
  const only = values.only.flatMap((names) => names.split(','));
  const unknown = only.find((name) => !figureNames.includes(name));
  if (unknown !== undefined) throw new Error(`There is no figure "${unknown}": choose from ${figureNames.join(', ')}.`);
  return { quick: values.quick, json: values.json, help: values.help, only, rounds: parseRounds(values.rounds) };
}

function parseRounds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const rounds = Number(text);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= roundsMax) return rounds;
  throw new Error(`--rounds takes a whole number from 1 to ${roundsMax}, not "${text}".`);
}

const roundsMax = 100;

export function helpText(figures: readonly { readonly name: string; readonly about: string }[]): string {
  const list = figures.map(({ name, about }) => `  ${name.padEnd(12)} ${about}`);
  return `Usage: npm run bench -- [options]

Measures statemesh beside its limits: what the bare parts below it reach in the same run.

Options:
  --quick        smaller databases and fewer rounds: about two minutes instead of eight
  --json         one JSON line for each figure instead of the table
  --only NAME    only this figure; may be given more than once
  --rounds N     how often each side is measured; the medians count
  --help         show this text

Figures:
${list.join('\n')}

The databases are written to the system's temporary directory (TMPDIR) and removed at the end.
Exit codes: 0 measured, 1 a measurement failed, 2 wrong arguments, 130 interrupted. A slow result is not a failure.`;
}
