/** `start --daemon-ready`, with systemd's own program and somebody who listens as systemd does; and `logs`. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from '@jest/globals';
import { clusterKey, clusterSalt, eventsOf, open, startNode, temporaryDirectory, until } from './cli-fixture.js';
import { ownPort } from './own-port.js';

const cleanups: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** Node.js has no Unix datagram sockets; Python, which building SQLite needs anyway, has. */
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
  test('under a service manager -> it hears when the node serves, and when it stops', async () => {
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

  test('nobody listens -> a warning, and the node serves', async () => {
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
    expect((await node.run(['logs', 'debug'])).stdout).toBe('The node logs at level debug now, not warn.\n');
    expect((await node.run(['logs', 'debug'])).stdout).toBe('The node logs at level debug already.\n');
    await node.run(['reconfigure', 'syncIntervalMs=777']);
    await until(() => node.stderr().length > quiet.length || undefined, 'it logs');
    const wrong = await node.run(['logs', 'loud']);
    expect([wrong.exitCode, wrong.stderr]).toEqual([2, expect.stringContaining('Allowed choices are trace, debug')]);
  });
});
