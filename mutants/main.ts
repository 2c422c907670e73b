/**
 * `npm run mutants`: proves that the simulation catches bugs. Plants one bug after the other and reports how soon each
 * is noticed.
 *
 * Results go to standard output, everything else to standard error.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { chosenOf, runProgram } from '../tools/program.js';
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

await runProgram({
  parse: (args) => parseOptions(args, mutants),
  help: () => helpText(mutants),
  run: (options) =>
    run(options).catch((error: unknown) => {
      if (interruption.signal.aborted) return 130;
      throw error;
    }),
});

async function run({ only, json }: Options): Promise<number> {
  const chosen = chosenOf(mutants, only);
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
