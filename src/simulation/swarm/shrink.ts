/**
 * Makes a failing plan smaller, for as long as it fails in the same way: first its faults, by delta debugging, then its
 * writes, then its length, and at last its numbers.
 *
 * Invariants: the resulting plan fails as the given one does. At most `runsMax` plans are played. The same plan and the
 * same verdicts give the same result.
 */
import { kinds, objectWith, readOptions, wholeNumber } from '../../core/options.js';
import { simulationShape } from '../options.js';
import type { Breach, Verdict } from '../verdict.js';
import { deltaDebug } from './delta-debug.js';
import type { Plan } from './plan.js';
import { playPlan } from './play.js';

/** The limits of the search for a smaller plan. */
export interface ShrinkOptions {
  /** How the plan fails. */
  readonly breach: Breach;
  /** Plays a candidate; by default in this thread. */
  readonly play?: (plan: Plan) => Promise<Verdict>;
  /** Whether a candidate fails in the same way; by default, when kind and checker are equal. */
  readonly isSame?: (found: Breach, sought: Breach) => boolean;
  readonly runsMax?: number;
  /** When aborted, no more candidates are played; the smallest plan so far is the result. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ShrinkProgress) => void) | undefined;
}

/** How small a plan has become. */
export interface ShrinkProgress {
  readonly runs: number;
  readonly runsMax: number;
  /** The smallest plan so far. */
  readonly plan: Plan;
}

/** The smallest plan found that still fails. */
export interface ShrunkPlan {
  readonly plan: Plan;
  /** How the shrunk plan fails: perhaps at another time, and with another message. */
  readonly breach: Breach;
  /** How many plans were played. */
  readonly runs: number;
  /** Whether no single fault and no single write could be left out any more. */
  readonly isMinimal: boolean;
}

/** The default maximum of runs of a shrinking. */
export const shrinkRunsMax = 200;
/** Reserved for the length and the numbers, which make a plan much easier to read. */
const finishingRuns = 8;
const roundingsMs = [1_000, 100, 10, 1];

const shrinkShape = simulationShape<ShrinkOptions>(
  'shrinkPlan',
  {
    breach: objectWith(),
    play: kinds.function,
    isSame: kinds.function,
    runsMax: wholeNumber(0),
    signal: kinds.signal,
    onProgress: kinds.function,
  },
  'breach',
);

export async function shrinkPlan(plan: Plan, given: ShrinkOptions): Promise<ShrunkPlan> {
  const options = readOptions(given, shrinkShape);
  return new Shrinking(plan, options).run();
}

class Shrinking {
  readonly #options: ShrinkOptions;
  readonly #runsMax: number;
  #plan: Plan;
  #breach: Breach;
  #runs = 0;

  constructor(plan: Plan, options: ShrinkOptions) {
    this.#options = options;
    this.#runsMax = options.runsMax ?? shrinkRunsMax;
    this.#plan = plan;
    this.#breach = options.breach;
  }

  async run(): Promise<ShrunkPlan> {
    // Steps after the breach have no part in it, unless the plan was over by then.
    await this.#tryOut(upTo(this.#plan, this.#breach.atMs));
    const isMinimal = await this.#reduceAll();
    await this.#shorten();
    for (const unitMs of roundingsMs) if (await this.#tryOut(rounded(this.#plan, unitMs))) break;
    return { plan: this.#plan, breach: this.#breach, runs: this.#runs, isMinimal };
  }

  /** Repeated, because a fault may matter only together with a write that has since been removed. */
  async #reduceAll(): Promise<boolean> {
    for (;;) {
      const before = this.#plan;
      const isMinimal = [await this.#reduce('faults'), await this.#reduce('writes')].every(Boolean);
      if (!isMinimal || this.#plan === before) return isMinimal;
    }
  }

  /** @returns Whether no single item can be left out any more */
  async #reduce(list: 'faults' | 'writes'): Promise<boolean> {
    const whole = this.#plan;
    const runsLeft = Math.max(0, this.#runsMax - this.#runs - finishingRuns);
    const fails = (items: readonly unknown[]) => this.#fails({ ...whole, [list]: items } as Plan);
    const { isMinimal } = await deltaDebug<unknown>(whole[list], fails, runsLeft);
    return isMinimal && !this.#isOver;
  }

  /** Lets the plan end with its last step, or else with the breach. */
  async #shorten(): Promise<void> {
    for (const endMs of [lastMs(this.#plan), this.#breach.atMs]) {
      const durationMs = Math.ceil(endMs);
      if (durationMs < this.#plan.durationMs && (await this.#tryOut({ ...this.#plan, durationMs }))) return;
    }
  }

  async #tryOut(candidate: Plan): Promise<boolean> {
    if (JSON.stringify(candidate) === JSON.stringify(this.#plan)) return false;
    return this.#fails(candidate);
  }

  /** A candidate that fails in the same way is the smallest so far: each is smaller than the one before. */
  async #fails(candidate: Plan): Promise<boolean> {
    if (this.#runs >= this.#runsMax || this.#isOver) return false;
    this.#runs += 1;
    const found = await this.#play(candidate);
    const { breach: sought, isSame = isSameBreach, onProgress } = this.#options;
    const isFailing = found !== undefined && isSame(found, sought);
    if (isFailing) {
      this.#plan = candidate;
      this.#breach = found;
    }
    onProgress?.({ runs: this.#runs, runsMax: this.#runsMax, plan: this.#plan });
    return isFailing;
  }

  async #play(candidate: Plan): Promise<Breach | undefined> {
    try {
      return (await (this.#options.play ?? playPlan)(candidate)).breach;
    } catch (error) {
      // The run was ended along with the shrinking.
      if (this.#isOver) return undefined;
      throw error;
    }
  }

  get #isOver(): boolean {
    return this.#options.signal?.aborted ?? false;
  }
}

function isSameBreach(found: Breach, sought: Breach): boolean {
  return found.kind === sought.kind && found.checker === sought.checker;
}

function upTo(plan: Plan, endMs: number): Plan {
  const isBefore = ({ atMs }: { atMs: number }) => atMs <= endMs;
  const durationMs = Math.min(plan.durationMs, Math.ceil(endMs));
  return { ...plan, durationMs, writes: plan.writes.filter(isBefore), faults: plan.faults.filter(isBefore) };
}

function lastMs({ writes, faults }: Plan): number {
  return Math.max(0, ...writes.map(({ atMs }) => atMs), ...faults.map(({ atMs }) => atMs));
}

function rounded(plan: Plan, unitMs: number): Plan {
  const round = <T extends { readonly atMs: number }>(item: T): T => ({
    ...item,
    atMs: Math.round(item.atMs / unitMs) * unitMs,
  });
  const durationMs = Math.ceil(plan.durationMs / unitMs) * unitMs;
  return { ...plan, durationMs, writes: plan.writes.map(round), faults: plan.faults.map(round) };
}
