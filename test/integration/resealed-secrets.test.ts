/** Secrets that follow the cluster key during a rotation, on one node and on two that meet. */
import { describe, expect, test } from '@jest/globals';
import { createActor } from 'xstate';
import type { ResealerReport } from '../../src/actors/mailboxes.js';
import { type AuthorKey, allScopes } from '../../src/core/author.js';
import { StatemeshError } from '../../src/core/errors.js';
import { ClusterKeys } from '../../src/core/keys.js';
import { limits } from '../../src/core/limits.js';
import { chooseEnvelope, openSecret } from '../../src/core/sealing.js';
import type { Store } from '../../src/ports/store.js';
import { createPeerManagement } from '../../src/remote-peers/management.js';
import type { CloudPeer } from '../../src/remote-peers/remote-peer.js';
import { resealedSecretsCollection } from '../../src/remote-peers/resealed-envelope.js';
import { readWithResealedSecrets, resealSecrets } from '../../src/remote-peers/resealed-secrets.js';
import { createResealer } from '../../src/services/resealer.js';
import { manualTime, recorder, settled } from '../machines/bench.js';
import { openStore } from './database-fixture.js';

type Root = Uint8Array;
const [old, next, third] = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte)) as [Root, Root, Root];
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
const oAuth2 = { authority: 'https://id.example.com', clientId: 'shop', clientSecret: 's3cr3t', scopes: [] };

function managed(store: Store, keys: ClusterKeys) {
  return createPeerManagement({ getStore: () => store, getKeys: () => keys, randomness });
}

/** The secret that the gateway of a node with this ring would use; the code of the error when it has none. */
async function secretFor(store: Store, keys: ClusterKeys): Promise<string> {
  const [peer] = (await readWithResealedSecrets(store)).peers as readonly CloudPeer[];
  const original = peer?.oAuth2.clientSecret ?? '';
  const envelope = chooseEnvelope([original, peer?.resealedSecret ?? original], keys);
  try {
    const owner = { nodeId: 'cloud-1', authority: oAuth2.authority, clientId: oAuth2.clientId };
    return openSecret({ keys, peer: owner, envelope }).reveal();
  } catch (error) {
    return (error as { code: string }).code;
  }
}

const reading = { scopes: allScopes, entriesMax: 1_000, bytesMax: 1_000_000, except: new Set<AuthorKey>() };

async function sync(from: Store, to: Store): Promise<void> {
  const { runs } = await from.read({ ...reading, after: to.clock() });
  await to.apply(runs, 'peer');
}

async function stored() {
  const store = await openStore();
  await managed(store, new ClusterKeys(old)).addCloudPeer('cloud-1', 'cloud:1', oAuth2);
  return store;
}

describe('resealer', () => {
  test('it cannot be written -> is reported, and done later', async () => {
    const store = await stored();
    const time = manualTime();
    const parent = recorder<ResealerReport>();
    const write = store.write.bind(store);
    store.write = () => Promise.reject(new StatemeshError('diskFull', 'No room.'));
    const keys = new ClusterKeys(next, old);
    const actor = createActor(createResealer({ time, randomness }), { input: { parent: parent.mailbox, store, keys } });
    actor.start();
    while (parent.events.length === 0) await settled();
    expect(parent.events).toMatchObject([{ type: 'resealing.failed', failure: { code: 'diskFull' } }]);
    store.write = write;
    time.advance(limits.resealRetryMs);
    while ((await store.count(resealedSecretsCollection)) === 0) await settled();
    expect(await secretFor(store, new ClusterKeys(next))).toBe('s3cr3t');
    actor.stop();
  });

  test('a peer comes later, sealed with the old key -> is sealed again then; stopped -> no more', async () => {
    const store = await openStore();
    const parent = recorder<ResealerReport>();
    const keys = new ClusterKeys(next, old);
    const service = createResealer({ time: manualTime(), randomness });
    const actor = createActor(service, { input: { parent: parent.mailbox, store, keys } }).start();
    const add = (nodeId: string) => managed(store, new ClusterKeys(old)).addCloudPeer(nodeId, 'cloud:1', oAuth2);
    await add('cloud-1');
    while ((await store.count(resealedSecretsCollection)) === 0) await settled();
    actor.stop();
    await add('cloud-2');
    for (let turn = 0; turn < 20; turn += 1) await settled();
    expect(await store.count(resealedSecretsCollection)).toBe(1);
    expect(parent.events).toEqual([]);
  });
});

