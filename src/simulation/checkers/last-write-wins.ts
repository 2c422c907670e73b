/**
 * In the end every node holds the same documents, and of each document the write that is last in the total order of all writes,
 * deletes included: computed anew from all entries, without the store's help.
 */
import { type Stamp, wins } from '../../core/author.js';
import type { Entry } from '../../core/entry.js';
import type { CheckerFactory, View } from '../checker.js';
import type { NodeProcess } from '../node.js';
import { oplogOf } from '../oplog.js';

export const lastWriteWins: CheckerFactory = (view, report) => ({
  name: 'last-write-wins',
  kind: 'safety',
  async settled() {
    const digests = new Map<string, string>();
    for (const process of view.processes) {
      const { digest } = await view.complete(process.node.contentDigest());
      digests.set(process.nodeId, digest);
      const wrong = await wrongIn(view, process);
      if (wrong !== undefined) report(`${process.nodeId} ${wrong}`);
    }
    if (new Set(digests.values()).size > 1) {
      report(`Equal vector clocks, but other documents: ${JSON.stringify(Object.fromEntries(digests))}`);
    }
  },
});

interface Winner extends Stamp {
  readonly entry: Entry;
}

async function wrongIn(view: View, process: NodeProcess): Promise<string | undefined> {
  const winners = new Map<string, Winner>();
  for (const { author, entries } of await oplogOf(view, process)) {
    for (const entry of entries) {
      const name = `${entry.collection}\0${entry.key}`;
      const candidate = { ...author, hlc: entry.hlc, entry };
      if (wins(candidate, winners.get(name))) winners.set(name, candidate);
    }
  }
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
