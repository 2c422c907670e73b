/**
 * `npm run mutants`: proves that the simulation catches bugs. Plants one bug after the other and reports how soon each
 * is noticed.
 *
 * Results go to standard output, everything else to standard error.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { mutants } from './catalogue.js';
import { controlsOf, playControl } from './control.js';
import { type Hunted, huntPlanted } from './hunt.js';
import type { Mutant } from './mutant.js';
import { helpText, type Options, parseOptions } from './options.js';
import { modulesOf } from './plant.js';
import { withPlayers } from './players.js';
import { alarmLineOf, jsonOf, lineOf, tableOf } from './report.js';
import { sideBySide } from './side-by-side.js';

/** This file is `build/mutants/main.js`. */
const project = fileURLToPath(new URL('../..', import.meta.url));
const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interruption.abort());

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(
      args,
      mutants.map(({ name }) => name),
    );
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\nTry --help.\n`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(helpText(mutants));
    return 0;
  }
  try {
    return await run(options);
  } catch (error) {
    if (interruption.signal.aborted) return 130;
    throw error;
  }
}

async function run({ only, json }: Options): Promise<number> {
  const chosen = mutants.filter(({ name }) => only.length === 0 || only.includes(name));
  if (!(await isControlClean(chosen))) return 1;
  const all = await huntAll(chosen, (hunted) => {
    if (json) process.stdout.write(`${jsonOf(hunted)}\n`);
    else say(lineOf(hunted));
  });
  if (!json) process.stdout.write(tableOf(all));
  return all.every(({ outcome }) => outcome.kind === 'caught') ? 0 : 1;
}

function isControlClean(chosen: readonly Mutant[]): Promise<boolean> {
  const controls = controlsOf(chosen);
  const seeds = controls.reduce((sum, control) => sum + control.seeds, 0);
  say(`The build as it is: ${seeds} seeds, kinds of plans: ${controls.length}`);
  return withPlayers(modulesOf(project), availableParallelism(), async (players) => {
    let isClean = true;
    for (const control of controls) {
      const alarm = await playControl(control, players, interruption.signal);
      if (alarm === undefined) continue;
      isClean = false;
      say(alarmLineOf(alarm));
    }
    return isClean;
  });
}

function huntAll(chosen: readonly Mutant[], report: (hunted: Hunted) => void): Promise<Hunted[]> {
  return sideBySide(chosen, availableParallelism(), async (mutant) => {
    const hunted = await huntPlanted(mutant, project, interruption.signal);
    report(hunted);
    return hunted;
  });
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
