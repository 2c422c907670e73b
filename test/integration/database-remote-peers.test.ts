import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatAddress, parseAddress } from '../../src/core/address.js';
import { type Failure, StatemeshError } from '../../src/core/errors.js';
import { limits } from '../../src/core/limits.js';
import type { Store } from '../../src/ports/store.js';
import { createPeerManagement } from '../../src/remote-peers/management.js';
import { formatRemotePeer, parseRemotePeer, type RemotePeerInput } from '../../src/remote-peers/peer-document.js';
import { PeerType } from '../../src/remote-peers/remote-peer.js';
import { type RemotePeers, readRemotePeers } from '../../src/remote-peers/stored-peers.js';
import { watchRemotePeers } from '../../src/remote-peers/watch-peers.js';
import { applyRemote, codeOf, countSubscribers, intercept, openStore, refusalOf, turn } from './database-fixture.js';

const collection = '_system_remote_peers';
const gateway: RemotePeerInput = { nodeId: 'gateway-1', address: '192.168.1.50:25000', type: PeerType.StaticRemote };
const gatewayDocument = {
  NodeId: 'gateway-1',
  Address: '192.168.1.50:25000',
  Type: 1,
  OAuth2Json: null,
  IsEnabled: true,
};
const oAuth2 = {
  authority: 'https://identity.example.com',
  clientId: 'lan-cluster-client',
  clientSecret: '$' + '{SECRET_FROM_ENV}',
  scopes: ['entgldb:sync'],
};
const cloud: RemotePeerInput = {
  nodeId: 'cloud-1',
  address: 'remote.example.com:9000',
  type: PeerType.CloudRemote,
  oAuth2,
};

function createPeerStore(getStore: () => Store) {
  const randomness = { float: () => 0, token: () => 'AAAAAAAAAAAAAAAA' };
  return createPeerManagement({ getStore, getKeys: () => undefined, randomness });
}

async function openPeers() {
  const { store, subscribers } = countSubscribers(await openStore());
  return { store, subscribers, peers: createPeerStore(() => store) };
}

function storeText(store: Parameters<typeof applyRemote>[0], key: string, document: unknown): Promise<void> {
  return applyRemote(store, {
    collection,
    key,
    payload: typeof document === 'string' ? document : JSON.stringify(document),
  });
}

