import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHttp } from '../../src/adapters/http.js';
import { createNetwork } from '../../src/adapters/network.js';
import { systemEnvironment } from '../../src/adapters/process-environment.js';
import { systemRandomness } from '../../src/adapters/randomness.js';
import { systemTime } from '../../src/adapters/time.js';
import { type ConfigurationInput, createNode, PeerType, staticConfiguration } from '../../src/index.js';
import {
  createFixture,
  type Fixture,
  isConnected,
  portOf,
  sessionsOf,
  until,
  untilConverged,
  untilMeshed,
} from './cluster-fixture.js';
import { ownPort } from './own-port.js';

let fixture: Fixture;
beforeEach(() => {
  fixture = createFixture();
});
afterEach(() => fixture.close());

const withoutDiscovery = { discovery: false };

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error) => (error as { code: string }).code,
  );
}

describe('a cluster on loopback', () => {
  it('three nodes: started -> find each other, one session per pair, and sync in all directions', async () => {
    const nodes = await Promise.all(['a', 'b', 'c'].map((nodeId) => fixture.start(nodeId)));
    await untilMeshed(nodes);
    await Promise.all(nodes.map((node, index) => node.collection('things').put(`k${index}`, { index })));
    await nodes[0]?.collection('things').put('gone', 1);
    await nodes[0]?.collection('things').delete('gone');
    await untilConverged(nodes);
    for (const node of nodes) {
      expect(await node.collection('things').count()).toBe(3);
      expect(await node.collection('things').get('gone')).toBeUndefined();
    }
    await until('one session a pair', () => nodes.every((node) => sessionsOf(node) === 2));
  });

  it('a node with thousands of documents: an empty one joins -> it gets all of them', async () => {
    const a = await fixture.start('a');
    const documents = Array.from(
      { length: 5_000 },
      (_, index) => [`k${index}`, { index, text: 'x'.repeat(100) }] as const,
    );
    await a.collection('things').putMany(documents);
    const b = await fixture.start('b');
    await untilConverged([a, b]);
    expect(await b.collection('things').count()).toBe(5_000);
    expect(await b.collection('things').get('k4999')).toEqual({ index: 4_999, text: 'x'.repeat(100) });
  });

  it('writes while nodes join and leave -> nothing is lost', async () => {
    const a = await fixture.start('a');
    const b = await fixture.start('b');
    const writing = (async () => {
      for (let index = 0; index < 300; index += 1) await a.collection('things').put(`a${index}`, index);
    })();
    await untilMeshed([a, b]);
    await b.stop();
    const c = await fixture.start('c');
    for (let index = 0; index < 100; index += 1) await c.collection('things').put(`c${index}`, index);
    await writing;
    const again = await fixture.start('b');
    await untilConverged([a, c, again]);
    expect(await again.collection('things').count()).toBe(400);
  });

  it('a chain: the ends do not know each other -> writes are relayed', async () => {
    const a = await fixture.start('a', withoutDiscovery);
    const b = await fixture.start('b', {
      ...withoutDiscovery,
      knownPeers: [{ nodeId: 'a', address: `127.0.0.1:${portOf(a)}` }],
    });
    const c = await fixture.start('c', {
      ...withoutDiscovery,
      knownPeers: [{ nodeId: 'b', address: `127.0.0.1:${portOf(b)}` }],
    });
    await until('the chain', () => isConnected(b, 'a') && isConnected(b, 'c'));
    await a.collection('things').put('from-a', 1);
    await c.collection('things').put('from-c', 2);
    await untilConverged([a, b, c]);
    expect(await c.collection('things').get('from-a')).toBe(1);
    expect(await a.collection('things').get('from-c')).toBe(2);
    expect(isConnected(a, 'c')).toBe(false);
  });

  it('a node: stopped -> says goodbye; started again -> has its data and reconnects', async () => {
    const [a, b] = await Promise.all([fixture.start('a'), fixture.start('b')]);
    await untilMeshed([a, b]);
    await b.collection('things').put('k', 1);
    await b.stop();
    await until('the goodbye', () => a.nodeEvents.some(({ type }) => type === 'peer.disconnected'));
    expect(a.nodeEvents.find(({ type }) => type === 'peer.disconnected')).toMatchObject({
      failure: { code: 'goodbye' },
    });
    const again = await fixture.start('b');
    expect(await again.collection('things').get('k')).toBe(1);
    await untilMeshed([a, again]);
    await again.collection('things').put('l', 2);
    await untilConverged([a, again]);
  });
});

