/**
 * A cloud node's reception, and the session of a gateway, over real sockets, stores and tokens: with each other, and
 * each with a misbehaving other side. Everything stays on 127.0.0.0/8.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CompactSign, exportJWK, generateKeyPair } from 'jose';
import { type ActorRefFrom, type AnyActorRef, createActor } from 'xstate';
import type { NodeEvent, Notice, SessionIdentified, SessionReport } from '../../src/actors/mailboxes.js';
import { parseConfiguration } from '../../src/configuration/parse.js';
import type { Author, Incarnation, Scope } from '../../src/core/author.js';
import { chainRun, chainStart } from '../../src/core/entry.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { Boot, CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { Secret } from '../../src/core/secret.js';
import type { ReceptionMachine } from '../../src/machines/reception.machine.js';
import type { SessionAccess, SessionMachine } from '../../src/machines/session.machine.js';
import { composeReception, composeSession, createServices, type Particulars } from '../../src/node/compose.js';
import { type NodePorts, systemPorts } from '../../src/node/node-options.js';
import type { Connection, DialSecurity, ListenSecurity } from '../../src/ports/ports.js';
import type { Store } from '../../src/ports/store.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';
import { encodeFrame, FrameDecoder } from '../../src/wire/framing.js';
import { type Frame, protocolVersion } from '../../src/wire/messages.js';
import { authorityCertificate, serverCertificate, serverKey } from '../contracts/network-certificate.js';
import { recorder } from '../machines/bench.js';
import { until } from './cluster-fixture.js';

const host = '127.0.0.1';
const audience = 'statemesh-cloud';
const server: ListenSecurity = {
  kind: 'server',
  server: { certificate: serverCertificate, key: new Secret(serverKey) },
};
const verified: DialSecurity = { kind: 'verified', ca: authorityCertificate };
const things = 'things' as CollectionName;
const remotePeers = '_system_remote_peers' as CollectionName;
const key = (text: string) => text as DocumentKey;

let directory: string;
let ports: NodePorts;
let authority: Server;
let issuer: string;
let stores: Store[];
let actors: AnyActorRef[];
const keys = generateKeyPair('ES256', { extractable: true });

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'statemesh-cloud-'));
  ports = systemPorts();
  stores = [];
  actors = [];
  authority = createServer(async ({ url }, response) => {
    const jwk = { ...(await exportJWK((await keys).publicKey)), kid: '1' };
    const answer = url?.endsWith('/keys') ? { keys: [jwk] } : { issuer, jwks_uri: `${issuer}/keys` };
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => {
    authority.listen(0, host, resolve);
  });
  issuer = `http://${host}:${(authority.address() as { port: number }).port}`;
});

afterEach(async () => {
  for (const actor of actors) actor.stop();
  await ports.network.closeAll();
  await Promise.all(stores.map((store) => store.close()));
  authority.close();
  authority.closeAllConnections();
  rmSync(directory, { recursive: true, force: true });
});

async function openStore(nodeId: string): Promise<Store> {
  const path = join(directory, `${nodeId}-${stores.length}.db`);
  const store = await openSqliteStore({
    path,
    nodeId: nodeId as NodeId,
    time: ports.time,
    randomness: ports.randomness,
  });
  stores.push(store);
  return store;
}

const put = (store: Store, collection: CollectionName, name: string, payload: string) =>
  store.write([{ kind: 'put', collection, key: key(name), payload }]);
const get = async (store: Store, collection: CollectionName, name: string) =>
  (await store.get(collection, key(name)))?.payload;
const identityOf = (name: string) => ({ nodeId: name as NodeId, boot: ports.randomness.token() as Boot, port: 0 });

async function tokenOf(subject: string, changes: object = {}): Promise<Secret> {
  const exp = Math.floor(Date.now() / 1_000) + 600;
  const claims = { iss: issuer, aud: audience, sub: subject, scope: 'entgldb:sync', exp, ...changes };
  const signing = new CompactSign(new TextEncoder().encode(JSON.stringify(claims)));
  return new Secret(
    await signing.setProtectedHeader({ alg: 'ES256', kid: '1', typ: 'at+jwt' }).sign((await keys).privateKey),
  );
}

async function startCloud() {
  const store = await openStore('cloud');
  const { configuration } = parseConfiguration({
    nodeId: 'cloud',
    role: 'cloud',
    authority: issuer,
    audience,
    plaintextCloud: true,
    heartbeatIntervalMs: 100,
    syncIntervalMs: 200,
  });
  const parent = recorder<Notice>();
  const actor = createActor(composeReception(createServices(ports, unconfigured)), {
    clock: ports.time,
    input: {
      parent: parent.mailbox,
      identity: identityOf('cloud'),
      store,
      configuration,
      ca: undefined,
      random: () => 0.5,
    },
  }).start();
  actors.push(actor);
  const { port } = await ports.network.listen({
    host,
    port: 0,
    security: server,
    acceptsWebSockets: true,
    handshakeTimeoutMs: 2_000,
    limits,
    accepted: (connection) => actor.send({ type: 'connection.accepted', connection }),
    refused: () => {},
  });
  const nodeEvents = (): NodeEvent[] => parent.events.map(({ nodeEvent }) => nodeEvent);
  return { store, actor: actor as ActorRefFrom<ReceptionMachine>, port, nodeEvents };
}

const dial = (port: number, webSocketPath?: string) =>
  ports.network.dial({
    host,
    port,
    security: verified,
    webSocketPath,
    timeoutMs: 5_000,
    signal: new AbortController().signal,
  });

/** Sessions alone have no configuration. */
const unconfigured: Particulars = {
  provider: {
    getConfiguration: () => Promise.reject(new Error('Nobody asks.')),
    onConfigurationChanged: () => () => {},
  },
  commands: () => ({}),
  status: () => Promise.reject(new Error('Nobody asks.')),
};

