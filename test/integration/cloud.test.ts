/** Clusters and cloud nodes over real sockets, TLS, and a real OAuth2 authority. */
import { createSocket } from 'node:dgram';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Configured } from '../../src/configuration/configured.js';
import type { NodeEvent, StatemeshNode } from '../../src/index.js';
import { type CloudFixture, createCloud } from './cloud-fixture.js';
import {
  createFixture,
  type Fixture,
  portOf,
  type TestNode,
  until,
  untilConverged,
  untilMeshed,
} from './cluster-fixture.js';

let fixture: Fixture;
let cloud: CloudFixture;
let cleanups: (() => unknown)[];

beforeEach(async () => {
  fixture = createFixture();
  cloud = await createCloud();
  cleanups = [];
});

afterEach(async () => {
  await fixture.close();
  await cloud.close();
  for (const cleanup of cleanups) await cleanup();
});

function gatewayOf(node: StatemeshNode, nodeId = 'cloud-1') {
  return node.gateways.find((gateway) => gateway.nodeId === nodeId);
}

const isOnline = (node: StatemeshNode, nodeId?: string) => gatewayOf(node, nodeId)?.state === 'online';

async function startThree(options = {}): Promise<[TestNode, TestNode, TestNode]> {
  const start = (nodeId: string) => fixture.start(nodeId, { ca: cloud.caPath, ...options });
  const nodes: [TestNode, TestNode, TestNode] = [await start('a'), await start('b'), await start('c')];
  await untilMeshed(nodes);
  await until('a leads', () => nodes.every(({ leaderId }) => leaderId === 'a'));
  return nodes;
}

const startCloud = (nodeId = 'cloud-1', options = {}) => fixture.start(nodeId, { ...cloud.cloudOptions, ...options });
const addressOf = (node: StatemeshNode) => `127.0.0.1:${portOf(node)}`;

async function untilSame(node: StatemeshNode, other: StatemeshNode): Promise<void> {
  await until('the same shared documents', async () => {
    const [one, two] = await Promise.all([node.contentDigest(['shared']), other.contentDigest(['shared'])]);
    return one.digest === two.digest;
  });
}