describe('peer store', () => {
  test('saveRemotePeer: a static peer -> exactly the specified document, under its NodeId', async () => {
    const { store, peers } = await openPeers();
    await peers.saveRemotePeer(gateway);
    expect(await store.find(collection as never, {})).toEqual([
      { key: 'gateway-1', payload: JSON.stringify(gatewayDocument) },
    ]);
    expect(await peers.getRemotePeers()).toEqual([{ ...gateway, isEnabled: true }]);
  });

  test('saveRemotePeer: a cloud peer -> OAuth2Json is the text of its configuration', async () => {
    const { store, peers } = await openPeers();
    await peers.saveRemotePeer({ ...cloud, isEnabled: false });
    const [stored] = await store.find(collection as never, {});
    expect(JSON.parse(stored?.payload ?? '')).toEqual({
      NodeId: 'cloud-1',
      Address: 'remote.example.com:9000',
      Type: 2,
      OAuth2Json: JSON.stringify(oAuth2),
      IsEnabled: false,
    });
    expect(await peers.getRemotePeers()).toEqual([{ ...cloud, isEnabled: false }]);
  });

  test('saveRemotePeer: the same again -> not new; another address -> replaced', async () => {
    const { store, peers } = await openPeers();
    expect(await peers.saveRemotePeer(gateway)).toBeDefined();
    expect(await peers.saveRemotePeer(gateway)).toBeUndefined();
    // The document, and the marker that the peer is not removed.
    expect(store.cursor()).toBe(2);
    await peers.saveRemotePeer({ ...gateway, address: '[fe80::1%eth0]:25000' });
    expect((await peers.getRemotePeers()).map(({ address }) => address)).toEqual(['[fe80::1%eth0]:25000']);
  });

  test('removeRemotePeer: present, then absent -> gone, then undefined', async () => {
    const { peers } = await openPeers();
    await peers.saveRemotePeer(gateway);
    expect(await peers.removeRemotePeer('gateway-1')).toBeDefined();
    expect(await peers.removeRemotePeer('gateway-1')).toBeUndefined();
    expect(await peers.getRemotePeers()).toEqual([]);
    expect(await codeOf(() => peers.removeRemotePeer('no\u0000key'))).toBe('peerInvalid');
  });

  test.each<[string, unknown, string]>([
    ['no object', null, ''],
    ['a misspelt field', { ...gateway, isEnabledd: false }, ''],
    ['a misspelt field of OAuth2', { ...cloud, oAuth2: { ...oAuth2, scope: [] } }, 'oAuth2'],
    ['a NodeId with a slash', { ...gateway, nodeId: 'a/b' }, 'nodeId'],
    ['no NodeId', { ...gateway, nodeId: undefined }, 'nodeId'],
    ['no port', { ...gateway, address: '192.168.1.50' }, 'address'],
    ['no address', { ...gateway, address: undefined }, 'address'],
    ['an unknown type', { ...gateway, type: 3 }, 'type'],
    ['a type by name', { ...gateway, type: 'StaticRemote' }, 'type'],
    ['a peer found by beacons', { ...gateway, type: PeerType.LanDiscovered }, 'type'],
    ['isEnabled as text', { ...gateway, isEnabled: 'true' }, 'isEnabled'],
    ['a static peer with credentials', { ...gateway, oAuth2 }, 'oAuth2'],
    ['a cloud peer without', { ...cloud, oAuth2: undefined }, 'oAuth2'],
    ['plain http', { ...cloud, oAuth2: { ...oAuth2, authority: 'http://example.com' } }, 'oAuth2.authority'],
    ['no client', { ...cloud, oAuth2: { ...oAuth2, clientId: '' } }, 'oAuth2.clientId'],
    ['scopes as text', { ...cloud, oAuth2: { ...oAuth2, scopes: 'a b' } }, 'oAuth2.scopes'],
    ['a literal secret', { ...cloud, oAuth2: { ...oAuth2, clientSecret: 'secret' } }, 'oAuth2.clientSecret'],
  ])('saveRemotePeer: %s -> peerInvalid naming the field, and nothing is written', async (_name, peer, field) => {
    const { store, peers } = await openPeers();
    const refusal = await refusalOf(() => peers.saveRemotePeer(peer as RemotePeerInput));
    expect(refusal).toEqual({
      code: 'peerInvalid',
      message: expect.stringContaining(`peer${field && ', '}${field}: `),
    });
    expect(refusal?.message).not.toContain("secret'");
    expect(store.cursor()).toBe(0);
  });

  test('peer store: no store yet -> notRunning', async () => {
    const peers = createPeerStore(() => {
      throw new StatemeshError('notRunning', 'The node is not running.');
    });
    expect(await codeOf(() => peers.getRemotePeers())).toBe('notRunning');
    expect(await codeOf(() => peers.saveRemotePeer(gateway))).toBe('notRunning');
  });

  test('readRemotePeers: foreign documents that are not peers -> skipped, each with its problem', async () => {
    const { store, peers } = await openPeers();
    await peers.saveRemotePeer(gateway);
    await storeText(store, 'bad-json', '{"NodeId":');
    await storeText(store, 'bad-list', []);
    await storeText(store, 'bad-key', { ...gatewayDocument, NodeId: 'other' });
    await storeText(store, 'bad-address', { ...gatewayDocument, NodeId: 'bad-address', Address: 'x' });
    await storeText(store, 'bad-type', { ...gatewayDocument, NodeId: 'bad-type', Type: '1' });
    await storeText(store, 'bad-enabled', { ...gatewayDocument, NodeId: 'bad-enabled', IsEnabled: 1 });
    await storeText(store, 'bad-cloud', { ...gatewayDocument, NodeId: 'bad-cloud', Type: 2, OAuth2Json: '{}' });
    await storeText(store, 'lan', { ...gatewayDocument, NodeId: 'lan', Type: 0, AddedLater: true });
    const { peers: read, quarantined } = await readRemotePeers(store);
    expect(read.map(({ nodeId, type }) => [nodeId, type])).toEqual([
      ['gateway-1', 1],
      ['lan', 0],
    ]);
    expect(
      Object.fromEntries(quarantined.map(({ documentKey, reason }) => [documentKey, /, (.*?):/.exec(reason)?.[1]])),
    ).toEqual({
      'bad-address': 'Address',
      'bad-cloud': 'OAuth2Json.authority',
      'bad-enabled': 'IsEnabled',
      'bad-json': 'The document',
      'bad-key': 'NodeId',
      'bad-list': 'The document',
      'bad-type': 'Type',
    });
    expect(await peers.getRemotePeers()).toEqual(read);
  });

  test('readRemotePeers: more than peersMax -> the first of them, and a failure that says so', async () => {
    const { store } = await openPeers();
    const writes = Array.from({ length: limits.peersMax + 5 }, (_, index) => {
      const nodeId = `peer-${String(index).padStart(4, '0')}`;
      const payload = JSON.stringify({ ...gatewayDocument, NodeId: nodeId });
      return { kind: 'put' as const, collection: collection as never, key: nodeId as never, payload };
    });
    await store.write(writes);
    const { peers, quarantined, surplus } = await readRemotePeers(store);
    expect(peers).toHaveLength(limits.peersMax);
    expect(quarantined).toEqual([]);
    expect(surplus?.code).toBe('connectionLimit');
  });

  test('readRemotePeers: more invalid documents than quarantinedMax -> the first of them are listed', async () => {
    const { store } = await openPeers();
    const count = limits.quarantinedMax + 5;
    await store.write(
      Array.from({ length: count }, (_, index) => {
        const key = `bad-${String(index).padStart(4, '0')}`;
        return { kind: 'put' as const, collection: collection as never, key: key as never, payload: '1' };
      }),
    );
    const { quarantined } = await readRemotePeers(store);
    expect(quarantined.map(({ documentKey }) => documentKey)).toEqual(
      Array.from({ length: limits.quarantinedMax }, (_, index) => `bad-${String(index).padStart(4, '0')}`),
    );
  });

  test('readRemotePeers: thousands of invalid documents -> others have their turn meanwhile, and few markers are read', async () => {
    const { store } = await openPeers();
    const count = 4 * limits.pageDocumentsMax;
    await store.write(
      Array.from({ length: count }, (_, index) => {
        const key = `bad-${String(index).padStart(4, '0')}`;
        return { kind: 'put' as const, collection: collection as never, key: key as never, payload: '1' };
      }),
    );
    let asked = 0;
    const get: typeof store.get = (...document) => {
      asked += 1;
      return store.get(...document);
    };
    let turns = 0;
    let isRead = false;
    const takeTurn = (): void => {
      turns += 1;
      if (!isRead) setImmediate(takeTurn);
    };
    setImmediate(takeTurn);
    await readRemotePeers(Object.assign(Object.create(store), { get }));
    isRead = true;
    expect(turns).toBeGreaterThanOrEqual(count / limits.pageDocumentsMax - 1);
    expect(asked).toBe(limits.quarantinedMax);
  });

  test('parseRemotePeer: the output of formatRemotePeer -> the same peer', () => {
    for (const input of [gateway, cloud]) {
      const peer = parseRemotePeer(
        input.nodeId,
        formatRemotePeer({ ...input, nodeId: input.nodeId as never, isEnabled: true }),
      );
      expect(peer).toEqual({ ...input, isEnabled: true });
    }
  });
});

