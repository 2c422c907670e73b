/** The command line of the inspector: live nodes, recorded traces, simulations. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import type { ServerMessage } from '../../src/inspector/wire.js';
import { eventsOf, open, run, startNode, temporaryDirectory, until } from './cli-fixture.js';

/** What the page receives, and the requests that it sends. */
function view(address: string) {
  const { origin, host, hash } = new URL(address);
  const socket = new WebSocket(`ws://${host}/records?${hash.slice(1)}`, { origin });
  const messages: ServerMessage[] = [];
  socket.on('message', (data) => messages.push(JSON.parse(String(data)) as ServerMessage));
  socket.on('error', () => {});
  const records = () => messages.flatMap((message) => (message.kind === 'records' ? message.records : []));
  return { socket, messages, records };
}

describe('start --inspect', () => {
  test('a free port -> its address is printed on request, and its page shows the actors of the node', async () => {
    const node = await startNode({ inspector: { port: 0 } });
    // The address admits everyone who has it, so it is printed on request only.
    expect(eventsOf(node)[0]).not.toHaveProperty('inspectorUrl');
    expect(JSON.parse((await node.run(['status', '--json'])).stdout)).not.toHaveProperty('inspectorUrl');
    const { stdout } = await node.run(['status', '--json', '--inspect-url']);
    const url = `${JSON.parse(stdout).inspectorUrl}`;
    const page = view(url);
    await until(
      () =>
        page.records().some((record) => record.type === '@xstate.actor' && record.name === 'membership') || undefined,
    );
    page.socket.terminate();
    expect((await (await fetch(url)).text()).toLowerCase()).toContain('<!doctype html>');
  });

  test('by option, with a trace -> the trace can be shown afterwards', async () => {
    const cwd = await temporaryDirectory();
    const options = ['--node-id', 'n', '--security', 'none', '--no-discovery', '--data-dir', join(cwd, 'data')];
    const node = open(
      ['start', '--json', '--inspect-url', ...options, '--inspect', '--inspect-trace', join(cwd, 'n.jsonl')],
      { cwd },
    );
    const running = await until(() => eventsOf(node)[0]);
    expect(running.inspectorUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#token=/);
    node.child.kill('SIGTERM');
    expect(await node.exitCode).toBe(0);
    const inspecting = open(['inspect', join(cwd, 'n.jsonl'), '--json'], { cwd });
    const serving = await until(() => eventsOf(inspecting)[0]);
    expect(serving).toMatchObject({ event: 'serving', records: expect.any(Number) });
    const page = view(`${serving.url}`);
    await until(() => page.messages.some(({ kind }) => kind === 'caughtUp') || undefined);
    expect(page.messages[0]).toMatchObject({ kind: 'hello', isLive: false, controls: [] });
    expect(page.records()).toHaveLength(Number(serving.records));
    inspecting.child.kill('SIGINT');
    expect(await inspecting.exitCode).toBe(0);
  });

  test('in the background, its output in a file -> its address is printed; its token only by status, or on request', async () => {
    const cwd = await temporaryDirectory();
    const options = ['--node-id', 'n', '--security', 'none', '--no-discovery', '--data-dir', join(cwd, 'data')];
    const node = open(['start', ...options, '--inspect'], { cwd });
    await until(() => node.stdout().includes('talk to it') || undefined);
    const [address] = /http:\/\/127\.0\.0\.1:\d+/.exec(node.stdout()) ?? [];
    expect(node.stdout()).not.toContain('token=');
    const status = ['status', '--data-dir', join(cwd, 'data')];
    const { stdout } = await run(status, { cwd });
    expect(stdout).toContain(`${address} (--inspect-url prints its token, too)`);
    expect(stdout).not.toContain('token=');
    expect((await run([...status, '--inspect-url'], { cwd })).stdout).toContain(`${address}/#token=`);
    node.child.kill('SIGTERM');
    await node.exitCode;
    const asked = open(['start', ...options, '--inspect', '--inspect-url'], { cwd });
    await until(() => asked.stdout().includes('talk to it') || undefined);
    expect(asked.stdout()).toMatch(/watch it +http:\/\/127\.0\.0\.1:\d+\/#token=/);
  });

  test.each(['here', '0x10', '1e3', '65536'])('--inspect %s, an invalid port -> refused, with advice', async (port) => {
    const { exitCode, stderr } = await run(['start', '--node-id', 'n', '--security', 'none', '--inspect', port]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('use a port')]);
  });
});

describe('inspect', () => {
  test.each([
    ['a file that is not there', undefined, 'ENOENT'],
    ['an empty file', '', 'no records'],
    ['another file', '{"name":"statemesh"}\n{}\n', 'line 1'],
    ['a text', 'hello\nworld\n', 'line 1'],
  ])('%s -> what is wrong with it', async (_, content, reason) => {
    const cwd = await temporaryDirectory();
    if (content !== undefined) await writeFile(join(cwd, 'trace'), content);
    const { exitCode, stderr, stdout } = await run(['inspect', 'trace'], { cwd });
    expect([exitCode, stderr, stdout]).toEqual([2, expect.stringContaining(reason), '']);
  });

  test('--json -> the code', async () => {
    const { stderr, exitCode } = await run(['inspect', 'nowhere', '--json']);
    expect([exitCode, JSON.parse(stderr)]).toEqual([2, expect.objectContaining({ code: 'traceInvalid' })]);
  });

  test('a cut last line, as a crash leaves it -> the rest is shown', async () => {
    const cwd = await temporaryDirectory();
    const line = '{"id":1,"node":"","atMs":0,"type":"statemesh.world","what":"x"}';
    await writeFile(join(cwd, 'trace'), `${line}\n${line}\n${line.slice(0, 20)}`);
    const inspecting = open(['inspect', 'trace', '--json'], { cwd });
    expect(await until(() => eventsOf(inspecting)[0])).toMatchObject({ records: 2 });
  });
});

describe('simulate --inspect', () => {
  test('one seed -> is played for viewers, who may send commands; Ctrl-C ends it', async () => {
    const simulating = open([
      'simulate',
      '--seed',
      '3',
      '--nodes',
      '3',
      '--seconds',
      '600',
      '--faults',
      'none',
      '--inspect',
      '--json',
    ]);
    const serving = await until(() => eventsOf(simulating)[0]);
    const page = view(`${serving.url}`);
    await until(() => page.messages[0]);
    expect(page.messages[0]).toMatchObject({
      kind: 'hello',
      isLive: true,
      controls: expect.arrayContaining(['partition', 'pace']),
    });
    const ask = async (control: object) => {
      const request = page.messages.length + 1_000;
      page.socket.send(JSON.stringify({ kind: 'control', request, control }));
      return until(() => page.messages.find((message) => message.kind === 'reply' && message.request === request));
    };
    expect(await ask({ name: 'pace', factor: 50 })).toMatchObject({ isDone: true });
    const node = await until(() => page.records().find(({ node }) => node.startsWith('node-'))?.node);
    await until(() => page.records().some(({ atMs }) => atMs > 3_000) || undefined);
    expect(await ask({ name: 'put', node, collection: 'things', key: 'k', document: 1 })).toMatchObject({
      isDone: true,
    });
    expect(await ask({ name: 'crash', node })).toMatchObject({ isDone: true });
    expect(await ask({ name: 'crash', node })).toMatchObject({ isDone: false });
    await until(
      () =>
        page.records().some((record) => record.type === 'statemesh.process' && record.what === 'ended') || undefined,
    );
    expect(await ask({ name: 'restart', node })).toMatchObject({ isDone: true });
    simulating.child.kill('SIGINT');
    expect(await simulating.exitCode).toBe(0);
  });

  test('many seeds -> refused: one must be chosen', async () => {
    const { exitCode, stderr } = await run(['simulate', '--inspect']);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('--seed')]);
  });
});
