/** Reads all entries of a node, without windows and limits. */
import { allScopes } from '../core/author.js';
import type { Run } from '../core/entry.js';
import type { View } from './checker.js';
import type { NodeProcess } from './node.js';

/** The whole oplog of a node, by author. */
export async function oplogOf(view: Pick<View, 'complete'>, { nodeId, store }: NodeProcess): Promise<readonly Run[]> {
  if (store === undefined) throw new Error(`${nodeId} is not up.`);
  const everything = { after: new Map(), scopes: allScopes, except: new Set<never>() };
  const { runs } = await view.complete(
    store.read({ ...everything, entriesMax: Number.MAX_SAFE_INTEGER, bytesMax: Number.MAX_SAFE_INTEGER }),
  );
  return runs;
}