/** A session as a gateway has it, which admits every answer. */
function startGateway(name: string, store: Store, connection: Connection, access: SessionAccess) {
  const parent = recorder<SessionReport>();
  const actor = createActor(composeSession(createServices(ports, unconfigured)), {
    clock: ports.time,
    input: {
      sessionId: 'session-1',
      parent: parent.mailbox,
      connection,
      direction: 'dialed',
      expected: undefined,
      identity: identityOf(name),
      store,
      scopes: ['shared'] as readonly Scope[],
      access,
      random: () => 0.5,
      intervals: { heartbeatIntervalMs: 100, syncIntervalMs: 200 },
    },
  }).start();
  actors.push(actor);
  const admit = async () => {
    await until('the introduction', () => parent.events.some(({ type }) => type === 'session.identified'));
    (parent.events.find(({ type }) => type === 'session.identified') as SessionIdentified).session.send({
      type: 'session.admit',
    });
  };
  return { actor: actor as ActorRefFrom<SessionMachine>, parent, admit };
}

async function joined(cloud: { port: number }, name: string, subject: string, webSocketPath?: string) {
  const store = await openStore(name);
  const connection = await dial(cloud.port, webSocketPath);
  const gateway = startGateway(name, store, connection, { kind: 'token', token: await tokenOf(subject) });
  await gateway.admit();
  return { store, ...gateway };
}

/** One end of a connection for which the test speaks frames. */
function byHand(connection: Connection) {
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
  const find = <T extends Frame['type']>(type: T) =>
    heard.find((frame) => frame.type === type) as Extract<Frame, { type: T }> | undefined;
  return {
    heard,
    find,
    closed: () => isClosed,
    send: (frame: Frame) => void connection.write(encodeFrame(frame)),
    /** Waits for a frame, and returns it. */
    hear: async <T extends Frame['type']>(type: T) => {
      await until(type, () => find(type) !== undefined || isClosed);
      return find(type);
    },
  };
}

function batchOf(scope: Scope, collection: CollectionName): Frame {
  const author: Author = { nodeId: 'mallory' as NodeId, incarnation: 'i' as Incarnation, scope };
  const entry = { hlc: (2 ** 40) as Hlc, collection, key: key('k'), operation: 'put' as const, payload: '"evil"' };
  return { type: 'frame.batch', sequence: 1, runs: [chainRun(author, chainStart, [entry])] };
}

const clock: Frame = { type: 'frame.vectorClock', clock: new Map(), received: 0 };
const helloOf = (token: Secret | undefined, name = 'mallory'): Frame => ({
  type: 'frame.handshakeRequest',
  version: protocolVersion,
  identity: identityOf(name),
  token,
});

