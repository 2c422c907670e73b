/** Puts a copy of a database back: for programs and the command line, while the node does not run. */
import { systemRandomness } from './adapters/randomness.js';
import { putBack, type Restored, type RestoreOptions } from './store/backup.js';

/**
 * Puts a copy in the place of a node's database. The node must not run. Every page of the copy is checked first; what the node had is set
 * aside, as `NODEID.db.before-restore`. What was written after the copy was made, and has come to other nodes, it gets back from
 * them.
 *
 * @returns whose database it is, where it is, and where the one is that was there
 * @throws StatemeshError `databaseForeign` when it is no statemesh database or another node's, `databaseCorrupt`, `databaseInUse`,
 * `databaseUnavailable`, `diskFull`; nothing has changed then
 *
 * @example
 * const { nodeId, setAside } = restoreDatabase({ backup: '/backups/shop-1.db', dataDir: './data' });
 */
export function restoreDatabase(options: Omit<RestoreOptions, 'randomness'>): Restored {
  return putBack({ ...options, randomness: systemRandomness() });
}
