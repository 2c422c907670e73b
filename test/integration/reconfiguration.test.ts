/** Live reconfiguration over real sockets and files. */
import { existsSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import type { Logger } from '../../src/index.js';
import { createNode, type StatemeshNode, staticConfiguration } from '../../src/index.js';
import { followSteps } from '../reconfiguration-steps.js';
import { type CloudFixture, createCloud } from './cloud-fixture.js';
import {
  clusterKey,
  clusterSalt,
  createFixture,
  type Fixture,
  isConnected,
  isRefused,
  portOf,
  sessionsOf,
  type TestNode,
  until,
  untilConverged,
  untilMeshed,
} from './cluster-fixture.js';

let fixture: Fixture;
beforeEach(() => {
  fixture = createFixture();
});
afterEach(() => fixture.close());

function failureOf(promise: Promise<unknown>): Promise<{ code: string; message: string } | undefined> {
  return promise.then(
    () => undefined,
    ({ code, message }) => ({ code, message }),
  );
}

interface Links {
  readonly context: { readonly sessions: ReadonlyMap<string, { readonly ref: { send(event: object): void } }> };
}

interface Sessions {
  readonly context: { readonly sessions: ReadonlyMap<string, { readonly peerId: string }> };
}

/** The sessions of a node, by peer. */
function sessionIds(node: StatemeshNode): Record<string, string> {
  const { membership } = node.actor.getSnapshot().children as unknown as { membership: { getSnapshot(): Sessions } };
  const { context } = membership.getSnapshot();
  return Object.fromEntries([...context.sessions].map(([id, { peerId }]) => [peerId, id]));
}

async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startPair(): Promise<[TestNode, TestNode]> {
  const pair = [await fixture.start('a'), await fixture.start('b')] as [TestNode, TestNode];
  await untilMeshed(pair);
  // Both may have dialed: one of two connections is still being closed.
  await until('one session each', () => pair.every((node) => sessionsOf(node) === 1));
  return pair;
}

describe('many at once', () => {
  it('more than may wait -> those beyond are refused at once, all others become one', async () => {
    const a = await fixture.start('a', { discovery: false });
    const asked = Array.from({ length: limits.reconfigurationsWaitingMax + 2 }, (_, index) =>
      failureOf(a.reconfigure({ syncIntervalMs: 1_000 + index })),
    );
    const refused = (await Promise.all(asked)).filter((failure) => failure !== undefined);
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['reconfigurationQueueFull']));
    expect(refused.length).toBeLessThanOrEqual(2);
    expect(refused.length).toBeGreaterThan(0);
  });
});

