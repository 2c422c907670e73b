/**
 * `statemesh simulate`: the swarm. Plays seeds on all cores until one fails, shrinks the failure, and says how to see
 * it again.
 *
 * Invariants: the same options give the same output with any number of jobs, except for times. No run outlives the
 * command. Ctrl-C ends it at once with a true count.
 */
import { StatemeshError } from '../control/protocol.js';
import { type Player, runSwarm, type SwarmResult, wallMsMax, workerPlayer } from '../simulation/index.js';
import { monotonicMs, timer } from './ambient.js';
import { type ExitCode, exitCodes } from './exit-codes.js';
import { reportFailure } from './failures.js';
import { count, counted, print, printJson } from './output.js';
import { explain } from './simulate-failure.js';
import { createProgress } from './simulate-progress.js';
import {
  type FailureReport,
  failureLine,
  failureText,
  seedLine,
  span,
  summaryLine,
  summaryText,
} from './simulate-report.js';
import type { SimulateRequest } from './simulate-request.js';

export async function simulate(request: SimulateRequest): Promise<ExitCode> {
  const { from, seeds, jobs, plan, isReplay, traceFile, isJson } = request;
  const interruption = interruptible();
  const { signal } = interruption;
  const wallMs = wallMsMax(plan.durationMs);
  const players = Array.from({ length: jobs }, () => workerPlayer({ timer, wallMs }));
  const progress = createProgress(seeds);
  const startedMs = monotonicMs();
  try {
    const result = await runSwarm({
      from,
      seeds,
      plan,
      players,
      signal,
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
    // Ended gracefully; otherwise their disks would stay in memory.
    await Promise.all(players.map((player) => player.close()));
  }
}

interface Interruption {
  readonly signal: AbortSignal;
  readonly exitCode: ExitCode;
  /** Removes the signal listeners. */
  end(): void;
}

function interruptible(): Interruption {
  const controller = new AbortController();
  let exitCode: ExitCode = exitCodes.interrupted;
  const hear = (name: 'SIGINT' | 'SIGTERM'): void => {
    exitCode = name === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated;
    // A second signal ends the process at once.
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
