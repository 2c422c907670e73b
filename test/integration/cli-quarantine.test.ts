/**
 * Statemesh's own documents with arbitrary content: the node starts and serves with them, reports them once, and they
 * are removed by name, on a running node and on a stopped one.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { systemRandomness } from '../../src/adapters/randomness.js';
import { systemTime } from '../../src/adapters/time.js';
import type { CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { nameOfEnvelope } from '../../src/core/sealing.js';
import type { Write } from '../../src/ports/store.js';
import { readRemotePeers } from '../../src/remote-peers/stored-peers.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';
import {
  clusterKey,
  clusterSalt,
  jsonLines,
  lastJson,
  run,
  startNode,
  temporaryDirectory,
  until,
} from './cli-fixture.js';

const peers = '_system_remote_peers';
const removed = '_system_removed_peers';
const resealed = '_system_resealed_secrets';
const secret = 'hunter2-is-the-password';
const good = (nodeId: string) => ({
  NodeId: nodeId,
  Address: '127.0.0.9:9',
  Type: 1,
  OAuth2Json: null,
  IsEnabled: true,
});

/** The envelope of a valid peer; its replacement is spoiled. */
const envelope = 'sealed:1:AAAA:AAAA';
const goodCloud = {
  ...good('cloud-z'),
  Type: 2,
  OAuth2Json: JSON.stringify({ authority: 'http://127.0.0.1:1', clientId: 'shop', clientSecret: envelope }),
};

/** Documents that some member has written, by collection and key. */
const spoilt: readonly (readonly [collection: string, key: string, payload: string])[] = [
  [peers, 'number', '42'],
  [peers, 'null', 'null'],
  [peers, 'list', '[]'],
  [peers, 'text', '"text"'],
  [peers, 'no-json', `{"NodeId":"no-json","Address":"${secret}`],
  [peers, 'empty', '{}'],
  [peers, 'deep', `${'['.repeat(50_000)}${']'.repeat(50_000)}`],
  [peers, 'long', JSON.stringify({ ...good('long'), Address: 'h'.repeat(1_000_000) })],
  [peers, 'longer', JSON.stringify({ ...good('longer'), Extra: 'x'.repeat(limits.remotePeerLengthMax) })],
  [peers, 'password', JSON.stringify({ ...good('password'), Address: `user:${secret}@h` })],
  [peers, 'types', JSON.stringify({ ...good('types'), Address: { host: secret }, Type: '1' })],
  [peers, 'other', JSON.stringify(good('another'))],
  [peers, 'cloud', JSON.stringify({ ...good('cloud'), Type: 2, OAuth2Json: `{"clientSecret":"${secret}"}` })],
  [peers, 'constructor', '{"NodeId":"constructor","__proto__":{"Address":"h:1","Type":1,"IsEnabled":true}}'],
  [peers, '__proto__', JSON.stringify(good('__proto__'))],
  [peers, 'a key / with \u202e anything', JSON.stringify(good('x'))],
  [removed, 'marker', '{"NodeId":"marker","IsRemoved":"yes"}'],
  [removed, 'toString', '[[[]]]'],
  [resealed, nameOfEnvelope(envelope), `{"Envelope":"${secret}"}`],
];

async function place(): Promise<{ cwd: string; path: string }> {
  const cwd = await temporaryDirectory();
  const configuration = { nodeId: 'node-a', clusterKey, clusterSalt };
  await writeFile(join(cwd, 'statemesh.json'), JSON.stringify(configuration), { mode: 0o600 });
  const path = join(cwd, 'data', 'node-a.db');
  const writes = [
    ...spoilt,
    [peers, 'node-z', JSON.stringify(good('node-z'))] as const,
    [peers, 'cloud-z', JSON.stringify(goodCloud)] as const,
    ['things', 'k', '{"kept":true}'] as const,
  ];
  await withStore(path, (store) =>
    store.write(
      writes.map(([collection, key, payload]): Write => {
        return { kind: 'put', collection: collection as CollectionName, key: key as DocumentKey, payload };
      }),
    ),
  );
  return { cwd, path };
}

async function withStore<T>(path: string, use: (store: Awaited<ReturnType<typeof open>>) => Promise<T>): Promise<T> {
  const store = await open(path);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

function open(path: string) {
  return openSqliteStore({ path, nodeId: 'node-a' as NodeId, time: systemTime(), randomness: systemRandomness() });
}

/** Names that are unique in a one-line report. */
const names = spoilt.map(([collection, key]) => `${collection} ${key}`).sort();
const told = (documents: readonly { collection: string; documentKey: string }[]) =>
  documents.map(({ collection, documentKey }) => `${collection} ${documentKey}`).sort();

interface Finding {
  readonly check: string;
  readonly state: string;
  readonly message: string;
  readonly code?: string;
}

async function doctor(cwd: string, ...args: string[]): Promise<{ exitCode: number | null; findings: Finding[] }> {
  const { exitCode, stdout } = await run(['doctor', '--json', ...args], { cwd });
  const findings = stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Finding);
  return { exitCode, findings: findings.filter(({ check }) => check === 'quarantine' || check === 'repair') };
}

// Each runs a dozen commands.
jest.setTimeout(120_000);

