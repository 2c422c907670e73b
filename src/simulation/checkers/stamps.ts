/**
 * The stamps of an identity's own writes on a machine strictly increase, across restarts and all moves of its clock.
 * Initial entries of a new database are stamped at the beginning of time.
 */
import type { Author } from '../../core/author.js';
import type { Entry, Position } from '../../core/entry.js';
import type { Hlc } from '../../core/hlc.js';
import type { CheckerFactory } from '../checker.js';
import { PerDatabase } from '../per-database.js';

export const stamps: CheckerFactory = (_, report) => {
  const lastOf = new PerDatabase<Hlc>();
  const known = new PerDatabase<true>();
  return {
    name: 'stamps',
    kind: 'safety',
    committed(process, { runs, origin }, nodeId = process.nodeId) {
      if (origin !== undefined) return;
      // Initial writes are stamped at the beginning of time, in chains of their own.
      const written = runs.filter(({ author, after, entries }) => !isInitial(author, after, entries));
      const own = written.flatMap(({ entries }) => entries.map(({ hlc }) => hlc)).sort((a, b) => a - b);
      const last = lastOf.get(process, nodeId) ?? 0;
      if (own[0] !== undefined && own[0] <= last) {
        report(`${process.nodeId} stamped a write ${own[0]} after it had stamped one ${last}.`);
      }
      const highest = own.at(-1);
      if (highest !== undefined) lastOf.set(process, nodeId, highest);
    },
    opened(process, store) {
      const { nodeId = process.nodeId } = store;
      if (known.get(process, nodeId)) return;
      known.set(process, nodeId, true);
      // A process that starts may find a copy of another machine's database; a running process makes a new one.
      if (!process.isUp) return;
      for (const [author, { hlc }] of store.clock()) {
        if (!author.startsWith(`${nodeId}/`) || hlc <= initialStampsMax) continue;
        report(`An initial entry of ${nodeId} is stamped ${hlc}, and so outranks the writes of others.`);
      }
    },
    // A disk that has lost its stamps cannot take them into account.
    diskLost(process) {
      lastOf.deleteAll(process);
    },
  };
};

/** Initial writes count from 1. */
const initialStampsMax = 1_000;

/** Initial peers are written as a chain of their own that begins at the first possible stamp. */
function isInitial({ scope }: Author, after: Position, [first]: readonly Entry[]): boolean {
  return scope === 'cluster' && after.hlc === 0 && first?.hlc === 1;
}
