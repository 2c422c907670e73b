/** Connections of unknown machines: they occupy places for as long as they may, and keep no peer out. */
import { describe, expect, it } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import { expectEverywhere, meshed, newWorld, office, things, told } from './office.js';

describe('strangers', () => {
  it('more than there are places, at every node -> a node that was cut off gets in again within seconds', async () => {
    const {
      world,
      nodes: [a, b, c],
    } = await office(2_601, ['node-a', 'node-b', 'node-c']);
    const perSecond = 100;
    for (const node of [a, b, c]) world.strangers(node, { perSecond, says: 'nothing' });
    world.partition([a, b], [c]);
    await world.run((1_000 * limits.unauthenticatedMax) / perSecond + 3_000);
    expect(world.meshed()).toBe(false);
    world.heal();
    await meshed(world);
    await things(c).put('k', 'from where nobody was heard');
    await world.run('2s');
    await expectEverywhere(world, 'k', 'from where nobody was heard');
    expect(told(world, a, 'peer.disconnected').map(({ nodeId }) => nodeId)).not.toContain('node-b');
  }, 60_000);

  it('noise at a node and at a cloud node -> the cluster and its connection to the cloud continue', async () => {
    const world = newWorld(2_602);
    const authority = world.authority();
    const client = authority.register({ clientId: 'office', clientSecret: 'open sesame' });
    const [cloud] = world.cloud(['cloud-1'], { authority });
    const [a, b] = world.lan('office', ['node-a', 'node-b'], {
      initialRemotePeers: [world.cloudPeer(cloud, client)],
      environment: { CLOUD_SECRET: client.clientSecret },
    });
    const ends = [a, cloud].map((node) => world.strangers(node, { perSecond: 20, says: 'noise' }));
    await meshed(world);
    await things(b).put('k', 1);
    await world.run('20s');
    await expectEverywhere(world, 'k', 1);
    for (const end of ends) end();
    await world.settle({ within: '30s' });
  }, 60_000);
});
