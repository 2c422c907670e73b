/**
 * `npm run bench`: each figure of statemesh beside its limit.
 *
 * The bench does not judge speed. Results go to standard output, everything else to standard error.
 */
import { chosenOf, runProgram } from '../tools/program.js';
import { type Bench, createBench, type Figure, type Result } from './bench.js';
import { failoverFigure } from './figures/failover.js';
import { getFigure } from './figures/get.js';
import { guestsFigure } from './figures/guests.js';
import { idleFigure } from './figures/idle.js';
import { inspectorFigure } from './figures/inspector.js';
import { latencyFigure } from './figures/latency.js';
import { linksFigure } from './figures/links.js';
import { putFigure } from './figures/put.js';
import { reconfigurationFigure } from './figures/reconfiguration.js';
import { simulationFigure } from './figures/simulation.js';
import { startFigure } from './figures/start.js';
import { syncFigure } from './figures/sync.js';
import { helpText, type Options, parseOptions } from './options.js';
import { createProgress } from './progress.js';
import { describeRun, jsonOf, tableOf } from './report.js';
import { createWorkers } from './workers.js';
import { createWorkspace } from './workspace.js';

const figures: readonly Figure[] = [
  putFigure,
  syncFigure,
  latencyFigure,
  linksFigure,
  getFigure,
  startFigure,
  idleFigure,
  failoverFigure,
  guestsFigure,
  simulationFigure,
  reconfigurationFigure,
  inspectorFigure,
];

await runProgram({ parse: (args) => parseOptions(args, figures), help: () => helpText(figures), run });

async function run(options: Options): Promise<number> {
  const progress = createProgress(process.stderr);
  const workers = createWorkers();
  const workspace = createWorkspace();
  const cleanUp = async (): Promise<void> => {
    progress.clear();
    await workers.killAll();
    workspace.remove();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void cleanUp().finally(() => process.exit(130)));
  }
  try {
    process.stderr.write(`${describeRun(workspace)}\n`);
    const bench = createBench({ ...options, workspace, workers, show: progress.show });
    const results = await measure(bench, options, progress.show, (result) => {
      progress.clear();
      if (options.json) process.stdout.write(`${jsonOf(result)}\n`);
    });
    if (!options.json) process.stdout.write(tableOf(results));
    return 0;
  } catch (error) {
    progress.clear();
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    return 1;
  } finally {
    await cleanUp();
  }
}

async function measure(
  bench: Bench,
  { only }: Options,
  show: (text: string) => void,
  report: (result: Result) => void,
): Promise<Result[]> {
  const results: Result[] = [];
  const chosen = chosenOf(figures, only);
  for (const [index, figure] of chosen.entries()) {
    const prefix = `[${index + 1}/${chosen.length}] ${figure.name}`;
    show(prefix);
    for (const result of await figure.measure({ ...bench, show: (text) => show(`${prefix}: ${text}`) })) {
      results.push(result);
      report(result);
    }
  }
  return results;
}
