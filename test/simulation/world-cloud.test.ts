/** Worlds with cloud nodes, an authority and two sites: what they consist of, and that faults reach all of it. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { createActor, toPromise } from 'xstate';
import { configurationSchema } from '../../src/configuration/schema.js';
import { Secret } from '../../src/core/secret.js';
import type { Connection, Network } from '../../src/ports/ports.js';
import type { WorldParts } from '../../src/simulation/faults.js';
import { allCheckers, type TraceLine, World, type WorldOptions } from '../../src/simulation/index.js';
import { insideOf } from '../../src/simulation/inside.js';
import { authorityText } from '../../src/simulation/network/certificates.js';
import type { NodeProcess } from '../../src/simulation/node.js';
import { simulatedTime } from '../../src/simulation/node-ports.js';
import { Sites } from '../../src/simulation/sites.js';
import { createSimulatedVerifyToken } from '../../src/simulation/verify-token.js';
import { simulatedHttp } from '../../src/simulation/web/http.js';
import { processOf } from './checker-bench.js';

/** A world whose network tests can join without a node. */
class OpenWorld extends World {
  declare readonly parts: WorldParts;
}

let world: OpenWorld;
afterEach(() => world?.close());

function newWorld(options: Partial<WorldOptions> = {}): OpenWorld {
  world = new OpenWorld({ seed: 1, checkers: allCheckers, ...options });
  return world;
}

/** A cloud node, its authority, and two sites that only the cloud connects. */
function twoSites(options: Partial<WorldOptions> = {}) {
  newWorld(options);
  const authority = world.authority();
  const client = authority.register({ clientId: 'office', clientSecret: 'open sesame' });
  const [cloud] = world.cloud(['cloud-1'], { authority });
  const peers = [world.cloudPeer(cloud, client)];
  const environment = { CLOUD_SECRET: client.clientSecret };
  const office = world.lan('office', ['node-a', 'node-b'], { initialRemotePeers: peers, environment });
  const shop = world.lan('shop', ['node-c', 'node-d'], { initialRemotePeers: peers, environment });
  return { authority, client, cloud, office, shop };
}

/** A machine in the office that is not a node. */
const guest = '10.9.9.9';
const ca = authorityText('world');

function joinAsGuest(): Network {
  return world.parts.hub.join({ address: guest, segments: new Set(['office']) });
}

async function expectVerified(token: string): Promise<void> {
  const time = simulatedTime(world.parts.clock);
  const http = simulatedHttp({ network: joinAsGuest(), time, settled: () => {} });
  const [authority] = world.authorities;
  const options = { nodeId: 'cloud-1', authority: authority?.issuer, audience: 'https://cloud.world' };
  const configuration = configurationSchema.parse(options);
  const input = { token: new Secret(token), configuration, ca };
  const verifying = createActor(createSimulatedVerifyToken({ http, time }), { input }).start();
  expect(await world.complete(toPromise(verifying))).toMatchObject({ subject: 'office' });
}

async function outcome(host: string, trusted = ca): Promise<unknown> {
  const network = joinAsGuest();
  const { signal } = new AbortController();
  const security = { kind: 'verified', ca: trusted } as const;
  const dialing = { host, port: 9_000, security, timeoutMs: 3_000, signal };
  let result: unknown;
  network.dial(dialing).then(
    (connection: Connection) => {
      connection.destroy();
      result = 'opened';
    },
    (error: { code: unknown }) => {
      result = error.code;
    },
  );
  await world.run('4s');
  return result;
}

describe('a cloud node', () => {
  it('a cloud node: dialed by name or address -> is reached under its certificate, from every local network', async () => {
    const { cloud } = twoSites();
    expect(cloud.hostName).toBe('cloud-1.world');
    await world.run('1s');
    expect(cloud.isUp).toBe(true);
    expect(await outcome('cloud-1.world')).toBe('opened');
    expect(await outcome(cloud.address)).toBe('opened');
    expect(await outcome('cloud-1.world', authorityText('other'))).toBe('certificateInvalid');
  });

  it('a cloud node: crashed, partitioned, restarted, stopped -> behaves as other nodes do', async () => {
    const { cloud, office } = twoSites();
    await world.run('1s');
    world.crash(cloud);
    expect(await outcome('cloud-1.world')).toBe('connectionRefused');
    world.restart(cloud);
    world.skew(cloud, '5s');
    await world.run('1s');
    expect(await outcome('cloud-1.world')).toBe('opened');
    world.partition([{ name: 'guest', address: guest }], [cloud]);
    expect(await outcome('cloud-1.world')).toBe('connectionTimeout');
    world.heal();
    expect(await outcome('cloud-1.world')).toBe('opened');
    await world.stop(cloud);
    expect(cloud.isUp).toBe(false);
    expect(office.every(({ isUp }) => isUp)).toBe(true);
  });

  it('a cloud node: cloned -> the clone stands beside it under a name of its own', async () => {
    const { cloud } = twoSites();
    await world.run('1s');
    const clone = world.clone(cloud);
    await world.run('1s');
    expect([clone.name, clone.hostName, clone.isUp]).toEqual(['cloud-1(2)', 'cloud-1-copy-2.world', true]);
  });

  it('a cloud node: on a local network -> an error that says how to make one', () => {
    newWorld();
    expect(() => world.lan('office', ['node-a'], { role: 'cloud' })).toThrow(/make it with world\.cloud\(\)/);
  });
});