describe('known peers', () => {
  it('saveRemotePeer: a static peer -> is dialed, survives a restart, and reaches every node', async () => {
    const b = await fixture.start('b', withoutDiscovery);
    const a = await fixture.start('a', withoutDiscovery);
    await a.peerStore.saveRemotePeer({
      nodeId: 'b',
      address: `127.0.0.1:${portOf(b)}`,
      type: PeerType.StaticRemote,
    });
    await untilMeshed([a, b]);
    await until('the synced list', async () => (await b.peerStore.getRemotePeers()).length === 1);
    await a.stop();
    const again = await fixture.start('a', withoutDiscovery);
    await untilMeshed([again, b]);
    await again.peerStore.removeRemotePeer('b');
    await until('the removal', async () => (await b.peerStore.getRemotePeers()).length === 0);
  });

  it('an address of another node -> is refused by name, and the other node is met', async () => {
    const b = await fixture.start('b', withoutDiscovery);
    const address = `127.0.0.1:${portOf(b)}`;
    const a = await fixture.start('a', { ...withoutDiscovery, knownPeers: [{ nodeId: 'x', address }] });
    await until('the refusal', () =>
      a.peers.some(({ nodeId, lastFailure }) => nodeId === 'x' && lastFailure?.code === 'nodeIdMismatch'),
    );
    expect(isConnected(a, 'b')).toBe(true);
  });

  it("the node's own address under another name -> is refused, without a busy loop", async () => {
    const probe = await fixture.start('probe', withoutDiscovery);
    const port = portOf(probe);
    await probe.stop();
    const a = await fixture.start('a', {
      ...withoutDiscovery,
      port,
      knownPeers: [{ nodeId: 'x', address: `127.0.0.1:${port}` }],
    });
    await until('the refusal', () => a.peers.some(({ nodeId, state }) => nodeId === 'x' && state === 'refused'));
    expect(a.peers).toHaveLength(1);
    expect(a.peers[0]?.attempt).toBe(1);
    await until('no session', () => sessionsOf(a) === 0);
  });
});

describe('refusals', () => {
  it('a wrong cluster key: dialed -> both sides report it, no data flows, attempts are rare', async () => {
    const a = await fixture.start('a', withoutDiscovery);
    const b = await fixture.start('b', {
      ...withoutDiscovery,
      clusterKey: 'quite another passphrase',
      knownPeers: [{ nodeId: 'a', address: `127.0.0.1:${portOf(a)}` }],
    });
    await a.collection('things').put('secret', 1);
    await until('both know', () => {
      const shown = (node: typeof a, type: string) =>
        node.nodeEvents.some(
          (each) => each.type === type && 'failure' in each && each.failure.code === 'wrongClusterKey',
        );
      return shown(a, 'connection.refused') && shown(b, 'peer.refused');
    });
    expect(b.peers).toMatchObject([
      { nodeId: 'a', state: 'refused', attempt: 1, lastFailure: { code: 'wrongClusterKey' } },
    ]);
    expect(await b.collection('things').count()).toBe(0);
    expect(a.peers).toEqual([]);
  });

  it('two live processes with one NodeId: the second comes -> the connected one stays, both report', async () => {
    const [a, b] = await Promise.all([fixture.start('a'), fixture.start('b')]);
    await untilMeshed([a, b]);
    const double = await fixture.start('b', { dataDir: fixture.directoryOf('double') });
    await until('both report', () => {
      const reported = (node: typeof a) => node.nodeEvents.some(({ type }) => type === 'node.duplicated');
      const refused = double.peers.some(({ lastFailure }) => lastFailure?.code === 'duplicateNodeId');
      return reported(b) && reported(double) && refused;
    });
    expect(isConnected(a, 'b')).toBe(true);
    expect(isConnected(b, 'a')).toBe(true);
    await b.collection('things').put('k', 'original');
    await untilConverged([a, b]);
    expect(isConnected(double, 'a')).toBe(false);
  });

  it('a port in use -> start fails with its code, names it, and leaves nothing open', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const a = fixture.make('a', { port });
    await expect(a.start()).rejects.toMatchObject({
      code: 'portInUse',
      message: expect.stringContaining(String(port)),
    });
    expect(a.state).toBe('failed');
    await new Promise((resolve) => taken.close(resolve));
    const again = await fixture.start('a', { port });
    expect(portOf(again)).toBe(port);
  });

  it('a bad configuration of a provider -> start fails with the field named', async () => {
    const failing = (fields: object) => {
      const nobody = { nodeId: 'a', dataDir: 'nowhere', ...fields } as ConfigurationInput;
      return createNode(staticConfiguration(nobody)).start();
    };
    await expect(failing({ port: 70_000 })).rejects.toMatchObject({
      code: 'configurationInvalid',
      message: expect.stringContaining('port'),
    });
    await expect(failing({ hots: '127.0.0.1' })).rejects.toMatchObject({ message: expect.stringContaining('hots') });
    expect(await codeOf(failing({}))).toBe('clusterKeyMissing');
  });

  it('a database of another identity -> start fails, and names both', async () => {
    const a = await fixture.start('a');
    await a.collection('things').put('k', 1);
    await a.stop();
    const { renameSync } = await import('node:fs');
    renameSync(`${fixture.directoryOf('a')}/a.db`, `${fixture.directoryOf('a')}/b.db`);
    const b = fixture.make('b', { dataDir: fixture.directoryOf('a') });
    await expect(b.start()).rejects.toMatchObject({
      code: 'databaseForeign',
      message: expect.stringMatching(/"a".*"b"|"b".*"a"/s),
    });
  });
});

