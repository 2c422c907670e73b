/**
 * A process that is killed at any moment of a change of its NodeId: no acknowledged write is lost, and it starts again.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { systemRandomness } from '../../src/adapters/randomness.js';
import { systemTime } from '../../src/adapters/time.js';
import { callControl } from '../../src/control/client.js';
import { controlSocketPath } from '../../src/control/protocol.js';
import type { CollectionName, NodeId } from '../../src/core/ids.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';
import { startNode, temporaryDirectory, until } from './cli-fixture.js';
import { ownPort } from './own-port.js';

const kills = 8;
/** Writes before each kill. */
const writesFirst = 20;

/** The keys in a database that no process has open; it is recovered first. */
async function keysIn(dataDir: string, nodeId: string): Promise<string[]> {
  const path = join(dataDir, `${nodeId}.db`);
  if (!existsSync(path)) return [];
  const time = systemTime();
  const store = await openSqliteStore({ path, nodeId: nodeId as NodeId, time, randomness: systemRandomness() });
  const found = await store.find('things' as CollectionName, {});
  await store.close();
  return found.map(({ key }) => key);
}

describe('reconfiguration and kill -9', () => {
  test(`${kills} kills at later and later moments of a change of NodeId -> every acknowledged write is kept`, async () => {
    const directory = await temporaryDirectory();
    const dataDir = join(directory, 'data');
    const fields = { discoveryPort: ownPort(), logLevel: 'warn' };
    const acknowledged: string[] = [];
    for (let kill = 0; kill < kills; kill += 1) {
      const node = await startNode(fields, { directory });
      const ask = (command: string, body: unknown) => callControl(controlSocketPath(dataDir), command, body);
      let isOver = false;
      const write = async (writer: number): Promise<void> => {
        for (let index = 0; !isOver; index += 1) {
          const key = `${kill}-${writer}-${index}`;
          await ask('put', { collection: 'things', key, document: index }).then(
            () => acknowledged.push(key),
            () => {},
          );
        }
      };
      const writing = [1, 2, 3].map(write);
      const goal = acknowledged.length + writesFirst;
      await until(() => acknowledged.length >= goal || undefined, 'some writes');
      // To an existing identity, or to a new one, in turns.
      const renaming = ask('reconfigure', { partial: { nodeId: `other-${kill % 3}` } }).catch(() => {});
      // Its answers are the clock: each one a moment later.
      for (let answer = 0; answer < kill; answer += 1) await ask('status', {}).catch(() => {});
      node.child.kill('SIGKILL');
      await node.exitCode;
      isOver = true;
      await Promise.all([...writing, renaming]);
    }
    const kept = new Set<string>();
    for (const nodeId of ['node-a', 'other-0', 'other-1', 'other-2']) {
      for (const key of await keysIn(dataDir, nodeId)) kept.add(key);
    }
    expect(acknowledged.filter((key) => !kept.has(key))).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(kills);
    expect(await startNode(fields, { directory })).toMatchObject({ nodeId: 'node-a' });
  }, 60_000);
});