describe('two sites and a cloud', () => {
  it('two sites: left alone -> each is a mesh of its own, and the world settles and ends without leaks', async () => {
    const { office, shop } = twoSites();
    await world.until(() => world.nodes.every(({ isUp }) => isUp) && world.meshed(), { within: '10s' });
    await office[0].collection('things').put('k', 1);
    await world.settle({ within: '30s' });
    expect(await office[1].collection('things').get('k')).toBe(1);
    const peersOf = ([first]: typeof office) => first?.node.peers.map(({ nodeId }) => nodeId);
    expect([peersOf(office), peersOf(shop)]).toEqual([['node-b'], ['node-d']]);
  });

  it('a site: its leader is connected with the cloud -> checkers see the session of the gateway', async () => {
    const { office } = twoSites();
    const gatewayOf = () => insideOf(world.parts.processOf(office[0])).gateways[0];
    await world.until(() => gatewayOf()?.state === 'online', { within: '30s' });
    expect(gatewayOf()?.session?.context).toMatchObject({ peer: { nodeId: 'cloud-1' } });
  });

  it('two sites: the cloud and its authority are away -> writes on the local networks are expected as soon as ever', async () => {
    const { authority, cloud, office } = twoSites();
    await world.until(() => world.nodes.every(({ isUp }) => isUp) && world.meshed(), { within: '10s' });
    world.crash(cloud);
    authority.down();
    world.partition(office, [authority, cloud]);
    await world.run('10s');
    expect(world.parts.health.healthySinceMs).toBeDefined();
    await office[0].collection('things').put('k', 1);
    await world.run('1s');
    expect(await office[1].collection('things').get('k')).toBe(1);
    world.partition([office[0]], [office[1]]);
    await world.run('1s');
    expect(world.parts.health.healthySinceMs).toBeUndefined();
    world.heal();
    world.restart(cloud);
    authority.up();
    await world.settle({ within: '120s' });
  });

  it('two sites: the same seed -> the same hash and trace, including requests to the authority', async () => {
    const play = async () => {
      const lines: TraceLine[] = [];
      const { authority, office } = twoSites({ trace: (line) => lines.push(line), settleAlways: true });
      await world.run('5s');
      await expectVerified(authority.issue({ subject: 'office' }));
      await office[0].collection('things').put('k', 1);
      await world.run('5s');
      await world.close();
      return { hash: world.traceHash, lines };
    };
    const first = await play();
    const ofGuest = ({ from, to }: { from?: string; to?: string }) => from === guest || to === guest;
    const requests = first.lines.filter((line) => line.kind === 'request' && ofGuest(line));
    expect(requests).toMatchObject([
      { from: guest, to: 'authority.world', about: 'GET https://authority.world/.well-known/openid-configuration' },
      { from: 'authority.world', to: guest, about: '200' },
      { about: 'GET https://authority.world/jwks' },
      { about: '200' },
    ]);
    expect(JSON.stringify(first.lines)).not.toMatch(/open sesame/);
    expect(await play()).toEqual(first);
  });

  it('the environment: of each node -> survives restarts, and its values are reported nowhere', async () => {
    const lines: TraceLine[] = [];
    const { office, shop } = twoSites({ trace: (line) => lines.push(line) });
    world.environment(office[0], { CLOUD_SECRET: undefined, OTHER: 'hush' });
    const of = (node: (typeof office)[0]) => Object.fromEntries(world.parts.processOf(node).environment);
    expect([of(office[0]), of(shop[0])]).toEqual([{ OTHER: 'hush' }, { CLOUD_SECRET: 'open sesame' }]);
    expect(JSON.stringify(lines)).toMatch(/set CLOUD_SECRET OTHER of node-a/);
    expect(JSON.stringify(lines)).not.toMatch(/hush|open sesame/);
  });

  it("the entry for a cloud node: in a site's configuration -> an initial remote peer, with its secret by reference", () => {
    const { cloud, client } = twoSites();
    expect(world.cloudPeer(cloud, client)).toEqual({
      nodeId: 'cloud-1',
      address: 'cloud-1.world:9000',
      type: 'CloudRemote',
      oAuth2: {
        authority: 'https://authority.world',
        clientId: 'office',
        audience: 'https://cloud.world',
        clientSecret: expect.stringMatching(/^\$\{CLOUD_SECRET\}$/),
        scopes: ['entgldb:sync'],
      },
    });
    expect(() => world.authority()).toThrow(/This world already has a machine named authority\.world/);
  });
});

describe('who holds the same', () => {
  const gateway = (state: string) => [{ nodeId: 'cloud-1', state }];
  const member = (nodeId: string, state: string) => processOf(nodeId, { gateways: gateway(state) });
  const cloud = processOf('cloud-1', { options: { role: 'cloud' } });
  const groups = (processes: readonly NodeProcess[]) => {
    const sites = new Sites({
      processes: () => processes,
      insideOf,
      // The first letter names the site.
      isOneSite: (a, b) => a.nodeId[0] === b.nodeId[0],
      eventOf: () => 1,
    });
    return (['cluster', 'shared'] as const).map((scope) =>
      sites.groups(scope).map((group) => group.map(({ nodeId }) => nodeId).join(' ')),
    );
  };

  it('two sites: with gateways to one cloud node -> share shared entries', () => {
    expect(groups([member('a1', 'idle'), member('a2', 'online'), cloud, member('b1', 'backingOff')])).toEqual([
      ['a1 a2', 'cloud-1', 'b1'],
      ['a1 a2 cloud-1 b1'],
    ]);
  });

  it.each(['disabled', 'rejected'])('gateways: %s, or to a missing cloud node -> share nothing', (state) => {
    expect(groups([member('a1', state), processOf('a2'), cloud, member('b1', 'online')])).toEqual([
      ['a1 a2', 'cloud-1', 'b1'],
      ['a1 a2', 'cloud-1 b1'],
    ]);
    expect(groups([member('a1', 'online'), member('b1', 'online')])[1]).toEqual(['a1', 'b1']);
  });
});
