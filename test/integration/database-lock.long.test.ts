/**
 * The lock of a database: one holder among processes, threads, copies of the package and namespaces, with real ones.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from '@jest/globals';
import { run, until } from './cli-fixture.js';

/** The modules before they are bundled: the store alone is not part of the public API. */
const modules = join(process.cwd(), 'build', 'modules');
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function newPath(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'statemesh-lock-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  return join(directory, 'data', 'node-a.db');
}

/**
 * A process that opens a database on request, in its main thread, in another thread, or through another copy of the
 * package.
 */
interface Holder {
  readonly child: ChildProcess;
  /** @returns `open`, `done`, or the code of the error */
  tell(
    command: 'open' | 'close' | 'put' | 'read' | 'block' | 'thread' | 'endThread' | 'copy',
    copy?: string,
  ): Promise<string>;
}

const program = `
  const { readFileSync, readdirSync } = require('node:fs');
  const { dirname, join } = require('node:path');
  const { Worker } = require('node:worker_threads');
  const [path, dist] = process.argv.slice(1);
  const opening = \`
    const { path, dist } = require('node:worker_threads').workerData;
    const { parentPort } = require('node:worker_threads');
    const load = (name) => import(dist + '/' + name + '.js');
    Promise.all([load('store/sqlite-store'), load('adapters/time'), load('adapters/randomness')])
      .then(([{ openSqliteStore }, { systemTime }, { systemRandomness }]) =>
        openSqliteStore({ path, nodeId: 'node-a', time: systemTime(), randomness: systemRandomness() }))
      .then((store) => { globalThis.store = store; parentPort.postMessage('open'); parentPort.on('message', () => {}); },
        ({ code }) => parentPort.postMessage(code));\`;
  const open = async (from) => {
    const load = (name) => import(from + '/' + name + '.js');
    const { openSqliteStore } = await load('store/sqlite-store');
    const { systemTime } = await load('adapters/time');
    const { systemRandomness } = await load('adapters/randomness');
    return openSqliteStore({ path, nodeId: 'node-a', time: systemTime(), randomness: systemRandomness() });
  };
  let store, thread;
  const commands = {
    open: async () => { store = await open(dist); return 'open'; },
    copy: async (copy) => { store = await open(copy); return 'open'; },
    close: async () => { await store.close(); return 'done'; },
    put: async () => { await store.write([{ kind: 'put', collection: 'c', key: 'k', payload: '1' }]); return 'done'; },
    read: async () => {
      const read = (directory) => {
        for (const entry of readdirSync(directory, { withFileTypes: true })) {
          const name = join(directory, entry.name);
          try { entry.isDirectory() ? read(name) : readFileSync(name); } catch { /* A socket. */ }
        }
      };
      read(dirname(path));
      store.health.check();
      return 'done';
    },
    block: async () => { setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)); return 'done'; },
    thread: () => new Promise((resolve, reject) => {
      thread = new Worker(opening, { eval: true, workerData: { path, dist } });
      thread.once('message', resolve).once('error', reject);
    }),
    endThread: async () => { await thread.terminate(); return 'done'; },
  };
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const [command, argument] = line.split(' ');
    commands[command](argument).then((said) => console.log(said), (error) => console.log(error.code ?? error.message));
  });
  console.log('ready');
`;

