/**
 * Nodes with a heap of 256 MB and more documents than fit in it: with every request and every input, they live, answer
 * `status`, and lose nothing.
 */
import { readFile, rm, stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createNetwork } from '../../src/adapters/network.js';
import { callControl, streamControl } from '../../src/control/client.js';
import { controlSocketPath } from '../../src/control/protocol.js';
import type { AuthorKey } from '../../src/core/author.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { Boot, NodeId } from '../../src/core/ids.js';
import { deriveClusterKeys } from '../../src/core/keys.js';
import { limits } from '../../src/core/limits.js';
import { payloadBytesMaxOf } from '../../src/wire/codec.js';
import { encodeFrame, FrameDecoder } from '../../src/wire/framing.js';
import { type Frame, protocolVersion } from '../../src/wire/messages.js';
import { clusterKey, clusterSalt, type StartedNode, startNode, temporaryDirectory, until } from './cli-fixture.js';
import { ownPort } from './own-port.js';

const env = { NODE_OPTIONS: '--max-old-space-size=256' };
/** Heap, the database's pages, and bytes of frames and answers in flight. */
const residentBytesMax = 640 * 1024 * 1024;
const small = { count: 10_000, length: 3_000 };
const large = { count: 30, length: 4_000_000 };
const count = small.count + large.count;
const largeEvery = Math.floor(count / large.count);
const network = createNetwork();
const sockets: Socket[] = [];
let node: StartedNode;
let directory: string;
let socketPath: string;
const discoveryPort = ownPort();

function* lines(): Generator<string> {
  for (let index = 0; index < count; index += 1) {
    const length = index % largeEvery === largeEvery - 1 ? large.length : small.length;
    yield `${JSON.stringify({ key: `k${index}`, document: { index, text: 'x'.repeat(length) } })}\n`;
  }
}

async function* asStream(): AsyncGenerator<string> {
  yield* lines();
}

async function countOf(stream: AsyncIterable<unknown>): Promise<number> {
  let items = 0;
  for await (const _ of stream) items += 1;
  return items;
}

/** Watches past and new entries, until all have come. */
async function untilSeen(path: string): Promise<void> {
  let seen = 0;
  for await (const _ of streamControl(path, 'changes', { body: { collection: 'big', since: 0 } })) {
    seen += 1;
    if (seen === count) return;
  }
}

async function expectWell(started: StartedNode = node): Promise<void> {
  const path = controlSocketPath(join(started.directory, 'data'));
  expect(await callControl(path, 'status')).toMatchObject({ state: 'running' });
  expect(await callControl(path, 'count', { collection: 'big' })).toEqual({ count });
  const text = await readFile(`/proc/${started.child.pid}/status`, 'utf8');
  const peakKiB = Number(/VmHWM:\s+(\d+) kB/.exec(text)?.[1]);
  expect(peakKiB * 1024).toBeLessThan(residentBytesMax);
}

