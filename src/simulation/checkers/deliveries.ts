/**
 * In the end, nothing that was written while the cloud was away is missing: the cloud has what the sites wrote, and
 * each site has what was written beyond the cloud. Other checkers report that a write is missing; this one reports that
 * the cloud's absence was the cause.
 */
import { type AuthorKey, authorKeyOf } from '../../core/author.js';
import type { Hlc } from '../../core/hlc.js';
import type { NodeId } from '../../core/ids.js';
import type { CheckerFactory, View } from '../checker.js';
import type { NodeProcess } from '../node.js';

/** The last write of an author while the cloud was away. */
interface Parcel {
  readonly by: NodeProcess;
  /** The identity under which it was written. */
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
    // Writes that only that disk had cannot be delivered.
    diskLost(process) {
      for (const [author, { by }] of parcels) if (by === process) parcels.delete(author);
    },
    async settled() {
      for (const [author, { by, nodeId, hlc, atMs }] of parcels) {
        // A node keeps the writes of its other identity until it returns to that identity.
        if (by.nodeId !== nodeId) continue;
        const lacking = view.processes.find(
          (process) => view.shares('shared', by, process) && (process.store?.clock().get(author)?.hlc ?? 0) < hlc,
        );
        if (lacking === undefined) continue;
        report(
          `${lacking.nodeId} lacks a write of ${by.nodeId} at ${atMs.toFixed(0)} ms, when the cloud was away: ${author} ${hlc}.`,
        );
      }
    },
  };
};

/**
 * Whether at this moment no data flows between the site of a node and the cloud, or between a cloud node and any site.
 */
function isCutOff({ processes, shares, insideOf }: View, process: NodeProcess): boolean {
  const isOpen = ({ value }: { readonly value: unknown }) => value === 'synchronizing';
  if (process.isCloud) return !insideOf(process).sessions.some(isOpen);
  return !processes.some(
    (member) =>
      shares('cluster', process, member) &&
      insideOf(member).gateways.some(({ session }) => session !== undefined && isOpen(session)),
  );
}
