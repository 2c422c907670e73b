/** Which sockets the command line trusts, what it warns about, and what the audit log contains: over real processes. */
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { open, run, startNode, temporaryDirectory, until } from './cli-fixture.js';

const weak = 'password1234';

let foreign: Server | undefined;

afterEach(async () => {
  const server = foreign;
  foreign = undefined;
  if (server !== undefined) await new Promise((resolve) => server.close(resolve));
});

describe('a control socket that may belong to another user', () => {
  test('in a directory that others can write to -> controlForeign, and nothing is sent to it', async () => {
    const cwd = await temporaryDirectory();
    const heard: string[] = [];
    foreign = createServer((request, response) => {
      heard.push(request.url ?? '');
      response.end('{}');
    });
    await new Promise<void>((resolve) => foreign?.listen(join(cwd, 'control.sock'), resolve));
    await chmod(join(cwd, 'control.sock'), 0o600);
    await chmod(cwd, 0o777);
    const result = await run(['reconfigure', '--stdin', '--json', '--data-dir', cwd], {
      cwd,
      input: '{"clusterKey":"planted-key-0123"}',
    });
    expect([result.exitCode, JSON.parse(result.stderr)]).toMatchObject([1, { code: 'controlForeign' }]);
    expect(result.stderr).toContain('chmod 700');
    const doctor = await run(['doctor', '--node-id', 'a', '--security', 'none', '--data-dir', cwd], { cwd });
    expect([doctor.exitCode, doctor.stdout]).toEqual([1, expect.stringContaining('others can write to')]);
    expect(heard).toEqual([]);
  }, 60_000);
});

describe('a cluster key that is easy to guess', () => {
  test('start and doctor -> warn about it, without showing it; not about a drawn key', async () => {
    const cwd = await temporaryDirectory();
    const file = (clusterKey: string) =>
      writeFile(
        join(cwd, 'statemesh.json'),
        JSON.stringify({ nodeId: 'a', clusterKey, clusterSalt: 'test-salt', discovery: false }),
        { mode: 0o600 },
      );
    await file(weak);
    const doctor = await run(['doctor'], { cwd });
    expect([doctor.exitCode, doctor.stdout]).toEqual([0, expect.stringContaining('clusterKey is easy to guess')]);
    const node = open(['start', '--json'], { cwd });
    await until(() => node.stdout().includes('running') || undefined);
    expect(node.stderr()).toContain('clusterKey is easy to guess');
    node.child.kill('SIGTERM');
    await node.exitCode;
    expect(doctor.stdout + doctor.stderr + node.stdout() + node.stderr()).not.toContain(weak);
    await file('3q2-7wAtHv4mYk8sRzLb5nEc6gUj1xPd9oQfTiWuZaM');
    expect((await run(['doctor'], { cwd })).stdout).not.toContain('easy to guess');
  }, 60_000);
});

describe('the audit log', () => {
  test('by default -> among the logs; in a file of its own -> only there, and again after it was moved away', async () => {
    const first = await startNode({ discovery: false });
    await first.run(['put', 'things', 'k', '{"text":"planted-document"}']);
    await first.run(['add-static-peer', '--node-id', 'till-9', '--address', '127.0.0.1:9']);
    const called = (text: string) => text.split('\n').filter((line) => line.includes('"component":"audit"'));
    await until(() => called(first.stderr()).some((line) => line.includes('remotePeer.changed')) || undefined);
    expect(called(first.stderr()).map((line) => JSON.parse(line))).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ event: 'control.called', command: 'put', collection: 'things' }),
        expect.objectContaining({ event: 'control.called', command: 'addStaticPeer', nodeId: 'till-9' }),
        expect.objectContaining({ event: 'remotePeer.changed', nodeId: 'till-9', change: 'put', by: 'node-a' }),
      ]),
    );
    // A node that hears nobody leads a few seconds after its start. People get one line for one event.
    await until(() => first.stderr().includes('"event":"leadership.changed"') || undefined);
    const told = (await first.run(['logs'])).stdout.split('\n');
    expect(told.filter((line) => /leads|leadership/.test(line))).toEqual([expect.stringContaining('This node leads')]);
    expect(told.filter((line) => line.includes('Audit: control.called'))).toHaveLength(2);
    await first.run(['stop']);
    await first.exitCode;
    const audit = join(first.directory, 'audit.jsonl');
    const second = open(['start', '--json', '--audit-log', audit], { cwd: first.directory });
    await until(() => second.stdout().includes('running') || undefined);
    await first.run(['disable-peer', 'till-9']);
    const lines = async () => called(await readFile(audit, 'utf8').catch(() => ''));
    await until(async () => (await lines()).some((line) => line.includes('disablePeer')) || undefined);
    expect((await stat(audit)).mode & 0o777).toBe(0o600);
    await rm(audit);
    second.child.kill('SIGHUP');
    await until(async () => (await stat(audit).catch(() => undefined)) !== undefined || undefined);
    await first.run(['enable-peer', 'till-9']);
    await until(async () => (await lines()).some((line) => line.includes('enablePeer')) || undefined);
    expect(called(second.stderr())).toEqual([]);
    expect(`${await readFile(audit, 'utf8')}${first.stderr()}${second.stderr()}`).not.toContain('planted-document');
  }, 60_000);
});
