/** Looks through the database of a node that does not run: for programs and for `statemesh doctor`. */
import { systemRandomness } from './adapters/randomness.js';
import { systemTime } from './adapters/time.js';
import type { NodeId } from './core/ids.js';
import { type Examination, type ExaminationOptions, examineDatabase as examine } from './store/examination.js';

/**
 * Looks at every page and at every entry of a database that nobody has open, and changes nothing in it.
 *
 * @returns how much there is in it, and what is wrong with it
 * @throws StatemeshError `databaseInUse`, `databaseForeign`, `databaseCorrupt` when it cannot even be opened, `databaseUnavailable`
 *
 * @example
 * const { damages } = await examineDatabase({ path: './data/shop-1.db', nodeId: 'shop-1' });
 * if (damages.length > 0) console.log('Restore a backup:', damages);
 */
export function examineDatabase(
  options: Omit<ExaminationOptions, 'nodeId' | 'time' | 'randomness'> & { readonly nodeId: string },
): Promise<Examination> {
  const nodeId = options.nodeId as NodeId;
  return examine({ ...options, nodeId, time: systemTime(), randomness: systemRandomness() });
}
