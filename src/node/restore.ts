/** Puts a copy of a database back: for programs and the command line, while the node does not run. */
import { systemRandomness } from '../adapters/randomness.js';
import { parseNodeId } from '../core/ids.js';
import { kinds, type OptionsShape, readOptions } from '../core/options.js';
import type { Restored, RestoreOptions } from '../ports/store.js';
import { putBack, setAside } from '../store/backup.js';
import { offlineShape, type RepairOptions } from './repair.js';

/**
 * Puts a copy in the place of a node's database. The node must not run. Every page of the copy is checked first; what the node had is set
 * aside, as `NODEID.db.before-restore`. What was written after the copy was made, and has come to other nodes, it gets back from
 * them.
 *
 * @returns whose database it is, where it is, and where the one is that was there
 * @throws StatemeshError `requestInvalid`, `databaseForeign` when it is no statemesh database or another node's, `databaseCorrupt`, `databaseInUse`,
 * `databaseUnavailable`, `diskFull`; nothing has changed then
 *
 * @example
 * const { nodeId, setAside } = restoreDatabase({ backup: '/backups/shop-1.db', dataDir: './data' });
 */
export function restoreDatabase(options: Omit<RestoreOptions, 'randomness'>): Restored {
  return putBack({ ...readOptions(options, restoreShape), randomness: systemRandomness() });
}

/**
 * Sets the database of a node aside, as `NODEID.db.before-restore`, so that the node begins with an empty one and fetches everything from its
 * peers. The node must not run. What has come to no peer is in the file that was set aside only.
 *
 * @returns where the database was, and where it is now
 * @throws StatemeshError `requestInvalid`, `nodeIdInvalid`, `databaseInUse`, `databaseUnavailable`; nothing has changed then
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