describe('sites that meet on a cloud node', () => {
  it('two sites, nodes of one NodeId, TCP and WebSocket -> shared documents reach the other, those of cluster scope do not', async () => {
    const cloud = await startCloud();
    const north = await joined(cloud, 'leader', 'north');
    const south = await joined(cloud, 'leader', 'south', '/sync');
    await until('both', () => cloud.nodeEvents().filter(({ type }) => type === 'peer.connected').length === 2);
    await put(north.store, remotePeers, 'k', '{"Address":"10.0.0.1:9000"}');
    for (const [store, name] of [
      [north.store, 'n'],
      [south.store, 's'],
      [cloud.store, 'c'],
    ] as const) {
      await put(store, things, name, `"${name}"`);
    }
    for (const store of [north.store, south.store, cloud.store]) {
      for (const name of ['n', 's', 'c']) {
        await until(`${name} on ${store.nodeId}`, async () => (await get(store, things, name)) === `"${name}"`);
      }
    }
    await until('a match', () => north.parent.types().includes('session.matched'));
    for (const store of [south.store, cloud.store]) {
      expect(await store.collections()).toEqual(['things']);
      expect([...store.clock().keys()].every((author) => author.endsWith('/shared'))).toBe(true);
    }
  });

  it('a leader that dials again -> its later session continues, the earlier one is closed with a reason', async () => {
    const cloud = await startCloud();
    const first = await joined(cloud, 'leader', 'north');
    const second = await joined(cloud, 'leader', 'north');
    await until('the end of the first', () => first.actor.getSnapshot().status === 'done');
    expect(first.actor.getSnapshot().output?.failure.code).toBe('duplicateConnection');
    await put(second.store, things, 'k', '1');
    await until('the document', async () => (await get(cloud.store, things, 'k')) === '1');
    expect(cloud.nodeEvents().map(({ type }) => type)).toEqual(['peer.connected']);
  });

  it('the cloud node leaves -> its sites receive a goodbye', async () => {
    const cloud = await startCloud();
    const site = await joined(cloud, 'leader', 'north');
    await until('the session', () => site.actor.getSnapshot().matches('synchronizing'));
    cloud.actor.send({ type: 'reception.leave', refusal: { code: 'goodbye', message: 'The node is stopping.' } });
    await until('the end', () => site.actor.getSnapshot().status === 'done');
    expect(site.actor.getSnapshot().output?.failure.code).toBe('goodbye');
    await until('the end of the cloud node', () => cloud.actor.getSnapshot().status === 'done');
  });

  it('a token renewed -> the session outlives the first one', async () => {
    const cloud = await startCloud();
    const tolerance = limits.tokenClockToleranceMs / 1_000;
    const exp = Math.floor(Date.now() / 1_000) - tolerance + 2;
    const store = await openStore('leader');
    const token = await tokenOf('north', { exp });
    const gateway = startGateway('leader', store, await dial(cloud.port), { kind: 'token', token });
    await gateway.admit();
    const other = startGateway('other', await openStore('other'), await dial(cloud.port), { kind: 'token', token });
    await other.admit();
    gateway.actor.send({ type: 'session.renew', token: await tokenOf('north') });
    await until('the end of the other', () => other.actor.getSnapshot().status === 'done');
    expect(other.actor.getSnapshot().output?.failure.code).toBe('tokenExpired');
    expect(gateway.actor.getSnapshot().status).toBe('active');
  });
});

describe('a site that misbehaves', () => {
  it.each<[string, () => Promise<Secret | undefined>]>([
    ['no token', async () => undefined],
    ['a token for somebody else', () => tokenOf('north', { aud: 'else' })],
    ['an expired token', () => tokenOf('north', { exp: 1 })],
    ['no token at all', async () => new Secret('x.y.z')],
  ])('%s -> tokenRefused, and no other guest is told', async (_, makeToken) => {
    const cloud = await startCloud();
    const mallory = byHand(await dial(cloud.port));
    mallory.send(helloOf(await makeToken()));
    expect(await mallory.hear('frame.handshakeResponse')).toMatchObject({ refusal: { code: 'tokenRefused' } });
    await until('the end', mallory.closed);
    expect(told(cloud)).toEqual([]);
    expect(mallory.heard).toHaveLength(1);
  });

  it('frames before the handshake, and data right after it -> closed, nothing is applied', async () => {
    const cloud = await startCloud();
    const early = byHand(await dial(cloud.port));
    early.send(batchOf('shared', things));
    await until('the end', early.closed);
    const hasty = byHand(await dial(cloud.port));
    hasty.send(helloOf(await tokenOf('north')));
    hasty.send(batchOf('shared', things));
    await until('the end', hasty.closed);
    expect(await cloud.store.collections()).toEqual([]);
    expect(told(cloud)).toEqual([]);
  });

  it('a token above the maximum length -> the connection ends', async () => {
    const cloud = await startCloud();
    const mallory = byHand(await dial(cloud.port));
    mallory.send(helloOf(new Secret('x'.repeat(limits.tokenLengthMax + 1))));
    await until('the end', mallory.closed);
    expect(mallory.heard).toEqual([]);
  });

  it('entries of cluster scope, with a good token -> goodbye, and none of them is kept', async () => {
    const cloud = await startCloud();
    const mallory = byHand(await dial(cloud.port));
    mallory.send(helloOf(await tokenOf('north')));
    await mallory.hear('frame.handshakeResponse');
    mallory.send(clock);
    await mallory.hear('frame.vectorClock');
    mallory.send(batchOf('cluster', remotePeers));
    expect(await mallory.hear('frame.goodbye')).toMatchObject({ code: 'unexpectedFrame' });
    await until('the end', mallory.closed);
    expect(await cloud.store.collections()).toEqual([]);
  });
});