describe("statemesh's own documents with arbitrary content", () => {
  test('a running node: -> serves, lists each in status and doctor, warns once, prints no secret, removes by name', async () => {
    const { cwd } = await place();
    const node = await startNode({ metricsPort: 0 }, { directory: cwd });
    const status = async () => lastJson((await node.run(['status', '--json'])).stdout);
    const quarantined = await until(async () => {
      const { quarantined } = (await status()) as { quarantined: { collection: string; documentKey: string }[] };
      return quarantined.length === spoilt.length ? quarantined : undefined;
    }, 'all are in quarantine');
    expect(told(quarantined)).toEqual(names);
    expect((await node.run(['get', 'things', 'k'])).stdout).toContain('kept');
    expect(jsonLines((await node.run(['remote-peers', '--json'])).stdout)).toMatchObject([
      { nodeId: 'cloud-z' },
      { nodeId: 'node-z' },
    ]);
    const text = (await node.run(['status'])).stdout;
    expect(text).toContain('_system_remote_peers "constructor": Invalid remote peer, IsEnabled');
    const { metricsPort } = (await status()) as { metricsPort: number };
    const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    expect(metrics).toContain(`statemesh_quarantined_documents ${spoilt.length}`);
    const { findings, exitCode } = await doctor(cwd);
    expect([exitCode, findings.length]).toEqual([0, spoilt.length]);
    const refused = await doctor(cwd, '--repair');
    expect(refused.exitCode).not.toBe(0);
    expect(refused.findings.at(-1)).toMatchObject({ check: 'repair', state: 'failed', code: 'databaseInUse' });
    const offline = await node.run(['remove-peer', 'number', '--offline']);
    expect([offline.exitCode, offline.stderr]).toEqual([5, expect.stringContaining('statemesh stop')]);
    for (const key of [
      '__proto__',
      'constructor',
      'marker',
      nameOfEnvelope(envelope),
      'a key / with \u202e anything',
    ]) {
      const { exitCode: code, stdout } = await node.run(['remove-peer', key, '--json']);
      expect([key, code, stdout]).toEqual([key, 0, '{"isChanged":true}\n']);
    }
    await until(async () => {
      const { quarantined: left } = (await status()) as { quarantined: unknown[] };
      return left.length === spoilt.length - 5 || undefined;
    }, 'five are gone');
    await node.run(['stop']);
    await node.exitCode;
    const log = node.stdout() + node.stderr();
    expect(log).not.toContain(secret);
    expect(text + JSON.stringify(findings)).not.toContain(secret);
    expect(log.match(/which cannot be used and is left alone/g)).toHaveLength(spoilt.length);
  });

  test('a stopped node: doctor -> lists them; --repair -> removes exactly them and reports it', async () => {
    const { cwd, path } = await place();
    const before = await doctor(cwd);
    expect([before.exitCode, before.findings.map(({ state }) => state)]).toEqual([0, spoilt.map(() => 'warning')]);
    const repair = await doctor(cwd, '--repair');
    expect(repair.exitCode).toBe(0);
    expect(repair.findings.map(({ message }) => /^removed (\S+ ".*?"): /.exec(message)?.[1]).sort()).toEqual(
      spoilt.map(([collection, key]) => `${collection} "${key.replace(/[\p{Cf}\s]+/gu, ' ')}"`).sort(),
    );
    expect((await doctor(cwd, '--repair')).findings).toEqual([
      { check: 'repair', state: 'ok', message: 'there was nothing to repair' },
    ]);
    await withStore(path, async (store) => {
      const { peers: left, quarantined } = await readRemotePeers(store);
      expect([left.map(({ nodeId }) => nodeId), quarantined]).toEqual([['cloud-z', 'node-z'], []]);
      expect(await store.count('things' as CollectionName)).toBe(1);
      // Ordinary deletions: the peers receive them.
      const { entries, tombstones } = await store.statistics();
      expect([entries, tombstones]).toEqual([2 * spoilt.length + 3, spoilt.length]);
    });
  });

  test('remove-peer --offline -> removes one, by a marker that syncs; without a database or a name: refused', async () => {
    const { cwd, path } = await place();
    const one = await run(['remove-peer', 'constructor', '--offline'], { cwd });
    expect([one.exitCode, one.stdout]).toEqual([0, 'Removed: constructor, on every node of the cluster.\n']);
    const again = await run(['remove-peer', 'constructor', '--offline', '--json'], { cwd });
    expect([again.exitCode, again.stdout]).toEqual([4, '']);
    expect(JSON.parse(again.stderr)).toMatchObject({ code: 'peerUnknown' });
    await run(['remove-peer', 'node-z', '--offline'], { cwd });
    await withStore(path, async (store) => {
      const { peers: left, quarantined } = await readRemotePeers(store);
      expect([left.map(({ nodeId }) => nodeId), quarantined.length]).toEqual([['cloud-z'], spoilt.length - 1]);
      const marker = await store.get(removed as CollectionName, 'node-z' as DocumentKey);
      expect(JSON.parse(marker?.payload ?? '')).toMatchObject({ NodeId: 'node-z', IsRemoved: true });
    });
    const elsewhere = await temporaryDirectory();
    const nobody = await run(['remove-peer', 'x', '--offline'], { cwd: elsewhere });
    expect([nobody.exitCode, nobody.stderr]).toEqual([2, expect.stringContaining('--node-id')]);
    const nothing = await run(['remove-peer', 'x', '--offline', '--node-id', 'node-a'], { cwd: elsewhere });
    expect([nothing.exitCode, nothing.stderr]).toEqual([6, expect.stringContaining('There is no database')]);
    const misplaced = await run(['remove-peer', 'x', '--node-id', 'node-a'], { cwd });
    expect(misplaced.exitCode).toBe(2);
  });
});
