/** Nodes of a world that are reconfigured against obstacles, and how other nodes see it. */
import { describe, expect, it } from '@jest/globals';
import { defaultAudience } from '../../src/simulation/authority.js';
import type { World, WorldNode } from '../../src/simulation/index.js';
import { certificateFiles } from '../../src/simulation/node.js';
import { followSteps } from '../reconfiguration-steps.js';
import { expectEverywhere, meshed, newWorld, office, things, three, told } from './office.js';

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'done',
    ({ code }: { code: string }) => code,
  );
}

/** Acts once, when a node reaches a step of its reconfiguration. */
function at(node: WorldNode, step: string, act: () => void): void {
  let isDone = false;
  followSteps(node.node.actor, (reached) => {
    if (isDone || !reached.startsWith(step)) return;
    isDone = true;
    act();
  });
}

async function settledOffice(seed: number) {
  const { world, nodes } = await office(seed, three);
  await world.settle({ within: '60s' });
  return { world, nodes, sinceMs: world.nowMs };
}

function expectNobodyLeft(world: World, nodes: readonly WorldNode[], sinceMs: number): void {
  for (const node of nodes) expect(told(world, node, 'peer.disconnected', sinceMs)).toEqual([]);
}

describe('a port that is in use', () => {
  it('requested -> portInUse, nothing has changed and no session has ended; free again -> it moves', async () => {
    const { world, nodes, sinceMs } = await settledOffice(721);
    const [a] = nodes;
    const store = a.node.actor.getSnapshot().context.store;
    world.occupy(a, 9_001);
    const asked = { port: 9_001, eligible: false };
    expect(await codeOf(world.reconfigure(a, asked))).toBe('portInUse');
    await things(a).put('x', 1);
    await world.settle({ within: '60s' });
    expect(a.node.isLeader).toBe(true);
    expect(a.node.actor.getSnapshot().context.store).toBe(store);
    expect((await world.complete(a.node.status())).port).toBe(9_000);
    world.vacate(a, 9_001);
    expect(await codeOf(world.reconfigure(a, { port: 9_001 }))).toBe('done');
    expectNobodyLeft(world, nodes, sinceMs);
    await world.settle({ within: '60s' });
  });

  it('with another NodeId -> neither changes, and no database or listener is left open', async () => {
    const { world, nodes, sinceMs } = await settledOffice(722);
    const [a] = nodes;
    world.occupy(a, 9_001);
    expect(await codeOf(world.reconfigure(a, { nodeId: 'node-x', port: 9_001 }))).toBe('portInUse');
    await world.settle({ within: '60s' });
    expect(a.nodeId).toBe('node-a');
    expectNobodyLeft(world, nodes, sinceMs);
  });
});

describe('a disk that is full', () => {
  it('another NodeId and port -> diskFull, the old ones serve; room again -> both change', async () => {
    const { world, nodes, sinceMs } = await settledOffice(723);
    const [a, b] = nodes;
    await things(a).put('before', 1);
    world.fillDisk(a);
    const asked = { nodeId: 'node-x', port: 9_001 };
    expect(await codeOf(world.reconfigure(a, asked))).toBe('diskFull');
    expect(await things(a).get('before')).toBe(1);
    expectNobodyLeft(world, nodes, sinceMs);
    world.freeDisk(a);
    await world.settle({ within: '60s' });
    expect(await codeOf(world.reconfigure(a, asked))).toBe('done');
    await world.settle({ within: '90s' });
    await expectEverywhere(world, 'before', 1);
    const met = told(world, b, 'peer.connected', sinceMs).map(({ nodeId }) => nodeId);
    expect(met).toContain('node-x');
  });

  it('killed during the request, and restarted with the requested fields -> does not start; with room -> has the new identity', async () => {
    const { world, nodes } = await settledOffice(724);
    const [a] = nodes;
    at(a, 'openingStore', () => world.crash(a));
    world.fillDisk(a);
    world.reconfiguring(a, { nodeId: 'node-x' }, 'now').catch(() => {});
    await world.run('1s');
    world.restart(a);
    await world.run('1s');
    expect(a.failure).toMatchObject({ code: 'diskFull' });
    world.freeDisk(a);
    world.restart(a);
    await world.settle({ within: '90s' });
    expect(a.nodeId).toBe('node-x');
  });
});

