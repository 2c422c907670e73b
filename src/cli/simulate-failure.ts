/** What `statemesh simulate` does with a failing seed: plays it again for its trace, and shrinks it. */
import { writeFileSync } from 'node:fs';
import { messageOf } from '../control/protocol.js';
import {
  drawPlan,
  hangChecker,
  type Plan,
  type Player,
  type ShrunkPlan,
  scenarioOf,
  shrinkPlan,
  type Verdict,
} from '../simulation/index.js';
import type { SimulateProgress } from './simulate-progress.js';
import { type FailureReport, scenarioLinesMax } from './simulate-report.js';
import { replayCommand, type SimulateRequest } from './simulate-request.js';

export interface ExplainOptions {
  readonly player: Player;
  readonly progress: Pick<SimulateProgress, 'tracing' | 'shrunk'>;
  readonly signal: AbortSignal;
}

/** Ends early, with what is known by then, when the signal is aborted. */
export async function explain(
  verdict: Verdict,
  request: SimulateRequest,
  options: ExplainOptions,
): Promise<FailureReport> {
  const { seed, breach } = verdict;
  if (breach === undefined) throw new Error(`Seed ${seed} has passed: there is nothing to explain.`);
  const plan = drawPlan({ ...request.plan, seed });
  const notes: string[] = [];
  const { traceFile, isRepeatable } = await trace(verdict, plan, request, { ...options, notes });
  // A failure that does not repeat cannot be shrunk by trying.
  const shrunk = isRepeatable ? await shrink(plan, verdict, request, { ...options, notes }) : undefined;
  const command = replayCommand(seed, request);
  const scenario = shrunk && scenarioOf(shrunk.plan, { breach: shrunk.breach, command });
  const scenarioFile = scenario && keepLong(scenario, `statemesh-seed-${seed}.scenario.ts`, notes);
  return { verdict, breach, plan, shrunk, scenario, scenarioFile, traceFile, notes };
}

/**
 * A scenario that is too long for a screen goes to a file.
 *
 * @returns The file, if one was written
 */
function keepLong(scenario: string, file: string, notes: string[]): string | undefined {
  if (scenario.split('\n').length <= scenarioLinesMax) return undefined;
  try {
    writeFileSync(file, `${scenario}\n`);
    return file;
  } catch (error) {
    notes.push(`The scenario cannot be written: ${messageOf(error)}`);
    return undefined;
  }
}

interface StepOptions extends ExplainOptions {
  /** Collects what did not go as planned. */
  readonly notes: string[];
}

interface Traced {
  readonly traceFile: string | undefined;
  /** Whether the seed failed the same way when it was played again; true also when it was not played again. */
  readonly isRepeatable: boolean;
}

async function trace(
  verdict: Verdict,
  plan: Plan,
  { isReplay, traceFile }: SimulateRequest,
  { player, signal, progress, notes }: StepOptions,
): Promise<Traced> {
  // It was written while the seed was played.
  if (isReplay && traceFile !== undefined) return { traceFile, isRepeatable: true };
  const file = traceFile ?? `statemesh-seed-${plan.seed}.trace.jsonl`;
  progress.tracing(plan.seed);
  try {
    const again = await player.play(plan, { traceFile: file, signal });
    const isRepeatable = again.traceHash === verdict.traceHash && again.breach?.checker === verdict.breach?.checker;
    if (!isRepeatable) notes.push(`${wentAnotherWay} (${again.breach?.message ?? 'it passed'}).`);
    return { traceFile: file, isRepeatable };
  } catch (error) {
    notes.push(signal.aborted ? 'Interrupted: there is no complete trace.' : messageOf(error));
    return { traceFile: undefined, isRepeatable: true };
  }
}

const wentAnotherWay = 'Played again, the seed went another way: something in it is not drawn from the seed';

async function shrink(
  plan: Plan,
  { breach }: Verdict,
  { isShrinking }: SimulateRequest,
  { player, signal, progress, notes }: StepOptions,
): Promise<ShrunkPlan | undefined> {
  if (!isShrinking || breach === undefined || signal.aborted) return undefined;
  if (breach.checker === hangChecker) {
    notes.push('A run that hangs is not shrunk: each try would take the maximum time.');
    return undefined;
  }
  const play = (candidate: Plan) => player.play(candidate, { signal });
  return shrinkPlan(plan, { breach, play, signal, onProgress: progress.shrunk });
}
