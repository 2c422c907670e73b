/** Durable local writes: one after the other, and many at once. */
import { join } from 'node:path';
import { createNode, type StatemeshNode } from 'statemesh';
import { type Bench, type Figure, nodeDefaults, type Result, type Target } from '../bench.js';
import { type BenchDocument, collectionName, type Pair, pairsFrom } from '../documents.js';
import { BareStore } from '../limits/bare-store.js';
import { naiveLayout } from '../limits/naive-layout.js';
import { ownLayout } from '../limits/own-layout.js';
import { interleave, median, perSecond } from '../measure.js';
import { formatNumber } from '../report.js';

export const putFigure: Figure = {
  name: 'put',
  about: 'documents written per second, each durable when its put resolves',
  async measure(bench) {
    const node = createNode({ ...nodeDefaults, nodeId: 'writer', dataDir: bench.workspace.directory('put') });
    const bareDirectory = bench.workspace.directory('put-bare');
    const naive = new BareStore(join(bareDirectory, 'naive.db'), naiveLayout);
    const own = new BareStore(join(bareDirectory, 'own.db'), ownLayout);
    await node.start();
    try {
      const contenders = { bench, node, naive, own };
      return [
        await measurePuts(contenders, {
          name: 'put, awaited one at a time',
          inFlight: 1,
          // Short rounds: variations of the disk last about a second, and must affect all contenders.
          puts: 50,
          rounds: { quick: 25, full: 101 },
          target: { atLeast: 0.8 },
        }),
        await measurePuts(contenders, {
          name: `put, ${inFlightMany} in flight`,
          inFlight: inFlightMany,
          puts: inFlightMany * 16,
          rounds: { quick: 5, full: 15 },
          target: { atLeast: 0.9 },
        }),
      ];
    } finally {
      await node.stop();
      naive.close();
      own.close();
    }
  },
};

const inFlightMany = 256;

interface Contenders {
  readonly bench: Bench;
  readonly node: StatemeshNode;
  readonly naive: BareStore;
  readonly own: BareStore;
}

interface Load {
  readonly name: string;
  readonly inFlight: number;
  /** Puts in one round. */
  readonly puts: number;
  readonly rounds: { readonly quick: number; readonly full: number };
  readonly target: Target;
}

async function measurePuts({ bench, node, naive, own }: Contenders, load: Load): Promise<Result> {
  const { name, inFlight, puts, target } = load;
  const rounds = bench.rounds(load.rounds);
  const firstIndex = inFlight * 100_000;
  // Each round writes new documents, the same ones with each contender.
  const documentsOf = (round: number): Pair[] => pairsFrom(firstIndex + round * puts, puts);
  const putBare = (store: BareStore, pairs: readonly Pair[]): void => {
    for (let first = 0; first < puts; first += inFlight) store.put(pairs.slice(first, first + inFlight));
  };
  const contender =
    (put: (pairs: readonly Pair[]) => unknown) =>
    (round: number): Promise<number> => {
      const pairs = documentsOf(round);
      return perSecond(puts, () => put(pairs));
    };
  const contenders = {
    node: contender((pairs) => putAll(node, pairs, inFlight)),
    naive: contender((pairs) => putBare(naive, pairs)),
    own: contender((pairs) => putBare(own, pairs)),
  };
  const measured = await interleave(
    { rounds, warmUp: true, onRound: (text) => bench.show(`${name}, ${text}`) },
    contenders,
  );
  const [value, limit, ownLimit] = [median(measured.node), median(measured.naive), median(measured.own)];
  return {
    name,
    unit: 'documents/s',
    value,
    limit,
    target,
    rounds,
    note: `bare with our own layout ${formatNumber(ownLimit)}/s, ratio ${(value / ownLimit).toFixed(2)}`,
  };
}

/** This many writers; each awaits its put before the next one. */
async function putAll(node: StatemeshNode, pairs: readonly Pair[], inFlight: number): Promise<void> {
  const collection = node.collection<BenchDocument>(collectionName);
  let next = 0;
  const write = async (): Promise<void> => {
    for (let pair = pairs[next++]; pair !== undefined; pair = pairs[next++]) await collection.put(pair[0], pair[1]);
  };
  await Promise.all(Array.from({ length: inFlight }, write));
}
