/** SQLite stores in a directory of their own, which is removed after the tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach } from '@jest/globals';
import type { Store } from '../../src/ports/store.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';
import { manualTime, nodeA, type OpenOptions, type OpenStore, type StoreHarness } from './store-harness.js';

/** A directory for the files of one test file. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'statemesh-store-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Tokens that differ without randomness. */
let tokens = 0;
export const countingRandomness = {
  float: () => 0.5,
  token: () => {
    tokens += 1;
    return `token-${tokens}`;
  },
};

export function openInTemporaryDirectory(directory = temporaryDirectory()): OpenStore {
  const opened: Store[] = [];
  let files = 0;
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
  });

  const openFile = async (path: string, options: OpenOptions, time = manualTime()): Promise<StoreHarness> => {
    const subscriberErrors: unknown[] = [];
    const store = await openSqliteStore({
      path,
      nodeId: options.nodeId ?? nodeA,
      time,
      randomness: countingRandomness,
      onSubscriberError: (error) => subscriberErrors.push(error),
      ...(options.pagesMax === undefined ? {} : { pagesMax: options.pagesMax }),
    });
    opened.push(store);
    const reopen = async () => {
      await store.close();
      return openFile(path, options, time);
    };
    return { store, time, subscriberErrors, reopen };
  };
  return (options = {}) => {
    files += 1;
    return openFile(join(directory, `${files}.db`), options);
  };
}
