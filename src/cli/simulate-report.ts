/** The report of `statemesh simulate` at its end: sentences for users, JSON lines for programs. */
import type { Breach, Plan, ShrunkPlan, SwarmResult, Verdict } from '../simulation/index.js';
import { faultDomains } from '../simulation/swarm/plan.js';
import { clean, count, counted, list, paint } from './output.js';
import { rangeOf, replayCommand, type SimulateRequest } from './simulate-request.js';

/** A failure with everything that helps to find its cause. */
export interface FailureReport {
  readonly verdict: Verdict;
  readonly breach: Breach;
  /** As it was drawn. */
  readonly plan: Plan;
  /** Undefined when shrinking was not wanted, or not possible. */
  readonly shrunk: ShrunkPlan | undefined;
  /** The scenario of the shrunk plan. */
  readonly scenario: string | undefined;
  /** The file that also holds the scenario, when it is longer than {@link scenarioLinesMax}. */
  readonly scenarioFile: string | undefined;
  readonly traceFile: string | undefined;
  /** Why there is no trace, or no shrunk plan. */
  readonly notes: readonly string[];
}

/** The longest scenario that is printed on the screen. */
export const scenarioLinesMax = 100;
/** A plan can have thousands of faults. */
const faultLinesMax = 40;

/** One JSON line per seed. */
export function seedLine({ seed, breach, events, virtualMs, acknowledged, traceHash }: Verdict): object {
  const passed = breach === undefined;
  return { seed, passed, events, virtualSeconds: virtualMs / 1_000, acknowledged, traceHash, breach };
}

export function failureLine(report: FailureReport, request: SimulateRequest): object {
  const { verdict, breach, plan, shrunk, scenario, scenarioFile, traceFile: trace, notes } = report;
  const command = replayCommand(verdict.seed, request);
  return { failure: { seed: verdict.seed, ...breach, command, trace, notes, plan, shrunk, scenario, scenarioFile } };
}

/** The last JSON line. */
export function summaryLine(
  { passed, failure, events, virtualMs, isInterrupted }: SwarmResult,
  wallMs: number,
): object {
  const failed = failure === undefined ? 0 : 1;
  const virtualSeconds = virtualMs / 1_000;
  return { seeds: passed + failed, passed, failed, events, virtualSeconds, wallSeconds: wallMs / 1_000, isInterrupted };
}

export function summaryText(result: SwarmResult, request: SimulateRequest, wallMs: number): string {
  const { passed, failure, events, virtualMs } = result;
  const { plan, from, jobs } = request;
  const first = from;
  const last = failure?.seed ?? from + passed - 1;
  const seeds = first === last ? `seed ${first}` : `seeds ${first} to ${last}`;
  const faults = plan.faults.length === 0 ? 'no faults' : `faults: ${plan.faults.join(', ')}`;
  const seconds = Math.max(wallMs, 1) / 1_000;
  const rows: [string, string][] = [
    ['  played', `${seeds}, each with ${rangeOf(plan.nodes)} nodes for ${span(plan.durationMs)}; ${faults}`],
    ['  simulated', `${span(virtualMs)}, ${counted(events, 'event')}`],
    [
      '  took',
      `${span(wallMs)} with ${counted(jobs, 'job')}: ${count(Math.round(virtualMs / 1_000 / seconds))} virtual seconds and ${count(Math.round(events / seconds))} events a second`,
    ],
  ];
  const sentence = passed === 0 ? [] : [paint('green', `${counted(passed, 'seed')} passed.`)];
  return [...sentence, list(rows)].join('\n');
}

export function failureText(report: FailureReport, request: SimulateRequest): string {
  const { verdict, breach, shrunk, scenario, scenarioFile, traceFile, notes } = report;
  const isShown = scenario !== undefined && scenario.split('\n').length <= scenarioLinesMax;
  const plan = shrunk?.plan ?? report.plan;
  const rows: [string, string][] = [
    ['  replay', `${replayCommand(verdict.seed, request)} --trace ${traceFile ?? 'FILE'}`],
    ...(traceFile === undefined ? [] : [['  trace', traceFile] as [string, string]]),
    ...(scenarioFile === undefined ? [] : [['  as a test', scenarioFile] as [string, string]]),
  ];
  return [
    `${paint('red', `Seed ${verdict.seed} failed`)}: ${breach.kind}, ${breach.checker}${whenOf(breach)}`,
    `  ${clean(breach.message)}`,
    '',
    ...(shrunk === undefined ? [`${counted(plan.faults.length, 'fault')}:`] : [shrunkText(report.plan, shrunk)]),
    ...faultLines(plan),
    ...(!isShown ? [] : ['', paint('bold', 'As a test:'), '', scenario]),
    '',
    ...notes.map((note) => `${paint('yellow', 'note:')} ${clean(note)}`),
    list(rows),
  ].join('\n');
}

/** For a dead worker the time is unknown. */
function whenOf({ kind, atMs }: Breach): string {
  return kind === 'crash' && atMs === 0 ? '' : `, at ${seconds(atMs)}`;
}

function shrunkText(drawn: Plan, { plan, runs, isMinimal }: ShrunkPlan): string {
  const from = (before: number, after: number, noun: string) => `${counted(before, noun)} -> ${count(after)}`;
  const faults = from(drawn.faults.length, plan.faults.length, 'fault');
  const writes = from(drawn.writes.length, plan.writes.length, 'write');
  const duration = `${span(drawn.durationMs)} -> ${span(plan.durationMs)}`;
  const end = isMinimal ? '' : ', and perhaps not the smallest that fails';
  return `Shrunk in ${counted(runs, 'run')}: ${faults}, ${writes}, ${duration}${end}${plan.faults.length === 0 ? '.' : ':'}`;
}

function faultLines({ faults }: Plan): string[] {
  const lines = faults.slice(0, faultLinesMax).map(({ atMs, kind, ...fields }) => {
    const details = Object.entries(fields).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
    return `  ${seconds(atMs).padStart(10)}  ${kind.padEnd(10)} ${details.join(', ')}`.trimEnd();
  });
  const left = faults.length - lines.length;
  return left === 0 ? lines : [...lines, `  and ${count(left)} more`];
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toLocaleString('en-US', { minimumFractionDigits: 3, maximumFractionDigits: 3 })} s`;
}

/** A length of time in the largest unit of which there is more than one. */
export function span(ms: number): string {
  const units = [
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
  ] as const;
  const [unit, unitMs] = units.find(([, size]) => ms >= 2 * size) ?? units[2];
  const amount = ms / unitMs;
  return `${amount.toLocaleString('en-US', { maximumFractionDigits: amount < 10 ? 1 : 0 })} ${unit}`;
}

export const faultsHelp = `none, or some of ${faultDomains.join()}`;
