/** The command line of the mutants. */
import { parseArgs } from 'node:util';

export interface Options {
  readonly json: boolean;
  readonly help: boolean;
  /** Names of mutants; empty for all. */
  readonly only: readonly string[];
}

/** @throws Error that says what is wrong with the arguments */
export function parseOptions(args: readonly string[], names: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      only: { type: 'string', multiple: true, default: [] },
    },
  });
  const only = values.only.flatMap((list) => list.split(','));
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`There is no mutant "${unknown}": choose of ${names.join(', ')}.`);
  return { json: values.json, help: values.help, only };
}

export function helpText(mutants: readonly { readonly name: string; readonly bug: string }[]): string {
  const width = Math.max(...mutants.map(({ name }) => name.length));
  const list = mutants.map(({ name, bug }) => `  ${name.padEnd(width)}  ${bug}`);
  return `Usage: npm run mutants -- [options]

Plants bugs in a copy of the build, one at a time, and plays the swarm until its checkers notice. First the same seeds
are played on the build as it is, which must be clean.

Options:
  --json         one JSON line for each mutant instead of the table
  --only NAME    only this mutant; may be given more than once
  --help         this text

Mutants:
${list.join('\n')}

Exit codes: 0 all caught, 1 one escapes, is stale or is mistaken for another bug, or the build as it is has failed, 2 wrong arguments, 130 interrupted.
`;
}
