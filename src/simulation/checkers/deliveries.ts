/**
 * Nothing is missing in the end that was written while the cloud was away: neither in the cloud what a site wrote, nor on a site what was
 * written beyond the cloud. Other checkers say that nothing is missing at all; this one says what the cause was.
 */
import { type AuthorKey, authorKeyOf } from '../../core/author.js';
import type { Hlc } from '../../core/hlc.js';
import type { NodeId } from '../../core/ids.js';
import type { CheckerFactory, View } from '../checker.js';
import type { NodeProcess } from '../node.js';

/** The last thing that an author wrote while the cloud was away. */
interface Parcel {
  readonly by: NodeProcess;
  /** Under which it wrote. */
  readonly nodeId: NodeId;
  readonly hlc: Hlc;
  readonly atMs: number;
}

export const deliveries: CheckerFactory = (view, report) => {
  const parcels = new Map<AuthorKey, Parcel>();
  return {
    name: 'deliveries',
    kind: 'liveness',
    committed(by, { runs, origin }, nodeId = by.nodeId) {
      if (origin !== undefined || !isCutOff(view, by)) return;
      for (const { author, entries } of runs) {
        const last = entries.at(-1);
        if (author.scope !== 'shared' || last === undefined) continue;
        parcels.set(authorKeyOf(author), { by, nodeId, hlc: last.hlc, atMs: view.nowMs });
      }
    },
    // What only that disk had cannot be delivered.
    diskLost(process) {
      for (const [author, { by }] of parcels) if (by === process) parcels.delete(author);
    },
    async settled() {
      for (const [author, { by, nodeId, hlc, atMs }] of parcels) {
        // What another identity of the node has written, it keeps until it is that one again.
        if (by.nodeId !== nodeId) continue;
        const lacking = view.processes.find(
          (process) => view.shares('shared', by, process) && (process.store?.clock().get(author)?.hlc ?? 0) < hlc,
        );
        if (lacking === undefined) continue;
        report(
          `${lacking.nodeId} lacks what ${by.nodeId} wrote at ${atMs.toFixed(0)} ms, when the cloud was away: ${author} ${hlc}.`,
        );
      }
    },
  };
};

/** Whether nothing flows at this moment between the site of a node and the cloud, or between a cloud node and any site. */
function isCutOff({ processes, shares, insideOf }: View, process: NodeProcess): boolean {
  const isOpen = ({ value }: { readonly value: unknown }) => value === 'synchronizing';
  if (process.isCloud) return !insideOf(process).sessions.some(isOpen);
  return !processes.some(
    (member) =>
      shares('cluster', process, member) &&
      insideOf(member).gateways.some(({ session }) => session !== undefined && isOpen(session)),
  );
}
