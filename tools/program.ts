/** What the programs of the workshop have in common: `npm run bench`, `npm run fuzz`, `npm run mutants`. */

/** What a program does one after the other, each under its name. */
export interface Item {
  readonly name: string;
}

export interface Program<Options extends { readonly help: boolean }> {
  /** @throws Error that says what is wrong with the arguments */
  parse(args: readonly string[]): Options;
  help(): string;
  /** Returns an exit code. */
  run(options: Options): Promise<number>;
}

/** Runs a program over the arguments of the process. Exit code 2: the arguments are wrong. */
export async function runProgram<Options extends { readonly help: boolean }>(program: Program<Options>): Promise<void> {
  process.exitCode = await outcomeOf(program);
}

async function outcomeOf<Options extends { readonly help: boolean }>({ parse, help, run }: Program<Options>) {
  let options: Options;
  try {
    options = parse(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\nTry --help.\n`);
    return 2;
  }
  if (!options.help) return run(options);
  process.stdout.write(help());
  return 0;
}

/** For `parseArgs`: the options that every program has. */
export const commonOptions = {
  help: { type: 'boolean', short: 'h', default: false },
  json: { type: 'boolean', default: false },
  only: { type: 'string', multiple: true, default: [] as string[] },
} as const;

/**
 * The names of `--only`.
 *
 * @param kind What the names are names of, such as `target`
 * @throws Error that lists the names that there are
 */
export function namesIn(only: readonly string[], items: readonly Item[], kind: string): readonly string[] {
  const names = items.map(({ name }) => name);
  const given = only.flatMap((list) => list.split(','));
  const unknown = given.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`There is no ${kind} "${unknown}": choose from ${names.join(', ')}.`);
  return given;
}

/** The chosen items; all of them if none is named. */
export function chosenOf<Each extends Item>(items: readonly Each[], only: readonly string[]): readonly Each[] {
  return items.filter(({ name }) => only.length === 0 || only.includes(name));
}

/** @throws Error unless the text is undefined or a whole number from 1 to the maximum */
export function wholeNumber(flag: string, text: string | undefined, max = 999_999_999): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value >= 1 && value <= max) return value;
  throw new Error(`${flag} takes a whole number from 1 to ${max}, not "${text}".`);
}

/** Items with what they are about, as a help text lists them. */
export function listOf(items: readonly (Item & { readonly about: string })[]): string {
  const width = Math.max(...items.map(({ name }) => name.length));
  return items.map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`).join('\n');
}
