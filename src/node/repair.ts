/**
 * Repairs the database of a node that does not run, for programs and the command line. Removals are ordinary local
 * writes, so the other nodes receive them when the node runs again.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { systemRandomness } from '../adapters/randomness.js';
import { systemTime } from '../adapters/time.js';
import { StatemeshError } from '../core/errors.js';
import { parseNodeId } from '../core/ids.js';
import { kinds, type OptionsShape, readOptions } from '../core/options.js';
import type { Store } from '../ports/store.js';
import { createPeerManagement } from '../remote-peers/management.js';
import type { QuarantinedDocument } from '../remote-peers/remote-peer.js';
import { readRemotePeers } from '../remote-peers/stored-peers.js';
import { openSqliteStore } from '../store/sqlite-store.js';

/** The NodeId and the data directory of a node. */
export interface RepairOptions {
  readonly dataDir: string;
  readonly nodeId: string;
}

/**
 * Removes the unusable documents of `_system_` collections, and nothing else, from the database of a node that does not
 * run. On a running node, remove them one by one with `removeRemotePeer`.
 *
 * @returns the removed documents, in the order of removal
 * @throws StatemeshError `nodeIdInvalid`, `databaseInUse` while the node runs, `databaseUnavailable` when there is no
 * database, `databaseForeign`, `databaseCorrupt`, `diskFull`
 *
 * @example
 * const removed = await repairDatabase({ dataDir: './data', nodeId: 'shop-1' });
 */
export function repairDatabase(options: RepairOptions): Promise<readonly QuarantinedDocument[]> {
  return withStore('repairDatabase', options, async (store) => {
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
 * Removes a stored peer from the database of a node that does not run. On a running node, use `node.removeRemotePeer`.
 *
 * @param peer the NodeId of the peer, or the key of an unusable document
 * @returns false when nothing was stored under it
 * @throws StatemeshError `peerInvalid`, and as {@link repairDatabase}
 *
 * @example
 * await removeStoredPeer({ dataDir: './data', nodeId: 'shop-1' }, 'cloud-1');
 */
export function removeStoredPeer(options: RepairOptions, peer: string): Promise<boolean> {
  return withStore('removeStoredPeer', options, async (store) => {
    const randomness = systemRandomness();
    const management = createPeerManagement({ getStore: () => store, getKeys: () => undefined, randomness });
    return (await management.removeRemotePeer(peer)) !== undefined;
  });
}

/**
 * Lists the unusable `_system_` documents in the database of a node that does not run, without removing them.
 *
 * @throws as {@link repairDatabase}
 */
export function quarantinedIn(options: RepairOptions): Promise<readonly QuarantinedDocument[]> {
  return withStore('quarantinedIn', options, async (store) => (await readRemotePeers(store)).quarantined);
}

/** The options of a function that works on the database of a node that does not run. */
export function offlineShape(method: string): OptionsShape<RepairOptions> {
  return {
    complaint: `Invalid options of ${method}`,
    code: 'requestInvalid',
    fields: { dataDir: kinds.filledText, nodeId: kinds.text },
    required: ['dataDir', 'nodeId'],
  };
}

async function withStore<T>(method: string, options: RepairOptions, use: (store: Store) => Promise<T>): Promise<T> {
  const { dataDir, nodeId: name } = readOptions(options, offlineShape(method));
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
