/** Examines databases of a node that does not run: for programs and for `statemesh doctor`. */

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { systemRandomness } from '../adapters/randomness.js';
import { systemTime } from '../adapters/time.js';
import { StatemeshError } from '../core/errors.js';
import { type NodeId, parseNodeId } from '../core/ids.js';
import { kinds, type OptionsShape, readOptions } from '../core/options.js';
import { type HeldDatabase, heldDatabasesIn } from '../store/database-lock.js';
import { type Examination, type ExaminationOptions, examineDatabase as examine } from '../store/examination.js';
import { type DatabaseLeftBehind, findLeftBehind } from '../store/left-behind.js';
import { assertNativeModule } from '../store/sqlite.js';
import { openSqliteStore } from '../store/sqlite-store.js';
import { offlineShape } from './repair.js';

/**
 * Checks whether this installation can open a database. `statemesh doctor` starts with this check.
 *
 * @throws StatemeshError `nativeModuleMissing`; its message says what to run
 *
 * @example
 * examineInstallation();
 */
export function examineInstallation(): void {
  assertNativeModule();
}

/**
 * Reads every page and every entry of a database that no process has open. Changes nothing in it.
 *
 * @returns the size of the database, and every damage found
 * @throws StatemeshError `databaseInUse`, `databaseForeign`, `databaseCorrupt` when the database cannot even be opened,
 * `databaseUnavailable`
 *
 * @example
 * const { damages } = await examineDatabase({ path: './data/shop-1.db', nodeId: 'shop-1' });
 * if (damages.length > 0) console.log('Restore a backup:', damages);
 */
export async function examineDatabase(
  options: Omit<ExaminationOptions, 'nodeId' | 'time' | 'randomness'> & { readonly nodeId: string },
): Promise<Examination> {
  const { path, nodeId, onProgress } = readOptions(options, examineShape);
  return examine({
    path,
    nodeId: nodeId as NodeId,
    ...(onProgress !== undefined && { onProgress }),
    time: systemTime(),
    randomness: systemRandomness(),
  });
}

/**
 * Finds the other databases in the data directory of a node that does not run. For a running node, use
 * `node.databasesLeftBehind`.
 *
 * @throws StatemeshError `nodeIdInvalid`, and the errors of opening the node's own database
 *
 * @example
 * for (const { path, entries } of await databasesLeftBehind({ dataDir: './data', nodeId: 'shop-2' })) {
 *   console.log(`${entries} entries are in ${path} alone`);
 * }
 */
export async function databasesLeftBehind(options: {
  readonly dataDir: string;
  readonly nodeId: string;
}): Promise<readonly DatabaseLeftBehind[]> {
  const { dataDir, nodeId: name } = readOptions(options, offlineShape('databasesLeftBehind'));
  const nodeId = parseNodeId(name);
  const time = systemTime();
  const path = join(dataDir, `${nodeId}.db`);
  // Creates no database: a node that has never run has no entries.
  const store = existsSync(path)
    ? await openSqliteStore({ path, nodeId, time, randomness: systemRandomness() })
    : undefined;
  try {
    return await findLeftBehind({ dataDir, nodeId, clock: store?.clock() ?? new Map(), turn: () => time.turn() });
  } finally {
    await store?.close();
  }
}

/**
 * Finds the databases in a data directory that some process has open. Opens none. If the process answers on no control
 * socket, it is a node without one, or a node that is still starting.
 *
 * @throws StatemeshError `requestInvalid`
 *
 * @example
 * for (const { path, holder } of databasesHeldIn('./data')) console.log(`${holder} has ${path} open.`);
 */
export function databasesHeldIn(dataDir: string): readonly HeldDatabase[] {
  if (typeof dataDir === 'string' && dataDir !== '') return heldDatabasesIn(resolve(dataDir));
  throw new StatemeshError('requestInvalid', 'databasesHeldIn takes the path of a data directory.');
}

const examineShape: OptionsShape<Pick<ExaminationOptions, 'path' | 'onProgress'> & { readonly nodeId: string }> = {
  complaint: 'Invalid options of examineDatabase',
  code: 'requestInvalid',
  fields: { path: kinds.filledText, nodeId: kinds.text, onProgress: kinds.function },
  required: ['path', 'nodeId'],
};