describe('port and host', () => {
  it('another port -> sessions stay, the old port is free, and later nodes find the new one', async () => {
    const [a, b] = await startPair();
    const before = [sessionIds(a), sessionIds(b)];
    const [old, port] = [portOf(a), await freePort()];
    const { changes, writesHeldMs, connectionsRefusedMs } = await a.reconfigure({ port });
    expect({ changes, writesHeldMs, connectionsRefusedMs }).toEqual({
      changes: [{ field: 'port', from: 0, to: port }],
      writesHeldMs: 0,
      connectionsRefusedMs: 0,
    });
    expect((await a.status()).port).toBe(port);
    const c = await fixture.start('c', {
      discovery: false,
      knownPeers: [{ nodeId: 'a', address: `127.0.0.1:${port}` }],
    });
    await until('c is connected', () => isConnected(c, 'a'));
    expect([sessionIds(a).b, sessionIds(b).a]).toEqual([before[0]?.b, before[1]?.a]);
    await until('the old port is free', async () => {
      const server = createServer();
      const isFree = await new Promise<boolean>((resolve) => {
        server.once('error', () => resolve(false)).listen(old, '127.0.0.1', () => resolve(true));
      });
      server.close();
      return isFree;
    });
  });

  it('a peer that is about to dial the old port -> still gets in for a moment', async () => {
    const a = await fixture.start('a', { discovery: false });
    const old = portOf(a);
    const startedMs = performance.now();
    await a.reconfigure({ port: await freePort() });
    const late = connect(old, '127.0.0.1');
    late.on('error', () => {});
    expect(await new Promise((resolve) => late.once('connect', () => resolve(true)).once('error', resolve))).toBe(true);
    await until('the old port is closed', () => isRefused(old));
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(limits.rebindOverlapMs);
  });

  it('its peers know without beacons -> after a break they dial the new port', async () => {
    const a = await fixture.start('a', { discovery: false });
    const known = [{ nodeId: 'a', address: `127.0.0.1:${portOf(a)}` }];
    const b = await fixture.start('b', { discovery: false, knownPeers: known });
    await untilMeshed([a, b]);
    await a.reconfigure({ port: await freePort() });
    await b.reconfigure({ knownPeers: [] });
    // Only a's message in their session tells b where it is now: c is unknown to it, and sends no beacons.
    const { membership } = a.actor.getSnapshot().children as unknown as { membership: { getSnapshot(): Links } };
    const { sessions } = membership.getSnapshot().context;
    const refusal = { code: 'connectionLost', message: 'A break.' };
    for (const { ref } of sessions.values()) ref.send({ type: 'session.close', refusal });
    await until('the break', () => b.nodeEvents.some(({ type }) => type === 'peer.disconnected'));
    await untilMeshed([a, b]);
  });

  it('a port in use -> portInUse, nothing has changed, and it is reported', async () => {
    const [a, b] = await startPair();
    const before = sessionIds(a);
    const port = portOf(a);
    expect(await failureOf(a.reconfigure({ port: portOf(b), eligible: false }))).toMatchObject({ code: 'portInUse' });
    expect(await a.status()).toMatchObject({ port, lastFailure: { code: 'portInUse' }, reconfiguration: 'settled' });
    expect(a.nodeEvents.filter(({ type }) => type === 'reconfiguration.failed')).toHaveLength(1);
    expect(sessionIds(a)).toEqual(before);
    await until('a leads still', () => a.isLeader);
  });

  it('another address of this machine, with the same port -> listens there, and not here', async () => {
    const a = await fixture.start('a');
    const port = portOf(a);
    await a.reconfigure({ host: '127.0.0.2', port });
    expect(await a.status()).toMatchObject({ host: '127.0.0.2', port });
    expect(await failureOf(a.reconfigure({ host: '127.0.0.1', port }))).toBeUndefined();
  });
});

