/**
 * One seed draws everything, through sub-streams with labels. The draws of one part of the world never shift those of
 * another, so removing a fault from a schedule leaves the rest of the run as it was.
 */
import { hash } from 'node:crypto';
import type { Randomness } from '../ports/ports.js';

export interface RandomStream extends Randomness {
  /** A whole number from 0 up to, not including, `end`. */
  below(end: number): number;
  pick<T>(items: readonly T[]): T;
}

/** The stream of a seed and a label: sfc32 (Chris Doty-Humphrey, PractRand), seeded from SHA-256. */
export function randomStream(seed: number, label: string): RandomStream {
  const digest = Buffer.from(hash('sha256', `${seed}/${label}`, 'hex'), 'hex');
  let [a, b, c, counter] = [0, 4, 8, 12].map((offset) => digest.readUInt32LE(offset)) as [
    number,
    number,
    number,
    number,
  ];
  const next = (): number => {
    const result = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + result) | 0;
    return result >>> 0;
  };
  const float = (): number => next() / 2 ** 32;
  const below = (end: number): number => Math.floor(float() * end);
  return {
    float,
    below,
    pick: (items) => items[below(items.length)] as (typeof items)[number],
    token: () => {
      const bytes = Buffer.alloc(12);
      for (const offset of [0, 4, 8]) bytes.writeUInt32LE(next(), offset);
      return bytes.toString('base64url');
    },
  };
}
