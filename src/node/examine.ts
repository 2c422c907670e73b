/** Looks through the databases of a node that does not run: for programs and for `statemesh doctor`. */

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
 * Looks whether this installation can open a database, as `statemesh doctor` does first of all.
 *
 * @throws StatemeshError `nativeModuleMissing`, with what to run
 *
 * @example
 * examineInstallation();
 */
export function examineInstallation(): void {
  assertNativeModule();
}

/**
 * Reads every page and every entry of a database that no process has open, and changes nothing in it.
 *
 * @returns how much there is in it, and what is wrong with it
 * @throws StatemeshError `databaseInUse`, `databaseForeign`, `databaseCorrupt` when it cannot even be opened, `databaseUnavailable`
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
 * Finds the other databases in the data directory of a node that does not run, as `node.databasesLeftBehind` does for one that runs.
 *
 * @throws StatemeshError `nodeIdInvalid`, and what opening the node's own database throws
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
  // Nothing is made: a node that has never run has nothing.
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
 * Finds the databases in a data directory that some process has open, without opening any. With a control socket that does not answer, that
 * process is a node without one, or one that starts.
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
