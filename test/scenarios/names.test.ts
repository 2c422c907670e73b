/**
 * Names that mean something to JavaScript work like any other names: of nodes, cloud nodes, stored peers, collections,
 * documents and fields.
 */
import { describe, expect, it } from '@jest/globals';
import { meshed, newWorld, told } from './office.js';

const lan = ['constructor', 'hasOwnProperty', 'toString', 'valueOf'] as const;
const names = [
  ...lan,
  'isPrototypeOf',
  'toLocaleString',
  '__proto__',
  '__defineGetter__',
  'prototype',
  'then',
  'toJSON',
];

// biome-ignore lint/suspicious/noTemplateCurlyInString: that is how configurations refer to the environment.
const variable = '${CLOUD_SECRET}';

describe('names of Object.prototype', () => {
  it('NodeIds: of members and of the cloud node -> they meet, elect, connect and sync', async () => {
    const world = newWorld(821);
    const authority = world.authority();
    const client = authority.register({ clientId: 'office', clientSecret: 'open sesame' });
    const [cloud] = world.cloud(['propertyIsEnumerable'], { authority });
    const [first, ...others] = world.lan('office', lan, {
      initialRemotePeers: [world.cloudPeer(cloud, client)],
      environment: { CLOUD_SECRET: client.clientSecret },
    });
    await meshed(world);
    await world.until(() => first.node.gateways.some(({ state }) => state === 'online'), { within: '30s' });
    expect(first.node.isLeader).toBe(true);
    expect(first.node.gateways.map(({ nodeId }) => nodeId)).toEqual(['propertyIsEnumerable']);
    await world.settle({ within: '60s' });
    for (const node of [first, ...others]) expect(told(world, node, 'failure')).toEqual([]);
  });

  it('NodeIds: of stored peers -> every node starts with them, dials the static ones and serves the cloud ones', async () => {
    const world = newWorld(822);
    const [a, b] = world.lan('office', ['node-a', 'node-b']);
    await meshed(world);
    await world.complete(a.node.addStaticPeer('constructor', '127.9.9.9:9'));
    await world.complete(a.node.addStaticPeer('isPrototypeOf', '127.9.9.9:9'));
    await world.complete(
      a.node.addCloudPeer('toString', 'wss://127.9.9.9/sync', {
        authority: 'https://127.9.9.9',
        clientId: 'office',
        clientSecret: variable,
        scopes: ['s'],
      }),
    );
    await world.until(() => world.converged(), { within: '5s' });
    for (const node of [a, b]) {
      expect(node.node.peers.map(({ nodeId }) => String(nodeId))).toEqual(
        expect.arrayContaining(['constructor', 'isPrototypeOf']),
      );
      expect(node.node.gateways.map(({ nodeId }) => nodeId)).toEqual(['toString']);
      world.crash(node);
      world.restart(node);
    }
    await meshed(world);
    await world.complete(b.node.removeRemotePeer('constructor'));
    await world.until(() => a.node.peers.every(({ nodeId }) => String(nodeId) !== 'constructor'), { within: '60s' });
    for (const node of [a, b]) expect(told(world, node, 'failure')).toEqual([]);
  });

  it('collections, keys and fields -> are stored, found and synced as written', async () => {
    const world = newWorld(823);
    const [a, b] = world.lan('office', ['node-a', 'node-b']);
    await meshed(world);
    const fields = JSON.parse(`{${names.map((name, number) => `${JSON.stringify(name)}:${number}`)}}`);
    for (const name of names) await a.collection(name).put(name, fields);
    await world.until(() => world.converged(), { within: '5s' });
    for (const [number, name] of names.entries()) {
      const stored = await b.collection(name).get(name);
      expect(JSON.stringify(stored)).toBe(JSON.stringify(fields));
      const where = JSON.parse(`{${JSON.stringify(name)}:${number}}`);
      expect(await b.collection(name).count(where)).toBe(1);
      expect(await b.collection(name).find({ where: JSON.parse(`{${JSON.stringify(name)}:-1}`) })).toEqual([]);
    }
  });
});