describe('watchRemotePeers', () => {
  /** Collects the reports; `next` resolves with the next one. */
  function listen() {
    const told: RemotePeers[] = [];
    let hear = (_peers: RemotePeers): void => {};
    return {
      told,
      listener(peers: RemotePeers) {
        told.push(peers);
        hear(peers);
      },
      next: () =>
        new Promise<RemotePeers>((resolve) => {
          hear = resolve;
        }),
    };
  }

  test('watchRemotePeers: now, and after each commit that touches them, local or remote -> reported', async () => {
    const { store, peers, subscribers } = await openPeers();
    await peers.saveRemotePeer(gateway);
    const ears = listen();
    const first = ears.next();
    const stop = watchRemotePeers(store, ears.listener);
    expect((await first).peers).toHaveLength(1);
    const second = ears.next();
    await storeText(store, 'bad', 'no JSON');
    expect((await second).quarantined).toEqual([{ collection, documentKey: 'bad', reason: expect.any(String) }]);
    await store.write([{ kind: 'put', collection: 'others' as never, key: 'a' as never, payload: '1' }]);
    for (let count = 0; count < 5; count++) await turn();
    expect(ears.told).toHaveLength(2);
    stop();
    expect(subscribers()).toBe(0);
    await peers.removeRemotePeer('gateway-1');
    for (let count = 0; count < 5; count++) await turn();
    expect(ears.told).toHaveLength(2);
  });

  test('watchRemotePeers: commits while it reads -> read once more, and the last state is reported', async () => {
    const { store, peers } = await openPeers();
    let reads = 0;
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const held = intercept(store, {
      async *pages(name, query) {
        // One per reading: this collection is read first.
        if (name === '_system_removed_peers') reads += 1;
        const pages = [];
        for await (const page of store.pages(name, query)) pages.push(page);
        await gate;
        yield* pages;
      },
    });
    const ears = listen();
    const stop = watchRemotePeers(held, ears.listener);
    for (let port = 1; port <= 5; port++) await peers.saveRemotePeer({ ...gateway, address: `host:${port}` });
    expect(reads).toBe(1);
    const first = ears.next();
    release();
    await first;
    const last = await ears.next();
    expect(last.peers.map(({ address }) => address)).toEqual(['host:5']);
    expect(reads).toBe(2);
    stop();
  });

  test('watchRemotePeers: the listener throws, or a read fails -> reported, and the watch continues', async () => {
    const { store, peers } = await openPeers();
    const failures: Failure[] = [];
    let reads = 0;
    const failing = intercept(store, {
      async *pages(name, query) {
        if (name === '_system_removed_peers') reads += 1;
        if (name === '_system_removed_peers' && reads === 2)
          throw new StatemeshError('databaseUnavailable', 'The disk is away.');
        yield* store.pages(name, query);
      },
    });
    let told = 0;
    const stop = watchRemotePeers(
      failing,
      () => {
        told += 1;
        if (told === 1) throw new RangeError('listener');
      },
      (failure) => {
        failures.push(failure);
        throw new RangeError('reporter');
      },
    );
    await turn();
    for (let port = 1; port <= 2; port++) {
      await peers.saveRemotePeer({ ...gateway, address: `host:${port}` });
      await turn();
    }
    expect(failures.map(({ code }) => code)).toEqual(['internal', 'databaseUnavailable']);
    expect(told).toBe(2);
    stop();
  });

  test('watchRemotePeers: the store is closed -> no more reports', async () => {
    const { store } = await openPeers();
    await store.close();
    const failures: Failure[] = [];
    watchRemotePeers(
      store,
      () => expect(true).toBe(false),
      (failure) => failures.push(failure),
    );
    for (let count = 0; count < 5; count++) await turn();
    expect(failures).toEqual([]);
  });
});

