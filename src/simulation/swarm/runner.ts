/**
 * Plays many seeds with several players and stops at the first failure.
 *
 * Invariants: the report does not depend on the number of players or on their speed. Seeds are handed out in order.
 * Verdicts are reported in order, up to the lowest seed that fails; verdicts of later seeds are not reported.
 */
import { kinds, objectWith, readOptions, wholeNumber } from '../../core/options.js';
import { simulationShape } from '../options.js';
import type { Verdict } from '../verdict.js';
import { drawPlan, type PlanOptions } from './plan.js';
import type { Player } from './player.js';

/** Which plans a swarm plays. */
export interface SwarmOptions {
  /** The first seed. */
  readonly from: number;
  /** The number of seeds. */
  readonly seeds: number;
  readonly plan: Omit<PlanOptions, 'seed'>;
  /** Each plays one seed at a time. The caller closes them. */
  readonly players: readonly Player[];
  /** Ends the run early; the result covers the verdicts that were reported until then. */
  readonly signal?: AbortSignal | undefined;
  /** The trace file of a seed. */
  readonly traceFileOf?: ((seed: number) => string | undefined) | undefined;
  /** Receives the verdicts in the order of their seeds. */
  readonly onVerdict?: ((verdict: Verdict) => void) | undefined;
  /** Called after each seed that was played, in any order. */
  readonly onProgress?: ((progress: SwarmProgress) => void) | undefined;
}

/** The progress of a swarm. */
export interface SwarmProgress {
  /** The number of seeds that were played. */
  readonly played: number;
  readonly virtualMs: number;
}

/** What a swarm has found. */
export interface SwarmResult {
  /** How many seeds have passed, all below the one that failed. */
  readonly passed: number;
  /** The verdict on the lowest seed that failed; when interrupted, on the lowest known one. */
  readonly failure: Verdict | undefined;
  readonly events: number;
  readonly virtualMs: number;
  /** Whether the signal ended it. */
  readonly isInterrupted: boolean;
}

/** @throws the rejection of a player that was not told to stop */
export async function runSwarm(options: SwarmOptions): Promise<SwarmResult> {
  return new SwarmRun(readOptions(options, swarmShape)).run();
}

const swarmShape = simulationShape<SwarmOptions>(
  'runSwarm',
  {
    from: wholeNumber(0),
    seeds: { takes: 'a number from 0', accepts: (value) => typeof value === 'number' && value >= 0 },
    // Checked with the first plan that is drawn.
    plan: objectWith(),
    players: kinds.list,
    signal: kinds.signal,
    traceFileOf: kinds.function,
    onVerdict: kinds.function,
    onProgress: kinds.function,
  },
  ...(['from', 'seeds', 'plan', 'players'] as const),
);

class SwarmRun {
  readonly #options: SwarmOptions;
  /** The next seed to be handed out. */
  #next: number;
  /** The lowest seed that has failed so far; higher seeds are no longer needed. */
  #lowest: Verdict | undefined;
  /** Whether no more seeds are handed out. */
  #isOver = false;
  readonly #underWay = new Map<number, AbortController>();
  /**
   * Verdicts that wait for those of lower seeds: at most as many as the other players play while one takes its maximum
   * time.
   */
  readonly #waiting = new Map<number, Verdict>();
  #told: number;
  #result: Omit<SwarmResult, 'isInterrupted'> = { passed: 0, failure: undefined, events: 0, virtualMs: 0 };
  #progress: SwarmProgress = { played: 0, virtualMs: 0 };

  constructor(options: SwarmOptions) {
    this.#options = options;
    this.#next = options.from;
    this.#told = options.from;
  }

  async run(): Promise<SwarmResult> {
    const { signal, players } = this.#options;
    const interrupt = (): void => {
      this.#isOver = true;
      this.#abandon(Number.NEGATIVE_INFINITY);
    };
    signal?.addEventListener('abort', interrupt);
    if (signal?.aborted) interrupt();
    try {
      await Promise.all(players.map((player) => this.#playAll(player)));
    } finally {
      signal?.removeEventListener('abort', interrupt);
      // When one player has rejected, the others need not continue.
      interrupt();
    }
    const isComplete = this.#result.failure !== undefined || this.#result.passed === this.#options.seeds;
    // Interrupted before all lower seeds had ended: the failure is reported all the same.
    return { ...this.#result, failure: this.#lowest, isInterrupted: !isComplete };
  }

  async #playAll(player: Player): Promise<void> {
    const { from, seeds } = this.#options;
    while (!this.#isOver && this.#next < Math.min(from + seeds, this.#lowest?.seed ?? Number.POSITIVE_INFINITY)) {
      const seed = this.#next;
      this.#next += 1;
      const verdict = await this.#playOne(player, seed);
      if (verdict !== undefined) this.#take(verdict);
    }
  }

  /** @returns undefined when the seed is no longer needed */
  async #playOne(player: Player, seed: number): Promise<Verdict | undefined> {
    const { plan, traceFileOf } = this.#options;
    const controller = new AbortController();
    this.#underWay.set(seed, controller);
    try {
      const traceFile = traceFileOf?.(seed);
      return await player.play(drawPlan({ ...plan, seed }), { signal: controller.signal, traceFile });
    } catch (error) {
      if (controller.signal.aborted) return undefined;
      throw error;
    } finally {
      this.#underWay.delete(seed);
    }
  }

  #take(verdict: Verdict): void {
    const { seed, breach, virtualMs } = verdict;
    if (breach !== undefined && (this.#lowest === undefined || seed < this.#lowest.seed)) {
      this.#lowest = verdict;
      this.#abandon(seed);
    }
    this.#progress = { played: this.#progress.played + 1, virtualMs: this.#progress.virtualMs + virtualMs };
    this.#options.onProgress?.(this.#progress);
    this.#waiting.set(seed, verdict);
    this.#tell();
  }

  #tell(): void {
    for (;;) {
      const verdict = this.#waiting.get(this.#told);
      if (verdict === undefined || this.#result.failure !== undefined) return;
      this.#waiting.delete(this.#told);
      this.#told += 1;
      const { passed, events, virtualMs } = this.#result;
      this.#result = {
        passed: verdict.breach === undefined ? passed + 1 : passed,
        failure: verdict.breach === undefined ? undefined : verdict,
        events: events + verdict.events,
        virtualMs: virtualMs + verdict.virtualMs,
      };
      this.#options.onVerdict?.(verdict);
    }
  }

  /** Ends the runs of all seeds beyond one. */
  #abandon(beyond: number): void {
    for (const [seed, controller] of this.#underWay) if (seed > beyond) controller.abort();
  }
}