describe('NodeId', () => {
  it('another one -> a database of its own, peers let the old one go, remote peers are copied; back -> the old data', async () => {
    const [a, b] = await startPair();
    await a.collection('things').put('of a', 1);
    await a.addStaticPeer('z', '127.0.0.1:1');
    await untilConverged([a, b]);
    const old = portOf(a);
    const { changes } = await a.reconfigure({ nodeId: 'c' });
    expect(changes).toEqual([{ field: 'nodeId', from: 'a', to: 'c' }]);
    expect(await a.status()).toMatchObject({ nodeId: 'c', port: old, state: 'running' });
    expect((await a.getAllRemotePeers()).map(({ nodeId }) => nodeId)).toEqual(['z']);
    await untilMeshed([a, b]);
    await until('b has let a go', () => b.peers.every(({ nodeId }) => nodeId !== 'a'));
    await untilConverged([a, b]);
    expect(await a.collection('things').get('of a')).toBe(1);
    await a.collection('things').put('of c', 2);
    await a.reconfigure({ nodeId: 'a' });
    expect(await a.collection('things').get('of a')).toBe(1);
    await untilMeshed([a, b]);
    await untilConverged([a, b]);
    expect(await a.collection('things').get('of c')).toBe(2);
    expect(['a', 'c'].map((name) => existsSync(join(fixture.directoryOf('a'), `${name}.db`)))).toEqual([true, true]);
  });

  it('alone with its peers stored -> they are copied', async () => {
    const a = await fixture.start('a', { discovery: false });
    await a.addStaticPeer('z', '127.0.0.1:1');
    await a.disablePeer('z');
    await a.reconfigure({ nodeId: 'c' });
    expect(await a.getAllRemotePeers()).toMatchObject([{ nodeId: 'z', isEnabled: false }]);
    expect((await a.changes({ since: 0 }).next()).value).toMatchObject({
      collection: '_system_remote_peers',
      key: 'z',
    });
  });

  it('alone, with writes that no other node has -> they are copied, and later nodes get them from it', async () => {
    const a = await fixture.start('a');
    const written = 2_484;
    await a.collection('things').putMany(Array.from({ length: written }, (_, index) => [`k${index}`, index] as const));
    await a.collection('things').delete('k0');
    const digest = await a.contentDigest();
    for (const nodeId of ['c', 'd']) {
      await a.reconfigure({ nodeId });
      expect(await a.contentDigest()).toEqual(digest);
    }
    const b = await fixture.start('b');
    await untilMeshed([a, b]);
    await untilConverged([a, b]);
    expect(await b.collection('things').count()).toBe(written - 1);
  });

  it('leadership -> goes to the node that now precedes', async () => {
    const [a, b] = await startPair();
    await until('a leads', () => a.isLeader && b.leaderId === 'a');
    await a.reconfigure({ nodeId: 'x' });
    await until('b leads', () => b.isLeader && a.leaderId === 'b');
    expect(a.nodeEvents.filter(({ type }) => type === 'leadership.changed').at(-2)).toMatchObject({ isLeader: false });
  });

  it('writes requested meanwhile -> wait, are answered in order, and are in the database of the new identity', async () => {
    const a = await fixture.start('a');
    const things = a.collection<number>('things');
    const writing: ReturnType<typeof things.put>[] = [];
    const steps = new Set<string>();
    let count = 0;
    // One at each step: as it is entered, while writes are held, and after.
    const subscription = followSteps(a.actor, (step) => {
      const index = count++;
      steps.add(step.split('.')[0] ?? '');
      writing.push(things.put(`k${index}`, index));
    });
    await a.reconfigure({ nodeId: 'c' });
    subscription.unsubscribe();
    expect([...steps]).toEqual(expect.arrayContaining(['checking', 'openingStore', 'copying', 'draining', 'retiring']));
    const stamps = (await Promise.all(writing)).map((written) => written?.hlc ?? 0);
    expect(stamps).toEqual([...stamps].sort((one, other) => one - other));
    expect(await things.count()).toBe(count);
  });

  it('its database is foreign, or in use -> the old one serves, and no session is dropped', async () => {
    const [a, b] = await startPair();
    const before = sessionIds(a);
    writeFileSync(join(fixture.directoryOf('a'), 'c.db'), 'This is no database.');
    expect(await failureOf(a.reconfigure({ nodeId: 'c' }))).toMatchObject({ code: 'databaseForeign' });
    expect(await failureOf(a.reconfigure({ nodeId: 'b', dataDir: fixture.directoryOf('b') }))).toMatchObject({
      code: 'databaseInUse',
    });
    await a.collection('things').put('x', 1);
    await untilConverged([a, b]);
    expect(sessionIds(a)).toEqual(before);
    expect((await a.status()).nodeId).toBe('a');
  });

  it('NodeId and a port that is in use -> neither changes, and no database is left behind', async () => {
    const [a, b] = await startPair();
    expect(await failureOf(a.reconfigure({ nodeId: 'c', port: portOf(b) }))).toMatchObject({ code: 'portInUse' });
    expect(existsSync(join(fixture.directoryOf('a'), 'c.db'))).toBe(false);
  });

  it('open streams -> end with identityChanged, and new ones read the new database', async () => {
    const a = await fixture.start('a');
    await a.collection('things').put('x', 1);
    const changes = a.changes({ since: 0 });
    await changes.next();
    const waiting = failureOf(changes.next());
    const watching = a.collection('things').watch({});
    await watching.next();
    const watched = failureOf(watching.next());
    await a.reconfigure({ nodeId: 'c' });
    expect([(await waiting)?.code, (await watched)?.code]).toEqual(['identityChanged', 'identityChanged']);
    expect((await a.changes({ since: 0 }).next()).value).toMatchObject({ key: 'x' });
  });

  it('another directory -> the same NodeId with all its data, and the control socket moves', async () => {
    const a = await fixture.start('a', { control: true });
    await a.collection('things').put('x', 1);
    const dataDir = fixture.directoryOf('elsewhere');
    await a.reconfigure({ dataDir });
    expect(await a.collection('things').count()).toBe(1);
    await until('the socket', () => existsSync(join(dataDir, 'control.sock')));
    expect(existsSync(join(fixture.directoryOf('a'), 'control.sock'))).toBe(false);
  });
});

