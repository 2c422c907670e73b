/**
 * Copies everything into the new database when a node changes to another NodeId or another directory. Entries that no
 * peer has yet are only in the old database, and no node would look for them there.
 *
 * Entries keep their authors, so nodes that already have them see nothing new.
 */
import { fromPromise } from 'xstate';
import type { SuccessionInput } from '../actors/slots.js';
import { type AuthorKey, allScopes } from '../core/author.js';
import { StatemeshError } from '../core/errors.js';
import { predecessorOrigin } from '../core/replication.js';
import type { Store } from '../ports/store.js';

/** Copies what is there when it begins: as much as can be done while the old database is written to. */
export function createCopyStore() {
  return fromPromise<void, SuccessionInput>(async ({ input: { store, successor }, signal }) => {
    const entries = await store.lacking(successor.clock(), allScopes, Number.MAX_SAFE_INTEGER);
    await copy(store, successor, { entriesMax: entries, signal });
  });
}

export interface CopyOptions {
  readonly entriesMax: number;
  readonly signal: AbortSignal;
}

export async function copy(store: Store, successor: Store, { entriesMax, signal }: CopyOptions): Promise<void> {
  for (let copied = 0; copied < entriesMax && !signal.aborted; ) {
    const after = successor.clock();
    const { runs, complete, diverged } = await store.read({ ...portion, after, except: new Set() });
    if (diverged.length > 0) throw divergence(successor, diverged[0]);
    if (runs.length === 0) return;
    // Some of them may not be new to it: peers may send the same entries meanwhile.
    const { diverged: refused } = await successor.apply(runs, predecessorOrigin);
    if (refused.length > 0) throw divergence(successor, refused[0]);
    if (complete) return;
    copied += runs.reduce((sum, { entries }) => sum + entries.length, 0);
  }
}

/** As much as takes some milliseconds. */
const portion = { scopes: allScopes, entriesMax: 1_000, bytesMax: 2 ** 20 };

function divergence({ nodeId }: Store, author: AuthorKey | undefined): StatemeshError {
  return new StatemeshError(
    'chainDiverged',
    `The database of ${nodeId} has another history of ${author} than the one in use, so the data in use cannot be copied into it: choose a NodeId, or a directory, that was never used.`,
  );
}
