/** Opens the store for the node machine. There is one database file per NodeId, `<dataDir>/<nodeId>.db`. */
import { join } from 'node:path';
import { fromPromise } from 'xstate';
import type { OpenStoreInput } from '../actors/slots.js';
import { controlSocketPath } from '../control/protocol.js';
import { assertPlaceFree } from '../control/socket.js';
import type { NodeId } from '../core/ids.js';
import type { Meter } from '../ports/meter.js';
import type { Randomness, Time } from '../ports/ports.js';
import type { Store } from '../ports/store.js';
import { refuseLocked } from '../store/database-lock.js';
import { openSqliteStore } from '../store/sqlite-store.js';

export function createOpenStore({ time, randomness, meter }: { time: Time; randomness: Randomness; meter: Meter }) {
  return fromPromise<Store, OpenStoreInput>(async ({ input: { configuration, isStart }, signal }) => {
    const nodeId = configuration.nodeId as NodeId;
    const path = join(configuration.dataDir, `${nodeId}.db`);
    if (isStart && configuration.control) await refuseTaken(path, configuration.dataDir);
    const store = await openSqliteStore({ path, nodeId, time, randomness, meter });
    // Stopped while it was opening: no later step would close it.
    if (signal.aborted) await store.close();
    return store;
  });
}

/**
 * A node cannot start in a data directory in which another one answers. It finds out before it makes a database or
 * listens: otherwise it would serve for a moment.
 *
 * @throws StatemeshError `databaseInUse` for the own database, else `controlUnavailable`
 */
async function refuseTaken(path: string, dataDir: string): Promise<void> {
  refuseLocked(path);
  await assertPlaceFree(controlSocketPath(dataDir));
}