describe('a cluster and a cloud node', () => {
  it('a cloud peer is added on one node -> only the leader connects, and documents flow both ways', async () => {
    const [a, b, c] = await startThree();
    const far = await startCloud();
    await b.collection('articles').put('from-b', { n: 1 });
    await c.addCloudPeer('cloud-1', addressOf(far), cloud.oAuth2);
    await until('the gateway of a is online', () => isOnline(a));
    await far.collection('articles').put('from-the-cloud', { n: 2 });
    for (const node of [a, b, c]) await untilSame(node, far);
    expect(await c.collection('articles').get('from-the-cloud')).toEqual({ n: 2 });
    expect([b, c].map((node) => gatewayOf(node)?.state)).toEqual(['idle', 'idle']);
    expect(far.peers.map(({ nodeId, subject }) => [nodeId, subject])).toEqual([['a', 'shop']]);
    expect(await far.collections()).toEqual(['articles']);
  });

  it('the leader stops -> the next one leads and delivers', async () => {
    const [a, b, c] = await startThree();
    const far = await startCloud();
    await a.addCloudPeer('cloud-1', addressOf(far), cloud.oAuth2);
    await until('the gateway of a is online', () => isOnline(a));
    await a.stop();
    await c.collection('articles').put('meanwhile', { n: 3 });
    await until('b leads', () => b.isLeader && c.leaderId === 'b');
    await untilSame(c, far);
    expect(b.nodeEvents.filter(({ type }) => type === 'leadership.changed').at(-1)).toMatchObject({
      isLeader: true,
      leaderId: 'b',
    });
    expect(gatewayOf(c)?.state).toBe('idle');
  });

  it('disabled, enabled and removed on other nodes -> the gateway of the leader follows', async () => {
    const [a, b, c] = await startThree();
    const far = await startCloud();
    await a.addCloudPeer('cloud-1', addressOf(far), cloud.oAuth2);
    await until('online', () => isOnline(a));
    await b.disablePeer('cloud-1');
    await until('disabled', () => gatewayOf(a)?.state === 'disabled');
    await until('the cloud node is alone', () => far.peers.length === 0);
    await c.enablePeer('cloud-1');
    await until('online again', () => isOnline(a));
    await b.removeRemotePeer('cloud-1');
    await until('no gateway is left', () => a.gateways.length === 0);
    expect(await c.getAllRemotePeers()).toEqual([]);
  });

  it('tokens that expire after three seconds -> are renewed, and the session continues', async () => {
    await cloud.close();
    cloud = await createCloud({ lifetimeSeconds: 3 });
    const [a] = await startThree();
    const far = await startCloud();
    await a.addCloudPeer('cloud-1', addressOf(far), cloud.oAuth2);
    await until('online', () => isOnline(a));
    const first = gatewayOf(a)?.tokenExpiresAtMs as number;
    await until('the token was renewed twice', () => cloud.authority.tokens.length >= 3);
    await until('the first token has expired', () => Date.now() > first + 500);
    await a.collection('articles').put('late', { n: 4 });
    await untilSame(a, far);
    expect(a.nodeEvents.map(({ type }) => type)).not.toContain('gateway.disconnected');
  });

  it('a cloud node requires another audience -> the token is fetched once more, then rejected with the reason', async () => {
    const [a] = await startThree();
    const far = await startCloud('cloud-1', { audience: 'urn:somebody:else' });
    await a.addCloudPeer('cloud-1', addressOf(far), cloud.oAuth2);
    await until('rejected', () => gatewayOf(a)?.state === 'rejected');
    expect(gatewayOf(a)?.lastFailure?.code).toBe('tokenRefused');
    expect(cloud.authority.tokens).toHaveLength(2);
    expect((await far.contentDigest()).documents).toBe(0);
  });

  it('a wrong secret, an unset variable, and an unlisted one -> rejected, each with its own code', async () => {
    const { origin } = new URL(cloud.oAuth2.authority);
    const [a] = await startThree({ secretVariables: [{ name: 'NOT_SET_ANYWHERE', origin }] });
    const far = await startCloud();
    await a.addCloudPeer('cloud-1', addressOf(far), { ...cloud.oAuth2, clientSecret: 'not the secret' });
    await a.addCloudPeer('cloud-2', addressOf(far), { ...cloud.oAuth2, clientSecret: '$' + '{NOT_SET_ANYWHERE}' });
    await a.addCloudPeer('cloud-3', addressOf(far), { ...cloud.oAuth2, clientSecret: '$' + '{PATH}' });
    await until('all are rejected', () => a.gateways.every(({ state }) => state === 'rejected'));
    expect(gatewayOf(a, 'cloud-1')?.lastFailure?.code).toBe('authorityRefused');
    expect(gatewayOf(a, 'cloud-2')?.lastFailure).toMatchObject({ code: 'environmentMissing' });
    expect(gatewayOf(a, 'cloud-2')?.lastFailure?.message).toContain('NOT_SET_ANYWHERE');
    expect(gatewayOf(a, 'cloud-3')?.lastFailure).toMatchObject({ code: 'secretVariableUnlisted' });
  });

  it('a server with an untrusted certificate -> rejected, and no token is shown to it', async () => {
    const [a] = await startThree({ ca: undefined });
    const far = await startCloud();
    await a.addCloudPeer('cloud-1', addressOf(far), cloud.oAuth2);
    await until('rejected', () => gatewayOf(a)?.state === 'rejected');
    expect(gatewayOf(a)?.lastFailure?.code).toBe('certificateInvalid');
  });

  it('by WebSocket -> the same', async () => {
    const [a] = await startThree();
    const far = await startCloud();
    await a.collection('articles').put('one', { n: 1 });
    await a.addCloudPeer('cloud-1', `wss://127.0.0.1:${portOf(far)}/sync`, cloud.oAuth2);
    await until('online', () => isOnline(a));
    await untilSame(a, far);
    await far.collection('articles').put('two', { n: 2 });
    await untilSame(a, far);
  });

  it('initial remote peers on every node -> stored once, and connected', async () => {
    const far = await startCloud();
    const { authority, clientId, clientSecret, scopes } = cloud.oAuth2;
    const initialRemotePeers = [
      {
        nodeId: 'cloud-1',
        address: addressOf(far),
        type: 'CloudRemote' as const,
        oAuth2: { authority, clientId, clientSecret: clientSecret as string, scopes: [...scopes] },
      },
    ];
    const [a, b, c] = await startThree({ initialRemotePeers });
    await until('online', () => isOnline(a));
    await untilConverged([a, b, c]);
    expect((await b.getAllRemotePeers()).map(({ nodeId }) => nodeId)).toEqual(['cloud-1']);
    // The secret that another node has sealed may replace the one that the leader has connected with, and then it
    // connects again.
    await until('one gateway', () => [a, b, c].filter((node) => isOnline(node)).length === 1);
  });
});