describe('under way', () => {
  it.each(['draining', 'leaving', 'retiring'])('a bad field while it is %s -> refused alone', async (step) => {
    const { world, nodes } = await settledOffice(725);
    const [a] = nodes;
    const refused: Promise<string>[] = [];
    at(a, step, () => refused.push(codeOf(world.reconfiguring(a, { port: -1 }, 'now'))));
    expect(await codeOf(world.reconfigure(a, { nodeId: 'node-x', port: 9_001 }))).toBe('done');
    await world.settle({ within: '90s' });
    expect(await Promise.all(refused)).toEqual(['configurationInvalid']);
    expect(a.nodeId).toBe('node-x');
  });

  it('the operator writes the first request down when it is in force, and the last at once -> the last stands', async () => {
    const { world, nodes } = await settledOffice(729);
    const [a] = nodes;
    const outcomes = [
      codeOf(world.reconfiguring(a, { port: 9_001 }, 'then')),
      codeOf(world.reconfiguring(a, { port: 9_002 }, 'now')),
    ];
    expect(await world.complete(Promise.all(outcomes))).toEqual(['done', 'done']);
    await world.settle({ within: '60s' });
    world.crash(a);
    world.restart(a);
    await world.settle({ within: '90s' });
    expect((await world.complete(a.node.status())).port).toBe(9_002);
  });

  it('writes at every step -> are answered in order, and all of them are in the new database', async () => {
    const { world, nodes } = await settledOffice(726);
    const [a] = nodes;
    const writing: Promise<{ readonly step: string; readonly hlc: number; readonly key: string }>[] = [];
    const subscription = followSteps(a.node.actor, (step) => {
      const key = `k${writing.length}`;
      writing.push(
        a.node
          .collection('things')
          .put(key, writing.length)
          .then((result) => ({ step, hlc: result?.hlc ?? 0, key })),
      );
    });
    await world.reconfigure(a, { nodeId: 'node-x' });
    subscription.unsubscribe();
    const written = await world.complete(Promise.all(writing));
    const stamps = written.map(({ hlc }) => hlc);
    expect(stamps).toEqual([...stamps].sort((one, other) => one - other));
    expect(written.some(({ step }) => step === 'draining')).toBe(true);
    await world.settle({ within: '90s' });
    for (const { key } of written) expect(await things(a).get(key)).toBeDefined();
  });

  it('open streams -> end with identityChanged; new ones read the new database', async () => {
    const { world, nodes } = await settledOffice(727);
    const [a, b] = nodes;
    const { changes, watch } = a.node.collection('things');
    const ends = [changes(), watch({})].map(async (stream) => {
      for await (const _ of stream);
    });
    const codes = Promise.all(ends.map(codeOf));
    await world.run('100ms');
    await world.reconfigure(a, { nodeId: 'node-x' });
    expect(await world.complete(codes)).toEqual(['identityChanged', 'identityChanged']);
    const next = a.node.collection('things').changes().next();
    await things(b).put('after', 1);
    expect((await world.complete(next)).value).toMatchObject({ key: 'after' });
  });
});

describe('roles', () => {
  it('a member becomes a cloud node and a member again -> the leader connects to it meanwhile, and nothing is lost', async () => {
    const world = newWorld(728);
    const authority = world.authority();
    const client = authority.register({ clientId: 'office', clientSecret: 'open sesame' });
    const [a, b, c] = world.lan('office', three, { environment: { CLOUD_SECRET: client.clientSecret } });
    await meshed(world);
    await world.settle({ within: '60s' });
    await things(c).put('as a member', 1);
    const cloud = { role: 'cloud', authority: authority.issuer, audience: defaultAudience } as const;
    await world.reconfigure(c, { ...cloud, ...certificateFiles });
    const peer = { authority: authority.issuer, clientId: client.clientId, scopes: [...client.scopes] };
    // biome-ignore lint/suspicious/noTemplateCurlyInString: that is how configurations refer to the environment.
    const secret = { clientSecret: '${CLOUD_SECRET}', audience: defaultAudience };
    await world.complete(a.node.addCloudPeer('node-c', `${c.address}:9000`, { ...peer, ...secret }));
    await world.until(() => a.node.gateways.some(({ state }) => state === 'online'), { within: '30s' });
    expect(c.node.leaderId).toBeUndefined();
    await things(c).put('as a cloud node', 2);
    await world.until(() => world.converged(), { within: '10s' });
    expect(await things(b).get('as a cloud node')).toBe(2);
    await world.complete(a.node.removeRemotePeer('node-c'));
    const none = { role: undefined, authority: undefined, audience: undefined, tlsCert: undefined, tlsKey: undefined };
    await world.reconfigure(c, none);
    await world.settle({ within: '90s' });
    for (const key of ['as a member', 'as a cloud node']) expect(await things(c).get(key)).toBeDefined();
    expect([a, b, c].map(({ node }) => node.leaderId)).toEqual(['node-a', 'node-a', 'node-a']);
  });
});
