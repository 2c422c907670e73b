/**
 * Nodes that change how other nodes see them: their role, their protection, their certificate; and how the others learn
 * of it.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { makeCertificates } from '../../demo/certificates.js';
import type { StatemeshError } from '../../src/core/errors.js';
import { createNode, type NodeEvent, type PeerNodeConfigurationProvider, type StatemeshNode } from '../../src/index.js';
import { type CloudFixture, createCloud } from './cloud-fixture.js';
import {
  clusterKey,
  clusterSalt,
  createFixture,
  type Fixture,
  isConnected,
  portOf,
  sessionsOf,
  until,
  untilConverged,
  untilMeshed,
} from './cluster-fixture.js';
import { codeOf, refusalOf } from './database-fixture.js';

let fixture: Fixture;
beforeEach(() => {
  fixture = createFixture();
});
afterEach(() => fixture.close());

function isOnline(node: StatemeshNode, nodeId: string): boolean {
  return node.gateways.some((gateway) => gateway.nodeId === nodeId && gateway.state === 'online');
}

describe('role', () => {
  let cloud: CloudFixture;
  beforeEach(async () => {
    cloud = await createCloud();
  });
  afterEach(() => cloud.close());

  const member = {
    role: undefined,
    tlsCert: undefined,
    tlsKey: undefined,
    authority: undefined,
    audience: undefined,
    plaintextCloud: undefined,
  } as never;

  it('member, cloud node without a certificate, member, three times -> serves as each, on one port, with one database', async () => {
    const [a, b] = [await fixture.start('a', { plaintextCloud: true }), await fixture.start('b')];
    await untilMeshed([a, b]);
    const port = portOf(b);
    for (let round = 1; round <= 3; round += 1) {
      await b.reconfigure({
        role: 'cloud',
        plaintextCloud: true,
        authority: cloud.authority.url,
        audience: cloud.oAuth2.audience,
      } as never);
      expect(await b.status()).toMatchObject({ role: 'cloud', security: 'none', port, leadership: undefined });
      await a.addCloudPeer('b', `tcp://127.0.0.1:${port}`, cloud.oAuth2);
      await until('a is connected with it as with a cloud', () => isOnline(a, 'b'));
      expect(isConnected(a, 'b')).toBe(false);
      await a.collection('things').put(`as to a cloud ${round}`, round);
      await until('it has it', async () => (await b.collection('things').get(`as to a cloud ${round}`)) === round);
      await a.removeRemotePeer('b');
      await until('a is not', () => a.gateways.length === 0);
      await b.reconfigure(member);
      expect(await b.status()).toMatchObject({ role: 'member', security: 'psk', port });
      await untilMeshed([a, b]);
      await untilConverged([a, b]);
    }
    expect(await b.collection('things').count()).toBe(3);
  });

  it('a cloud node whose certificate is renewed under its name -> presents it, and the sessions stay', async () => {
    const node = await fixture.start('cloud', cloud.cloudOptions);
    const a = await fixture.start('a', { ca: cloud.caPath });
    await a.addCloudPeer('cloud', `localhost:${portOf(node)}`, cloud.oAuth2);
    await until('a is connected', () => isOnline(a, 'cloud'));
    const before = await certificateAt(portOf(node));
    const [first] = node.peers;
    const renewed = await makeCertificates();
    writeFileSync(cloud.certPath, renewed.certificate);
    writeFileSync(cloud.keyPath, renewed.key);
    const { changes, connectionsRefusedMs } = await node.reconfigure({});
    expect(changes).toEqual([{ field: 'tlsCert', from: cloud.certPath, to: `${cloud.certPath} (replaced)` }]);
    expect(connectionsRefusedMs).toBe(0);
    expect(await certificateAt(portOf(node))).not.toBe(before);
    expect(node.peers[0]?.remoteAddress).toBe(first?.remoteAddress);
    await a.collection('things').put('x', 1);
    await until('it syncs', async () => (await node.collection('things').get('x')) === 1);
  });

  it('the certificate cannot be read -> the one in use stays, and the file is named', async () => {
    const node = await fixture.start('cloud', cloud.cloudOptions);
    const before = await certificateAt(portOf(node));
    writeFileSync(cloud.keyPath, 'no key');
    const refusal = await refusalOf(() => node.reconfigure({}));
    expect([refusal?.code, refusal?.message.includes('key.pem')]).toEqual(['configurationInvalid', true]);
    expect(await certificateAt(portOf(node))).toBe(before);
  });
});

/** The fingerprint of the certificate at a port. */
function certificateAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

describe('protection', () => {
  it('the cluster turns protection off, and on again -> connects each time, and is apart in between', async () => {
    const [a, b] = [await fixture.start('a'), await fixture.start('b')];
    await untilMeshed([a, b]);
    await a.reconfigure({ security: 'none' });
    await until('they are apart', () => !isConnected(a, 'b') && !isConnected(b, 'a'));
    await b.reconfigure({ security: 'none' });
    await untilMeshed([a, b]);
    await a.collection('things').put('x', 1);
    await untilConverged([a, b]);
    await Promise.all([a, b].map((node) => node.reconfigure({ security: undefined })));
    await untilMeshed([a, b]);
    expect((await a.status()).security).toBe('psk');
    await b.collection('things').put('y', 1);
    await untilConverged([a, b]);
    await until('one session each', () => sessionsOf(a) === 1 && sessionsOf(b) === 1);
  });

  it('another cluster key without rotation -> apart at once; back -> together', async () => {
    const [a, b] = [await fixture.start('a'), await fixture.start('b')];
    await untilMeshed([a, b]);
    await a.reconfigure({ clusterKey: 'quite another passphrase' });
    await until('they are apart', () => !isConnected(a, 'b') && !isConnected(b, 'a'));
    await a.reconfigure({ clusterKey });
    await untilMeshed([a, b]);
  });
});

