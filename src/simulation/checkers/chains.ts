/**
 * A vector clock never runs ahead of the contiguous log. Each committed run continues the chain of its author, link by
 * link, and the clock of a store stands at the end of what was committed, also after a recovery.
 */
import { type AuthorKey, authorKeyOf } from '../../core/author.js';
import { chainStart, endOf, hashEntry, isSamePosition, type Position, type Run } from '../../core/entry.js';
import type { Store } from '../../ports/store.js';
import type { CheckerFactory } from '../checker.js';
import { PerDatabase } from '../per-database.js';

export const chains: CheckerFactory = (_, report) => {
  const positions = new PerDatabase<Map<AuthorKey, Position>>();
  const stores = new PerDatabase<Store>();
  const lost = new PerDatabase<true>();
  return {
    name: 'chains',
    kind: 'safety',
    committed(process, { runs }, nodeId = process.nodeId) {
      const known = positions.get(process, nodeId);
      const clock = stores.get(process, nodeId)?.clock();
      if (known === undefined || clock === undefined) return;
      for (const run of runs) {
        const key = authorKeyOf(run.author);
        const before = known.get(key) ?? chainStart;
        if (!isSamePosition(run.after, before) || !isChain(run, key)) {
          report(`${process.nodeId} committed entries of ${key} that do not continue its chain at ${before.hlc}.`);
          return;
        }
        known.set(key, endOf(run));
      }
      for (const run of runs) {
        const key = authorKeyOf(run.author);
        const ours = known.get(key) ?? chainStart;
        // Later commits of the same turn are reported later.
        if ((clock.get(key)?.hlc ?? 0) >= ours.hlc) continue;
        report(`The clock of ${process.nodeId} stands at ${clock.get(key)?.hlc} for ${key}, behind ${ours.hlc}.`);
      }
    },
    opened(process, store) {
      const { nodeId = process.nodeId } = store;
      const before = positions.get(process, nodeId);
      const after = new Map(store.clock());
      positions.set(process, nodeId, after);
      stores.set(process, nodeId, store);
      if (lost.delete(process, nodeId) || before === undefined) return;
      for (const [key, position] of before) {
        if (isSamePosition(after.get(key) ?? chainStart, position)) continue;
        report(
          `${process.nodeId} had ${key} up to ${position.hlc}, and after its recovery up to ${after.get(key)?.hlc}.`,
        );
      }
    },
    diskLost(process) {
      for (const nodeId of positions.nodeIdsOf(process)) lost.set(process, nodeId, true);
    },
  };
};

function isChain({ after, entries }: Run, key: AuthorKey): boolean {
  let { hlc, hash } = after;
  for (const entry of entries) {
    if (entry.hlc <= hlc || hashEntry(entry, key, hash) !== entry.hash) return false;
    hlc = entry.hlc;
    hash = entry.hash;
  }
  return true;
}
