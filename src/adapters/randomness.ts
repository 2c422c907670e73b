/** The system's randomness: both kinds come from the generator that is fit for secrets. */
import { randomBytes, randomInt } from 'node:crypto';
import type { Randomness } from '../ports/ports.js';

export function systemRandomness(): Randomness {
  return {
    float: () => randomInt(steps) / steps,
    token: () => randomBytes(tokenBytes).toString('base64url'),
  };
}

/** The largest range that `randomInt` allows. */
const steps = 2 ** 48 - 1;
/** 96 random bits: no two tokens ever collide. */
const tokenBytes = 12;
