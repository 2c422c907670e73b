/** How far a scan of a collection goes in one step. What it finds is in the suite of the store port. */
import { describe, expect, test } from '@jest/globals';
import type { CollectionName } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { type ScanInput, scanCollection } from '../../src/store/collection-scan.js';
import { compileScan } from '../../src/store/query-compiler.js';
import { newCollectionRow } from '../../src/store/store-state.js';

interface Row {
  readonly key: string;
  readonly size: number;
}

/** A collection of such rows, all of which match. */
function scanned(rows: readonly Row[], rowsMax = 3) {
  const state = { cursor: 1, scans: new Set<{ before: Map<string, number | undefined> }>() };
  const statement = {
    *iterate({ after }: { after: string }) {
      for (const row of rows) if (row.key > after) yield { ...row, seq: 1, matches: 1, payload: null };
    },
  };
  const query = { step: '', earlier: '', parameters: {}, rowsMax, limit: 0, offset: 0 };
  const input = { state, collection: { id: 1 }, query, prepare: () => statement } as unknown as ScanInput;
  const keys: string[] = [];
  const steps = scanCollection(input, ({ key }) => {
    keys.push(key);
    return false;
  });
  return { state, steps, keys };
}

const rowsOf = (keys: string, size = 1): Row[] => [...keys].map((key) => ({ key, size }));

describe('a scan', () => {
  test('many documents -> at most so many in a step, each once', () => {
    const { steps, keys, state } = scanned(rowsOf('abcdefg'));
    expect([steps.next().done, keys.join('')]).toEqual([false, 'abc']);
    expect([steps.next().done, keys.join('')]).toEqual([false, 'abcdef']);
    expect([steps.next().done, keys.join('')]).toEqual([true, 'abcdefg']);
    expect(state.scans.size).toBe(0);
  });

  test('a step -> limits.scanDocumentsMax documents, or limits.scanKeysMax where only keys are read', () => {
    const collection = newCollectionRow(1, 'things' as CollectionName);
    expect(compileScan(collection, {}, 'documents')?.rowsMax).toBe(limits.scanDocumentsMax);
    expect(compileScan(collection, { where: { n: 1 } }, 'cursors')?.rowsMax).toBe(limits.scanDocumentsMax);
    expect(compileScan(collection, {}, 'cursors')?.rowsMax).toBe(limits.scanKeysMax);
  });

  test('large documents -> limits.scanBytesMax in a step', () => {
    const { steps, keys } = scanned(rowsOf('abcd', limits.scanBytesMax / 2));
    steps.next();
    expect(keys.join('')).toBe('ab');
  });

  test('more than limits.scanChangesMax documents have changed -> the rest in one step', () => {
    const { steps, keys, state } = scanned(rowsOf('abcdefgh'));
    steps.next();
    for (const { before } of state.scans) {
      for (let index = 0; index <= limits.scanChangesMax; index += 1) before.set(`x${index}`, undefined);
    }
    expect([steps.next().done, keys.join('')]).toEqual([true, 'abcdefgh']);
  });

  test('given up in the middle -> nothing is remembered for it', () => {
    const { steps, state } = scanned(rowsOf('abcdefgh'));
    steps.next();
    expect(state.scans.size).toBe(1);
    steps.return();
    expect(state.scans.size).toBe(0);
  });
});
