/** The stamps of a machine's own writes strictly increase, across restarts and whatever its clock does. */
import type { Author } from '../../core/author.js';
import type { Entry, Position } from '../../core/entry.js';
import type { Hlc } from '../../core/hlc.js';
import type { CheckerFactory } from '../checker.js';
import type { NodeProcess } from '../node.js';

export const stamps: CheckerFactory = (_, report) => {
  const lastOf = new Map<NodeProcess, Hlc>();
  return {
    name: 'stamps',
    kind: 'safety',
    committed(process, { runs, origin }) {
      if (origin !== undefined) return;
      // Those of initial writes are at the beginning of time, in chains of their own.
      const written = runs.filter(({ author, after, entries }) => !isInitial(author, after, entries));
      const own = written.flatMap(({ entries }) => entries.map(({ hlc }) => hlc)).sort((a, b) => a - b);
      const last = lastOf.get(process) ?? 0;
      if (own[0] !== undefined && own[0] <= last) {
        report(`${process.nodeId} has stamped a write ${own[0]} after one that it had stamped ${last}.`);
      }
      const highest = own.at(-1);
      if (highest !== undefined) lastOf.set(process, highest);
    },
    // What a disk has forgotten it cannot take into account.
    diskLost(process) {
      lastOf.delete(process);
    },
  };
};

/** What initial peers are written as: a chain of its own from the first stamp there is. */
function isInitial({ scope }: Author, after: Position, [first]: readonly Entry[]): boolean {
  return scope === 'cluster' && after.hlc === 0 && first?.hlc === 1;
}
