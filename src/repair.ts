/**
 * Mends the database of a node that does not run: for programs and the command line. What is removed is removed by ordinary local
 * writes, so the other nodes hear of it when the node runs again.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { systemRandomness } from './adapters/randomness.js';
import { systemTime } from './adapters/time.js';
import { StatemeshError } from './core/errors.js';
import { parseNodeId } from './core/ids.js';
import { createPeerManagement } from './database/peer-management.js';
import { readRemotePeers } from './database/remote-peers.js';
import type { QuarantinedDocument } from './protocol/remote-peer.js';
import type { Store } from './protocol/store.js';
import { openSqliteStore } from './store/sqlite-store.js';

/** Whose database it is, and where. */
export interface RepairOptions {
  readonly dataDir: string;
  readonly nodeId: string;
}

/**
 * Removes the documents of `_system_` collections that cannot be used from the database of a node that does not run, and nothing else.
 * The node may need them removed before it can be asked to: a newer version may have written what this one stumbles over.
 *
 * @returns what was removed
 * @throws StatemeshError `nodeIdInvalid`, `databaseInUse` while the node runs, `databaseUnavailable` when there is none,
 * `databaseForeign`, `databaseCorrupt`, `diskFull`
 *
 * @example
 * const removed = await repairDatabase({ dataDir: './data', nodeId: 'shop-1' });
 */
export function repairDatabase(options: RepairOptions): Promise<readonly QuarantinedDocument[]> {
  return withStore(options, async (store) => {
    const removed: QuarantinedDocument[] = [];
    for (;;) {
      const { quarantined } = await readRemotePeers(store);
      if (quarantined.length === 0) return removed;
      await store.write(
        quarantined.map(({ collection, documentKey: key }) => ({ kind: 'delete' as const, collection, key })),
      );
      removed.push(...quarantined);
    }
  });
}

/**
 * Forgets a stored peer, as `node.removeRemotePeer` does, in the database of a node that does not run.
 *
 * @param peer Its NodeId; of a document that is no peer, its key
 * @returns false when there was none
 * @throws StatemeshError `peerInvalid`, and as {@link repairDatabase}
 *
 * @example
 * await removeStoredPeer({ dataDir: './data', nodeId: 'shop-1' }, 'cloud-1');
 */
export function removeStoredPeer(options: RepairOptions, peer: string): Promise<boolean> {
  return withStore(options, async (store) => {
    const randomness = systemRandomness();
    const management = createPeerManagement({ getStore: () => store, getKeys: () => undefined, randomness });
    return (await management.removeRemotePeer(peer)) !== undefined;
  });
}

/** The documents that cannot be used in a database that nobody has open; it is not changed. @throws as {@link repairDatabase} */
export function quarantinedIn(options: RepairOptions): Promise<readonly QuarantinedDocument[]> {
  return withStore(options, async (store) => (await readRemotePeers(store)).quarantined);
}

async function withStore<T>({ dataDir, nodeId: name }: RepairOptions, use: (store: Store) => Promise<T>): Promise<T> {
  const nodeId = parseNodeId(name);
  const path = join(dataDir, `${nodeId}.db`);
  if (!existsSync(path)) {
    const message = `There is no database ${path}: name the data directory of the node with --data-dir, and the node with --node-id.`;
    throw new StatemeshError('databaseUnavailable', message);
  }
  const store = await openSqliteStore({ path, nodeId, time: systemTime(), randomness: systemRandomness() });
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}
