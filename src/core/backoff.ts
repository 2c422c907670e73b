/**
 * How long to wait before the next attempt: exponential, with full jitter over the upper half, so that peers that
 * failed together do not return together. Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).
 */
export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** 0 before the first retry. */
  readonly attempt: number;
  /** From the randomness port, in [0, 1). */
  readonly random: number;
}

/** A wait in ms: between half of `firstMs * 2^attempt` and all of it, at most `maxMs`. */
export function backoffMs({ firstMs, maxMs, attempt, random }: BackoffOptions): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30));
  return Math.round(ceiling * (0.5 + random / 2));
}
