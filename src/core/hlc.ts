/**
 * Hybrid logical clock: the wall clock in milliseconds and a counter, packed in one safe integer, `(wall - epoch) *
 * 4096 + logic`. Comparing two stamps is comparing two numbers, and a full counter carries into the next millisecond by
 * itself.
 *
 * Invariant: a clock never goes back. Whatever the wall clock does, `next` returns a stamp above every stamp that the
 * clock has issued or observed. The store keeps this across restarts, because its oplog holds the highest stamp.
 *
 * Source: Kulkarni et al., "Logical Physical Clocks" (2014).
 */
declare const brand: unique symbol;
/** A stamp of a hybrid logical clock, packed in a safe integer: comparing two is comparing numbers. */
export type Hlc = number & { readonly [brand]: 'Hlc' };

/** 2020-01-01T00:00:00Z. With 41 bits of milliseconds, packed stamps stay safe integers until 2089. */
export const epochMs = 1_577_836_800_000;
const logicPerMs = 4_096;

/** Before every stamp: the position of an author of which nothing is known. */
export const hlcZero = 0 as Hlc;

/** Any safe integer above zero is a stamp. All other values from outside are refused. */
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
  // The first millisecond belongs to initial writes, which every other write outranks.
  const atWall = packHlc(Math.max(wallMs, epochMs + 1), 0);
  return (atWall > last ? atWall : last + 1) as Hlc;
}

/** Whether a stamp is further ahead of our wall clock than clocks may differ. */
export function isTooFarAhead(hlc: Hlc, wallMs: number, driftMaxMs: number): boolean {
  return wallMsOf(hlc) > wallMs + driftMaxMs;
}
