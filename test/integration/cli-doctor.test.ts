/** `statemesh doctor`: on a healthy node, and on nodes with every problem that it looks for. */
import { createSocket } from 'node:dgram';
import { chmod, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { systemRandomness } from '../../src/adapters/randomness.js';
import { systemTime } from '../../src/adapters/time.js';
import type { CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';
import { clusterKey, clusterSalt, run, startNode, temporaryDirectory, until } from './cli-fixture.js';
import { ownPort } from './own-port.js';

interface Finding {
  readonly check: string;
  readonly state: string;
  readonly message: string;
  readonly advice?: string;
  readonly code?: string;
}

async function doctor(
  cwd: string,
  args: readonly string[] = [],
): Promise<{ exitCode: number | null; findings: Finding[] }> {
  const { exitCode, stdout } = await run(['doctor', '--json', ...args], { cwd });
  return {
    exitCode,
    findings: stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Finding),
  };
}

function named(findings: readonly Finding[], check: string): Finding | undefined {
  return findings.find((finding) => finding.check === check);
}

/** A place with a configuration and a database that no process has open. */
async function place({ aheadMs = 0 } = {}): Promise<{ cwd: string; database: string }> {
  const cwd = await temporaryDirectory();
  const configuration = { nodeId: 'node-a', clusterKey, clusterSalt };
  await writeFile(join(cwd, 'statemesh.json'), JSON.stringify(configuration), { mode: 0o600 });
  const database = join(cwd, 'data', 'node-a.db');
  const time = { ...systemTime(), now: () => Date.now() + aheadMs };
  const store = await openSqliteStore({
    path: database,
    nodeId: 'node-a' as NodeId,
    time,
    randomness: systemRandomness(),
  });
  const collection = 'things' as CollectionName;
  for (let index = 0; index < 300; index++) {
    await store.write([{ kind: 'put', collection, key: `k${index}` as DocumentKey, payload: `{"index":${index}}` }]);
  }
  await store.close();
  return { cwd, database };
}

describe('doctor', () => {
  test('a healthy place -> no problem, exit code 0, and nothing has changed', async () => {
    const { cwd, database } = await place();
    const before = await readFile(database);
    const { exitCode, findings } = await doctor(cwd);
    expect(findings.map(({ check, state }) => `${check} ${state}`)).toEqual([
      ...['installation ok', 'configuration ok', 'data directory ok', 'disk ok', 'node ok', 'database ok', 'port ok'],
      'discovery port ok',
    ]);
    expect(exitCode).toBe(0);
    expect(named(findings, 'database')?.message).toMatch(/^300 entries of 1 author;/);
    expect((await readFile(database)).equals(before)).toBe(true);
  });

  test('without --json -> a line for each finding, with advice', async () => {
    const { cwd } = await place();
    await chmod(join(cwd, 'data'), 0o755);
    const { exitCode, stdout } = await run(['doctor'], { cwd });
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringMatching(/! data directory: Other users can read .*\n {4}Run chmod 700 /),
    ]);
  });

  test('no valid configuration -> named, and its exit code', async () => {
    const cwd = await temporaryDirectory();
    await writeFile(join(cwd, 'statemesh.json'), '{"nodeId":"a","port":-1}', { mode: 0o600 });
    const { exitCode, findings } = await doctor(cwd);
    expect([exitCode, findings]).toEqual([
      2,
      [
        expect.objectContaining({ check: 'installation', state: 'ok' }),
        expect.objectContaining({ code: 'configurationInvalid', state: 'failed' }),
      ],
    ]);
  });

  test('a cut database -> failed, with what to do; it stays as it is', async () => {
    const { cwd, database } = await place();
    await truncate(database, 20_000);
    const { exitCode, findings } = await doctor(cwd);
    expect(named(findings, 'database')).toMatchObject({
      state: 'failed',
      code: 'databaseCorrupt',
      advice: expect.stringContaining('restore'),
    });
    expect([exitCode, (await stat(database)).size]).toEqual([6, 20_000]);
  });

  test('a payload that was altered -> its entry is named', async () => {
    const { cwd, database } = await place();
    const connection = new Sqlite(database);
    connection.prepare(`UPDATE oplog SET payload = '{"index":-1}' WHERE key = 'k7'`).run();
    connection.close();
    const { exitCode, findings } = await doctor(cwd);
    expect([exitCode, named(findings, 'database')?.message]).toEqual([
      6,
      expect.stringContaining('things k7 is not what its author wrote'),
    ]);
  });

  test("another program's file in place of the database -> reported", async () => {
    const { cwd, database } = await place();
    await writeFile(database, 'text');
    const { exitCode, findings } = await doctor(cwd);
    expect([exitCode, named(findings, 'database')?.code]).toEqual([6, 'databaseForeign']);
  });

  test('entries an hour ahead of the clock -> a warning', async () => {
    const { cwd } = await place({ aheadMs: 3_600_000 });
    const { exitCode, findings } = await doctor(cwd);
    expect([exitCode, named(findings, 'clock')]).toEqual([
      0,
      expect.objectContaining({ state: 'warning', message: expect.stringMatching(/3,[56]\d\d s ahead/) }),
    ]);
  });

  test('the port is taken -> named, with what to do', async () => {
    const { cwd } = await place();
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    const { exitCode, findings } = await doctor(cwd, ['--port', String(port)]);
    server.close();
    expect([exitCode, named(findings, 'port')]).toEqual([
      5,
      expect.objectContaining({ code: 'portInUse', advice: expect.stringContaining('--port') }),
    ]);
  });

  test('a foreign address, or the port taken at another address -> the configured address is tried', async () => {
    const { cwd } = await place();
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.2', done));
    const { port } = server.address() as AddressInfo;
    const portOf = async (...args: string[]) =>
      named((await doctor(cwd, ['--port', String(port), ...args])).findings, 'port')?.message;
    expect([await portOf(), await portOf('--host', '127.0.0.2'), await portOf('--host', '192.0.2.1')]).toEqual([
      `127.0.0.1:${port} is free`,
      `127.0.0.2:${port} is taken by another process.`,
      `192.0.2.1:${port} cannot be used (EADDRNOTAVAIL).`,
    ]);
    server.close();
  });

  test('other ports, and a host of another machine -> each is named, with advice', async () => {
    const { cwd } = await place();
    const metrics = createServer();
    await new Promise<void>((done) => metrics.listen(0, '127.0.0.1', done));
    const { port } = metrics.address() as AddressInfo;
    const beacons = createSocket('udp4');
    const discoveryPort = ownPort();
    await new Promise<void>((done) => beacons.bind(discoveryPort, '127.255.255.255', done));
    const asked = ['--metrics-port', `${port}`, '--discovery-port', `${discoveryPort}`, '--host', '192.0.2.1'];
    const { exitCode, findings } = await doctor(cwd, asked);
    metrics.close();
    beacons.close();
    expect(exitCode).toBe(5);
    expect(findings.filter(({ state }) => state === 'failed')).toEqual([
      expect.objectContaining({ check: 'port', code: 'addressUnavailable' }),
      expect.objectContaining({
        check: 'discovery port',
        message: `127.255.255.255:${discoveryPort} (UDP) is taken by another process.`,
        advice: expect.stringContaining('--discovery-port'),
      }),
      expect.objectContaining({
        check: 'metrics port',
        message: `127.0.0.1:${port} is taken by another process.`,
        advice: expect.stringContaining('--metrics-port'),
      }),
    ]);
  });

  test('a file in place of the data directory -> reported', async () => {
    const { cwd } = await place();
    await writeFile(join(cwd, 'file'), '');
    for (const dataDir of ['file', 'file/below']) {
      const { exitCode, findings } = await doctor(cwd, ['--data-dir', dataDir]);
      expect([exitCode, named(findings, 'data directory')]).toEqual([
        6,
        expect.objectContaining({ state: 'failed', advice: expect.stringContaining('--data-dir') }),
      ]);
    }
  });

  test('a suspended node -> reported within five seconds', async () => {
    const node = await startNode();
    node.child.kill('SIGSTOP');
    const began = performance.now();
    const { exitCode, findings } = await doctor(node.directory);
    const tookMs = performance.now() - began;
    node.child.kill('SIGCONT');
    expect([exitCode, named(findings, 'node')]).toEqual([
      5,
      expect.objectContaining({ message: expect.stringContaining('silent'), code: 'databaseInUse' }),
    ]);
    expect(tookMs).toBeLessThan(5_000);
  });

  test('a running node -> answers itself, including its peers', async () => {
    const node = await startNode({ knownPeers: [{ nodeId: 'node-z', address: '127.0.0.1:9' }] });
    const { exitCode, findings } = await until(async () => {
      const looked = await doctor(node.directory);
      return named(looked.findings, 'peers') === undefined ? undefined : looked;
    });
    expect(exitCode).toBe(0);
    expect(named(findings, 'node')?.message).toContain(`process ${node.child.pid}`);
    expect(named(findings, 'peers')).toMatchObject({ state: 'warning', message: expect.stringContaining('node-z') });
  });
});

