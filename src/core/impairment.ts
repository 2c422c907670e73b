/**
 * The codes that tell that the database of this node cannot be read or written at present because of its disk or its
 * files: the node is impaired. The other side of a session has no part in such a failure, and the failure passes when
 * the disk recovers.
 */
import type { ErrorCode } from './errors.js';

const impairments: ReadonlySet<ErrorCode> = new Set([
  'databaseCorrupt',
  'databaseInUse',
  'databaseLost',
  'databaseUnavailable',
  'diskFull',
] as const);

/**
 * Whether a failure of the store comes from the disk. The operation is then tried again, and the other side is not to
 * blame.
 */
export function isImpairment(code: ErrorCode): boolean {
  return impairments.has(code);
}
