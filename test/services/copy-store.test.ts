/** A database that replaces another: all entries are copied, with their authors. */
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createActor, toPromise } from 'xstate';
import { authorKeyOf } from '../../src/core/author.js';
import type { Run } from '../../src/core/entry.js';
import type { NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import type { Origin } from '../../src/core/replication.js';
import type { Store } from '../../src/ports/store.js';
import { createCopyStore } from '../../src/services/copy-store.js';
import { createDrainStore } from '../../src/services/drain-store.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';
import {
  everything,
  manualTime,
  nodeA,
  nodeB,
  payloadOf,
  put,
  RemoteChain,
  stamp,
} from '../contracts/store-harness.js';
import { countingRandomness, temporaryDirectory } from '../contracts/store-temporary.js';

const directory = temporaryDirectory();
let files = 0;

const nodeC = 'node-c' as NodeId;

async function pair() {
  files += 1;
  const time = manualTime();
  const open = (nodeId: NodeId) =>
    openSqliteStore({
      path: join(directory, `${files}`, `${nodeId}.db`),
      nodeId,
      time,
      randomness: countingRandomness,
      isLocked: false,
    });
  return { time, store: await open(nodeA), successor: await open(nodeB) };
}

const copied = (input: { store: Store; successor: Store }) =>
  toPromise(createActor(createCopyStore(), { input }).start());
const drained = (input: { store: Store; successor: Store }) =>
  toPromise(createActor(createDrainStore(), { input }).start());

const runsIn = async (store: Store) => (await store.read(everything())).runs;

describe('copying a database into the one that takes its place', () => {
  test('more than one portion, own and foreign -> all of it, with its authors, and nothing twice', async () => {
    const stores = await pair();
    for (let portion = 0; portion < 5; portion += 1) {
      await stores.store.write(Array.from({ length: 500 }, (_, index) => put(`k${portion}-${index}`, index)));
    }
    await stores.store.apply([new RemoteChain({ nodeId: nodeC }).put(stamp(1), 'from c', 1).run()], nodeC);
    await copied(stores);
    expect(await runsIn(stores.successor)).toEqual(await runsIn(stores.store));
    const before = stores.successor.cursor();
    await drained(stores);
    expect(stores.successor.cursor()).toBe(before);
  });

  test('entries that wait at peers, because a clock was wrong -> are copied, too', async () => {
    const stores = await pair();
    stores.time.wallMs += 2 * limits.clockDriftMaxMs;
    await stores.store.write([put('future', 1)]);
    stores.time.wallMs -= 2 * limits.clockDriftMaxMs;
    await drained(stores);
    expect(await payloadOf(stores.successor, 'future')).toBe(1);
  });

  test('writes during the copying -> are left to draining, which waits for the writes in progress', async () => {
    const stores = await pair();
    await stores.store.write([put('before', 1)]);
    await copied(stores);
    const written = stores.store.write([put('at hand', 1)]);
    await drained(stores);
    await written;
    expect(await payloadOf(stores.successor, 'at hand')).toBe(1);
  });

  test('peers send the same at that moment -> continues', async () => {
    const stores = await pair();
    await stores.store.write(Array.from({ length: 1_500 }, (_, index) => put(`k${index}`, index)));
    const apply = async (runs: readonly Run[], origin: Origin) => {
      await stores.successor.apply(runs, nodeC);
      return stores.successor.apply(runs, origin);
    };
    await drained({ ...stores, successor: Object.create(stores.successor, { apply: { value: apply } }) as Store });
    expect(await runsIn(stores.successor)).toEqual(await runsIn(stores.store));
  });

  test('another history of an author in the new database -> chainDiverged, which names the author and what to do', async () => {
    const stores = await pair();
    await stores.store.apply(
      [new RemoteChain({ nodeId: nodeC }).put(stamp(1), 'x', 1).put(stamp(2), 'y', 1).run()],
      nodeC,
    );
    const other = new RemoteChain({ nodeId: nodeC }).put(stamp(1), 'x', 2);
    await stores.successor.apply([other.run()], nodeC);
    for (const carriedOut of [copied, drained]) {
      await expect(carriedOut(stores)).rejects.toMatchObject({
        code: 'chainDiverged',
        message: expect.stringContaining(`${authorKeyOf(other.author)}`),
      });
    }
    expect(await payloadOf(stores.successor, 'x')).toBe(2);
  });
});
