/** Many reconfigurations of a real process under write load: no write is refused or lost, and nothing is left open. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { systemRandomness } from '../../src/adapters/randomness.js';
import { systemTime } from '../../src/adapters/time.js';
import type { Reconfiguration } from '../../src/configuration/reconfiguration.js';
import { callControl } from '../../src/control/client.js';
import { controlSocketPath } from '../../src/control/protocol.js';
import type { CollectionName, NodeId } from '../../src/core/ids.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';
import { type StartedNode, startNode, until } from './cli-fixture.js';
import { ownPort } from './own-port.js';

const portChanges = 200;
const nodeIdChanges = 50;
const firstPort = 20_000 + (process.pid % 1_000) * 10;

interface Status {
  readonly nodeId: string;
  readonly peers: readonly { readonly nodeId: string; readonly state: string }[];
}

function ask<T>({ directory }: StartedNode, command: string, body?: unknown): Promise<T> {
  return callControl(controlSocketPath(join(directory, 'data')), command, body) as Promise<T>;
}

function resourcesOf({ child }: StartedNode) {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return {
    descriptors: readdirSync(`/proc/${child.pid}/fd`).length,
    residentMiB: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024,
  };
}

/** Writes one document after the other until it is told to end; records refusals. */
function writing(node: StartedNode) {
  const keys: string[] = [];
  const refused: unknown[] = [];
  let isEnding = false;
  const loop = async (writer: number): Promise<void> => {
    for (let index = 0; !isEnding; index += 1) {
      const key = `${writer}-${index}`;
      await ask(node, 'put', { collection: 'things', key, document: index }).then(
        () => keys.push(key),
        (error: unknown) => refused.push(error),
      );
    }
  };
  const loops = Promise.all([loop(1), loop(2)]);
  return {
    keys,
    refused,
    async end() {
      isEnding = true;
      await loops;
    },
  };
}

/** The keys in a database that no process has open any more. */
async function keysIn(directory: string, nodeId: string): Promise<string[]> {
  const path = join(directory, 'data', `${nodeId}.db`);
  const time = systemTime();
  const store = await openSqliteStore({ path, nodeId: nodeId as NodeId, time, randomness: systemRandomness() });
  const found = await store.find('things' as CollectionName, {});
  await store.close();
  return found.map(({ key }) => key);
}

describe('reconfiguration under load', () => {
  test(`${portChanges} changes of the port, ${nodeIdChanges} of the NodeId -> no write refused or lost, no handle left`, async () => {
    const common = {
      discoveryPort: ownPort(),
      heartbeatIntervalMs: 500,
      beaconIntervalMs: 500,
      logLevel: 'warn',
    };
    const node = await startNode(common);
    const other = await startNode({ ...common, nodeId: 'node-b' });
    const isMeshed = (nodeId: string) => async () => {
      const { peers } = await ask<Status>(other, 'status');
      return peers.some((peer) => peer.nodeId === nodeId && peer.state === 'connected') || undefined;
    };
    await until(isMeshed('node-a'));
    const writer = writing(node);
    // One round first, so that state that is created once exists.
    const identities = ['node-x', 'node-a', 'node-y', 'node-a'];
    const rename = (nodeId = 'node-a') => ask<Reconfiguration>(node, 'reconfigure', { partial: { nodeId } });
    for (const nodeId of identities) await rename(nodeId);
    await ask(node, 'reconfigure', { partial: { port: firstPort } });
    const before = resourcesOf(node);

    for (let change = 1; change <= portChanges; change += 1) {
      const port = firstPort + (change % 8);
      expect(await ask(node, 'reconfigure', { partial: { port } })).toMatchObject({ connectionsRefusedMs: 0 });
    }
    let longestMs = 0;
    for (let change = 0; change < nodeIdChanges; change += 1) {
      const { writesHeldMs } = await rename(identities[change % identities.length]);
      longestMs = Math.max(longestMs, writesHeldMs);
    }
    await rename('node-a');
    await writer.end();
    await until(isMeshed('node-a'));

    expect(writer.refused).toEqual([]);
    expect(writer.keys.length).toBeGreaterThan(1_000);
    const after = resourcesOf(node);
    // One session more or less, and connections that the other side has dialed meanwhile.
    expect(after.descriptors - before.descriptors).toBeLessThan(8);
    expect(after.residentMiB - before.residentMiB).toBeLessThan(100);
    // Some milliseconds of work take this long only if something is broken.
    expect(longestMs).toBeLessThan(2_000);
    await node.run(['stop']);
    await node.exitCode;
    const kept = new Set<string>();
    for (const nodeId of ['node-a', 'node-x', 'node-y']) {
      for (const key of await keysIn(node.directory, nodeId)) kept.add(key);
    }
    expect(writer.keys.filter((key) => !kept.has(key))).toEqual([]);
  }, 180_000);
});
