/** Field indexes are really used: SQLite's own plan shows it. */

import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { systemTime } from '../../src/adapters/time.js';
import type { Query, Where } from '../../src/core/query.js';
import { closeDatabaseFile, openDatabaseFile } from '../../src/store/database-file.js';
import { FieldIndexes } from '../../src/store/field-indexes.js';
import { type CompiledQuery, compileCount, compileFind } from '../../src/store/query-compiler.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';
import { type CollectionRow, loadState } from '../../src/store/store-state.js';
import { Transactor } from '../../src/store/transaction.js';
import { manualTime, nodeA, products, put } from './store-harness.js';
import { countingRandomness, temporaryDirectory } from './store-temporary.js';

const directory = temporaryDirectory();
const byIndex = /SEARCH f USING COVERING INDEX field_index_1_by_value \(value/;

/** SQLite's plan in a database with an index on `n` (and documents without a number). */
async function planning(check: (plan: (compile: (row: CollectionRow) => CompiledQuery) => string) => void) {
  const path = join(directory, 'plan.db');
  const store = await openSqliteStore({ path, nodeId: nodeA, time: manualTime(), randomness: countingRandomness });
  await store.write(Array.from({ length: 50 }, (_, index) => put(`${index}`, { n: index })));
  await store.createIndex(products, 'n');
  await store.close();
  const database = openDatabaseFile({
    path,
    nodeId: nodeA,
    randomness: countingRandomness,
    walAutocheckpointPages: 64,
  });
  try {
    const state = loadState(database);
    new FieldIndexes(database, state, new Transactor(database, state, { time: systemTime() }));
    const row = state.collections.get(products) as CollectionRow;
    check((compile) => {
      const { sql, parameters } = compile(row);
      const steps = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(parameters) as { detail: string }[];
      return steps.map(({ detail }) => detail).join('\n');
    });
  } finally {
    closeDatabaseFile(database, path);
  }
}

describe('the plan of a query', () => {
  test('plan: conditions on an indexed field -> a search in its index', async () => {
    const conditions: Where[] = [
      { n: 5 },
      { n: true },
      { n: null },
      { n: { $gt: 5 } },
      { n: { $gte: 5, $lt: 9 } },
      { n: { $lte: 'x' } },
      { n: { $in: [1, 2, 'x'] } },
      { m: 5, n: { $gt: 5 } },
      { $and: [{ m: 5 }, { $and: [{ n: 5 }] }] },
    ];
    await planning((plan) => {
      for (const where of conditions) {
        expect(plan((row) => compileFind(row, { where }))).toMatch(byIndex);
        expect(plan((row) => compileCount(row, where))).toMatch(byIndex);
      }
    });
  });

  test('plan: a range and the order of one indexed field -> no sorting', async () => {
    const queries: Query[] = [
      { orderBy: ['n'] },
      { where: { n: { $gt: 5 } }, orderBy: ['n'], limit: 5 },
      { where: { n: 5 } },
    ];
    await planning((plan) => {
      for (const query of queries) {
        const steps = plan((row) => compileFind(row, query));
        expect(steps).toMatch(/^(SEARCH|SCAN) f USING COVERING INDEX field_index_1_by_value/);
        expect(steps).not.toMatch(/TEMP B-TREE/);
      }
    });
  });

  test('plan: conditions that an index does not serve -> documents by key, without sorting', async () => {
    await planning((plan) => {
      for (const where of [{ m: 5 }, { $not: { n: 5 } }, { $or: [{ n: 5 }, { m: 5 }] }, { n: { $ne: 5 } }] as Where[]) {
        const steps = plan((row) => compileFind(row, { where, limit: 5 }));
        expect(steps).toMatch(/^SEARCH d USING PRIMARY KEY \(collection=\?\)/);
        expect(steps).not.toMatch(/TEMP B-TREE|field_index/);
      }
    });
  });

  test('plan: counting by an indexed field alone -> documents are not read', async () => {
    await planning((plan) => {
      expect(plan((row) => compileCount(row, { n: { $gt: 5 } }))).not.toMatch(/SEARCH [do]/);
      expect(plan((row) => compileCount(row, {}))).not.toMatch(/SEARCH o/);
    });
  });

  test('query: a hostile value or field -> only in the parameters', async () => {
    await planning((plan) => {
      const evil = "x'); DROP TABLE oplog; --";
      const where = { [evil.replaceAll("'", '')]: { $in: [evil, 'y'] }, n: evil };
      plan((row) => {
        const compiled = compileFind(row, { where, orderBy: [{ field: 'DROP', descending: true }] });
        expect(compiled.sql).not.toMatch(/DROP/);
        return compiled;
      });
    });
  });
});
