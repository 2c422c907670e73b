/** How long something lasted, in parts: a time that may still go on. All in ms of a clock that never goes back. */
export interface Span {
  /** Undefined while it does not go on. */
  readonly sinceMs: number | undefined;
  readonly lastedMs: number;
}

export const notYet: Span = { sinceMs: undefined, lastedMs: 0 };

export function begun({ lastedMs }: Span, nowMs: number): Span {
  return { sinceMs: nowMs, lastedMs };
}

/** Ends what does not go on, too: without effect. */
export function ended({ sinceMs, lastedMs }: Span, nowMs: number): Span {
  return { sinceMs: undefined, lastedMs: lastedMs + (sinceMs === undefined ? 0 : nowMs - sinceMs) };
}
