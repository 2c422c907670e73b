/** The command line of the mutants. */
import { parseArgs } from 'node:util';
import { commonOptions, type Item, listOf, namesIn } from '../tools/program.js';

export interface Options {
  readonly json: boolean;
  readonly help: boolean;
  /** Names of mutants; empty for all. */
  readonly only: readonly string[];
}

/** @throws Error that says what is wrong with the arguments */
export function parseOptions(args: readonly string[], mutants: readonly Item[]): Options {
  const { values } = parseArgs({ args: [...args], options: commonOptions });
  return { json: values.json, help: values.help, only: namesIn(values.only, mutants, 'mutant') };
}

export function helpText(mutants: readonly { readonly name: string; readonly bug: string }[]): string {
  return `Usage: npm run mutants -- [options]

Plants bugs in a copy of the build, one at a time, and plays the swarm until its checkers notice. Before that, the same seeds
are played on the unchanged build, which must have no breach.

Options:
  --json         one JSON line for each mutant instead of the table
  --only NAME    only this mutant; may be given more than once
  --help         show this text

Mutants:
${listOf(mutants.map(({ name, bug }) => ({ name, about: bug })))}

Exit codes: 0 all mutants caught; 1 a mutant escaped, is stale or was mistaken for another bug, or the unchanged build has failed;
2 wrong arguments; 130 interrupted.`;
}