describe('in place', () => {
  it('eligible, intervals, known peers -> in force, with the same sessions', async () => {
    const [a, b] = await startPair();
    const before = sessionIds(a);
    await until('a leads', () => a.isLeader);
    await a.reconfigure({ eligible: false, electionIntervalMs: 500 });
    await until('b leads', () => b.isLeader);
    await a.reconfigure({ heartbeatIntervalMs: 100, syncIntervalMs: 100 });
    await a.reconfigure({ knownPeers: [{ nodeId: 'z', address: '127.0.0.1:1' }] });
    await until('z is known', () => a.peers.some(({ nodeId }) => nodeId === 'z'));
    await a.reconfigure({ knownPeers: [] });
    await until('z is forgotten', () => a.peers.every(({ nodeId }) => nodeId !== 'z'));
    expect(sessionIds(a)).toEqual(before);
  });

  it('discovery: off, then on -> not found, then found', async () => {
    const a = await fixture.start('a', { discovery: false });
    const b = await fixture.start('b');
    await a.reconfigure({ discovery: true });
    await untilMeshed([a, b]);
    await a.reconfigure({ discovery: false });
    expect(isConnected(a, 'b')).toBe(true);
  });

  it('the log level -> the logger follows', async () => {
    const logger: Logger = { level: 'info', debug() {}, info() {}, warn() {}, error() {} };
    const a = await fixture.start('a', {}, { logger });
    await a.reconfigure({ logLevel: 'debug' });
    expect(logger.level).toBe('debug');
  });

  it('a control socket that cannot be opened -> is reported, and the node continues without it', async () => {
    const a = await fixture.start('a');
    writeFileSync(join(fixture.directoryOf('a'), 'control.sock'), 'in the way');
    await a.reconfigure({ control: true });
    await until('the failure', () => a.nodeEvents.some((each) => each.type === 'failure' && each.where === 'control'));
    expect(a.state).toBe('running');
    await a.collection('things').put('x', 1);
  });

  it('the cluster key over three steps while it syncs -> never apart for long, and the old one is refused', async () => {
    const pair = await startPair();
    const [a, b] = pair;
    const next = 'the next secret of this cluster';
    const both = (partial: object) => Promise.all(pair.map((node) => node.reconfigure(partial)));
    await both({ acceptedClusterKeys: [next] });
    await a.collection('things').put('1', 1);
    // One after the other: meanwhile they have different first keys.
    await a.reconfigure({ clusterKey: next, acceptedClusterKeys: [clusterKey] });
    await a.collection('things').put('2', 1);
    await b.reconfigure({ clusterKey: next, acceptedClusterKeys: [clusterKey] });
    await both({ acceptedClusterKeys: [] });
    await b.collection('things').put('3', 1);
    await untilMeshed(pair);
    await untilConverged(pair);
    expect(await a.collection('things').count()).toBe(3);
    const late = await fixture.start('c', { knownPeers: [{ nodeId: 'a', address: `127.0.0.1:${portOf(a)}` }] });
    await until('c is refused', () => late.nodeEvents.some((each) => each.type === 'peer.refused'));
    expect(late.peers.find(({ nodeId }) => nodeId === 'a')).toMatchObject({ lastFailure: { code: 'wrongClusterKey' } });
  });
});

