/** Opens the store for the node machine. There is one database file per NodeId, `<dataDir>/<nodeId>.db`. */
import { join } from 'node:path';
import { fromPromise } from 'xstate';
import type { OpenStoreInput } from '../actors/slots.js';
import type { NodeId } from '../core/ids.js';
import type { Meter } from '../ports/meter.js';
import type { Randomness, Time } from '../ports/ports.js';
import type { Store } from '../ports/store.js';
import { openSqliteStore } from '../store/sqlite-store.js';

export function createOpenStore({ time, randomness, meter }: { time: Time; randomness: Randomness; meter: Meter }) {
  return fromPromise<Store, OpenStoreInput>(async ({ input: { configuration }, signal }) => {
    const nodeId = configuration.nodeId as NodeId;
    const path = join(configuration.dataDir, `${nodeId}.db`);
    const store = await openSqliteStore({ path, nodeId, time, randomness, meter });
    // Stopped while it was opening: no later step would close it.
    if (signal.aborted) await store.close();
    return store;
  });
}
