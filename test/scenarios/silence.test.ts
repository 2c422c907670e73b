/**
 * The development build of XState warns of each event that is sent to a stopped actor. Vitest and bundlers load that
 * build, and so does this file: nodes that stop, crash, lose their cloud or change their identity must cause no
 * warning.
 *
 * @jest-environment node
 * @jest-environment-options {"customExportConditions": ["node", "development"]}
 */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createActor, createMachine } from 'xstate';
import type { WorldNode } from '../../src/simulation/index.js';
import { newWorld, things, told } from './office.js';

let warnings: string[];

beforeEach(() => {
  warnings = [];
  jest.spyOn(console, 'warn').mockImplementation((...words) => {
    warnings.push(words.map(String).join(' '));
  });
});
afterEach(() => {
  jest.restoreAllMocks();
});

async function site(seed: number, lifetime: '3600s' | '20s' = '3600s') {
  const world = newWorld(seed);
  const authority = world.authority({ lifetime });
  const client = authority.register({ clientId: 'office', clientSecret: 'open sesame' });
  const [cloud] = world.cloud(['cloud-1'], { authority });
  const nodes = world.lan('office', ['node-a', 'node-b', 'node-c'], {
    initialRemotePeers: [world.cloudPeer(cloud, client)],
    environment: { CLOUD_SECRET: client.clientSecret },
  });
  await world.until(() => isOnline(nodes[0]), { within: '30s' });
  return { world, authority, cloud, nodes };
}

function isOnline({ isUp, node }: WorldNode): boolean {
  return isUp && node.gateways.some(({ state }) => state === 'online');
}

describe('warnings of XState', () => {
  it('an event for an actor that has stopped -> a warning, in the build that this file loads', () => {
    const actor = createActor(createMachine({})).start();
    actor.stop();
    actor.send({ type: 'late' });
    expect(warnings).toEqual([expect.stringMatching(/"late" was sent to stopped actor/)]);
  });

  it('leaders that stop gracefully, one after the other, and come back -> none', async () => {
    const { world, nodes } = await site(71);
    const [a, b, c] = nodes;
    for (const [leader, next] of [
      [a, b],
      [b, c],
    ] as const) {
      await things(leader).put(leader.nodeId, 1);
      await world.stop(leader);
      await world.until(() => isOnline(next), { within: '60s' });
    }
    world.restart(a);
    world.restart(b);
    await world.settle({ within: '90s' });
    for (const node of nodes) await world.stop(node);
    expect(warnings).toEqual([]);
  });

  it('nodes that crash, including the cloud node -> none', async () => {
    const { world, nodes, cloud } = await site(72);
    for (const node of [nodes[0], cloud, nodes[1]]) {
      world.crash(node);
      await things(nodes[2]).put('k', node.nodeId);
      await world.run('3s');
      world.restart(node);
    }
    await world.settle({ within: '120s' });
    expect(warnings).toEqual([]);
  });

  it('a leader that changes its identity and its port, and loses its peers -> none', async () => {
    const { world, nodes } = await site(73);
    const [a] = nodes;
    for (const change of [
      { nodeId: 'node-z' },
      { port: 9_001 },
      { eligible: false },
      { nodeId: 'node-a', eligible: true },
    ]) {
      await world.reconfigure(a, change);
      await things(a).put('k', Object.keys(change).join());
      await world.run('3s');
    }
    await world.settle({ within: '120s' });
    expect(warnings).toEqual([]);
  });

  it('access tokens that expire while the authority is away -> none', async () => {
    const { world, authority, nodes } = await site(74, '20s');
    authority.down();
    await world.until(() => told(world, nodes[0], 'gateway.disconnected').length > 0, { within: '90s' });
    authority.up();
    await world.until(() => nodes.some(isOnline), { within: '300s' });
    expect(warnings).toEqual([]);
  });
});