describe('asking', () => {
  it('no change -> nothing is done, and the answer says so', async () => {
    const a = await fixture.start('a');
    const session = (await a.status()).boot;
    expect(await a.reconfigure({ nodeId: 'a', eligible: true })).toMatchObject({ changes: [] });
    expect((await a.status()).boot).toBe(session);
  });

  it('several in quick succession -> one reconfiguration, the last wins, and a bad one is refused alone', async () => {
    const a = await fixture.start('a');
    const asked = [
      a.reconfigure({ heartbeatIntervalMs: 300 }),
      a.reconfigure({ heartbeatIntervalMs: 400, syncIntervalMs: 900 }),
      a.reconfigure({ port: -1 }),
      a.reconfigure({ heartbeatIntervalMs: 500 }),
    ];
    const [first, second, bad, last] = await Promise.allSettled(asked);
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'configurationInvalid' } });
    expect([first, second, last].map((each) => each?.status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
    const done = a.nodeEvents.filter((each) => each.type === 'reconfiguration.finished');
    expect(done.length).toBeLessThanOrEqual(2);
    const { configuration } = a.actor.getSnapshot().context.configured ?? {};
    expect(configuration).toMatchObject({ heartbeatIntervalMs: 500, syncIntervalMs: 900 });
  });

  it('before the start, and after the stop -> when it runs; notRunning', async () => {
    const a = fixture.make('a');
    const early = a.reconfigure({ heartbeatIntervalMs: 300 });
    await a.start();
    expect((await early).changes).toMatchObject([{ field: 'heartbeatIntervalMs' }]);
    await a.stop();
    expect(await failureOf(a.reconfigure({ port: 0 }))).toMatchObject({ code: 'notRunning' });
  });

  it('stopped in the middle of a change of NodeId -> ends, is answered, and nothing is left open', async () => {
    for (const step of ['checking', 'openingStore', 'copying', 'draining', 'leaving', 'retiring']) {
      const a = await fixture.start('a');
      const b = await fixture.start(`b-${step}`);
      await untilMeshed([a, b]);
      const stopping = new Promise<void>((resolve) => {
        followSteps(a.actor, (reached) => {
          if (reached.startsWith(step)) resolve(a.stop());
        });
      });
      const asked = a.reconfigure({ nodeId: `x-${step}`, port: await freePort() });
      const outcome = failureOf(asked);
      await stopping;
      expect([undefined, 'notRunning']).toContain((await outcome)?.code);
      // Both databases can be opened again.
      for (const nodeId of ['a', `x-${step}`]) {
        const again = createNode({
          nodeId,
          dataDir: fixture.directoryOf('a'),
          clusterKey,
          clusterSalt,
          discovery: false,
        });
        await again.start();
        await again.stop();
      }
      await b.stop();
    }
  });

  it('a provider that changes, fails and is wrong -> applied; reported; refused with the field named', async () => {
    const fields = { nodeId: 'a', dataDir: fixture.directoryOf('a'), clusterKey, clusterSalt, discovery: false };
    const provider = staticConfiguration(fields);
    const node = createNode(provider);
    const heard: { type: string; failure?: { message: string } }[] = [];
    for (const type of ['reconfiguration.finished', 'reconfiguration.failed'] as const)
      node.on(type, (each) => void heard.push(each));
    await node.start();
    provider.update({ ...fields, eligible: false });
    await until('taken up', () => heard.length === 1);
    provider.update({ ...fields, eligible: false, port: -1 });
    provider.update({ ...fields, eligible: false });
    await until('refused', () => heard.length === 2);
    expect(heard.map(({ type }) => type)).toEqual(['reconfiguration.finished', 'reconfiguration.failed']);
    expect(heard[1]?.failure?.message).toContain('port');
    await node.stop();
  });
});

describe('role', () => {
  let cloud: CloudFixture;
  beforeEach(async () => {
    cloud = await createCloud();
  });
  afterEach(() => cloud.close());

  it('member, cloud node, member -> in turns, on the same port, with the same data', async () => {
    const [a, b] = await startPair();
    await b.collection('things').put('x', 1);
    await untilConverged([a, b]);
    const port = portOf(b);
    await b.reconfigure({ ...(cloud.cloudOptions as object), port });
    expect(await b.status()).toMatchObject({ role: 'cloud', security: 'server', port, state: 'running' });
    expect(await b.collection('things').get('x')).toBe(1);
    await until('a has lost it', () => !isConnected(a, 'b'));
    await a.reconfigure({ ca: cloud.caPath });
    await a.addCloudPeer('b', `localhost:${port}`, cloud.oAuth2);
    await until('a is connected with it as with a cloud', () => a.gateways.some(({ state }) => state === 'online'));
    await a.removeRemotePeer('b');
    const none = { role: undefined, tlsCert: undefined, tlsKey: undefined, authority: undefined, audience: undefined };
    await b.reconfigure(none as never);
    expect(await b.status()).toMatchObject({ role: 'member', security: 'psk', port });
    await untilMeshed([a, b]);
    await untilConverged([a, b]);
  });
});
