/** Strangers and misbehaving members, against a live node. */
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createNetwork } from '../../src/adapters/network.js';
import { pskClientOptions } from '../../src/adapters/tls-options.js';
import type { Author, Incarnation } from '../../src/core/author.js';
import { chainRun, chainStart } from '../../src/core/entry.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { Boot, CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { deriveClusterKeys, type PresharedKey } from '../../src/core/keys.js';
import { limits } from '../../src/core/limits.js';
import type { Connection, Network } from '../../src/ports/ports.js';
import { encodeFrame, FrameDecoder } from '../../src/wire/framing.js';
import { type Frame, protocolVersion } from '../../src/wire/messages.js';
import {
  clusterKey,
  clusterSalt,
  createFixture,
  type Fixture,
  isConnected,
  portOf,
  sessionsOf,
  type TestNode,
  until,
} from './cluster-fixture.js';

const host = '127.0.0.1';
let fixture: Fixture;
let node: TestNode;
let network: Network;
beforeEach(async () => {
  fixture = createFixture();
  network = createNetwork();
  node = await fixture.start('a', { discovery: false });
  await node.collection('things').put('k', 'untouched');
});
afterEach(async () => {
  await network.closeAll();
  await fixture.close();
});

/** Once: stretching a key takes time on purpose. */
const derived = deriveClusterKeys({ passphrase: clusterKey, salt: clusterSalt });

/** A member of the cluster for which the test speaks frames. */
interface Member {
  readonly heard: Frame[];
  readonly closed: () => boolean;
  send(frame: Frame): void;
  sendBytes(bytes: Uint8Array): void;
  close(): void;
}

async function member(): Promise<Member> {
  const { security } = await derived;
  const connection: Connection = await network.dial({
    host: '127.0.0.1',
    port: portOf(node),
    security,
    timeoutMs: 5_000,
    signal: new AbortController().signal,
  });
  const heard: Frame[] = [];
  let isClosed = false;
  const decoder = new FrameDecoder(limits.frameBytesMax);
  connection.attach({
    data: (bytes) => void heard.push(...decoder.push(bytes)),
    drained: () => {},
    closed: () => {
      isClosed = true;
    },
  });
  return {
    heard,
    closed: () => isClosed,
    send: (frame) => void connection.write(encodeFrame(frame)),
    sendBytes: (bytes) => void connection.write(bytes),
    close: () => connection.destroy(),
  };
}

const hello: Frame = {
  type: 'frame.handshakeRequest',
  token: undefined,
  version: protocolVersion,
  identity: { nodeId: 'mallory' as NodeId, boot: 'boot' as Boot, port: 0 },
};
const author: Author = { nodeId: 'mallory' as NodeId, incarnation: 'i' as Incarnation, scope: 'shared' };

function batchOf(sequence: number, changes: { hlc?: number; payload?: string } = {}): Frame {
  const entry = {
    hlc: (changes.hlc ?? 1) as Hlc,
    collection: 'things' as CollectionName,
    key: 'k' as DocumentKey,
    operation: 'put' as const,
    payload: changes.payload ?? '"overwritten"',
  };
  return { type: 'frame.batch', sequence, runs: [chainRun(author, chainStart, [entry])] };
}

/** Through the handshake to where data may flow. */
async function admitted(): Promise<Member> {
  const other = await member();
  other.send(hello);
  await until('the response', () => other.heard.some(({ type }) => type === 'frame.handshakeResponse'));
  other.send({ type: 'frame.vectorClock', clock: new Map(), received: 0 });
  await until('the clock', () => other.heard.some(({ type }) => type === 'frame.vectorClock'));
  return other;
}

async function expectUntouched(): Promise<void> {
  expect(await node.collection('things').get('k')).toBe('untouched');
  expect(node.state).toBe('running');
  await until('no session is left', () => sessionsOf(node) === 0);
}