async function startHolder(path: string, prefix: readonly string[] = []): Promise<Holder> {
  const [command = '', ...args] = [...prefix, process.execPath, '-e', program, path, modules];
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = new Promise((resolve) => child.once('close', resolve));
  cleanups.push(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => String((await lines.next()).value);
  expect(await next()).toBe('ready');
  return {
    child,
    tell: (what, copy = '') => {
      child.stdin.write(`${what} ${copy}\n`);
      return next();
    },
  };
}

async function kill({ child }: Holder): Promise<void> {
  const gone = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** Another copy of the build, with a copy of the native module, as a second bundle has it. */
async function copyOfPackage(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'statemesh-copy-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const packages = join(process.cwd(), 'node_modules');
  mkdirSync(join(directory, 'node_modules'));
  for (const name of readdirSync(packages)) {
    if (name !== 'better-sqlite3') symlinkSync(join(packages, name), join(directory, 'node_modules', name));
  }
  cpSync(join(packages, 'better-sqlite3'), join(directory, 'node_modules', 'better-sqlite3'), { recursive: true });
  cpSync(join(process.cwd(), 'package.json'), join(directory, 'package.json'));
  cpSync(modules, join(directory, 'modules'), { recursive: true });
  return join(directory, 'modules');
}

describe('the lock of a database', () => {
  test('another process, thread or copy of the package -> is refused, and so is the next process', async () => {
    const path = await newPath();
    const copy = await copyOfPackage();
    const [holder, other] = [await startHolder(path), await startHolder(path)];
    expect(await holder.tell('open')).toBe('open');
    expect(await other.tell('open')).toBe('databaseInUse');
    // The refusal here must not release the lock there.
    expect(await holder.tell('thread')).toBe('databaseInUse');
    expect(await holder.tell('copy', copy)).toBe('databaseInUse');
    expect(await other.tell('open')).toBe('databaseInUse');
    expect(await holder.tell('put')).toBe('done');
    expect(await holder.tell('close')).toBe('done');
    expect(readdirSync(join(path, '..'))).toEqual(['node-a.db']);
    expect(await other.tell('copy', copy)).toBe('open');
  });

  test('a thread has it -> the main thread and other processes are refused; the thread is ended -> they are not', async () => {
    const path = await newPath();
    const [holder, other] = [await startHolder(path), await startHolder(path)];
    expect(await holder.tell('thread')).toBe('open');
    expect([await holder.tell('open'), await other.tell('open')]).toEqual(['databaseInUse', 'databaseInUse']);
    expect(await holder.tell('endThread')).toBe('done');
    expect(await other.tell('open')).toBe('open');
  });

  test('the holder reads its files, including the lock, as any program may -> others are still refused', async () => {
    const path = await newPath();
    const [holder, other] = [await startHolder(path), await startHolder(path)];
    await holder.tell('open');
    expect([await holder.tell('read'), await other.tell('open')]).toEqual(['done', 'databaseInUse']);
    expect(await holder.tell('put')).toBe('done');
  });

  test('the holder is killed -> the next one opens it at once', async () => {
    const path = await newPath();
    const [holder, other] = [await startHolder(path), await startHolder(path)];
    await holder.tell('open');
    await kill(holder);
    expect(await other.tell('open')).toBe('open');
  });

  test('the holder is stopped, or busy without end -> it counts as alive', async () => {
    const path = await newPath();
    const [holder, other] = [await startHolder(path), await startHolder(path)];
    await holder.tell('open');
    holder.child.kill('SIGSTOP');
    expect(await other.tell('open')).toBe('databaseInUse');
    holder.child.kill('SIGCONT');
    expect(await holder.tell('block')).toBe('done');
    expect(await other.tell('open')).toBe('databaseInUse');
  });

  test('other namespaces of processes and networks, as containers have -> the same lock', async () => {
    const path = await newPath();
    const apart = ['unshare', '--user', '--map-root-user', '--net', '--pid', '--fork'];
    const [outside, inside] = [await startHolder(path), await startHolder(path, [...apart, '--kill-child'])];
    expect([await outside.tell('open'), await inside.tell('open')]).toEqual(['open', 'databaseInUse']);
    await outside.tell('close');
    expect([await inside.tell('open'), await outside.tell('open')]).toEqual(['open', 'databaseInUse']);
    await kill(inside);
    await until(async () => (await outside.tell('open')) === 'open' || undefined);
  });

  test('two open it at the same time, 50 times, free or left by an ended process -> exactly one has it', async () => {
    const path = await newPath();
    const takers = [await startHolder(path), await startHolder(path)];
    const former = await startHolder(path);
    for (let round = 1; round <= 50; round += 1) {
      if (round % 5 === 0) {
        expect(await former.tell('thread')).toBe('open');
        await former.tell('endThread');
      }
      const said = await Promise.all(takers.map((taker) => taker.tell('open')));
      expect([round, ...[...said].sort()]).toEqual([round, 'databaseInUse', 'open']);
      await takers[said.indexOf('open')]?.tell('close');
    }
  }, 120_000);

  test('the lock is deleted -> others are still refused, and the holder restores it at its next check', async () => {
    const path = await newPath();
    const [holder, other] = [await startHolder(path), await startHolder(path)];
    await holder.tell('open');
    const lock = join(path, '..', 'node-a.lock');
    rmSync(lock, { recursive: true });
    expect(await holder.tell('thread')).toBe('databaseInUse');
    expect(await other.tell('open')).toBe('databaseInUse');
    rmSync(lock, { recursive: true, force: true });
    await holder.tell('read');
    expect(readdirSync(lock).sort()).toEqual(['1', 'holder.json']);
    expect(await holder.tell('put')).toBe('done');
  });

  test('tools that open the file -> are refused while it is held', async () => {
    const path = await newPath();
    const holder = await startHolder(path);
    await holder.tell('open');
    const dataDir = join(path, '..');
    const restore = ['restore', '--from-peers', '--node-id', 'node-a', '--data-dir', dataDir];
    const doctor = ['doctor', '--node-id', 'node-a', '--data-dir', dataDir, '--json'];
    const env = { STATEMESH_CLUSTER_KEY: 'a test key that nobody else uses', STATEMESH_CLUSTER_SALT: 'test-salt' };
    expect((await run(restore)).exitCode).toBe(5);
    expect((await run(doctor, { env })).stdout).toContain('"code":"databaseInUse"');
    expect(await holder.tell('put')).toBe('done');
  });
});