describe('a cloud node that misbehaves', () => {
  async function hostile(changes: Partial<Extract<Frame, { type: 'frame.handshakeResponse' }>> = {}) {
    const accepted: Connection[] = [];
    const { port } = await ports.network.listen({
      host,
      port: 0,
      security: server,
      handshakeTimeoutMs: 2_000,
      limits,
      accepted: (connection) => accepted.push(connection),
      refused: () => {},
    });
    const store = await openStore('leader');
    await put(store, remotePeers, 'k', '"ours"');
    await put(store, things, 'k', '"ours"');
    const gateway = startGateway('leader', store, await dial(port), { kind: 'token', token: await tokenOf('north') });
    await until('the connection', () => accepted.length === 1);
    const cloud = byHand(accepted[0] as Connection);
    await cloud.hear('frame.handshakeRequest');
    cloud.send({
      type: 'frame.handshakeResponse',
      version: protocolVersion,
      identity: identityOf('cloud'),
      refusal: undefined,
      ...changes,
    });
    await gateway.admit();
    await cloud.hear('frame.vectorClock');
    return { store, cloud, ...gateway };
  }

  it("it sends remote peers of its own -> goodbye, and the node's own are unchanged", async () => {
    const { store, cloud, actor } = await hostile();
    cloud.send(clock);
    cloud.send(batchOf('cluster', remotePeers));
    await until('the end', () => actor.getSnapshot().status === 'done');
    expect(actor.getSnapshot().output?.failure.code).toBe('unexpectedFrame');
    expect(await get(store, remotePeers, 'k')).toBe('"ours"');
    expect((await store.get(remotePeers, key('k')))?.payload).toBe('"ours"');
  });

  it("it passes them off as shared -> the frame is malformed, and the node's own are unchanged", async () => {
    const { store, cloud, actor } = await hostile();
    cloud.send(clock);
    cloud.send(batchOf('shared', remotePeers));
    await until('the end', () => actor.getSnapshot().status === 'done');
    expect(actor.getSnapshot().output?.failure.code).toBe('frameMalformed');
    expect(await get(store, remotePeers, 'k')).toBe('"ours"');
  });

  it('it repeatedly asks for everything -> receives shared entries, and nothing else', async () => {
    const { store, cloud } = await hostile();
    const { cluster } = { cluster: [...store.clock().keys()].find((author) => author.endsWith('/cluster')) };
    if (cluster === undefined) throw new Error('nothing of the cluster');
    cloud.send(clock);
    await cloud.hear('frame.batch');
    cloud.send({ type: 'frame.acknowledgement', sequence: 1 });
    // It claims to have the cluster's chain up to some entry: that must not make the node send the rest.
    cloud.send({ ...clock, clock: new Map([[cluster, { hlc: 1 as Hlc, hash: 'x'.repeat(43) }]]) });
    cloud.send({ type: 'frame.vectorClockRequest' });
    await put(store, remotePeers, 'more', '"secret"');
    await put(store, things, 'last', '"last"');
    await until('the last', () =>
      cloud.heard.some((frame) => frame.type === 'frame.batch' && JSON.stringify(frame).includes('last')),
    );
    const said = JSON.stringify(cloud.heard, (name, value) =>
      name === 'clock' ? [...value].map(([author]) => author) : value,
    );
    expect(said).not.toMatch(/_system_|cluster|secret/);
    expect(said).toContain('/shared');
  });
});

/** What the cloud node reports about its guests. Refusals, with address and reason, are for its audit log. */
function told(cloud: { nodeEvents(): readonly { readonly type: string }[] }): readonly { readonly type: string }[] {
  return cloud.nodeEvents().filter(({ type }) => type !== 'guest.refused');
}
