/**
 * Failing disks: full, read-only, damaged under a running node. Real processes, each with a data directory that is a
 * file system of its own, in a mount namespace of its own.
 */
import { spawn } from 'node:child_process';
import { chmod, mkdir, open as openFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from '@jest/globals';
import { callControl } from '../../src/control/client.js';
import { clusterKey, clusterSalt, jsonLines, run, startNode, temporaryDirectory, until } from './cli-fixture.js';
import { ownPort } from './own-port.js';

const main = join(process.cwd(), 'dist/cli/main.js');
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A node on a small disk. */
interface SmallNode {
  readonly port: number;
  call(command: string, body?: unknown): Promise<unknown>;
  /** Runs a command where the node runs, so that it sees the same disk. */
  run(...args: string[]): Promise<{ readonly exitCode: number; readonly stdout: string }>;
  /** Fills the disk except for this many bytes. */
  fill(bytesLeft: number): Promise<void>;
  makeRoom(): Promise<void>;
}

async function startOnSmallDisk(megabytes: number, fields: object = {}): Promise<SmallNode> {
  const cwd = await temporaryDirectory();
  const configuration = { nodeId: 'small', clusterKey, clusterSalt, discovery: false, ...fields };
  await writeFile(join(cwd, 'statemesh.json'), JSON.stringify(configuration), { mode: 0o600 });
  const mount = `mkdir data && mount -t tmpfs -o size=${megabytes}m,mode=700 tmpfs data && exec "$@"`;
  const command = ['--user', '--map-root-user', '--mount', 'sh', '-ec', mount, 'sh'];
  const child = spawn('unshare', [...command, process.execPath, main, 'start', '--json'], { cwd });
  const gone = new Promise((resolve) => child.once('close', resolve));
  cleanups.push(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  let trouble = '';
  child.stderr.on('data', (text) => {
    trouble += text;
  });
  const first = new Promise<string>((resolve) => createInterface({ input: child.stdout }).once('line', resolve));
  const line = await Promise.race([first, gone.then(() => `{"event":${JSON.stringify(trouble)}}`)]);
  const started = JSON.parse(line) as { event: string; port: number };
  expect(started.event).toBe('running');
  // The disk of the other namespace, as this one sees it.
  const data = join(`/proc/${child.pid}/root`, cwd, 'data');
  const ballast = join(data, 'ballast');
  return {
    port: started.port,
    call: (name, body) => callControl(join(data, 'control.sock'), name, body),
    async run(...args) {
      const enter = ['--preserve-credentials', '--user', '--mount', '--target', String(child.pid), '--wd=.'];
      const inside = spawn('nsenter', [...enter, process.execPath, main, ...args], { cwd });
      let stdout = '';
      inside.stdout.on('data', (text) => {
        stdout += text;
      });
      const exitCode = await new Promise<number>((resolve) => inside.once('close', resolve));
      return { exitCode, stdout };
    },
    async fill(bytesLeft) {
      const file = await openFile(ballast, 'w');
      const page = Buffer.alloc(4_096, 1);
      try {
        for (;;) await file.write(page);
      } catch (error) {
        expect((error as { code: string }).code).toBe('ENOSPC');
      }
      const { size } = await file.stat();
      await file.truncate(Math.max(0, size - bytesLeft));
      await file.close();
    },
    makeRoom: () => rm(ballast),
  };
}

const putInto = (node: Pick<SmallNode, 'call'>, key: string, document: unknown) =>
  node.call('put', { collection: 'things', key, document }).then(
    () => 'written',
    ({ code }) => code as string,
  );
const getFrom = async (node: Pick<SmallNode, 'call'>, key: string) =>
  ((await node.call('get', { collection: 'things', key })) as { document?: unknown }).document;

describe('a full disk', () => {
  test('writes are refused with their code and leave nothing; reads continue; with room again everything continues', async () => {
    const node = await startOnSmallDisk(8);
    expect(await putInto(node, 'before', 'kept')).toBe('written');
    await node.fill(0);
    const text = 'x'.repeat(2_000);
    const answers = new Map<string, string>();
    for (let round = 0; round < 20; round++) {
      const keys = Array.from({ length: 20 }, (_, index) => `k${round}-${index}`);
      const outcomes = await Promise.all(keys.map((key) => putInto(node, key, text)));
      for (const [index, key] of keys.entries()) answers.set(key, outcomes[index] as string);
    }
    expect(new Set(answers.values())).toContain('diskFull');
    expect([...new Set(answers.values())].filter((answer) => answer !== 'written')).toEqual(['diskFull']);
    // Refused writes are not there, and acknowledged ones are.
    for (const [key, answer] of answers) {
      expect([key, await getFrom(node, key)]).toEqual([key, answer === 'written' ? text : undefined]);
    }
    expect(await getFrom(node, 'before')).toBe('kept');
    expect(await node.call('status')).toMatchObject({ state: 'running' });
    const { exitCode, stdout } = await node.run('doctor', '--json');
    const disk = stdout.split('\n').find((line) => line.includes('"check":"disk"')) ?? '{}';
    expect([exitCode, JSON.parse(disk)]).toMatchObject([6, { state: 'failed', code: 'diskFull' }]);
    await node.makeRoom();
    expect(await putInto(node, 'after', 'room')).toBe('written');
    expect(await getFrom(node, 'after')).toBe('room');
  });

  test('entries from a peer meanwhile -> are not lost: they arrive when there is room', async () => {
    const peer = await startNode({ nodeId: 'peer', discovery: false });
    const known = [{ nodeId: 'peer', address: `127.0.0.1:${peer.port}` }];
    const node = await startOnSmallDisk(8, { knownPeers: known, syncIntervalMs: 200, heartbeatIntervalMs: 200 });
    await until(async () => {
      const peers = (await node.call('peers')) as { state: string }[];
      return peers.some(({ state }) => state === 'connected') || undefined;
    });
    await node.fill(0);
    const lines = Array.from({ length: 500 }, (_, index) =>
      JSON.stringify({ key: `k${index}`, document: 'x'.repeat(4_000) }),
    );
    await peer.run(['import', 'things', '-'], { input: `${lines.join('\n')}\n` });
    const waiting = async () => {
      const [to] = jsonLines((await peer.run(['peers', '--json'])).stdout);
      return to;
    };
    await until(async () => (await waiting())?.isCaughtUp === false || undefined, 'the peer waits');
    expect(await waiting()).toMatchObject({ state: 'connected' });
    await node.makeRoom();
    await until(async () => {
      const { count } = (await node.call('count', { collection: 'things' })) as { count: number };
      return count === 500 || undefined;
    }, 'it has followed');
    // Over the same session, which was never ended.
    expect(await waiting()).toMatchObject({ state: 'connected', attempt: 0 });
  });
});

describe('a directory that cannot be used', () => {
  const refusalOf = async (
    prefix: readonly string[],
    cwd: string,
  ): Promise<[number, { code: string; message: string }]> => {
    const [command = '', ...args] = [...prefix, process.execPath, main, 'start', '--json'];
    const child = spawn(command, args, { cwd });
    let stdout = '';
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    const exitCode = await new Promise<number>((resolve) => child.once('close', resolve));
    return [exitCode, JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}')];
  };
  const configured = async (dataDir = './data'): Promise<string> => {
    const cwd = await temporaryDirectory();
    const configuration = { nodeId: 'a', clusterKey, clusterSalt, dataDir, discoveryPort: ownPort() };
    await writeFile(join(cwd, 'statemesh.json'), JSON.stringify(configuration), { mode: 0o600 });
    return cwd;
  };

  test('mounted read-only -> databaseUnavailable, naming the file', async () => {
    const cwd = await configured();
    const mount = 'mkdir data && mount -t tmpfs -o ro tmpfs data && exec "$@"';
    const prefix = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-ec', mount, 'sh'];
    expect(await refusalOf(prefix, cwd)).toMatchObject([
      6,
      { code: 'databaseUnavailable', message: expect.stringMatching(/data\/a\.db: .*(EROFS|read-only)/) },
    ]);
  });

  test('no permission -> databaseUnavailable, naming the file', async () => {
    const cwd = await configured();
    const data = join(cwd, 'data');
    await mkdir(data);
    await chmod(data, 0o500);
    // In a user namespace without a mapping even root has no more rights than its user.
    expect(await refusalOf(['unshare', '--user'], cwd)).toMatchObject([
      6,
      { code: 'databaseUnavailable', message: expect.stringMatching(/data\/a\.db: .*(EACCES|permission)/) },
    ]);
    expect(await readdir(data)).toEqual([]);
  });

  test('below a file -> databaseUnavailable, naming the file', async () => {
    const cwd = await configured('./statemesh.json/data');
    expect(await refusalOf([], cwd)).toMatchObject([6, { code: 'databaseUnavailable' }]);
  });
});

describe('a database that is damaged while it is open', () => {
  test('reads that meet the damage -> databaseCorrupt, and the node reports it; afterwards all comes back from the peers', async () => {
    const settings = { discoveryPort: ownPort(), beaconIntervalMs: 200, syncIntervalMs: 400 };
    const [first, peer] = [await startNode(settings), await startNode({ ...settings, nodeId: 'node-b' })];
    // More than SQLite keeps in memory.
    const lines = Array.from({ length: 4_000 }, (_, index) =>
      JSON.stringify({ key: `k${index}`, document: { index, text: 'x'.repeat(1_500) } }),
    );
    await first.run(['import', 'things', '-'], { input: `${lines.join('\n')}\n` });
    const countAt = async (at: { run: typeof first.run }) =>
      Number((await at.run(['find', 'things', '--count'])).stdout);
    await until(async () => (await countAt(peer)) === 4_000 || undefined);
    // Pages that are still in the log would cover the damage.
    first.child.kill('SIGTERM');
    await first.exitCode;
    const node = await startNode(settings, { directory: first.directory });
    const path = join(node.directory, 'data', 'node-a.db');
    const file = await openFile(path, 'r+');
    const { size } = await file.stat();
    for (let at = 4 * 8_192; at < size; at += 3 * 8_192) await file.write(Buffer.alloc(8_192, 0x5a), 0, 8_192, at);
    await file.close();
    const found = await node.run(['find', 'things', '--json']);
    expect([found.exitCode, JSON.parse(found.stderr).code]).toEqual([6, 'databaseCorrupt']);
    node.child.kill('SIGTERM');
    expect(await node.exitCode).toBe(0);
    const doctor = await run(['doctor', '--json'], { cwd: node.directory });
    expect([doctor.exitCode, doctor.stdout]).toEqual([6, expect.stringContaining('restore --from-peers')]);
    const restored = await run(['restore', '--from-peers', '--json'], { cwd: node.directory });
    expect(JSON.parse(restored.stdout)).toMatchObject({ nodeId: 'node-a', setAside: `${path}.before-restore` });
    const again = await startNode(settings, { directory: node.directory });
    await until(async () => (await countAt(again)) === 4_000 || undefined, 'all has come back');
  });
});