describe('a node that does not lead', () => {
  test('a cloud peer -> the report names the leader, because only the leader knows the reason', async () => {
    const node = await startNode({ discovery: false, eligible: false });
    const peer = ['--node-id', 'cloud-1', '--address', '127.0.0.1:9', '--authority', 'https://identity.example'];
    expect((await node.run(['add-cloud-peer', ...peer, '--client-id', 'shop'])).exitCode).toBe(0);
    const messages = async () => (await doctor(node.directory)).findings.map(({ message }) => message);
    await until(async () => (await messages()).includes('cloud peer cloud-1: idle: no node leads') || undefined);
  });

  test('a failure that is over -> a warning for two hours; status says how long ago it was', async () => {
    const node = await startNode();
    const other = await startNode({ nodeId: 'node-b' });
    const beforeMs = Date.now();
    await node.run(['reconfigure', `port=${other.port}`]);
    const { lastFailure } = JSON.parse((await node.run(['status', '--json'])).stdout);
    expect(lastFailure.code).toBe('portInUse');
    expect([lastFailure.atMs >= beforeMs, lastFailure.atMs <= Date.now()]).toEqual([true, true]);
    const preload = `--import=${join(process.cwd(), 'test/integration/shifted-clock.mjs')}`;
    const later = async (hours: number, command: string) => {
      const shift = join(node.directory, 'shift');
      await writeFile(shift, String(hours * 3_600_000));
      const env = { NODE_OPTIONS: preload, CLOCK_SHIFT_FILE: shift };
      return (await node.run([command], { env })).stdout;
    };
    expect(await later(0, 'doctor')).toContain('The last failure, 0 min ago: ');
    expect(await later(1, 'doctor')).toContain('The last failure, 60 min ago: ');
    expect(await later(3, 'doctor')).not.toContain('The last failure');
    expect(await later(3, 'status')).toMatch(/last failure +3 h ago: Cannot listen on/);
    expect(await later(72, 'status')).toMatch(/last failure +3 days ago: /);
  }, 30_000);
});
