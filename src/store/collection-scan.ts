/**
 * Reads a collection in the order of keys, in steps of some milliseconds, as the collection was when the reading began.
 *
 * Invariants:
 * - A result shows one state of the database. Other callers may write between two steps. The scan then judges a
 *   changed document by the entry that wrote it before, which {@link StoreState.scans} keeps. Entries never change.
 * - A scan keeps at most `limits.scanChangesMax` changed documents. After more changes, one step reads the rest.
 */
import type { Statement } from 'better-sqlite3';
import { limits } from '../core/limits.js';
import type { CompiledScan } from './query-compiler.js';
import type { CollectionRow, CollectionScan, StoreState } from './store-state.js';

/** A document that matches, with its text where documents are asked for. */
export interface Scanned {
  readonly key: string;
  readonly seq: number;
  readonly payload: string | null;
}

interface ScannedRow extends Scanned {
  readonly size: number;
  readonly matches: number | null;
}

export interface ScanInput {
  readonly state: StoreState;
  readonly collection: CollectionRow;
  readonly query: CompiledScan;
  readonly prepare: (sql: string) => Statement;
}

/** @param found Receives each matching document; its result true ends the scan */
export function* scanCollection(
  { state, collection, query, prepare }: ScanInput,
  found: (document: Scanned) => boolean,
): Generator<undefined, void, void> {
  const scan: CollectionScan = { collection: collection.id, before: new Map() };
  const step = prepare(query.step);
  const earlier = prepare(query.earlier);
  const cursor = state.cursor;
  let after = '';
  const parameters = { ...query.parameters, cursor };
  const judged = (row: ScannedRow): Scanned | undefined => {
    if (row.seq <= cursor) return row.matches === 1 ? row : undefined;
    const seq = scan.before.get(row.key);
    if (seq === undefined) return undefined;
    const old = earlier.get({ ...query.parameters, seq }) as ScannedRow;
    return old.matches === 1 ? old : undefined;
  };
  /** @returns whether there is more */
  const readPage = (): boolean => {
    let [rows, size] = [0, 0];
    // After too many changes, no other caller may write before the end.
    const isLast = scan.before.size > limits.scanChangesMax;
    for (const row of step.iterate({ ...parameters, after }) as IterableIterator<ScannedRow>) {
      rows += 1;
      size += row.size;
      after = row.key;
      const document = judged(row);
      if (document !== undefined && found(document)) return false;
      if (!isLast && (rows >= query.rowsMax || size >= limits.scanBytesMax)) return true;
    }
    return false;
  };
  state.scans.add(scan);
  try {
    while (readPage()) yield;
  } finally {
    state.scans.delete(scan);
  }
}