describe('discovery and control', () => {
  it('discovery is off -> later nodes are not found, until it is on again', async () => {
    const a = await fixture.start('a');
    await a.reconfigure({ discovery: false });
    // Three beacons that another node hears: so `a` would have had its chance.
    const [b, c] = [await fixture.start('b'), await fixture.start('c')];
    await untilMeshed([b, c]);
    expect([a.peers, b.peers.map(({ nodeId }) => nodeId)]).toEqual([[], ['c']]);
    await a.reconfigure({ discovery: true });
    await untilMeshed([a, b, c]);
  });

  it('another discovery port -> hears those there', async () => {
    const a = await fixture.start('a', { discoveryPort: 19_990 });
    const b = await fixture.start('b');
    const { configuration } = b.actor.getSnapshot().context.configured ?? {};
    expect(a.peers).toEqual([]);
    await a.reconfigure({ discoveryPort: configuration?.discoveryPort });
    await untilMeshed([a, b]);
  });

  it('control on, off, on -> the socket comes and goes', async () => {
    const a = await fixture.start('a');
    const socket = join(fixture.directoryOf('a'), 'control.sock');
    for (const control of [true, false, true, false]) {
      await a.reconfigure({ control });
      await until(`the socket: ${control}`, () => existsSync(socket) === control);
    }
  });
});

describe('a custom provider', () => {
  const fields = { nodeId: 'a', clusterKey, clusterSalt, discovery: false };

  function provide(first: () => Promise<object>) {
    const listeners = new Set<(configuration: never) => void>();
    const troubled = new Set<(failure: never) => void>();
    const provider: PeerNodeConfigurationProvider = {
      getConfiguration: first as never,
      onConfigurationChanged(listener) {
        listeners.add(listener as never);
        return () => listeners.delete(listener as never);
      },
      onTrouble(listener) {
        troubled.add(listener as never);
        return () => troubled.delete(listener as never);
      },
    };
    return {
      provider,
      give: (configuration: object) => listeners.forEach((listener) => void listener(configuration as never)),
      fail: (failure: object) => troubled.forEach((listener) => void listener(failure as never)),
      listening: () => listeners.size + troubled.size,
    };
  }

  it('no configuration -> the node does not start, and says why; the provider has no listener any more', async () => {
    const source = provide(async () => {
      throw Object.assign(new Error('The server is away.'), {
        name: 'StatemeshError',
        code: 'configurationUnreadable',
      } satisfies Partial<StatemeshError>);
    });
    const node = createNode(source.provider);
    expect(await refusalOf(() => node.start())).toEqual({
      code: 'configurationUnreadable',
      message: 'The server is away.',
    });
    expect([node.state, source.listening()]).toEqual(['failed', 0]);
  });

  it('a change while the node starts -> is applied when it runs', async () => {
    const dataDir = fixture.directoryOf('a');
    const source = provide(async () => ({ ...fields, dataDir }));
    const node = createNode(source.provider);
    const finished = new Promise<NodeEvent>((resolve) => node.on('reconfiguration.finished', resolve));
    const starting = node.start();
    source.give({ ...fields, dataDir, syncIntervalMs: 900 });
    await starting;
    expect(await finished).toMatchObject({ changes: [{ field: 'syncIntervalMs', to: 900 }] });
    await node.stop();
    expect(source.listening()).toBe(0);
  });

  it('trouble, an invalid, a partial and a valid configuration -> reported, refused, in force, and changed where the provider has changed', async () => {
    const dataDir = fixture.directoryOf('a');
    const source = provide(async () => ({ ...fields, dataDir }));
    const node = createNode(source.provider);
    await node.start();
    source.fail({ code: 'configurationUnreadable', message: 'The file is away.' });
    expect((await node.status()).lastFailure).toMatchObject({ message: 'The file is away.' });
    source.give({ ...fields, dataDir, heartbeatIntervalMs: 1 });
    expect((await node.status()).lastFailure).toMatchObject({
      code: 'configurationInvalid',
      message: expect.stringContaining('heartbeatIntervalMs'),
    });
    await node.reconfigure({ syncIntervalMs: 900, eligible: false });
    const finished = new Promise<NodeEvent>((resolve) => node.on('reconfiguration.finished', resolve));
    source.give({ ...fields, dataDir, syncIntervalMs: 800 });
    expect(await finished).toMatchObject({ changes: [{ field: 'syncIntervalMs', from: 900, to: 800 }] });
    expect(await codeOf(() => node.collection('things').put('x', 1))).toBe('none');
    await node.stop();
  });

  it('its listener is called with garbage -> refused, and the node continues', async () => {
    const source = provide(async () => ({ ...fields, dataDir: fixture.directoryOf('a') }));
    const node = createNode(source.provider);
    await node.start();
    const refused: string[] = [];
    node.on('reconfiguration.failed', ({ failure }) => refused.push(failure.code));
    const cyclic: Record<string, unknown> = { ...fields };
    cyclic.knownPeers = cyclic;
    for (const rubbish of [undefined, null, 7, 'text', [], {}, cyclic]) source.give(rubbish as never);
    expect(refused).toHaveLength(7);
    expect(node.state).toBe('running');
    await node.stop();
  });
});
