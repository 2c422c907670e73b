import { hash } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createWorld, type TraceLine, type TraceSink, type World } from '../../src/simulation/index.js';

let world: World;
afterEach(() => world.close());

function office<const Ids extends readonly string[]>(seed: number, nodeIds: Ids) {
  world = createWorld({ seed });
  return world.lan('office', nodeIds);
}

const three = ['node-a', 'node-b', 'node-c'] as const;

describe('the world', () => {
  it('three nodes on a lan: started -> mesh within a second of virtual time', async () => {
    office(1, three);
    await world.until(() => world.nodes.every(({ isUp }) => isUp), { within: '1s' });
    await world.until(() => world.meshed(), { within: '1s' });
  });

  it('the example: partition, crash, skew, clog, loss, heal -> all agree in the end', async () => {
    const [a, b, c] = office(7, three);
    await world.run('10s');
    await a.collection('articles').put('a1', { name: 'Espresso', price: 1.2 });
    world.partition([a], [b, c]);
    await a.collection('articles').put('a2', { name: 'Ristretto', price: 1.1 });
    await b.collection('articles').put('b1', { name: 'Lungo', price: 1.4 });
    await world.run('10s');
    expect(await c.collection('articles').get('a2')).toBeUndefined();
    expect(await c.collection('articles').get('b1')).toEqual({ name: 'Lungo', price: 1.4 });
    world.crash(b);
    world.skew(c, '20s');
    world.clog(a, c, '2s');
    world.loss(0.05);
    world.restart(b);
    await world.run('5s');
    world.heal();
    await world.until(() => world.converged() && world.meshed(), { within: '60s' });
    for (const node of [a, b, c]) expect(await node.collection('articles').count()).toBe(3);
  });

  it('a put: acknowledged, then the node crashes at once -> is there after the restart', async () => {
    const [a] = office(3, ['node-a']);
    await world.run('1s');
    for (let index = 0; index < 20; index += 1) {
      await a.collection('things').put(`k${index}`, index);
      world.crash(a);
      world.restart(a);
      await world.run('100ms');
      expect(await a.collection('things').count()).toBe(index + 1);
    }
  });

  it('a put: the node crashes at its commit -> the caller gets no answer, and it is there after the restart', async () => {
    const [a] = office(3, ['node-a']);
    await world.run('1s');
    let isTold = false;
    const tell = () => {
      isTold = true;
    };
    world.crashAt(a, 'commit');
    a.node.collection('things').put('k', 1).then(tell, tell);
    await world.run('1s');
    expect(world.isThere(a)).toBe(false);
    expect(isTold).toBe(false);
    world.restart(a);
    await world.run('1s');
    expect(await a.collection('things').get('k')).toBe(1);
  });

  it('puts in one transaction: the node crashes when the first is acknowledged -> the other callers get no answer', async () => {
    const [a] = office(3, ['node-a']);
    await world.run('1s');
    const told: number[] = [];
    world.crashAt(a, 'acknowledgement');
    for (const index of [1, 2, 3]) {
      a.node
        .collection('things')
        .put(`k${index}`, index)
        .then(() => told.push(index));
    }
    await world.run('1s');
    expect(told).toEqual([1]);
    world.restart(a);
    await world.run('1s');
    expect(await a.collection('things').count()).toBe(3);
  });

  it('a partition one way -> the silent side is noticed, and both connect again after the heal', async () => {
    const [a, b] = office(4, ['node-a', 'node-b']);
    await world.until(() => world.meshed() && world.nodes.every(({ isUp }) => isUp), { within: '5s' });
    world.partition([a], [b], { oneWay: true });
    await world.run('10s');
    expect(world.heard(b).some(({ nodeEvent }) => nodeEvent.type === 'peer.disconnected')).toBe(true);
    world.heal();
    await world.until(() => world.meshed(), { within: '60s' });
  });

  it('a node stopped gracefully -> its peers receive a goodbye', async () => {
    const [a, b] = office(5, ['node-a', 'node-b']);
    await world.run('2s');
    await world.stop(b);
    await world.run('1s');
    const disconnected = world.heard(a).find(({ nodeEvent }) => nodeEvent.type === 'peer.disconnected');
    expect(disconnected?.nodeEvent).toMatchObject({ failure: { code: 'goodbye' } });
  });

  it('a run: with a trace and without -> the same hash', async () => {
    const play = async (trace?: TraceSink): Promise<string> => {
      world = createWorld({ seed: 7, ...(trace === undefined ? {} : { trace }) });
      const [a, b] = world.lan('office', ['node-a', 'node-b']);
      await world.run('3s');
      await a.collection('things').put('k', 1);
      world.crash(b);
      world.restart(b);
      await world.run('10s');
      const { traceHash } = world;
      await world.close();
      return traceHash;
    };
    const lines: TraceLine[] = [];
    expect(await play((line) => lines.push(line))).toBe(await play());
    expect(new Set(lines.map(({ kind }) => kind)).size).toBeGreaterThan(6);
    office(0, []);
  });

  it('the same seed -> the same run; another seed -> another run', async () => {
    const play = async (seed: number): Promise<string> => {
      const [a, b, c] = office(seed, three);
      await world.run('3s');
      await a.collection('things').put('k', 1);
      world.crash(b);
      await c.collection('things').put('k', 2);
      world.restart(b);
      await world.run('20s');
      const told = [a, b, c].flatMap((node) => world.heard(node));
      const trace = JSON.stringify([world.events, world.nowMs, told]);
      await world.close();
      return hash('sha256', trace, 'hex');
    };
    const [first, second, other] = [await play(11), await play(11), await play(12)];
    expect(second).toBe(first);
    expect(other).not.toBe(first);
    office(0, []);
  });
});
