/** Nodes that a statechart of a program invokes: over real sockets and files. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import {
  type ActorRefFrom,
  assign,
  createActor,
  createEmptyActor,
  fromPromise,
  initialTransition,
  sendTo,
  setup,
  spawnChild,
  waitFor,
} from 'xstate';
import { createNode, type NodeEvent, nodeLogic, nodeOf, type StatemeshNode } from '../../src/index.js';
import { createInspector } from '../../src/inspector/index.js';
import { ownPort } from './own-port.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function workspace() {
  const root = mkdtempSync(join(tmpdir(), 'statemesh-logic-'));
  cleanups.push(() => rmSync(root, { recursive: true, force: true }));
  const discoveryPort = ownPort();
  const of = (nodeId: string) => ({
    nodeId,
    dataDir: join(root, nodeId),
    clusterKey: 'correct horse battery staple',
    clusterSalt: 'logic-test',
    discoveryPort,
    beaconIntervalMs: 200,
    electionIntervalMs: 200,
  });
  return { root, of };
}

/** A shop that opens and closes, with a node while it is open. */
function shopOver(node: ReturnType<typeof nodeLogic>) {
  return setup({
    types: {
      context: {} as { leaders: (string | undefined)[]; peers: string[] },
      events: {} as NodeEvent | { type: 'open' } | { type: 'close' } | { type: 'burn' },
    },
    actors: { node },
  }).createMachine({
    id: 'shop',
    context: { leaders: [], peers: [] },
    initial: 'closed',
    states: {
      closed: { on: { open: 'open' } },
      open: {
        invoke: { id: 'node', src: 'node', onDone: 'closed' },
        on: {
          'leadership.changed': {
            actions: assign({ leaders: ({ context, event }) => [...context.leaders, event.leaderId] }),
          },
          'peer.connected': { actions: assign({ peers: ({ context, event }) => [...context.peers, event.nodeId] }) },
          close: '.closing',
          burn: 'closed',
        },
        initial: 'serving',
        states: { serving: {}, closing: { entry: sendTo('node', { type: 'node.stop' }) } },
      },
    },
  });
}

type Shop = ActorRefFrom<ReturnType<typeof shopOver>>;

function nodeIn(shop: Shop): StatemeshNode {
  return nodeOf(shop.getSnapshot().children.node);
}

function openShop(node: ReturnType<typeof nodeLogic>, options: Parameters<typeof createActor>[1] = {}): Shop {
  const shop = createActor(shopOver(node), options as never);
  cleanups.push(() => shop.stop());
  shop.start();
  shop.send({ type: 'open' });
  return shop;
}

const serving = (shop: Shop) => waitFor(shop, () => nodeIn(shop).state === 'running', { timeout: 10_000 });
const closed = (shop: Shop) => waitFor(shop, (snapshot) => snapshot.matches('closed'), { timeout: 10_000 });

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}