describe('time', () => {
  it('entries from far in the future: their author waits -> all others continue', async () => {
    const aheadMs = 3_600_000;
    const time = systemTime();
    const ahead = {
      network: createNetwork(),
      randomness: systemRandomness(),
      http: createHttp(),
      environment: systemEnvironment(),
      time: { ...time, now: () => time.now() + aheadMs },
    };
    const [a, b] = await Promise.all([fixture.start('a'), fixture.start('b')]);
    const future = await fixture.start('future', {}, { ports: ahead });
    await untilMeshed([a, b, future]);
    await future.collection('things').put('tomorrow', 1);
    await until('the report', () => a.nodeEvents.some(({ type }) => type === 'clock.drift'));
    await a.collection('things').put('today', 2);
    await until('the others', async () => (await b.collection('things').get('today')) === 2);
    await until('the future too', async () => (await future.collection('things').get('today')) === 2);
    expect(await a.collection('things').get('tomorrow')).toBeUndefined();
    expect(isConnected(a, 'future')).toBe(true);
  });
});

describe('stopping', () => {
  it('a node with sessions: stopped -> no socket, timer or handle is left, so its process ends', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'statemesh-stopping-'));
    const arguments_ = [join('test', 'integration', 'stopping.mjs'), directory, String(ownPort())];
    const program = await promisify(execFile)(process.execPath, arguments_).catch((error) => error);
    rmSync(directory, { recursive: true });
    expect(program.stderr).toBe('');
    expect(program.stdout).toBe('stopped\n');
  });

  it('a node that is starting: stopped at once -> ends, and its database can be opened', async () => {
    const a = fixture.make('a');
    const starting = a.start();
    await a.stop();
    expect(await codeOf(starting)).toBe('notRunning');
    expect(a.state).toBe('stopped');
    const again = await fixture.start('a');
    expect(await codeOf(again.collection('things').put('k', 1))).toBe('none');
  });

  it('streams that wait: the node is stopped -> they end without an error', async () => {
    const a = await fixture.start('a');
    const seen: string[] = [];
    const changes = (async () => {
      for await (const change of a.changes()) seen.push(change.key);
    })();
    const watch = a.collection('things').watch('k');
    expect(await watch.next()).toEqual({ done: false, value: undefined });
    const waiting = watch.next();
    await a.collection('things').put('other', 1);
    await until('the change', () => seen.length === 1);
    await a.stop();
    await changes;
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  it('a node: before start and after stop -> says that it is not running', async () => {
    const a = fixture.make('a');
    expect(await codeOf(a.collection('things').get('k'))).toBe('notRunning');
    await a.start();
    await a.stop();
    expect(await codeOf(a.collection('things').get('k'))).toBe('notRunning');
    expect(await codeOf(a.start())).toBe('alreadyStarted');
    await a.stop();
  });
});
