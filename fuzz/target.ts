/** A target of the fuzzing: code that reads untrusted input, and the promise that it must keep for every input. */
import type { IRawProperty } from 'fast-check';
import { type ErrorCode, isStatemeshError } from '../src/core/errors.js';

export interface Target {
  readonly name: string;
  /** The promise, as a sentence. */
  readonly promise: string;
  /** The number of runs when the budget is a number of runs. */
  readonly runs: number;
  /** Prepares what all runs share. */
  open(): Promise<Opened> | Opened;
}

export interface Opened {
  /** Fails by throwing. */
  readonly property: IRawProperty<unknown>;
  close?(): Promise<void>;
}

/**
 * The result of a call; undefined when it refuses with one of the codes. Every other error is passed on: hostile input
 * may be refused, but only with an expected code.
 */
export async function refusing<T>(codes: readonly ErrorCode[], call: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    return passOnUnless(codes, error);
  }
}

/** As {@link refusing}, for synchronous calls, which run many times a second. */
export function refusingNow<T>(codes: readonly ErrorCode[], call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    return passOnUnless(codes, error);
  }
}

/** @throws the error, unless it has one of the codes */
export function passOnUnless(codes: readonly ErrorCode[], error: unknown): undefined {
  if (isStatemeshError(error) && codes.includes(error.code)) return undefined;
  throw error;
}

/** @throws Error unless it holds */
export function must(holds: unknown, what: string): asserts holds {
  if (!holds) throw new Error(`This does not hold: ${what}.`);
}
