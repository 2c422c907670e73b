/**
 * File descriptors of this process. If the system does not tell (no `/proc`), the numbers are unknown and nothing is
 * held back.
 *
 * A process without a free descriptor cannot open the files that tell the numbers, so the last known maximum is
 * remembered.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { lacksDescriptors } from '../core/errors.js';
import type { Descriptors } from '../ports/ports.js';

/** 0 at first, so that the system is asked. */
let knownMax = 0;

/** How many are open, and the maximum. */
export function descriptorsNow(): Descriptors | undefined {
  const max = descriptorsMax(Number.POSITIVE_INFINITY);
  if (max === Number.POSITIVE_INFINITY) return undefined;
  try {
    // One of them belongs to the directory itself.
    return { open: readdirSync('/proc/self/fd').length - 1, max };
  } catch (error) {
    return lacksDescriptors(error) ? { open: max, max } : undefined;
  }
}

/**
 * The maximum of open descriptors; infinite if the system does not tell.
 *
 * @param needed The number in use. The system is asked again only if it nears the known maximum, because each accepted
 * connection calls this
 */
export function descriptorsMax(needed: number): number {
  if (needed < knownMax / 2) return knownMax;
  try {
    const soft = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    knownMax = soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    // No free descriptor to open it with, or no such file.
    if (knownMax === 0) knownMax = Number.POSITIVE_INFINITY;
  }
  return knownMax;
}

/**
 * The number of a socket's descriptor; the system assigns the lowest free one. Undefined if there is none (Windows).
 */
export function descriptorOf(socket: Socket): number | undefined {
  const { fd } = (socket as unknown as { _handle?: { fd?: number } })._handle ?? {};
  return fd === undefined || fd < 0 ? undefined : fd;
}
