/** The result of a run of a world. */

/**
 * The kind of a breach. `safety`: a safety property was violated; `latency`: a write was not visible in time on a
 * healthy network; `liveness`: the nodes did not agree, or find each other, after everything had healed; `leak`:
 * something was left over after all nodes had stopped; `crash`: the run itself failed with an unexpected error.
 */
export const breachKinds = ['safety', 'latency', 'liveness', 'leak', 'crash'] as const;
/** The kind of a breach. */
export type BreachKind = (typeof breachKinds)[number];

/** A violated invariant. */
export interface Breach {
  readonly kind: BreachKind;
  /** The checker that noticed it, such as `acknowledged-writes`. */
  readonly checker: string;
  /** What is wrong, with names and numbers. */
  readonly message: string;
  /** Virtual ms since the world began. */
  readonly atMs: number;
}

/** The result of the run of one plan. */
export interface Verdict {
  readonly seed: number;
  /** Undefined when no invariant was violated. */
  readonly breach: Breach | undefined;
  /** Events of the virtual clock. */
  readonly events: number;
  readonly virtualMs: number;
  /** Writes that were acknowledged. */
  readonly acknowledged: number;
  /** A hash over everything that was delivered, committed and reported; equal for equal runs. */
  readonly traceHash: string;
}

/** Thrown by a checker; the player turns it into a {@link Breach}. */
export class BreachError extends Error {
  override readonly name = 'BreachError';

  constructor(readonly breach: Breach) {
    super(`${breach.kind}: ${breach.checker} at ${breach.atMs.toFixed(1)} ms: ${breach.message}`);
  }
}
