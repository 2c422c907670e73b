/** The stamps of a machine's own writes strictly increase, across restarts and whatever its clock does. */
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
      const written = runs.filter(({ after, entries }) => !(after.hlc === 0 && entries[0]?.hlc === 1));
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
