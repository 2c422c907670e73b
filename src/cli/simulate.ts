/**
 * `statemesh simulate`: the swarm. Plays seeds on all cores until one fails, makes the failure small, and says how to see it
 * again.
 *
 * Invariants: the same options give the same output, whatever the number of jobs, but for what it says about time; no run
 * outlives the command; Ctrl-C ends it at once with a true count.
 */
import type { Command } from 'commander';
import { StatemeshError } from '../protocol/control.js';
import { type Player, runSwarm, type SwarmResult, wallMsMax, workerPlayer } from '../simulation/index.js';
import { monotonicMs, timer } from './ambient.js';
import { type ExitCode, exitCodeHelp, exitCodes } from './exit-codes.js';
import { reportFailure } from './failures.js';
import { portOf } from './inspect.js';
import { count, counted, print, printJson } from './output.js';
import { explain } from './simulate-failure.js';
import { inspectSimulation } from './simulate-inspect.js';
import { createProgress } from './simulate-progress.js';
import {
  type FailureReport,
  failureLine,
  failureText,
  faultsHelp,
  seedLine,
  span,
  summaryLine,
  summaryText,
} from './simulate-report.js';
import { defaults, rangeOf, requestOf, type SimulateOptions, type SimulateRequest } from './simulate-request.js';

const help = `
A seed draws everything: how many nodes, who writes what when, which faults strike when, and every latency. The same seed and
options give the same run, in any process. The first failure ends it: the least plan that still fails is searched for and
printed as a test, and the trace of the whole run goes to a file.

With --json, standard output has one line a seed, {"seed","passed","events","virtualSeconds","acknowledged","traceHash",
"breach"?}, then {"failure":{"seed","kind","checker","message","plan","shrunk","scenario","trace","command",...}} if one has
failed, and at last {"seeds","passed","failed","events","virtualSeconds","wallSeconds","isInterrupted"}.

Examples:
  statemesh simulate --seeds 200 --nodes 5
  statemesh simulate --seed 17 --trace seed-17.jsonl
  statemesh simulate --seed 17 --inspect
  statemesh simulate --seeds 1000 --from 5000 --faults network,clock --json`;

export function defineSimulate(command: Command): void {
  const { ok, failed, badInput, safety, latency, liveness, leak, crash, interrupted, terminated } = exitCodes;
  const codes = [ok, failed, badInput, safety, latency, liveness, leak, crash, interrupted, terminated];
  command
    .option('--seeds <number>', `how many seeds to play; default: ${defaults.seeds}`)
    .option('--from <seed>', `the first of them; default: ${defaults.from}`)
    .option('--seed <seed>', 'play this one only')
    .option('--nodes <number>', `how many nodes, or from how many to how many; default: ${rangeOf(defaults.nodes)}`)
    .option('--seconds <number>', `how long faults strike, in virtual time; default: ${defaults.seconds}`)
    .option('--faults <list>', `where faults come from: ${faultsHelp}; default: all`)
    .option('--jobs <number>', 'how many seeds to play at once; default: as many as there are cores')
    .option('--trace <file>', 'where the trace goes, of --seed or of what fails; default: statemesh-seed-N.trace.jsonl')
    .option(
      '--inspect [port]',
      'play one seed for a browser of this machine, where you can take part; default: any port',
    )
    .option('--stately', "let the inspector's page relay to Stately's public inspector, if you ask it to")
    .option('--no-shrink', 'do not search for the least plan that fails')
    .option('--json', 'print JSON lines')
    .addHelpText('after', help)
    .addHelpText('after', exitCodeHelp(codes))
    .action(async (options: SimulateOptions) => {
      const request = requestOf(options);
      if (options.inspect === undefined) process.exitCode = await simulate(request);
      else {
        const port = options.inspect === true ? 0 : portOf(options.inspect);
        process.exitCode = await inspectSimulation(request, port, options.stately === true);
        // What the world was about to do is of no interest.
        process.exit();
      }
    });
}

async function simulate(request: SimulateRequest): Promise<ExitCode> {
  const { from, seeds, jobs, plan, isReplay, traceFile, isJson } = request;
  const interruption = interruptible();
  const { signal } = interruption;
  const wallMs = wallMsMax(plan.durationMs);
  const players = Array.from({ length: jobs }, () => workerPlayer({ timer, wallMs }));
  const progress = createProgress(seeds);
  const startedMs = monotonicMs();
  try {
    const result = await runSwarm({
      ...{ from, seeds, plan, players, signal },
      traceFileOf: () => (isReplay ? traceFile : undefined),
      onProgress: progress.played,
      onVerdict: (verdict) => isJson && printJson(seedLine(verdict)),
    });
    const tookMs = monotonicMs() - startedMs;
    const { failure } = result;
    const report = failure && (await explain(failure, request, { player: players[0] as Player, progress, signal }));
    progress.end();
    tell({ result, report, tookMs }, request);
    if (report !== undefined) return exitCodes[report.breach.kind];
    if (!result.isInterrupted) return exitCodes.ok;
    const far = `${counted(result.passed, 'seed')} of ${count(seeds)} passed, ${span(result.virtualMs)} simulated`;
    reportFailure(new StatemeshError('cancelled', `Interrupted: ${far}.`), { json: isJson });
    return interruption.exitCode;
  } finally {
    progress.end();
    interruption.end();
    // Ended in good order, or their disks would stay in memory.
    await Promise.all(players.map((player) => player.close()));
  }
}

interface Interruption {
  readonly signal: AbortSignal;
  readonly exitCode: ExitCode;
  /** Listens to signals no longer. */
  end(): void;
}

function interruptible(): Interruption {
  const controller = new AbortController();
  let exitCode: ExitCode = exitCodes.interrupted;
  const hear = (name: 'SIGINT' | 'SIGTERM'): void => {
    exitCode = name === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated;
    // A second one does not wait for anybody.
    if (controller.signal.aborted) process.exit(exitCode);
    controller.abort();
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const name of signals) process.on(name, hear);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    end() {
      for (const name of signals) process.off(name, hear);
    },
  };
}

interface Ending {
  readonly result: SwarmResult;
  readonly report: FailureReport | undefined;
  readonly tookMs: number;
}

function tell({ result, report, tookMs }: Ending, request: SimulateRequest): void {
  if (request.isJson) {
    if (report !== undefined) printJson(failureLine(report, request));
    printJson(summaryLine(result, tookMs));
    return;
  }
  if (report !== undefined) print(`${failureText(report, request)}\n`);
  if (report === undefined && result.isInterrupted) return;
  print(summaryText(result, request, tookMs));
  if (report === undefined && request.traceFile !== undefined && request.isReplay) {
    print(`The trace is in ${request.traceFile}.`);
  }
}
