/**
 * What a caller was told is on disk is never lost: it is there after a crash, and in the end everywhere where it belongs: on the site where
 * it was written, and, if it is shared, wherever the same cloud nodes are used.
 *
 * A disk that lies (a backup put back, a log cut) may lose it, but only where no other machine had it: what the others have,
 * comes back from them.
 */
import { type AuthorKey, authorKeyOf, parseAuthorKey, type Scope } from '../../core/author.js';
import type { Hlc } from '../../core/hlc.js';
import type { NodeId } from '../../core/ids.js';
import type { VectorClock } from '../../core/vector-clock.js';
import type { CheckerFactory, View } from '../checker.js';
import type { NodeProcess } from '../node.js';
import { oplogOf } from '../oplog.js';

interface Write {
  readonly nodeId: NodeId;
  readonly hlc: Hlc;
}

interface Acknowledged extends Write {
  /** Whose caller was told. */
  readonly by: NodeProcess;
}

export const acknowledgedWrites: CheckerFactory = (view, report) => {
  const acknowledged = new Map<string, Acknowledged>();
  const authors = new Map<string, AuthorKey>();
  const lastOf = new Map<NodeProcess, Hlc>();
  /** How far each machine has come; of one that is down, how far it had come. */
  const clocks = new Map<NodeProcess, VectorClock>();
  const lost = new Set<NodeProcess>();

  const scopeOf = (id: string): Scope => {
    const author = authors.get(id);
    return (author && parseAuthorKey(author)?.scope) ?? 'shared';
  };

  const isHeld = (id: string, { hlc }: Write): boolean => {
    const author = authors.get(id);
    return author !== undefined && [...clocks.values()].some((clock) => (clock.get(author)?.hlc ?? 0) >= hlc);
  };

  return {
    name: 'acknowledged-writes',
    kind: 'safety',
    acknowledged(process, write) {
      acknowledged.set(idOf(write), { ...write, by: process });
      lastOf.set(process, write.hlc);
    },
    committed(_, { runs, origin }) {
      if (origin !== undefined) return;
      for (const { author, entries } of runs) {
        for (const { hlc } of entries) authors.set(idOf({ nodeId: author.nodeId, hlc }), authorKeyOf(author));
      }
    },
    diskLost(process) {
      lost.add(process);
    },
    opened(process, store) {
      clocks.set(process, store.clock());
      if (lost.delete(process)) {
        lastOf.delete(process);
        for (const [id, write] of acknowledged) if (!isHeld(id, write)) acknowledged.delete(id);
        return;
      }
      const last = lastOf.get(process);
      if (last === undefined) return;
      const own = [...store.clock()].filter(([author]) => author.startsWith(`${process.nodeId}/`));
      const recovered = Math.max(0, ...own.map(([, { hlc }]) => hlc));
      if (recovered < last) {
        report(`${process.nodeId} has acknowledged a write at ${last}, and after its recovery has up to ${recovered}.`);
      }
    },
    ended(process) {
      const clock = clocks.get(process);
      if (clock !== undefined) clocks.set(process, new Map(clock));
    },
    async settled() {
      for (const process of view.processes) {
        const kept = await keptBy(view, process);
        const missing = [...acknowledged].find(
          ([id, { by }]) => !kept.has(id) && view.shares(scopeOf(id), by, process),
        );
        if (missing === undefined) continue;
        report(`${process.nodeId} lacks the write ${missing[0]}, which was acknowledged.`);
        return;
      }
    },
  };
};

async function keptBy(view: View, process: NodeProcess): Promise<Set<string>> {
  const runs = await oplogOf(view, process);
  return new Set(runs.flatMap(({ author: { nodeId }, entries }) => entries.map(({ hlc }) => idOf({ nodeId, hlc }))));
}

function idOf({ nodeId, hlc }: Write): string {
  return `${nodeId} ${hlc}`;
}
