/** A target of the fuzzing: something that takes what strangers send, and what must hold whatever that is. */
import type { IRawProperty } from 'fast-check';
import { type ErrorCode, isStatemeshError } from '../src/core/errors.js';

export interface Target {
  readonly name: string;
  /** What must hold, for people. */
  readonly promise: string;
  /** How often it is tried where the budget is a number of times. */
  readonly runs: number;
  /** Gets ready what all tries share. */
  open(): Promise<Opened> | Opened;
}

export interface Opened {
  /** Fails by throwing. */
  readonly property: IRawProperty<unknown>;
  close?(): Promise<void>;
}

/**
 * What a call gives; undefined when it refuses with one of the codes. Every other error goes on: hostile input may be refused, but only
 * by a name for what is wrong with it.
 */
export async function refusing<T>(codes: readonly ErrorCode[], call: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    return passOnUnless(codes, error);
  }
}

/** As {@link refusing}, for what answers at once: many tries a second. */
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
  if (!holds) throw new Error(`It does not hold that ${what}.`);
}
