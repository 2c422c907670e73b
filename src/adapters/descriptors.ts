/**
 * File descriptors of this process. Where the system does not tell (no `/proc`), nothing is known and nothing is held back.
 *
 * A process without a descriptor cannot even open the files that tell so: the maximum is remembered from before.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { lacksDescriptors } from '../core/errors.js';
import type { Descriptors } from '../ports/ports.js';

/** Unknown at first, so that the system is asked. */
let knownMax = 0;

/** How many are open, and how many may be. */
export function descriptorsNow(): Descriptors | undefined {
  const max = descriptorsMax(Number.POSITIVE_INFINITY);
  if (max === Number.POSITIVE_INFINITY) return undefined;
  try {
    // One of them is that of the directory itself.
    return { open: readdirSync('/proc/self/fd').length - 1, max };
  } catch (error) {
    return lacksDescriptors(error) ? { open: max, max } : undefined;
  }
}

/**
 * How many may be open; infinite where the system does not tell.
 *
 * @param needed The system is asked again when so many come near what is known: each connection that is accepted comes by here
 */
export function descriptorsMax(needed: number): number {
  if (needed < knownMax / 2) return knownMax;
  try {
    const soft = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    knownMax = soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    // No descriptor to open it with, or no such file.
    if (knownMax === 0) knownMax = Number.POSITIVE_INFINITY;
  }
  return knownMax;
}

/** The number of a socket's descriptor, of which the system gives the lowest that is free; undefined where there is none (Windows). */
export function descriptorOf(socket: Socket): number | undefined {
  const { fd } = (socket as unknown as { _handle?: { fd?: number } })._handle ?? {};
  return fd === undefined || fd < 0 ? undefined : fd;
}
