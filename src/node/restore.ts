/** Restores backups, for programs and the command line, while the node does not run. */
import { systemRandomness } from '../adapters/randomness.js';
import { parseNodeId } from '../core/ids.js';
import { kinds, type OptionsShape, readOptions } from '../core/options.js';
import type { Restored, RestoreOptions } from '../ports/store.js';
import { putBack, setAside } from '../store/backup.js';
import { offlineShape, type RepairOptions } from './repair.js';

/**
 * Replaces the database of a node by a backup. The node must not run. Every page of the backup is checked first. The
 * current database is kept as `NODEID.db.before-restore`. The node's peers send back the newer entries that had reached
 * them; other newer entries are in the kept file only.
 *
 * @returns the NodeId, the path of the database, and the path under which the previous database is kept, if there was
 * one
 * @throws StatemeshError `requestInvalid`, `databaseForeign` when the file is not a statemesh database or belongs to
 * another node, `databaseCorrupt`, `databaseInUse`, `databaseUnavailable`, `diskFull`; in that case nothing has changed
 *
 * @example
 * const { nodeId, setAside } = restoreDatabase({ backup: '/backups/shop-1.db', dataDir: './data' });
 */
export function restoreDatabase(options: Omit<RestoreOptions, 'randomness'>): Restored {
  return putBack({ ...readOptions(options, restoreShape), randomness: systemRandomness() });
}

/**
 * Renames the database of a node to `NODEID.db.before-restore`. The node must not run. At its next start it begins with
 * an empty database and fetches everything from its peers. Entries that had reached no peer are in the renamed file
 * only.
 *
 * @returns the NodeId, the former path of the database, and its new path
 * @throws StatemeshError `requestInvalid`, `nodeIdInvalid`, `databaseInUse`, `databaseUnavailable`; in that case
 * nothing has changed
 *
 * @example
 * const { setAside } = setDatabaseAside({ dataDir: './data', nodeId: 'shop-1' });
 */
export function setDatabaseAside(options: RepairOptions): Restored {
  const { dataDir, nodeId } = readOptions(options, offlineShape('setDatabaseAside'));
  return setAside({ dataDir, nodeId: parseNodeId(nodeId), randomness: systemRandomness() });
}

const restoreShape: OptionsShape<Omit<RestoreOptions, 'randomness'>> = {
  complaint: 'Invalid options of restoreDatabase',
  code: 'requestInvalid',
  fields: { backup: kinds.filledText, dataDir: kinds.filledText, nodeId: kinds.text },
  required: ['backup', 'dataDir'],
};
