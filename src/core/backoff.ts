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

/** What an actor knows after failed attempts. */
export interface Failing {
  /** 1 after the first failure. */
  readonly attempt: number;
  readonly lastFailure?: { readonly retryAfterMs?: number | undefined } | undefined;
  random(): number;
}

/** The wait in ms before the next attempt; no shorter than the other side has asked for. */
export function waitMs({ attempt, random, lastFailure }: Failing, firstMs: number, maxMs: number): number {
  const ownMs = backoffMs({ firstMs, maxMs, attempt: attempt - 1, random: random() });
  return Math.max(ownMs, lastFailure?.retryAfterMs ?? 0);
}