describe('resealed secrets', () => {
  test('a new key is the first -> sealed with it, so that the old one can be dropped', async () => {
    const store = await stored();
    expect(await secretFor(store, new ClusterKeys(next))).toBe('secretUnsealable');
    await resealSecrets({ store, keys: new ClusterKeys(next, old), randomness });
    expect(await secretFor(store, new ClusterKeys(next))).toBe('s3cr3t');
  });

  test('sealed with the first already, or with a key that is not in the ring -> nothing is written', async () => {
    const store = await stored();
    const before = store.cursor();
    await resealSecrets({ store, keys: new ClusterKeys(old, next), randomness });
    await resealSecrets({ store, keys: new ClusterKeys(next), randomness });
    expect(store.cursor()).toBe(before);
  });

  test('done twice -> nothing to do the second time', async () => {
    const store = await stored();
    await resealSecrets({ store, keys: new ClusterKeys(next, old), randomness });
    const before = store.cursor();
    await resealSecrets({ store, keys: new ClusterKeys(next, old), randomness });
    expect(store.cursor()).toBe(before);
  });

  test('the key goes on to a third -> the latest envelope is sealed again, not the first', async () => {
    const store = await stored();
    await resealSecrets({ store, keys: new ClusterKeys(next, old), randomness });
    await resealSecrets({ store, keys: new ClusterKeys(third, next), randomness });
    expect(await secretFor(store, new ClusterKeys(third))).toBe('s3cr3t');
  });

  test('a concurrent edit, made a moment before on another node -> is not outranked', async () => {
    const here = await stored();
    const there = await openStore('node-b');
    await sync(here, there);
    // Earlier on its clock than the envelope here, later than the document that it edits.
    await managed(there, new ClusterKeys(old)).addCloudPeer('cloud-1', 'cloud:2', { ...oAuth2, clientSecret: 'newer' });
    await managed(here, new ClusterKeys(old)).addStaticPeer('x', 'h:1');
    await resealSecrets({ store: here, keys: new ClusterKeys(next, old), randomness });
    await sync(there, here);
    await sync(here, there);
    const ring = new ClusterKeys(next, old);
    expect([await secretFor(here, ring), await secretFor(there, ring)]).toEqual(['newer', 'newer']);
    expect((await readWithResealedSecrets(here)).peers[0]?.address).toBe('cloud:2');
  });

  test('the rotation is abandoned -> the old key opens its envelope, as before', async () => {
    const store = await stored();
    await resealSecrets({ store, keys: new ClusterKeys(next, old), randomness });
    expect(await secretFor(store, new ClusterKeys(old))).toBe('s3cr3t');
  });

  test('the rotation is abandoned for another new key -> is sealed with that one', async () => {
    const store = await stored();
    await resealSecrets({ store, keys: new ClusterKeys(next, old), randomness });
    await resealSecrets({ store, keys: new ClusterKeys(third, old), randomness });
    expect(await secretFor(store, new ClusterKeys(third))).toBe('s3cr3t');
  });

  test('nodes are in two rounds of a rotation, and either leads for a while -> sealed again once', async () => {
    const store = await stored();
    const [ahead, behind] = [new ClusterKeys(next, old), new ClusterKeys(old, next)];
    await resealSecrets({ store, keys: ahead, randomness });
    const before = store.cursor();
    for (const keys of [behind, ahead, behind]) await resealSecrets({ store, keys, randomness });
    expect(store.cursor()).toBe(before);
    expect([await secretFor(store, ahead), await secretFor(store, behind)]).toEqual(['s3cr3t', 's3cr3t']);
  });

  test('a peer is saved as it was read, after the old key was dropped -> keeps its secret', async () => {
    const store = await stored();
    await resealSecrets({ store, keys: new ClusterKeys(next, old), randomness });
    const keys = new ClusterKeys(next);
    const peers = managed(store, keys);
    const [peer] = await peers.getRemotePeers();
    await peers.saveRemotePeer({ ...(peer as CloudPeer), address: 'cloud:2' });
    await resealSecrets({ store, keys, randomness });
    expect(await secretFor(store, keys)).toBe('s3cr3t');
    expect(await store.count(resealedSecretsCollection)).toBe(0);
  });

  test('it is saved so and removed at once, not awaited in between -> made one after the other', async () => {
    const store = await stored();
    await resealSecrets({ store, keys: new ClusterKeys(next, old), randomness });
    const peers = managed(store, new ClusterKeys(next));
    const [peer] = await peers.getRemotePeers();
    const saving = peers.saveRemotePeer({ ...(peer as CloudPeer), address: 'cloud:2' });
    await Promise.all([saving, peers.removeRemotePeer('cloud-1')]);
    expect(await peers.getRemotePeers()).toEqual([]);
  });

  test('a peer is saved as it was read, unchanged -> nothing is written', async () => {
    const store = await stored();
    const keys = new ClusterKeys(next, old);
    await resealSecrets({ store, keys, randomness });
    const before = store.cursor();
    const [peer] = await managed(store, keys).getRemotePeers();
    expect(await managed(store, keys).saveRemotePeer(peer as CloudPeer)).toBeUndefined();
    expect(store.cursor()).toBe(before);
  });

  test('a peer is saved as it was read, and its secret has no envelope -> peerInvalid that says why', async () => {
    const peers = managed(await stored(), new ClusterKeys(next));
    const [peer] = await peers.getRemotePeers();
    await expect(peers.saveRemotePeer({ ...(peer as CloudPeer), address: 'cloud:2' })).rejects.toMatchObject({
      code: 'peerInvalid',
      message: expect.stringContaining('another cluster key'),
    });
  });

  test('an invalid peer -> peerInvalid, as without sealed secrets', async () => {
    const peers = managed(await stored(), new ClusterKeys(next));
    const oAuth2s = [null, 'sealed:1:', { clientSecret: 5 }, { clientSecret: 'sealed:1:' }];
    for (const nothing of [undefined, null, 5, ...oAuth2s.map((given) => ({ nodeId: 'c', type: 2, oAuth2: given }))]) {
      await expect(peers.saveRemotePeer(nothing as never)).rejects.toMatchObject({ code: 'peerInvalid' });
    }
  });

  test('the peer is removed, or has another secret -> the envelope of the old one is forgotten', async () => {
    const store = await stored();
    const keys = new ClusterKeys(next, old);
    await resealSecrets({ store, keys, randomness });
    expect(await store.count(resealedSecretsCollection)).toBe(1);
    await managed(store, keys).removeRemotePeer('cloud-1');
    await resealSecrets({ store, keys, randomness });
    expect(await store.count(resealedSecretsCollection)).toBe(0);
  });
});
