/** Property: in whatever order, splits and repetitions entries arrive, replicas end up the same. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compareStamps, type Stamp } from '../../src/core/author.js';
import type { Store } from '../../src/ports/store.js';
import { nodeB, products, RemoteChain, stamp } from './store-harness.js';
import { openInTemporaryDirectory } from './store-temporary.js';

const open = openInTemporaryDirectory();

/** Few stamps and keys, so that authors meet, even at equal stamps. */
const steps = fc.array(
  fc.record({ step: fc.integer({ min: 1, max: 2 }), key: fc.constantFrom('x', 'y', 'z'), deletes: fc.boolean() }),
  { minLength: 1, maxLength: 8 },
);
const authors = ['B/1', 'a/1', 'a/2', 'c/1'];
const deliveries = fc.array(
  fc.array(fc.record({ author: fc.nat(authors.length - 1), from: fc.nat(8), length: fc.nat(8) }), { maxLength: 4 }),
  { maxLength: 8 },
);
const permutation = fc.shuffledSubarray(
  authors.map((_, index) => index),
  { minLength: authors.length },
);

test('apply: any order of authors, split, repeated and with gaps -> the documents, clock and content of the model', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(steps, steps, steps, steps),
      deliveries,
      permutation,
      async (stepsOfAuthors, batches, order) => {
        const chains = stepsOfAuthors.map((own, index) => chainFrom(authors[index] ?? '', own));
        const [straight, shuffled] = [(await open()).store, (await open()).store];
        await straight.apply(
          chains.map((chain) => chain.run()),
          nodeB,
        );
        for (const batch of batches) {
          const runs = batch.map(({ author, from, length }) => chains[author]?.run(from, from + length));
          const whole = runs.filter((run) => run !== undefined);
          expect((await shuffled.apply(whole, nodeB)).diverged).toEqual([]);
        }
        for (const index of order) await shuffled.apply([(chains[index] as RemoteChain).run()], nodeB);
        const expected = modelOf(chains);
        expect(await documentsOf(straight)).toEqual(expected);
        expect(await documentsOf(shuffled)).toEqual(expected);
        expect(shuffled.digest(['shared'])).toBe(straight.digest(['shared']));
        expect(await shuffled.contentDigest(['cluster', 'shared'])).toEqual(
          await straight.contentDigest(['cluster', 'shared']),
        );
        expect(shuffled.cursor()).toBe(straight.cursor());
        await Promise.all([straight.close(), shuffled.close()]);
      },
    ),
    { numRuns: 60 },
  );
}, 60_000);

function chainFrom(name: string, own: readonly { step: number; key: string; deletes: boolean }[]): RemoteChain {
  const [nodeId = '', incarnation = ''] = name.split('/');
  const chain = new RemoteChain({ nodeId, incarnation });
  let logic = 0;
  for (const { step, key, deletes } of own) {
    logic += step;
    if (deletes) chain.delete(stamp(logic), key);
    else chain.put(stamp(logic), key, `${name} at ${logic}`);
  }
  return chain;
}

/** Last write wins, stated independently: sort all writes; the last on each key stays. */
function modelOf(chains: readonly RemoteChain[]): Record<string, string> {
  const writes = chains.flatMap(({ author, entries }) =>
    entries.map((entry) => ({ entry, stamp: { hlc: entry.hlc, ...author } as Stamp })),
  );
  writes.sort((a, b) => compareStamps(a.stamp, b.stamp));
  const documents = new Map<string, string>();
  for (const { entry } of writes) {
    if (entry.operation === 'delete') documents.delete(entry.key);
    else documents.set(entry.key, entry.payload);
  }
  return Object.fromEntries([...documents].sort());
}

async function documentsOf(store: Store): Promise<Record<string, string>> {
  return Object.fromEntries((await store.find(products, {})).map(({ key, payload }) => [key, payload]));
}
