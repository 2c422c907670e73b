/** Reading by key, compared with a prepared select on the same layout and JSON.parse. */
import { join } from 'node:path';
import { createNode } from 'statemesh';
import { type Bench, type Figure, filledNodeId, nodeDefaults } from '../bench.js';
import { collectionName, keyOf, pairsFrom, shuffled } from '../documents.js';
import { BareStore } from '../limits/bare-store.js';
import { ownLayout } from '../limits/own-layout.js';
import { interleave, median, perSecond } from '../measure.js';

export const getFigure: Figure = {
  name: 'get',
  about: 'documents read per second by key, awaited one at a time',
  async measure(bench) {
    const documents = bench.quick ? 20_000 : 100_000;
    const { dataDir } = await bench.filledDatabase(documents);
    const bare = filledBareStore(bench, documents);
    const node = createNode({ ...nodeDefaults, nodeId: filledNodeId, dataDir });
    try {
      await node.start();
      const collection = node.collection(collectionName);
      const keys = shuffled(documents).slice(0, getsPerRound).map(keyOf);
      const rounds = bench.rounds({ quick: 9, full: 15 });
      const measured = await interleave(
        { rounds, warmUp: true, onRound: bench.show },
        {
          node: () =>
            perSecond(keys.length, async () => {
              for (const key of keys) requireFound(await collection.get(key), key);
            }),
          bare: () =>
            perSecond(keys.length, () => {
              for (const key of keys) requireFound(bare.get(key), key);
            }),
        },
      );
      return [
        {
          name: 'get by key',
          unit: 'documents/s',
          value: median(measured.node),
          limit: median(measured.bare),
          target: { atLeast: 0.5 },
          rounds,
          note: `random keys of ${documents.toLocaleString('en-US')} documents`,
        },
      ];
    } finally {
      await node.stop();
      bare.close();
    }
  },
};

const getsPerRound = 10_000;
const fillBatch = 1_000;

function filledBareStore(bench: Bench, documents: number): BareStore {
  const store = new BareStore(join(bench.workspace.directory('get-bare'), 'own.db'), ownLayout);
  for (let first = 0; first < documents; first += fillBatch) store.put(pairsFrom(first, fillBatch));
  return store;
}

function requireFound(document: unknown, key: string): void {
  if (document === undefined) throw new Error(`${key} was written, but is not there.`);
}
