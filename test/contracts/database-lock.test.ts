/**
 * The lock of a database within one process: the content of its directory, and how a live holder is told from a dead
 * one.
 */
import { linkSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import { lockDatabase, lockPathOf, refuseLocked } from '../../src/store/database-lock.js';
import { doesAnybodyListen } from '../../src/store/socket-probe.js';
import { temporaryDirectory } from './store-temporary.js';

const directory = temporaryDirectory();
let files = 0;
const newPath = () => {
  files += 1;
  mkdirSync(join(directory, `${files}`));
  return join(directory, `${files}`, 'node.db');
};
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

function listenAt(path: string): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  servers.push(server);
  return new Promise((resolve) => server.listen(path, resolve));
}

describe('the lock', () => {
  test('taken and released -> its directory exists meanwhile, and is gone afterwards', () => {
    const path = newPath();
    const lock = lockDatabase(path);
    expect(readdirSync(lockPathOf(path)).sort()).toEqual(['1', 'holder.json']);
    expect(() => lockDatabase(path)).toThrow(expect.objectContaining({ code: 'databaseInUse' }));
    expect(() => refuseLocked(path)).toThrow(expect.objectContaining({ code: 'databaseInUse' }));
    lock.release();
    lock.release();
    refuseLocked(path);
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  test('its files are removed -> the next check restores them; another process has the lock by then -> databaseLost', () => {
    const path = newPath();
    const lock = lockDatabase(path);
    rmSync(lockPathOf(path), { recursive: true });
    expect([lock.check(), readdirSync(lockPathOf(path)).sort()]).toEqual([undefined, ['1', 'holder.json']]);
    rmSync(lockPathOf(path), { recursive: true });
    const other = lockDatabase(path);
    expect(lock.check()?.code).toBe('databaseLost');
    lock.release();
    expect(readdirSync(lockPathOf(path)).sort()).toEqual(['1', 'holder.json']);
    other.release();
  });

  test('left by a copy of the directory, by a crash, or by a user who puts files there -> can be taken', () => {
    const path = newPath();
    mkdirSync(lockPathOf(path));
    writeFileSync(join(lockPathOf(path), '7'), 'a file');
    writeFileSync(join(lockPathOf(path), 'notes'), 'mine');
    mkdirSync(join(lockPathOf(path), 'born-123456'));
    const lock = lockDatabase(path);
    expect(readdirSync(lockPathOf(path)).sort()).toEqual(['8', 'holder.json']);
    lock.release();
  });

  test('a number without a successor -> refused after `lockAttemptsMax` attempts, and its file stays', () => {
    const path = newPath();
    mkdirSync(lockPathOf(path));
    writeFileSync(join(lockPathOf(path), '9'.repeat(15)), '');
    expect(limits.lockAttemptsMax).toBeGreaterThan(1);
    expect(() => lockDatabase(path)).toThrow(expect.objectContaining({ code: 'databaseInUse' }));
    expect(readdirSync(lockPathOf(path))).toEqual(['9'.repeat(15)]);
  });

  test('a file in place of its directory -> databaseUnavailable with its name', () => {
    const path = newPath();
    writeFileSync(lockPathOf(path), 'mine');
    expect(() => lockDatabase(path)).toThrow(expect.objectContaining({ code: 'databaseUnavailable' }));
    expect(() => lockDatabase(path)).toThrow(/node\.lock/);
  });
});

describe('whether a process listens', () => {
  test('a listener, even in this waiting thread -> yes, long before `lockProbeTimeoutMs`', async () => {
    const path = join(newPath(), '..', 's');
    await listenAt(path);
    const startedMs = performance.now();
    expect(doesAnybodyListen(path)).toBe(true);
    expect(performance.now() - startedMs).toBeLessThan(limits.lockProbeTimeoutMs);
  });

  test('no listener, or no socket -> no', async () => {
    const path = join(newPath(), '..', 's');
    expect(doesAnybodyListen(path)).toBe(false);
    await listenAt(path);
    // Another name of the socket outlives its server, as after a crash.
    linkSync(path, `${path}2`);
    await new Promise((resolve) => servers.splice(0)[0]?.close(resolve));
    expect(doesAnybodyListen(`${path}2`)).toBe(false);
  });
});