describe('leadership', () => {
  it('forged and replayed beacons of the smallest NodeId -> no other node leads', async () => {
    const nodes = await startThree();
    const { configured } = nodes[0].actor.getSnapshot().context;
    const { discoveryPort } = (configured as Configured).configuration;
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    cleanups.push(() => socket.close());
    const overheard: Buffer[] = [];
    await new Promise<void>((resolve) => socket.bind(discoveryPort, '127.255.255.255', resolve));
    socket.setBroadcast(true);
    socket.on('message', (message) => overheard.push(message));
    await until('a beacon of b', () => overheard.some((beacon) => beacon.includes('"b"')));
    const own = overheard.find((beacon) => beacon.includes('"b"')) as Buffer;
    const forged = Buffer.from(own.toString().replace('"b"', '"A"'));
    const plain = Buffer.from(JSON.stringify({ node_id: '0', tcp_port: 9_000, cluster_hash: '' }));
    for (let round = 0; round < 20; round += 1) {
      for (const beacon of [own, forged, plain]) {
        await new Promise((sent) => socket.send(beacon, discoveryPort, '127.255.255.255', sent));
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    const before = overheard.length;
    await until('all nodes have beaten since', () => overheard.length >= before + 6);
    expect(nodes.map(({ leaderId }) => leaderId)).toEqual(['a', 'a', 'a']);
    const changes = nodes.flatMap(({ nodeEvents }) => nodeEvents.filter(({ type }) => type === 'leadership.changed'));
    expect(changes.some((nodeEvent) => !['a', 'b', 'c', undefined].includes(leaderOf(nodeEvent)))).toBe(false);
  });

  it('eligible is switched off and on -> an observer at once, and the leader again later', async () => {
    const [a, b] = await startThree();
    a.setEligible(false);
    await until('b leads', () => b.isLeader && a.leaderId === 'b');
    expect((await a.status()).leadership?.state).toBe('observer');
    a.setEligible(true);
    await until('a leads', () => a.isLeader && b.leaderId === 'a');
  });
});

function leaderOf(nodeEvent: NodeEvent): string | undefined {
  return nodeEvent.type === 'leadership.changed' ? nodeEvent.leaderId : undefined;
}

describe('secrets', () => {
  it('a client secret and access tokens -> in no database, log, event, answer or packet', async () => {
    await cloud.close();
    cloud = await createCloud({ lifetimeSeconds: 3, https: true });
    const seen: string[] = [];
    const visited = new WeakSet<object>();
    const see = (value: unknown) => collectTexts(value, seen, visited);
    const logger = Object.fromEntries(
      ['trace', 'debug', 'info', 'warn', 'error'].map((level) => [level, (...args: unknown[]) => see(args)]),
    );
    const far = await fixture.start('cloud-1', cloud.cloudOptions, { inspect: see, logger: logger as never });
    const tap = await tapOn(portOf(far));
    cleanups.push(tap.close);
    const a = await fixture.start('a', { ca: cloud.caPath }, { inspect: see, logger: logger as never });
    await a.addCloudPeer('cloud-1', `127.0.0.1:${tap.port}`, cloud.oAuth2);
    await until('online', () => isOnline(a));
    await until('a renewal', () => cloud.authority.tokens.length >= 2);
    await a.collection('articles').put('one', { n: 1 });
    await untilSame(a, far);
    see(await a.status());
    see(await far.status());
    see(await a.getAllRemotePeers());
    see(a.actor.getSnapshot());
    const files = ['a', 'cloud-1'].map(fixture.directoryOf).flatMap((directory) =>
      readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => readFileSync(`${parentPath}/${name}`, 'latin1')),
    );
    const haystacks = [...seen, ...files, ...tap.packets.map((packet) => packet.toString('latin1'))];
    expect(tap.packets.length).toBeGreaterThan(5);
    expect(seen.length).toBeGreaterThan(100);
    for (const needle of [cloud.secret, ...cloud.authority.tokens]) {
      const signature = needle.split('.').at(-1) as string;
      expect(haystacks.filter((text) => text.includes(needle) || text.includes(signature))).toEqual([]);
    }
  });
});

/** Every text in a value, and its parts after printing and conversion to JSON. */
function collectTexts(value: unknown, texts: string[], visited: WeakSet<object>): void {
  if (typeof value === 'string') texts.push(value);
  if (typeof value !== 'object' || value === null || visited.has(value)) return;
  visited.add(value);
  if (value instanceof Uint8Array) {
    texts.push(Buffer.from(value).toString('latin1'));
    return;
  }
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  if (!isPlain) texts.push(inspect(value, { depth: 0 }));
  for (const part of value instanceof Map || value instanceof Set ? [...value].flat() : Object.values(value)) {
    collectTexts(part, texts, visited);
  }
}

/** A port in front of another one that sees every byte. */
async function tapOn(port: number): Promise<{ port: number; packets: Buffer[]; close(): void }> {
  const packets: Buffer[] = [];
  const sockets: Socket[] = [];
  const server: Server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.push(from);
      from.on('data', (bytes) => {
        packets.push(bytes as Buffer);
        to.write(bytes);
      });
      from.on('close', () => to.destroy());
      from.on('error', () => {});
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    packets,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
