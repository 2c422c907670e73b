/** `start --daemon-ready`, with systemd's own program and a listener like systemd; and `logs`. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from '@jest/globals';
import { callControl } from '../../src/control/client.js';
import { clusterKey, clusterSalt, eventsOf, open, startNode, temporaryDirectory, until } from './cli-fixture.js';
import { ownPort } from './own-port.js';

const cleanups: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** Node.js has no Unix datagram sockets; Python has, and building SQLite needs it anyway. */
const listener = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('listening', flush=True)
while True:
    print(' '.join(s.recv(4096).decode().split('\\n')), flush=True)
`;

async function listen(path: string): Promise<readonly string[]> {
  const child = spawn('python3', ['-c', listener, path]);
  cleanups.push(() => child.kill('SIGKILL'));
  const heard: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => heard.push(line));
  await until(() => heard.shift() === 'listening' || undefined);
  return heard;
}

async function configured(): Promise<string> {
  const cwd = await temporaryDirectory();
  const configuration = { nodeId: 'node-a', clusterKey, clusterSalt, discoveryPort: ownPort() };
  await writeFile(join(cwd, 'statemesh.json'), JSON.stringify(configuration), { mode: 0o600 });
  return cwd;
}

describe('start --daemon-ready', () => {
  test('under a service manager -> the manager learns when the node serves, and when it stops', async () => {
    const cwd = await configured();
    const path = join(cwd, 'notify');
    const heard = await listen(path);
    const node = open(['start', '--json', '--daemon-ready'], { cwd, env: { NOTIFY_SOCKET: path } });
    await until(() => heard.some((message) => message.includes('READY=1')) || undefined, 'ready');
    const [ready] = heard.filter((message) => message.includes('READY=1'));
    expect(ready).toContain('STATUS=Node node-a serves.');
    expect(ready).toContain(`MAINPID=${node.child.pid}`);
    expect(eventsOf(node)[0]).toMatchObject({ event: 'running' });
    node.child.kill('SIGTERM');
    await until(() => heard.some((message) => message.includes('STOPPING=1')) || undefined, 'stopping');
    expect(await node.exitCode).toBe(0);
  });

  test('no listener -> a warning, and the node serves', async () => {
    const cwd = await configured();
    const node = open(['start', '--json', '--daemon-ready'], { cwd });
    expect(await until(() => eventsOf(node)[0])).toMatchObject({ event: 'running' });
    expect(node.stderr()).toContain('NOTIFY_SOCKET is not set');
  });
});

describe('logs', () => {
  test('a level -> the node logs more from then on, or less', async () => {
    const node = await startNode({ logLevel: 'warn' });
    const quiet = node.stderr();
    expect((await node.run(['logs', 'debug'])).stdout).toBe('The node now logs at level debug, not warn.\n');
    expect((await node.run(['logs', 'debug'])).stdout).toBe('The node logs at level debug already.\n');
    await node.run(['reconfigure', 'syncIntervalMs=777']);
    await until(() => node.stderr().length > quiet.length || undefined, 'it logs');
    const wrong = await node.run(['logs', 'loud']);
    expect([wrong.exitCode, wrong.stderr]).toEqual([2, expect.stringContaining('Allowed choices are trace, debug')]);
  });

  test('without a level -> the last lines, wherever standard error goes', async () => {
    const node = await startNode();
    const { stdout, exitCode } = await node.run(['logs', '--lines', '1']);
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^\S+Z INFO {2}[^\n]+\n$/)]);
    const { stdout: all } = await node.run(['logs', '--json', '--lines', '1000']);
    const lines = all
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ message }) => message)).toContain('Node running.');
    expect(await node.run(['logs', '--lines', 'all'])).toMatchObject({ exitCode: 2 });
    expect((await node.run(['logs', '--lines', '0'])).stdout).toBe('');
  });

  test('--follow -> also new lines, until the node stops gracefully', async () => {
    const node = await startNode({ logLevel: 'warn' });
    const following = open(['logs', 'info', '--follow'], { cwd: node.directory });
    await until(() => following.stdout().includes('now logs at level info') || undefined);
    await node.run(['reconfigure', 'syncIntervalMs=777']);
    await until(() => following.stdout().includes('syncIntervalMs') || undefined, 'the line');
    await node.run(['stop']);
    expect(await following.exitCode).toBe(0);
    expect(following.stdout()).toContain('Node stopping.');
    expect(await node.run(['logs'])).toMatchObject({ exitCode: 3 });
  });
});

describe('start, and what becomes of its output', () => {
  /** A node whose shell has redirected its output. */
  async function redirected(redirection: string): Promise<{ socketPath: string; child: ChildProcess }> {
    const cwd = await configured();
    execFileSync('mkfifo', [join(cwd, 'pipe')]);
    const command = `${process.execPath} ${join(process.cwd(), 'dist/cli/main.js')} start --json`;
    const child = spawn('sh', ['-c', `sleep 60 < pipe & exec ${command} ${redirection}`], { cwd, stdio: 'ignore' });
    cleanups.push(() => child.kill('SIGKILL'));
    const socketPath = join(cwd, 'data', 'control.sock');
    await until(() => callControl(socketPath, 'status').catch(() => undefined));
    return { socketPath, child };
  }

  test.each([
    ['standard error is on a disk that is full', '2> /dev/full 3> pipe'],
    ['standard output is on a disk that is full', '> /dev/full 3> pipe'],
    ['nobody reads the log, and the pipe is full', '2> pipe'],
    ['both are closed', '>&- 2>&- 3> pipe'],
  ])('%s -> it continues to serve, and stops gracefully', async (_, redirection) => {
    const { socketPath, child } = await redirected(redirection);
    const exitCode = new Promise((resolve) => child.once('exit', resolve));
    // Each is logged; 400 are more than a pipe holds.
    const times = redirection === '2> pipe' ? 400 : 10;
    for (let index = 0; index < times; index += 1) {
      await callControl(socketPath, 'reconfigure', { partial: { heartbeatIntervalMs: 1_000 + (index % 2) } });
    }
    child.kill('SIGTERM');
    expect(await exitCode).toBe(0);
  });
});