/** Requests a stream, and never reads it. */
async function unread(command: string, body: object): Promise<void> {
  const socket = connect(socketPath).pause();
  socket.on('error', () => {});
  sockets.push(socket);
  const text = JSON.stringify(body);
  socket.write(`POST /v1/${command} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`);
  socket.write(`content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
}

/** Once: stretching a key takes time on purpose. */
const derived = deriveClusterKeys({ passphrase: clusterKey, salt: clusterSalt });

/** An admitted member, under the control of the test. */
async function member(index: number) {
  const { security } = await derived;
  const connection = await network.dial({
    host: '127.0.0.1',
    port: node.port,
    security,
    timeoutMs: 10_000,
    signal: new AbortController().signal,
  });
  const heard: Frame[] = [];
  const decoder = new FrameDecoder(limits.frameBytesMax);
  connection.attach({ data: (bytes) => void heard.push(...decoder.push(bytes)), drained: () => {}, closed: () => {} });
  const send = (frame: Frame) => void connection.write(encodeFrame(frame));
  const identity = { nodeId: `mallory-${index}` as NodeId, boot: 'boot' as Boot, port: 0 };
  send({ type: 'frame.handshakeRequest', token: undefined, version: protocolVersion, identity });
  await until(() => heard.some(({ type }) => type === 'frame.handshakeResponse') || undefined);
  return connection;
}

function header(number: number, length: number): Uint8Array {
  const bytes = Buffer.alloc(6);
  bytes.writeInt32LE(length);
  bytes[4] = number;
  return bytes;
}

describe('a node with a heap of 256 MB', () => {
  beforeAll(async () => {
    directory = await temporaryDirectory({ keep: true });
    node = await startNode({ discoveryPort }, { keep: true, directory, env });
    socketPath = controlSocketPath(join(node.directory, 'data'));
  }, 100_000);

  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await network.closeAll();
    node?.child.kill('SIGKILL');
    await node?.exitCode;
    await rm(directory, { recursive: true, force: true });
  });

  test('import, find, export, watch and backup of more than fits in it -> all of it, and the node lives', async () => {
    const imported = streamControl(socketPath, 'import', { lines: asStream(), parameters: { collection: 'big' } });
    let last: unknown;
    for await (const item of imported) last = item;
    expect(last).toEqual({ written: count, done: true });
    await expectWell();
    const asked = { body: { collection: 'big' } };
    expect(await countOf(streamControl(socketPath, 'find', asked))).toBe(count);
    const ordered = { body: { ...asked.body, orderBy: [{ field: 'index', descending: true }] } };
    expect(await countOf(streamControl(socketPath, 'find', ordered))).toBe(count);
    expect(await countOf(streamControl(socketPath, 'export', asked))).toBe(count);
    await untilSeen(socketPath);
    const file = join(node.directory, 'copy.db');
    await countOf(streamControl(socketPath, 'backup', { body: { file } }));
    expect((await stat(file)).size).toBeGreaterThan(100 * 1024 * 1024);
    const found = await node.run(['find', 'big', '--where', '{"index":{"$lt":100}}', '--json'], { env });
    expect(found.stdout.trim().split('\n')).toHaveLength(100);
    await expectWell();
  }, 240_000);

  test('60 finds and 300 unread streams -> status is answered all the while, and memory does not grow with them', async () => {
    for (let index = 0; index < 60; index += 1) await unread('find', { collection: 'big' });
    await expectWell();
    for (let index = 0; index < 300; index += 1) await unread('changes', { since: 0 });
    await expectWell();
    for (const socket of sockets.splice(0)) socket.destroy();
    expect(await countOf(streamControl(socketPath, 'find', { body: { collection: 'big', limit: 10 } }))).toBe(10);
  }, 120_000);

  test('members that send large, endless or unfinished data -> the node continues', async () => {
    const batch = 34;
    const heartbeat = 36;
    const frame = Buffer.concat([header(batch, payloadBytesMaxOf(batch)), Buffer.alloc(payloadBytesMaxOf(batch) - 1)]);
    for (let index = 0; index < 24; index += 1) (await member(index)).write(frame);
    await expectWell();
    (await member(100)).write(Buffer.concat([header(heartbeat, limits.frameBytesMax), Buffer.alloc(100)]));
    const elements = Buffer.alloc(4 * 1024 * 1024, Buffer.of((3 << 3) | 2, 0));
    for (let index = 0; index < 3; index += 1) {
      (await member(200 + index)).write(Buffer.concat([header(batch, elements.length), elements]));
    }
    const ping = encodeFrame({ type: 'frame.ping' });
    (await member(300)).write(Buffer.alloc(100_000 * ping.length, ping));
    await expectWell();
    const positions = Array.from(
      { length: limits.authorsPerClockMax },
      (_, index) =>
        [`m/i${index}/shared` as AuthorKey, { hlc: 1 as Hlc, hash: 'h'.repeat(limits.hashLengthMax) }] as const,
    );
    const clock = encodeFrame({ type: 'frame.vectorClock', clock: positions, received: 0 });
    for (let index = 0; index < 24; index += 1) (await member(400 + index)).write(clock);
    await expectWell();
    await network.closeAll();
  }, 120_000);

  test('a second node as small -> gets all of it', async () => {
    const other = await startNode({ nodeId: 'node-b', discoveryPort }, { env });
    const path = controlSocketPath(join(other.directory, 'data'));
    const digestOf = async (at: string) => (await callControl(at, 'digest', { scope: 'shared' })) as { digest: string };
    const expected = await digestOf(socketPath);
    await untilSeen(path);
    expect(await digestOf(path)).toEqual(expected);
    await expectWell(other);
    await expectWell();
  }, 240_000);
});
