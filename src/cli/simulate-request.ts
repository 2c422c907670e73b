/** The request to `statemesh simulate`: options as texts, checked and turned into numbers. */
import { accessSync, constants, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import { StatemeshError, systemCodeOf } from '../control/protocol.js';
// Imported without the index of the room: the command's options need no world.
import { type FaultDomain, faultDomains, type PlanOptions } from '../simulation/swarm/plan.js';
import { badInput } from './failures.js';

export interface SimulateOptions {
  readonly seeds?: string;
  readonly from?: string;
  readonly seed?: string;
  readonly nodes?: string;
  readonly seconds?: string;
  readonly faults?: string;
  readonly jobs?: string;
  readonly trace?: string;
  readonly inspect?: string | true;
  readonly stately?: boolean;
  readonly shrink?: boolean;
  readonly json?: boolean;
}

export interface SimulateRequest {
  readonly from: number;
  readonly seeds: number;
  readonly plan: Omit<PlanOptions, 'seed'> & { readonly faults: readonly FaultDomain[] };
  /** How many seeds are played at once. */
  readonly jobs: number;
  /** Whether one seed was requested by its number. */
  readonly isReplay: boolean;
  readonly traceFile: string | undefined;
  readonly isShrinking: boolean;
  readonly isJson: boolean;
}

export const defaults = { seeds: 20, from: 1, nodes: [3, 5], seconds: 60 } as const;
/** Nodes are named from node-a to node-z. */
const nodesMax = 26;
const seedsMax = 1_000_000;
const seedMax = Number.MAX_SAFE_INTEGER - seedsMax;
const secondsMax = 86_400;
const jobsMax = 256;

/** @throws StatemeshError `requestInvalid` naming the option */
export function requestOf(options: SimulateOptions): SimulateRequest {
  const { seed, trace } = options;
  if (seed !== undefined && (options.seeds !== undefined || options.from !== undefined)) {
    throw badInput('--seed plays one seed: leave out --seeds and --from.');
  }
  if (options.inspect !== undefined && seed === undefined) {
    throw badInput('--inspect plays one seed: say which with --seed.');
  }
  if (trace !== undefined) checkWritable(trace);
  const isReplay = seed !== undefined;
  const seeds = isReplay ? 1 : wholeNumber('--seeds', options.seeds, [1, seedsMax], defaults.seeds);
  const jobs = wholeNumber('--jobs', options.jobs, [1, jobsMax], Math.min(jobsMax, availableParallelism()));
  return {
    from: isReplay
      ? wholeNumber('--seed', seed, [0, seedMax])
      : wholeNumber('--from', options.from, [0, seedMax], defaults.from),
    seeds,
    plan: {
      nodes: nodesOf(options.nodes),
      durationMs: wholeNumber('--seconds', options.seconds, [1, secondsMax], defaults.seconds) * 1_000,
      faults: faultsOf(options.faults),
    },
    jobs: Math.min(jobs, seeds),
    isReplay,
    traceFile: trace,
    isShrinking: options.shrink !== false,
    isJson: options.json === true,
  };
}

/** The command line that plays a seed again: with every option that its plan depends on. */
export function replayCommand(seed: number, { plan }: Pick<SimulateRequest, 'plan'>): string {
  const { nodes, durationMs, faults } = plan;
  const seconds = durationMs / 1_000;
  return [
    `statemesh simulate --seed ${seed}`,
    ...(nodes.join() === defaults.nodes.join() ? [] : [`--nodes ${rangeOf(nodes)}`]),
    ...(seconds === defaults.seconds ? [] : [`--seconds ${seconds}`]),
    ...(faults.join() === faultDomains.join() ? [] : [`--faults ${faults.join() || 'none'}`]),
  ].join(' ');
}

export function rangeOf([fewest, most]: readonly [number, number]): string {
  return fewest === most ? String(fewest) : `${fewest}-${most}`;
}

function nodesOf(text: string | undefined): readonly [number, number] {
  if (text === undefined) return defaults.nodes;
  const [, fewest = '', most = fewest] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  const range = [Number(fewest), Number(most)] as const;
  if (fewest === '' || range[0] < 1 || range[1] > nodesMax || range[0] > range[1]) {
    throw badInput(`--nodes ${shown(text)}: use a number from 1 to ${nodesMax}, or a range such as 3-5.`);
  }
  return range;
}

function faultsOf(text: string | undefined): readonly FaultDomain[] {
  if (text === undefined) return faultDomains;
  if (text === 'none') return [];
  const names = text.split(',').map((name) => name.trim());
  const stranger = names.find((name) => !faultDomains.some((domain) => domain === name));
  if (stranger !== undefined) {
    throw badInput(`--faults ${shown(text)}: use none, or some of ${faultDomains.join()}.`);
  }
  // In the order of the list, not in the order on the command line: both mean the same plan.
  return faultDomains.filter((domain) => names.includes(domain));
}

function wholeNumber(
  flag: string,
  text: string | undefined,
  [least, most]: readonly [number, number],
  otherwise?: number,
): number {
  if (text === undefined && otherwise !== undefined) return otherwise;
  const value = Number(text);
  if (/^\d{1,16}$/.test(text ?? '') && value >= least && value <= most) return value;
  throw badInput(`${flag} ${shown(text ?? '')}: use a whole number from ${least} to ${most}.`);
}

function shown(text: string): string {
  return `"${text.slice(0, 80)}"`;
}

/** Checked before a run that may take hours. */
function checkWritable(path: string): void {
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw badInput(`--trace ${path} is a directory.`);
    accessSync(dirname(resolve(path)), constants.W_OK);
  } catch (error) {
    throw error instanceof StatemeshError
      ? error
      : badInput(`--trace ${path} cannot be written (${systemCodeOf(error)}).`);
  }
}
