/** What each tool reports about faults of files, disks and the process itself. */
import { closeSync, fstatSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { systemRandomness } from '../../src/adapters/randomness.js';
import { systemTime } from '../../src/adapters/time.js';
import type { CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import type { Store } from '../../src/ports/store.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';
import { gather, loopbackAddresses } from './crowd.js';
import { type FailureOfDisk, type NodeOnFailingDisk, startOnFailingDisk } from './failing-disk.js';
import { atRest, playTable, type Sayings, sayingsAtRest, started } from './situations.js';

const endings: (() => void)[] = [];
afterEach(() => {
  for (const end of endings.splice(0)) end();
});

playTable('Files and disks', {
  'full disk': () => onDisk('ENOSPC'),
  EIO: () => onDisk('EIO'),
  EROFS: () => onDisk('EROFS'),
  'fsync error': () => onDisk('EIO of fsync'),
  'lost files': async () => {
    const { node, sayings } = await started();
    rmSync(join(node.directory, 'data', 'node-a.db'));
    return sayings;
  },
  'garbage file': async () => (await atRest((cwd) => withFile(cwd, 'This is no database.'))).sayings,
  'damaged file, of a node that does not run': async () => {
    const { cwd, sayings } = await atRest((directory) => withStore(directory, fill));
    damage(databaseOf(cwd));
    return sayings;
  },
  'damaged file, of a node that runs': async () => {
    const { cwd } = await atRest((directory) => withStore(directory, fill));
    damage(databaseOf(cwd));
    const { node, sayings } = await started({}, { directory: cwd });
    await node.run(['export', 'things']);
    return sayings;
  },
  'newer schema': async () => {
    const { cwd, sayings } = await atRest((directory) => withStore(directory, fill));
    const database = new Sqlite(databaseOf(cwd));
    database.pragma('user_version = 999');
    database.close();
    return sayings;
  },
  "another node's file": async () => {
    return (await atRest((directory) => withStore(directory, fill, 'node-b'))).sayings;
  },
  'second process on one data directory': async () => {
    const { node, sayings } = await started();
    const { log } = sayingsAtRest(node.directory);
    return { ...sayings, ...(log && { log }) };
  },
  'system document in quarantine': async () => {
    const { cwd } = await atRest((directory) =>
      withStore(directory, (store) =>
        store.write([
          {
            kind: 'put',
            collection: '_system_remote_peers' as CollectionName,
            key: 'till-9' as DocumentKey,
            payload: '42',
          },
        ]),
      ),
    );
    return (await started({}, { directory: cwd })).sayings;
  },
  'file descriptors used up': async () => {
    const { node, sayings } = await started({}, { descriptorsMax: limits.descriptorsReserved + 128 });
    const crowd = gather({ port: node.port, perSecond: 400, addresses: loopbackAddresses(2) });
    endings.push(() => crowd.leave());
    return sayings;
  },
  'control socket gone': async () => {
    const { node, sayings } = await started();
    rmSync(join(node.directory, 'data', 'control.sock'));
    return sayings;
  },
  'no control socket': async () => {
    const { node, sayings } = await started({ control: false });
    const { status } = sayingsAtRest(node.directory);
    return { ...sayings, ...(status && { status }) };
  },
});

async function onDisk(failure: FailureOfDisk): Promise<Sayings> {
  const { node, sayings } = await started({}, { start: startOnFailingDisk });
  await (node as NodeOnFailingDisk).fail(failure);
  await node.run(['put', 'things', 'k', '1']);
  return sayings;
}

const databaseOf = (directory: string) => join(directory, 'data', 'node-a.db');

function withFile(directory: string, text: string): void {
  mkdirSync(join(directory, 'data'), { mode: 0o700 });
  writeFileSync(databaseOf(directory), text);
}

async function withStore(directory: string, use: (store: Store) => Promise<unknown>, nodeId = 'node-a'): Promise<void> {
  const store = await openSqliteStore({
    path: databaseOf(directory),
    nodeId: nodeId as NodeId,
    time: systemTime(),
    randomness: systemRandomness(),
  });
  await use(store);
  await store.close();
}

async function fill(store: Store): Promise<void> {
  for (let n = 0; n < 300; n++) {
    const payload = JSON.stringify({ n, text: 'x'.repeat(500) });
    await store.write([{ kind: 'put', collection: 'things' as CollectionName, key: `k${n}` as DocumentKey, payload }]);
  }
}

/** Pages in the middle, so that the file can still be opened. */
function damage(path: string): void {
  const file = openSync(path, 'r+');
  const { size } = fstatSync(file);
  writeSync(file, Buffer.alloc(16 * 4_096, 0xa5), 0, 16 * 4_096, Math.floor(size / 8_192) * 4_096);
  closeSync(file);
}