describe('a node within a statechart', () => {
  test('invoked: leadership and peers -> events of its parent; stopped -> done, and its files are free', async () => {
    const { of } = workspace();
    const shop = openShop(nodeLogic(of('a')));
    await until(() => nodeIn(shop).state === 'running');
    await waitFor(shop, ({ context }) => context.leaders.includes('a'), { timeout: 10_000 });
    const other = createNode(of('b'));
    cleanups.push(() => other.stop());
    await other.start();
    await waitFor(shop, ({ context }) => context.peers.includes('b'), { timeout: 10_000 });
    await nodeIn(shop).collection('articles').put('a1', { name: 'Espresso' });
    await until(async () => (await other.collection('articles').get('a1')) !== undefined);
    shop.send({ type: 'close' });
    await closed(shop);
    const again = createNode(of('a'));
    cleanups.push(() => again.stop());
    await again.start();
    expect(await again.collection('articles').get('a1')).toEqual({ name: 'Espresso' });
  });

  test.each(['close', 'burn'] as const)(
    'one logic: %s and open again, some times -> every write is there',
    async (end) => {
      const { of } = workspace();
      const shop = openShop(nodeLogic({ ...of('a'), discovery: false }));
      for (const round of [1, 2, 3]) {
        await serving(shop);
        const articles = nodeIn(shop).collection<{ round: number }>('articles');
        expect(await articles.find({})).toHaveLength(round - 1);
        await articles.put(`a${round}`, { round });
        shop.send({ type: end });
        await closed(shop);
        shop.send({ type: 'open' });
      }
      await serving(shop);
    },
  );

  test('stopped from outside while it starts -> leaves nothing open', async () => {
    const { of } = workspace();
    const configuration = { ...of('a'), discovery: false };
    const shop = openShop(nodeLogic(configuration));
    for (const turns of [0, 1, 2, 3, 5, 8, 13, 21]) {
      const node = nodeIn(shop);
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      expect(node.state).toMatch(/configuring|starting|running/);
      shop.send({ type: 'burn' });
      await expect(node.collection('articles').get('a1')).rejects.toMatchObject({ code: 'notRunning' });
      shop.send({ type: 'open' });
    }
    shop.send({ type: 'burn' });
    const next = createNode(configuration);
    cleanups.push(() => next.stop());
    await next.start();
    expect(next.state).toBe('running');
  });

  test('inspected with its parent -> one tree', async () => {
    const { root, of } = workspace();
    const trace = join(root, 'trace.jsonl');
    const inspector = createInspector({ trace });
    const shop = openShop(nodeLogic({ ...of('a'), discovery: false }), { inspect: inspector.watch('shop').inspect });
    await serving(shop);
    shop.send({ type: 'close' });
    await closed(shop);
    await inspector.close();
    const records = readFileSync(trace, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const actors = records.filter(({ type }) => type === '@xstate.actor');
    const [root_] = actors.filter(({ logic }) => logic === 'shop');
    const [node] = actors.filter(({ logic }) => logic === 'node');
    expect(node).toMatchObject({ name: 'node', isMachine: true, parentId: root_.sessionId, rootId: root_.sessionId });
    expect(actors.find(({ name }) => name === 'election')).toMatchObject({ parentId: node.sessionId });
    const charts = records.filter(({ type }) => type === 'statemesh.chart').map(({ chart }) => chart.id);
    expect(charts).toEqual(expect.arrayContaining(['shop', 'node', 'election']));
    const steps = records.filter(({ sessionId, transitions }) => sessionId === node.sessionId && transitions);
    expect(steps.length).toBeGreaterThan(2);
  });

  test('a failed start -> done, with the reason', async () => {
    const { of } = workspace();
    const holder = createNode({ ...of('a'), discovery: false });
    cleanups.push(() => holder.stop());
    await holder.start();
    const actor = createActor(nodeLogic({ ...of('a'), discovery: false }), { input: undefined }).start();
    const { output } = await waitFor(actor, ({ status }) => status === 'done', { timeout: 10_000 });
    expect(output).toMatchObject({ failure: { code: 'databaseInUse' } });
  });

  test('not running yet -> notRunning, with what to do', async () => {
    const { of } = workspace();
    const shop = openShop(nodeLogic({ ...of('a'), discovery: false }));
    const before = nodeIn(shop).collection('articles').get('a1');
    await expect(before).rejects.toThrow(/^The node is \w+: wait until it runs\.$/);
    await serving(shop);
    const node = nodeIn(shop);
    shop.send({ type: 'close' });
    await closed(shop);
    await expect(node.collection('articles').get('a1')).rejects.toThrow(/^The node is stopped: make a new one\.$/);
  });

  test('a persisted parent -> has nothing of the node, which starts again', async () => {
    const { of } = workspace();
    const logic = nodeLogic({ ...of('a'), discovery: false });
    const shop = openShop(logic);
    await serving(shop);
    const persisted = shop.getPersistedSnapshot();
    expect(JSON.stringify(persisted)).not.toContain('correct horse');
    shop.send({ type: 'burn' });
    const again = createActor(shopOver(logic), { snapshot: persisted as never }).start() as Shop;
    cleanups.push(() => again.stop());
    await serving(again);
  });

  test('a root actor: stopped by its handle -> says so once everything is closed', async () => {
    const { of } = workspace();
    const configuration = { ...of('a'), discovery: false };
    const actor = createActor(nodeLogic(configuration)).start();
    const node = nodeOf(actor);
    await waitFor(actor, () => node.state === 'running', { timeout: 10_000 });
    await expect(node.start()).rejects.toMatchObject({ code: 'alreadyStarted' });
    await node.stop();
    expect([node.state, actor.getSnapshot().status]).toEqual(['stopped', 'done']);
    await expect(node.collection('articles').get('a1')).rejects.toMatchObject({ code: 'notRunning' });
    const next = createNode(configuration);
    cleanups.push(() => next.stop());
    await next.start();
  });

  test('a running node, stopped from outside -> its handle says stopped, and stop() waits for its database', async () => {
    const { root, of } = workspace();
    const shop = openShop(nodeLogic({ ...of('a'), discovery: false }));
    await serving(shop);
    const node = nodeIn(shop);
    shop.send({ type: 'burn' });
    expect(node.state).toBe('stopped');
    for (const call of [() => node.collection('a').get('b'), () => node.backUp(join(root, 'b')), () => node.changes()])
      await expect(Promise.resolve().then(call)).rejects.toMatchObject({ code: 'notRunning' });
    await node.stop();
    expect(existsSync(join(root, 'a', 'a.db-wal'))).toBe(false);
  });

  test('XState computes the first step of a parent -> the handle of its node answers, and nothing runs', async () => {
    const { of } = workspace();
    const machine = shopOver(nodeLogic(of('a')));
    const idle = setup({ actors: { machine } }).createMachine({ invoke: { id: 'shop', src: 'machine' } });
    const logic = nodeLogic(of('a'));
    const invoking = setup({ actors: { logic } }).createMachine({ invoke: { id: 'node', src: 'logic' } });
    expect(initialTransition(idle)[0].status).toBe('active');
    const node = nodeOf(initialTransition(invoking)[0].children.node);
    expect(node.state).toBe('configuring');
    await expect(node.start()).rejects.toMatchObject({ code: 'alreadyStarted' });
    await node.stop();
  });

  test('a parent is restored after its node has ended -> the node does not start again', async () => {
    const { of } = workspace();
    const logic = nodeLogic({ ...of('a'), discovery: false });
    const machine = setup({ actors: { logic } }).createMachine({ entry: spawnChild('logic', { id: 'node' }) });
    const nodeUnder = (parent: ActorRefFrom<typeof machine>) => nodeOf(parent.getSnapshot().children.node);
    const first = createActor(machine).start();
    await until(() => nodeUnder(first).state === 'running');
    await nodeUnder(first).stop();
    const again = createActor(machine, { snapshot: first.getPersistedSnapshot() as never }).start();
    cleanups.push(() => nodeUnder(again).stop());
    expect(nodeUnder(again).state).toBe('stopped');
    await expect(nodeUnder(again).collection('a').get('b')).rejects.toMatchObject({ code: 'notRunning' });
  });

  test('a service reports what it must not -> the start fails with the reason, and everything is closed', async () => {
    const { of } = workspace();
    const configuration = { ...of('a'), discovery: false };
    const listen = fromPromise(async () => undefined) as never;
    const broken = createNode(configuration, { services: { listen } });
    cleanups.push(() => broken.stop());
    await expect(broken.start()).rejects.toMatchObject({ code: 'internal', message: /undefined/ });
    expect(broken.state).toBe('failed');
    await broken.stop();
    const next = createNode(configuration);
    cleanups.push(() => next.stop());
    await next.start();
  });

  test('nodeLogic: wrong options -> configurationInvalid; nodeOf: another actor -> requestInvalid', () => {
    const { of } = workspace();
    expect(() => nodeLogic({ ...of('a'), port: -1 })).toThrow(/port: it takes at least 0/);
    expect(() => nodeLogic(of('a'), { inspect: () => {} } as never)).toThrow(/nodeLogic: "inspect" is unknown/);
    expect(() => nodeOf(createEmptyActor())).toThrow(expect.objectContaining({ code: 'requestInvalid' }) as never);
  });
});
