/**
 * How long something has lasted in total, with a current stretch that may still run. All in ms of a clock that never
 * goes back.
 */
export interface Span {
  /** Undefined while no stretch runs. */
  readonly sinceMs: number | undefined;
  readonly lastedMs: number;
}

export const notYet: Span = { sinceMs: undefined, lastedMs: 0 };

export function begun({ lastedMs }: Span, nowMs: number): Span {
  return { sinceMs: nowMs, lastedMs };
}

/** Ends the current stretch. Has no effect if none runs. */
export function ended({ sinceMs, lastedMs }: Span, nowMs: number): Span {
  return { sinceMs: undefined, lastedMs: lastedMs + (sinceMs === undefined ? 0 : nowMs - sinceMs) };
}
