/**
 * In the end all nodes hold the same documents. Each document is the last write in the total order of all writes,
 * including deletes; the checker computes it from all entries, independently of the store. Within a site this holds for
 * all documents; between sites that use the same cloud nodes it holds for shared documents.
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
    // All nodes of a site hold everything, so there the digest covers all documents.
    for (const scope of ['cluster', 'shared'] as const) {
      const [first, second] = differing(view, scope, replicas) ?? [];
      if (first === undefined || second === undefined) continue;
      report(`${first.process.nodeId} and ${second.process.nodeId} have equal vector clocks but different documents.`);
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

/**
 * The digest of the entries. The entries were compared with the documents before, so it is also a digest of the
 * documents.
 */
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
    return `holds ${shown(held)} as ${collection}/${key}, but its entries give ${shown(expected)}.`;
  }
  return undefined;
}

const shownMax = 80;

function shown(payload: string | undefined): string {
  if (payload === undefined) return 'nothing';
  return payload.length > shownMax ? `${payload.slice(0, shownMax)}… (${payload.length} characters)` : payload;
}
