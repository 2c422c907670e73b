/** Opens the store for the node machine. One database file per NodeId, `<dataDir>/<nodeId>.db`. */
import { join } from 'node:path';
import { fromPromise } from 'xstate';
import type { NodeId } from '../core/ids.js';
import type { Meter } from '../protocol/meter.js';
import type { Randomness, Time } from '../protocol/ports.js';
import type { OpenStoreInput } from '../protocol/services.js';
import type { Store } from '../protocol/store.js';
import { openSqliteStore } from './sqlite-store.js';

export function createOpenStore({ time, randomness, meter }: { time: Time; randomness: Randomness; meter: Meter }) {
  return fromPromise<Store, OpenStoreInput>(async ({ input: { configuration }, signal }) => {
    const nodeId = configuration.nodeId as NodeId;
    const path = join(configuration.dataDir, `${nodeId}.db`);
    const store = await openSqliteStore({ path, nodeId, time, randomness, meter });
    // Stopped while it was opening: nobody will ever close it.
    if (signal.aborted) await store.close();
    return store;
  });
}
