/** The rules for every store, whatever its implementation. `store.test.ts` runs them on the real one. */
import { describe } from '@jest/globals';
import type { OpenStore } from './store-harness.js';
import { describeStoreLifecycle } from './store-lifecycle.contract.js';
import { describeStoreQueries } from './store-queries.contract.js';
import { describeStoreReading } from './store-reading.contract.js';
import { describeStoreReplication } from './store-replication.contract.js';
import { describeStoreWrites } from './store-writes.contract.js';

export function describeStore(name: string, open: OpenStore): void {
  describe(`store port: ${name}`, () => {
    describeStoreWrites(open);
    describeStoreLifecycle(open);
    describeStoreReplication(open);
    describeStoreReading(open);
    describeStoreQueries(open);
  });
}
