/** What a run of the world has shown. */

/**
 * What kind of promise was broken. `safety`: something that must never be was; `latency`: a write was not seen in time on a
 * healthy network; `liveness`: the nodes did not agree, or find each other, after everything had healed; `leak`: something
 * was left over after everybody had stopped; `crash`: the run itself failed, by an error that nobody expects.
 */
export const breachKinds = ['safety', 'latency', 'liveness', 'leak', 'crash'] as const;
/** What kind of promise was broken. */
export type BreachKind = (typeof breachKinds)[number];

/** A promise that was broken. */
export interface Breach {
  readonly kind: BreachKind;
  /** The checker that noticed it, such as `acknowledged-writes`. */
  readonly checker: string;
  /** What is wrong, with names and numbers. */
  readonly message: string;
  /** Virtual ms since the world began. */
  readonly atMs: number;
}

/** How the run of one plan went. */
export interface Verdict {
  readonly seed: number;
  /** Undefined when nothing was broken. */
  readonly breach: Breach | undefined;
  /** Events of the virtual clock. */
  readonly events: number;
  readonly virtualMs: number;
  /** Writes that were acknowledged. */
  readonly acknowledged: number;
  /** Equal for equal runs: over everything that was delivered, committed and told. */
  readonly traceHash: string;
}

/** Thrown by a checker; the player makes a {@link Breach} of it. */
export class BreachError extends Error {
  override readonly name = 'BreachError';

  constructor(readonly breach: Breach) {
    super(`${breach.kind}: ${breach.checker} at ${breach.atMs.toFixed(1)} ms: ${breach.message}`);
  }
}