describe('addresses', () => {
  test.each([
    ['192.168.1.50:25000', '192.168.1.50', 25_000],
    ['remote.entgldb.com:9000', 'remote.entgldb.com', 9_000],
    ['shop_1:1', 'shop_1', 1],
    ['LOCALHOST:65535', 'LOCALHOST', 65_535],
    ['[::1]:80', '::1', 80],
    ['[fe80::1%eth0]:80', 'fe80::1%eth0', 80],
    ['[::ffff:10.0.0.1]:80', '::ffff:10.0.0.1', 80],
  ])('parseAddress: %s -> host and port, and back', (text, host, port) => {
    expect(parseAddress(text)).toEqual({ host, port });
    expect(formatAddress({ host, port })).toBe(text);
  });

  test.each([
    '',
    'host',
    ':80',
    'host:',
    'host:0',
    'host:65536',
    'host:8o',
    'host:-1',
    'host:080',
    ' host:80',
    'ho st:80',
    '::1:80',
    '[::1]',
    '[::1]80',
    '[1.2.3.4]:80',
    '[:::1]:80',
    '[::1]:0',
    '999.1.1.1:80',
    '1.2.3:80',
    'a..b:80',
    '-a:80',
    'user@host:80',
    'http://host:80',
    'host:80/path',
    'höst:80',
    `${'a'.repeat(254)}:80`,
  ])('parseAddress: "%s" -> peerInvalid', async (text) => {
    expect(await codeOf(() => parseAddress(text))).toBe('peerInvalid');
  });

  test('parseAddress: any text -> an address that formats back to it, or peerInvalid', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.webAuthority(),
          fc.ipV6().map((ip) => `[${ip}]:25000`),
        ),
        async (text) => {
          // A failed expectation is neither.
          const code = await codeOf(() => expect(formatAddress(parseAddress(text))).toBe(text));
          expect(['none', 'peerInvalid']).toContain(code);
        },
      ),
    );
  });
});
