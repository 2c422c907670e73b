/**
 * Changes to remote peers, on one node and on several that meet later; and the initial peers, which every change
 * outranks.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createActor } from 'xstate';
import { failureOf } from '../../src/core/errors.js';
import type { NodeId } from '../../src/core/ids.js';
import { ClusterKeys } from '../../src/core/keys.js';
import { isSealed, openSecret } from '../../src/core/sealing.js';
import type { Store } from '../../src/ports/store.js';
import { createPeerManagement } from '../../src/remote-peers/management.js';
import { readRemotePeers } from '../../src/remote-peers/stored-peers.js';
import { createKnownPeers } from '../../src/services/known-peers.js';
import { everything, keyOf, nodeB, payloadOf, peers } from '../contracts/store-harness.js';
import { openInTemporaryDirectory } from '../contracts/store-temporary.js';
import { applyRemote, openStore } from './database-fixture.js';

const open = openInTemporaryDirectory();
const keys = new ClusterKeys(new Uint8Array(32).fill(1));
let tokens = 0;
const randomness = {
  float: () => 0.5,
  token() {
    tokens += 1;
    const bytes = Buffer.alloc(12);
    bytes.writeUInt32LE(tokens);
    return bytes.toString('base64url');
  },
};
const managed = (store: Store) => createPeerManagement({ getStore: () => store, getKeys: () => keys, randomness });
const oAuth2 = { authority: 'https://id.example.com', clientId: 'shop', scopes: ['entgldb:sync'] };
const marker = { collection: '_system_removed_peers', key: 'x' };

async function managedStore() {
  const store = await openStore();
  return { store, management: managed(store) };
}

describe('peer management', () => {
  test('changes requested at once: not awaited in between -> made one after the other', async () => {
    const { management } = await managedStore();
    await Promise.all([management.addStaticPeer('x', 'h:1'), management.removeRemotePeer('x')]);
    expect(await management.getAllRemotePeers()).toEqual([]);
    await Promise.all([management.addStaticPeer('x', 'h:1'), management.disablePeer('x')]);
    expect((await management.getAllRemotePeers())[0]?.isEnabled).toBe(false);
  });

  test('enable and disable: an unknown or removed peer -> peerUnknown', async () => {
    const { management } = await managedStore();
    const codeOf = (promise: Promise<unknown>) =>
      promise.then(
        () => 'done',
        (error) => failureOf(error).code,
      );
    expect(await codeOf(management.enablePeer('x'))).toBe('peerUnknown');
    await management.addStaticPeer('x', 'h:1');
    expect(await codeOf(management.disablePeer('x'))).toBe('done');
    await management.removeRemotePeer('x');
    expect(await codeOf(management.enablePeer('x'))).toBe('peerUnknown');
    expect(await codeOf(management.enablePeer('not a NodeId'))).toBe('peerInvalid');
  });

  test('nothing to change: -> undefined, and no entry', async () => {
    const { store, management } = await managedStore();
    await management.addCloudPeer('x', 'h:1', { ...oAuth2, clientSecret: 'open sesame' });
    const cursor = store.cursor();
    expect(await management.addCloudPeer('x', 'h:1', { ...oAuth2, clientSecret: 'open sesame' })).toBeUndefined();
    expect(await management.enablePeer('x')).toBeUndefined();
    expect(await management.removeRemotePeer('y')).toBeUndefined();
    expect(store.cursor()).toBe(cursor);
  });

  test('a literal secret: added -> stored sealed, and it opens; a longer one than allowed -> peerInvalid', async () => {
    const { management } = await managedStore();
    await management.addCloudPeer('x', 'h:1', { ...oAuth2, clientSecret: 's'.repeat(2_048) });
    const [peer] = await management.getAllRemotePeers();
    const envelope = peer?.oAuth2?.clientSecret ?? '';
    expect(isSealed(envelope)).toBe(true);
    expect(openSecret({ keys, peer: { nodeId: 'x', ...oAuth2 }, envelope }).reveal()).toBe('s'.repeat(2_048));
    await expect(
      management.addCloudPeer('y', 'h:1', { ...oAuth2, clientSecret: 's'.repeat(2_049) }),
    ).rejects.toMatchObject({ code: 'peerInvalid', message: expect.stringContaining('clientSecret') });
  });

  test('a peer read on another node: saved again -> kept unchanged; for another authority -> peerInvalid', async () => {
    const [one, two] = [await managedStore(), await managedStore()];
    await one.management.addCloudPeer('x', 'h:1', { ...oAuth2, clientSecret: 'open sesame' });
    const [peer] = await one.management.getAllRemotePeers();
    if (peer?.oAuth2 === undefined) throw new Error('It was not stored.');
    await two.management.saveRemotePeer(peer);
    expect(await two.management.getAllRemotePeers()).toEqual([peer]);
    const elsewhere = { ...peer, oAuth2: { ...peer.oAuth2, authority: 'https://evil.example.com' } };
    await expect(two.management.saveRemotePeer(elsewhere)).rejects.toMatchObject({ code: 'peerInvalid' });
  });

  test('a malformed marker: -> it is in quarantine, and there is no peer', async () => {
    const { store, management } = await managedStore();
    await management.addStaticPeer('x', 'h:1');
    await applyRemote(store, { ...marker, payload: '{"NodeId":"x","IsRemoved":1}' });
    const { peers: found, quarantined } = await readRemotePeers(store);
    expect(found).toEqual([]);
    expect(quarantined).toEqual([
      { collection: '_system_removed_peers', documentKey: 'x', reason: expect.stringContaining('IsRemoved') },
    ]);
  });

  test('documents of removed peers that came back: in any number -> hide no other peer', async () => {
    const { store, management } = await managedStore();
    await management.addStaticPeer('zz', 'h:1');
    for (let index = 0; index < 300; index += 1) {
      const NodeId = `a${String(index).padStart(4, '0')}`;
      const document = { NodeId, Address: 'h:1', Type: 1, OAuth2Json: null, IsEnabled: true };
      await store.write([
        {
          kind: 'put',
          collection: marker.collection as never,
          key: NodeId as never,
          payload: JSON.stringify({ NodeId, IsRemoved: true }),
        },
        {
          kind: 'put',
          collection: '_system_remote_peers' as never,
          key: NodeId as never,
          payload: JSON.stringify(document),
        },
      ]);
    }
    expect((await management.getAllRemotePeers()).map(({ nodeId }) => nodeId)).toEqual(['zz']);
  });
});

interface Step {
  readonly op: 'add' | 'enable' | 'disable' | 'remove' | 'sync';
  readonly at: number;
  readonly peer: string;
  readonly port: number;
}

const step = fc.record({
  op: fc.constantFrom<Step['op']>('add', 'enable', 'disable', 'remove', 'remove', 'sync', 'sync'),
  at: fc.nat(2),
  peer: fc.constantFrom('x', 'y'),
  port: fc.integer({ min: 1, max: 3 }),
});

async function sync(from: Store, to: Store): Promise<void> {
  await to.apply((await from.read(everything(to.clock()))).runs, from.nodeId);
}

test('three nodes: any adds, edits, removals and syncs -> converge, and the last to add or remove decides', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 16 }), async (steps) => {
      const ids = ['node-a', 'node-b', 'node-c'] as NodeId[];
      const nodes = await Promise.all(ids.map((nodeId) => open({ nodeId })));
      const managements = nodes.map(({ store }) => managed(store));
      const isThere = new Map<string, boolean>();
      for (const [index, { op, at, peer, port }] of steps.entries()) {
        for (const { time } of nodes) time.wallMs += 1 + (index % 2);
        const [node, management] = [nodes[at] as (typeof nodes)[0], managements[at] as (typeof managements)[0]];
        if (op === 'sync') await sync(node.store, (nodes[(at + port) % 3] as typeof node).store);
        else if (op === 'add') {
          if (await management.addStaticPeer(peer, `h:${port}`)) isThere.set(peer, true);
        } else if (op === 'remove') {
          if (await management.removeRemotePeer(peer)) isThere.set(peer, false);
        } else {
          const edit = op === 'enable' ? management.enablePeer : management.disablePeer;
          await edit(peer).catch((error) => expect(failureOf(error).code).toBe('peerUnknown'));
        }
      }
      for (let round = 0; round < 2; round += 1) {
        for (const a of nodes) for (const b of nodes) if (a !== b) await sync(a.store, b.store);
      }
      const [first, ...others] = await Promise.all(managements.map((management) => management.getAllRemotePeers()));
      expect(others).toEqual([first, first]);
      const expected = [...isThere].filter(([, there]) => there).map(([nodeId]) => nodeId);
      expect(first?.map(({ nodeId }) => nodeId)).toEqual(expected.sort());
      await Promise.all(nodes.map(({ store }) => store.close()));
    }),
    { numRuns: 60 },
  );
}, 120_000);

describe('initial writes', () => {
  const initial = (...names: string[]) =>
    names.map((name) => ({ kind: 'initial', collection: peers, key: keyOf(name), payload: '"initial"' }) as const);

  test('initial: known documents, deleted ones and unknown ones -> only the unknown are written', async () => {
    const { store } = await open();
    await store.write([
      { kind: 'put', collection: peers, key: keyOf('edited'), payload: '"edited"' },
      { kind: 'put', collection: peers, key: keyOf('gone'), payload: '1' },
      { kind: 'delete', collection: peers, key: keyOf('gone') },
    ]);
    const written = await store.write(initial('edited', 'gone', 'new'));
    expect(written.map((each) => each !== undefined)).toEqual([false, false, true]);
    expect(await payloadOf(store, 'edited', peers)).toBe('edited');
    expect(await payloadOf(store, 'gone', peers)).toBeUndefined();
    expect(await payloadOf(store, 'new', peers)).toBe('initial');
    expect((await store.write(initial('new')))[0]).toBeUndefined();
  });

  test.each([
    ['an edit', { kind: 'put', collection: peers, key: keyOf('p2'), payload: '"edit"' } as const, 'edit'],
    [
      'an edit by a clock before 2020',
      { kind: 'put', collection: peers, key: keyOf('p2'), payload: '"edit"' } as const,
      'edit',
    ],
  ])('initial: %s on another node, at any time -> the edit wins on both', async (name, edit, expected) => {
    const [one, other] = [await open(), await open({ nodeId: nodeB })];
    const { wallMs } = one.time;
    if (name.includes('2020')) one.time.wallMs = 0;
    await one.store.write([edit]);
    await other.store.write(initial('p0', 'p1', 'p2'));
    one.time.wallMs = wallMs;
    await sync(other.store, one.store);
    await sync(one.store, other.store);
    for (const { store } of [one, other]) expect(await payloadOf(store, 'p2', peers)).toBe(expected);
    expect(await one.store.contentDigest(['cluster'])).toEqual(await other.store.contentDigest(['cluster']));
  });

  test('initial: then own writes -> stamps continue from where they were', async () => {
    const { store } = await open();
    const [before] = await store.write([{ kind: 'put', collection: peers, key: keyOf('a'), payload: '1' }]);
    await store.write(initial('b'));
    const [after] = await store.write([{ kind: 'put', collection: peers, key: keyOf('c'), payload: '1' }]);
    expect(after?.hlc).toBeGreaterThan(before?.hlc as number);
  });

  test('knownPeers: initial peers -> in its first report, and nothing is written the second time', async () => {
    const store = await openStore();
    const document = { NodeId: 'x', Address: 'h:1', Type: 1, OAuth2Json: null, IsEnabled: true };
    for (let start = 0; start < 2; start += 1) {
      const reports: { readonly peers?: ReadonlyMap<string, unknown> }[] = [];
      const parent = { send: (event: never) => void reports.push(event) } as never;
      const input = { parent, store, configuration: { knownPeers: [] } as never, initialPeers: [document] };
      const actor = createActor(createKnownPeers(), { input }).start();
      for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      actor.stop();
      expect(reports.map((report) => report.peers?.size)).toEqual([1]);
    }
    expect(store.cursor()).toBe(1);
  });
});
