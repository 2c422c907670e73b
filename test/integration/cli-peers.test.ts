/** Commands about stored peers, beside peers that were only discovered. */
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { systemRandomness } from '../../src/adapters/randomness.js';
import { systemTime } from '../../src/adapters/time.js';
import type { CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';
import { jsonLines, open, startNode, temporaryDirectory, until } from './cli-fixture.js';
import { ownPort } from './own-port.js';

describe('a peer that was discovered', () => {
  test.each(['disable-peer', 'enable-peer', 'remove-peer'])(
    '%s -> says that it is no stored one, and what can be done',
    async (command) => {
      const settings = { discoveryPort: ownPort(), beaconIntervalMs: 200 };
      const [one] = await Promise.all([
        startNode({ nodeId: 'one', ...settings }),
        startNode({ nodeId: 'two', ...settings }),
      ]);
      await until(
        async () => jsonLines((await one.run(['peers', '--json'])).stdout).length > 0 || undefined,
        'discovered',
      );
      const { exitCode, stderr } = await one.run([command, 'two']);
      expect([exitCode, stderr]).toEqual([4, expect.stringContaining('"two" is no stored peer: it was discovered')]);
      expect(stderr).toContain('replace the cluster key');
      const unknown = await one.run([command, 'three']);
      expect([unknown.exitCode, unknown.stderr]).toEqual([
        4,
        expect.stringContaining('There is no remote peer "three"'),
      ]);
    },
  );
});

describe('add-static-peer', () => {
  test('added, changed, the same again -> each is told apart', async () => {
    const node = await startNode({ discovery: false });
    const add = async (port: number, ...options: string[]) =>
      (await node.run(['add-static-peer', '--node-id', 'far', '--address', `127.0.0.1:${port}`, ...options])).stdout;
    expect(await add(9)).toBe('Added: far at 127.0.0.1:9.\n');
    expect(await add(8)).toBe('Changed: far at 127.0.0.1:8.\n');
    expect(await add(8)).toBe('Known already: far at 127.0.0.1:8.\n');
    expect(JSON.parse(await add(9, '--json'))).toEqual({ isNew: false, isChanged: true });
  });

  test('the NodeId of the node itself -> refused', async () => {
    const node = await startNode({ discovery: false });
    const { exitCode, stderr } = await node.run(['add-static-peer', '--node-id', 'node-a', '--address', '127.0.0.1:9']);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('nodeId: it is the name of this node')]);
    expect((await node.run(['remote-peers', '--json'])).stdout).toBe('');
  });
});

describe('a collection that does not exist', () => {
  const hint = 'There is no collection "articels" with documents: see `statemesh collections`.';

  test('find, export, get and delete -> say so in the same words', async () => {
    const node = await startNode({ discovery: false });
    for (const [command, expected] of [
      ['find articels', 0],
      ['export articels', 0],
      ['get articels k', 4],
      ['delete articels k', 4],
    ] as const) {
      const { exitCode, stdout, stderr } = await node.run(command.split(' '));
      expect([command, exitCode, stdout]).toEqual([command, expected, '']);
      expect(stderr).toContain(hint);
    }
  });

  test('watch -> says so, and waits; of one that exists it says nothing', async () => {
    const node = await startNode({ discovery: false });
    await node.run(['put', 'articles', 'k', '1']);
    const [missing, present] = ['articels', 'articles'].map((name) => open(['watch', name], { cwd: node.directory }));
    await until(() => missing?.stderr().includes(hint) || undefined, 'the hint');
    await node.run(['put', 'articels', 'k', '1']);
    await until(() => missing?.stdout().includes('articels k') || undefined, 'the entry');
    expect(present?.stderr()).toBe('');
  });
});

describe('more stored peers than a node uses, some of them unusable', () => {
  test('remote-peers -> says how many there are, and how to see all; doctor gives one advice for all of a kind', async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, 'data', 'node-a.db');
    const ports = { time: systemTime(), randomness: systemRandomness() };
    const store = await openSqliteStore({ path, nodeId: 'node-a' as NodeId, ...ports });
    const collection = '_system_remote_peers' as CollectionName;
    const put = (key: string, document: object) =>
      ({ kind: 'put', collection, key: key as DocumentKey, payload: JSON.stringify(document) }) as const;
    const fields = { Address: '127.0.0.1:9', Type: 1, OAuth2Json: null, IsEnabled: false };
    const names = Array.from({ length: limits.peersMax + 44 }, (_, index) => `p${1000 + index}`);
    await store.write([
      ...names.map((name) => put(name, { NodeId: name, ...fields })),
      ...['bad-1', 'bad-2', 'bad-3'].map((name) => put(name, {})),
    ]);
    await store.close();
    const node = await startNode({ discovery: false }, { directory });
    const { stdout, stderr } = await node.run(['remote-peers', '--json']);
    expect(jsonLines(stdout)).toHaveLength(limits.peersMax);
    const [{ hint } = { hint: '' }] = jsonLines(stderr);
    expect(hint).toBe(
      '303 are stored, and a node uses the first 256, in order of NodeId. See all of them with `statemesh find _system_remote_peers`.',
    );
    expect(jsonLines((await node.run(['find', collection, '--json'])).stdout)).toHaveLength(303);
    const doctor = (await node.run(['doctor'])).stdout;
    expect(doctor.match(/! quarantine: /g)).toHaveLength(3);
    expect(doctor.match(/It does no harm\./g)).toHaveLength(1);
  });
});
