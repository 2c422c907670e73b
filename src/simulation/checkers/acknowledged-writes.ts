/**
 * A write that was acknowledged to its caller is never lost. It is there after a crash. In the end it is everywhere on
 * the site where it was written and, if it is shared, on all sites that use the same cloud nodes. A write that was
 * acknowledged under a former identity of a node is in the database of that identity.
 *
 * A disk that lies (a restored backup, a truncated log) may lose it, but only where no other machine had it: writes
 * that others have come back from them.
 */
import { type AuthorKey, authorKeyOf, parseAuthorKey, type Scope } from '../../core/author.js';
import type { Run } from '../../core/entry.js';
import type { Hlc } from '../../core/hlc.js';
import type { NodeId } from '../../core/ids.js';
import type { VectorClock } from '../../core/vector-clock.js';
import type { CheckerFactory, View } from '../checker.js';
import type { NodeProcess } from '../node.js';
import { oplogOf } from '../oplog.js';
import { PerDatabase } from '../per-database.js';

interface Write {
  readonly nodeId: NodeId;
  readonly hlc: Hlc;
}

interface Acknowledged extends Write {
  /** The process whose caller received the acknowledgement. */
  readonly by: NodeProcess;
  /** Whether its database has lost the write since. */
  readonly isLost: boolean;
}

export const acknowledgedWrites: CheckerFactory = (view, report) => {
  const acknowledged = new Map<string, Acknowledged>();
  const authors = new Map<string, AuthorKey>();
  const lastOf = new PerDatabase<Hlc>();
  const known = new PerDatabase<true>();
  const lost = new PerDatabase<true>();

  const scopeOf = (id: string): Scope => {
    const author = authors.get(id);
    return (author && parseAuthorKey(author)?.scope) ?? 'shared';
  };

  const isIn = (clock: VectorClock | undefined, id: string, { hlc }: Write): boolean => {
    const author = authors.get(id);
    return author !== undefined && (clock?.get(author)?.hlc ?? 0) >= hlc;
  };

  /** Whether the process still has the identity under which it acknowledged a write. */
  const isServed = ({ by, nodeId }: Acknowledged): boolean => by.nodeId === nodeId;

  /** Whether a write must be everywhere it belongs: a running node still has it, or has it back. */
  const isDue = (id: string, write: Acknowledged): boolean =>
    isServed(write) && !write.isLost ? true : view.processes.some(({ store }) => isIn(store?.clock(), id, write));

  return {
    name: 'acknowledged-writes',
    kind: 'safety',
    acknowledged(process, write) {
      acknowledged.set(idOf(write), { ...write, by: process, isLost: false });
      lastOf.set(process, write.nodeId, write.hlc);
    },
    committed(_, { runs, origin }) {
      if (origin !== undefined) return;
      for (const { author, entries } of runs) {
        for (const { hlc } of entries) authors.set(idOf({ nodeId: author.nodeId, hlc }), authorKeyOf(author));
      }
    },
    diskLost(process) {
      for (const each of [known, lastOf]) {
        for (const nodeId of each.nodeIdsOf(process)) lost.set(process, nodeId, true);
      }
    },
    opened(process, store) {
      const { nodeId = process.nodeId } = store;
      known.set(process, nodeId, true);
      if (lost.delete(process, nodeId)) {
        lastOf.delete(process, nodeId);
        for (const [id, write] of acknowledged) {
          if (write.by !== process || write.nodeId !== nodeId || isIn(store.clock(), id, write)) continue;
          acknowledged.set(id, { ...write, isLost: true });
        }
        return;
      }
      const last = lastOf.get(process, nodeId);
      if (last === undefined) return;
      const own = [...store.clock()].filter(([author]) => author.startsWith(`${nodeId}/`));
      const recovered = Math.max(0, ...own.map(([, { hlc }]) => hlc));
      if (recovered < last) {
        report(`${nodeId} acknowledged a write at ${last}; after its recovery it has writes only up to ${recovered}.`);
      }
    },
    async settled() {
      for (const process of view.processes) {
        const kept = await keptBy(view, process);
        const missing = [...acknowledged].find(
          ([id, write]) => !kept.has(id) && isDue(id, write) && view.shares(scopeOf(id), write.by, process),
        );
        if (missing === undefined) continue;
        report(`${process.nodeId} lacks the write ${missing[0]}, which was acknowledged.`);
        return;
      }
      // Writes of former identities are in their own databases, which are closed.
      const aside = new PerDatabase<Set<string>>();
      for (const [id, write] of acknowledged) {
        const { by, nodeId } = write;
        if (isServed(write) || write.isLost || lost.get(by, nodeId) === true) continue;
        const kept = aside.get(by, nodeId) ?? idsOf(await view.complete(by.readAside(nodeId)));
        aside.set(by, nodeId, kept);
        if (kept.has(id)) continue;
        report(`The database of ${nodeId} lacks the write ${id}, which it has acknowledged.`);
        return;
      }
    },
  };
};

async function keptBy(view: View, process: NodeProcess): Promise<Set<string>> {
  return idsOf(await oplogOf(view, process));
}

function idsOf(runs: readonly Run[]): Set<string> {
  return new Set(runs.flatMap(({ author: { nodeId }, entries }) => entries.map(({ hlc }) => idOf({ nodeId, hlc }))));
}

function idOf({ nodeId, hlc }: Write): string {
  return `${nodeId} ${hlc}`;
}