describe('a stranger without the key', () => {
  it('plain bytes -> is refused, and reported once', async () => {
    for (const greeting of ['GET / HTTP/1.1\r\n\r\n', '\0'.repeat(1_000)]) {
      const socket = connect(portOf(node), '127.0.0.1');
      socket.on('error', () => {});
      socket.write(greeting);
      await new Promise((resolve) => socket.on('close', resolve));
    }
    expect(node.nodeEvents.filter(({ type }) => type === 'connection.refused').length).toBeGreaterThan(0);
    await expectUntouched();
  });

  it('says nothing at all -> is closed in time', async () => {
    const socket = connect(portOf(node), '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    const startedMs = performance.now();
    await new Promise((resolve) => socket.on('close', resolve));
    expect(performance.now() - startedMs).toBeLessThan(limits.handshakeTimeoutMs * 2);
    await expectUntouched();
  }, 60_000);
});

describe('a member that misbehaves', () => {
  it('connects and says nothing -> is closed in time', async () => {
    const other = await member();
    await until('the end', other.closed, limits.handshakeTimeoutMs * 2);
    await expectUntouched();
  }, 60_000);

  it.each<[string, Frame]>([
    ['data', batchOf(1)],
    ['a vector clock', { type: 'frame.vectorClock', clock: new Map(), received: 0 }],
    ['an acknowledgement', { type: 'frame.acknowledgement', sequence: 1 }],
  ])('%s before the handshake -> is closed, and nothing is applied', async (_, frame) => {
    const other = await member();
    other.send(frame);
    await until('the end', other.closed);
    expect(other.heard).toEqual([]);
    await expectUntouched();
  });

  it('data before the comparison -> is closed, and nothing is applied', async () => {
    const other = await member();
    other.send(hello);
    other.send(batchOf(1));
    await until('the end', other.closed);
    await expectUntouched();
  });

  it('a frame over the limit: before admission, after it, negative -> is closed before it is read', async () => {
    const header = (length: number) => {
      const bytes = new Uint8Array(6);
      new DataView(bytes.buffer).setInt32(0, length, true);
      bytes[4] = 34;
      return bytes;
    };
    const early = await member();
    early.sendBytes(header(limits.frameBytesBeforeAdmissionMax + 1));
    await until('the end', early.closed);
    for (const length of [limits.frameBytesMax + 1, -1]) {
      const late = await admitted();
      late.sendBytes(header(length));
      await until('the end', late.closed);
    }
    await expectUntouched();
  });

  it('more batches than the window -> is closed', async () => {
    const other = await admitted();
    const bytes = [1, 2, 3, 4, 5, 6].map((sequence) => encodeFrame({ type: 'frame.batch', sequence, runs: [] }));
    other.sendBytes(Buffer.concat(bytes));
    await until('the end', other.closed);
    expect(other.heard.find(({ type }) => type === 'frame.goodbye')).toMatchObject({ code: 'windowExceeded' });
    await expectUntouched();
  });

  it('an altered payload under the right hash -> is not applied, and reported', async () => {
    const other = await admitted();
    const batch = batchOf(1, { hlc: 2 ** 45 });
    if (batch.type !== 'frame.batch') throw new Error('no batch');
    const runs = batch.runs.map((run) => ({
      ...run,
      entries: run.entries.map((entry) => ({ ...entry, payload: '"forged"' })),
    }));
    other.send({ ...batch, runs });
    await until('the report', () => node.nodeEvents.some(({ type }) => type === 'peer.diverged'));
    expect(await node.collection('things').get('k')).toBe('untouched');
  });

  it('a payload that is not JSON -> is kept unchanged, and reads as absent', async () => {
    const other = await admitted();
    const soon = node.actor.getSnapshot().context.store?.clock().values().next().value?.hlc as number;
    other.send(batchOf(1, { hlc: soon + 4_096, payload: '{"broken' }));
    await until('the answer', () => other.heard.some(({ type }) => type === 'frame.acknowledgement'));
    expect(await node.collection('things').find()).toEqual([]);
    expect(node.state).toBe('running');
  });

  it('a flood of requests whose answers it does not read -> one answer waits for it, and other peers are served meanwhile', async () => {
    const friend = await fixture.start('b', {
      discovery: false,
      knownPeers: [{ nodeId: 'a', address: `127.0.0.1:${portOf(node)}` }],
    });
    await until('the friend is there', () => isConnected(node, 'b'));
    // Many authors make long answers.
    const other = await admitted();
    const runs = Array.from({ length: limits.batchRunsMax }, (_, index) => {
      const [one, entry] = [
        { ...author, incarnation: `i${index}` as Incarnation },
        { hlc: 1 as Hlc, payload: '1' },
      ];
      const names = { collection: 'flood' as CollectionName, key: `k${index}` as DocumentKey };
      return chainRun(one, chainStart, [{ ...entry, ...names, operation: 'put' }]);
    });
    other.send({ type: 'frame.batch', sequence: 1, runs });
    await until('the answer', () => other.heard.some(({ type }) => type === 'frame.acknowledgement'));
    other.close();
    const { security } = await derived;
    // A raw socket, because a Connection reads all that comes.
    const socket = connectTls({ ...pskClientOptions(security.keys[0] as PresharedKey), host, port: portOf(node) });
    socket.on('error', () => {});
    const heard: Frame[] = [];
    const decoder = new FrameDecoder(limits.frameBytesMax);
    socket.on('data', (bytes) => heard.push(...decoder.push(bytes)));
    socket.write(encodeFrame(hello));
    await until('it is let in', () => heard.length > 0);
    socket.pause();
    socket.write(encodeFrame({ type: 'frame.vectorClock', clock: new Map(), received: 0 }));
    const questions = Buffer.concat(Array(20).fill(encodeFrame({ type: 'frame.vectorClockRequest' })));
    let asked = 0;
    const flooding = until('all is asked', () => {
      socket.write(questions);
      asked += 20;
      return asked >= 6_000;
    });
    await until('it has begun', () => asked > 200);
    await node.collection('things').put('during', 'the flood');
    await until('the friend hears', async () => (await friend.collection('things').get('during')) === 'the flood');
    await flooding;
    expect([node.state, isConnected(node, 'b')]).toEqual(['running', true]);
    // The data that the network has accepted meanwhile arrives, and little more.
    const answers = () => heard.filter(({ type }) => type === 'frame.vectorClock').length;
    socket.resume();
    await until('there are answers', () => answers() > 1);
    await node.collection('things').put('after', 'the flood');
    await until('the friend hears', async () => (await friend.collection('things').get('after')) === 'the flood');
    expect(answers()).toBeLessThan(asked / 4);
    socket.destroy();
  });

  it('the same batch again, also on another connection -> is answered, and applied once', async () => {
    const soon = node.actor.getSnapshot().context.store?.clock().values().next().value?.hlc as number;
    const before = await node.status();
    for (let count = 0; count < 3; count++) {
      const other = await admitted();
      other.send(batchOf(1, { hlc: soon + 4_096 }));
      await until('the answer', () => other.heard.some(({ type }) => type === 'frame.acknowledgement'));
      other.close();
    }
    expect((await node.status()).store?.entries).toBe((before.store?.entries ?? 0) + 1);
    expect(await node.collection('things').get('k')).toBe('overwritten');
  });

  it('a peer that answers with garbage each time -> is dialed at growing intervals', async () => {
    const { security } = await derived;
    const dialedMs: number[] = [];
    const listening = await network.listen({
      host: '127.0.0.1',
      port: 0,
      security,
      limits,
      handshakeTimeoutMs: 5_000,
      accepted: (connection) => {
        dialedMs.push(performance.now());
        connection.write(Buffer.alloc(64, 0xff));
      },
      refused: () => {},
    });
    const address = `127.0.0.1:${listening.port}`;
    await node.reconfigure({ knownPeers: [{ nodeId: 'mallory', address }] });
    await until('six attempts', () => dialedMs.length >= 6);
    const steps = dialedMs.slice(1).map((atMs, index) => atMs - (dialedMs[index] as number));
    const [first, last] = [steps[0], steps.at(-1)] as [number, number];
    expect(last).toBeGreaterThan(2 * first);
    expect(node.peers.find(({ nodeId }) => nodeId === 'mallory')).toMatchObject({
      lastFailure: { code: expect.stringMatching(/^frame/) },
    });
  });

  it('attacks without end, under ever new names -> the memory of the node does not grow with them', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const usedAfter = async (attacks: number): Promise<number> => {
      for (let count = 0; count < attacks; count++) {
        const other = await member();
        const nodeId = `m-${performance.now()}` as NodeId;
        if (hello.type === 'frame.handshakeRequest') other.send({ ...hello, identity: { ...hello.identity, nodeId } });
        if (count % 2 === 0) other.sendBytes(Buffer.alloc(2_000, count));
        else await until('the response', () => other.heard.length > 0);
        other.close();
      }
      await until('no session is left', () => sessionsOf(node) === 0);
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    // The first ones fill the bounded tables, above all the table of peers.
    const before = await usedAfter(2 * limits.peersMax);
    const after = await usedAfter(2 * limits.peersMax);
    expect(after - before).toBeLessThan(4 * 1024 * 1024);
    expect(node.peers.length).toBeLessThanOrEqual(limits.peersMax);
  }, 60_000);

  it('connects repeatedly without sending -> others are served nevertheless', async () => {
    const silent = await Promise.all(Array.from({ length: 20 }, member));
    const other = await admitted();
    expect(other.closed()).toBe(false);
    expect(silent.every((each) => !each.closed())).toBe(true);
  });
});
