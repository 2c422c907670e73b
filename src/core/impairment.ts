/**
 * What says that the database of this node cannot be read or written at present, for a reason of its disk or its files: the node is impaired.
 * The other side of a session has no part in such a failure, which passes when the disk recovers.
 */
import type { ErrorCode } from './errors.js';

const impairments: ReadonlySet<ErrorCode> = new Set([
  'databaseCorrupt',
  'databaseInUse',
  'databaseLost',
  'databaseUnavailable',
  'diskFull',
] as const);

/** Whether a failure of the store is one of the disk: what failed is tried again, and the other side is not to blame. */
export function isImpairment(code: ErrorCode): boolean {
  return impairments.has(code);
}
