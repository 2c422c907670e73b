/**
 * In the end every node holds the same documents, and of each document the write that is last in the total order of all writes,
 * deletes included: computed anew from all entries, without the store's help. All documents within a site, and those that are shared
 * wherever sites use the same cloud nodes.
 */
import { hash } from 'node:crypto';
import { type Scope, type Stamp, scopeOf, wins } from '../../core/author.js';
import type { Entry } from '../../core/entry.js';
import type { CheckerFactory, View } from '../checker.js';
import type { NodeProcess } from '../node.js';
import { oplogOf } from '../oplog.js';

export const lastWriteWins: CheckerFactory = (view, report) => ({
  name: 'last-write-wins',
  kind: 'safety',
  async settled() {
    const replicas: Replica[] = [];
    for (const process of view.processes) {
      const { digest } = await view.complete(process.node.contentDigest());
      const winners = await winnersOf(view, process);
      const wrong = await wrongIn(process, winners);
      if (wrong !== undefined) report(`${process.nodeId} ${wrong}`);
      replicas.push({ process, digests: { cluster: digest, shared: digestOfShared(winners) } });
    }
    // A site holds everything together, so there the digest is that of all documents.
    for (const scope of ['cluster', 'shared'] as const) {
      const [first, second] = differing(view, scope, replicas) ?? [];
      if (first === undefined || second === undefined) continue;
      report(`Equal vector clocks, but other documents in ${first.process.nodeId} and ${second.process.nodeId}.`);
      return;
    }
  },
});

interface Replica {
  readonly process: NodeProcess;
  readonly digests: Readonly<Record<Scope, string>>;
}

function differing(view: View, scope: Scope, replicas: readonly Replica[]): readonly Replica[] | undefined {
  for (const [index, first] of replicas.entries()) {
    const isOther = ({ process, digests }: Replica) =>
      digests[scope] !== first.digests[scope] && view.shares(scope, first.process, process);
    const second = replicas.slice(index + 1).find(isOther);
    if (second !== undefined) return [first, second];
  }
  return undefined;
}

interface Winner extends Stamp {
  readonly entry: Entry;
}

async function winnersOf(view: View, process: NodeProcess): Promise<ReadonlyMap<string, Winner>> {
  const winners = new Map<string, Winner>();
  for (const { author, entries } of await oplogOf(view, process)) {
    for (const entry of entries) {
      const name = `${entry.collection}\0${entry.key}`;
      const candidate = { ...author, hlc: entry.hlc, entry };
      if (wins(candidate, winners.get(name))) winners.set(name, candidate);
    }
  }
  return winners;
}

/** Of entries that the documents have been compared with, so it is one of the documents too. */
function digestOfShared(winners: ReadonlyMap<string, Winner>): string {
  const shared = [...winners].filter(([, { entry }]) => scopeOf(entry.collection) === 'shared');
  const lines = shared.map(([name, { entry }]) => JSON.stringify([name, entry.operation, entry.payload])).sort();
  return hash('sha256', lines.join('\n'), 'base64url');
}

async function wrongIn(process: NodeProcess, winners: ReadonlyMap<string, Winner>): Promise<string | undefined> {
  for (const { entry } of winners.values()) {
    const { collection, key, operation, payload } = entry;
    const expected = operation === 'delete' ? undefined : payload;
    const held = (await process.store?.get(collection, key))?.payload;
    if (held === expected) continue;
    return `holds ${shown(held)} as ${collection}/${key}, and its entries make it ${shown(expected)}.`;
  }
  return undefined;
}

const shownMax = 80;

function shown(payload: string | undefined): string {
  if (payload === undefined) return 'nothing';
  return payload.length > shownMax ? `${payload.slice(0, shownMax)}… (${payload.length} characters)` : payload;
}
