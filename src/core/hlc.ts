/**
 * Hybrid logical clock: the wall clock in milliseconds with a counter, packed in one safe integer,
 * `(wall - epoch) * 4096 + logic`, so that comparing two is comparing two numbers and a full counter carries into the
 * next millisecond by itself.
 *
 * Invariant: a clock never goes back. `next` is above everything it has given out or observed, whatever the wall
 * clock does; the store keeps that across restarts, since the highest value is in its oplog.
 *
 * Source: Kulkarni et al., "Logical Physical Clocks" (2014).
 */
declare const brand: unique symbol;
/** A hybrid logical clock stamp, packed in a safe integer: comparing two is comparing numbers. */
export type Hlc = number & { readonly [brand]: 'Hlc' };

/** 2020-01-01T00:00:00Z. With 41 bits of milliseconds, packed stamps stay safe integers until 2089. */
export const epochMs = 1_577_836_800_000;
const logicPerMs = 4_096;

/** Before every stamp: the position of an author of whom nothing is known. */
export const hlcZero = 0 as Hlc;

/** Any safe integer above zero is a stamp; everything else from outside is refused. */
export function isHlc(value: number): value is Hlc {
  return Number.isSafeInteger(value) && value > 0;
}

export function packHlc(wallMs: number, logic: number): Hlc {
  return ((wallMs - epochMs) * logicPerMs + logic) as Hlc;
}

export function wallMsOf(hlc: Hlc): number {
  return Math.floor(hlc / logicPerMs) + epochMs;
}

export function logicOf(hlc: Hlc): number {
  return hlc % logicPerMs;
}

/** The next stamp after `last`, at the wall clock if that has moved on. */
export function nextHlc(last: Hlc, wallMs: number): Hlc {
  // The first millisecond is for initial writes, which everything else outranks.
  const atWall = packHlc(Math.max(wallMs, epochMs + 1), 0);
  return (atWall > last ? atWall : last + 1) as Hlc;
}

/** Whether a stamp lies further ahead of our wall clock than clocks may differ. */
export function isTooFarAhead(hlc: Hlc, wallMs: number, driftMaxMs: number): boolean {
  return wallMsOf(hlc) > wallMs + driftMaxMs;
}
