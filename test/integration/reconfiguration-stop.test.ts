/**
 * A node that is stopped at any step of a reconfiguration leaves nothing open: no file, no socket, no lock, no port.
 */
import { existsSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { followSteps, stepOf } from '../reconfiguration-steps.js';
import { createFixture, type Fixture, portOf, type TestNode, until, untilMeshed } from './cluster-fixture.js';
import { codeOf } from './database-fixture.js';

let fixture: Fixture;
beforeEach(() => {
  fixture = createFixture();
});
afterEach(() => fixture.close());

/** The open databases and sockets of this process. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd')
    .map((descriptor) => {
      try {
        return readlinkSync(`/proc/self/fd/${descriptor}`);
      } catch {
        // The descriptor that reads the directory.
        return '';
      }
    })
    .filter((target) => target.startsWith('socket:') || /\.db(-wal|-shm)?$/.test(target));
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Stops a node when a step is reached. Resolves when it has stopped; rejects when the step never came. */
function stopAt(node: TestNode, step: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let isReached = false;
    followSteps(node.actor, (reached) => {
      if (isReached || reached !== step) return;
      isReached = true;
      resolve(node.stop());
    });
    node.actor.subscribe({ complete: () => reject(new Error(`It never came to ${step}.`)) });
  });
}

describe('stopping', () => {
  it.each([
    'checking',
    'binding',
    'openingStore',
    'copying',
    'draining',
    'leaving',
    'retiring.overlapping',
    'retiring.closing',
  ])('at %s, with writes in progress -> all are answered, and nothing is left open', async (step) => {
    const others = openFiles().length;
    const b = await fixture.start('b');
    // Its database (twice, because its health is read beside SQLite), its log and its lock, its listener, and its
    // beacons, which come later.
    const before = others + 6;
    await until('all of b is open', () => openFiles().length === before);
    const a = await fixture.start('a');
    await untilMeshed([a, b]);
    const [port = 0] = await freePorts(1);
    const old = portOf(a);
    const stopped = stopAt(a, step);
    const asked = codeOf(() => a.reconfigure({ nodeId: 'a-2', port }));
    const things = a.collection('things');
    const writing = Array.from({ length: 20 }, (_, index) => codeOf(() => things.put(`k${index}`, index)));
    await stopped;
    expect(['none', 'notRunning']).toContain(await asked);
    const outcomes = await Promise.all(writing);
    for (const outcome of outcomes) expect(['none', 'notRunning']).toContain(outcome);
    expect(a.state).toBe('stopped');
    await until('b has let it go', () => b.peers.every(({ state }) => state !== 'connected'));
    await until('everything is closed', () => openFiles().length === before);
    expect([await canListen(old), await canListen(port)]).toEqual([true, true]);
    // Both databases can be opened, and every acknowledged write is in one of them.
    const found = new Set<string>();
    for (const nodeId of ['a', 'a-2']) {
      if (!existsSync(join(fixture.directoryOf('a'), `${nodeId}.db`))) continue;
      const again = await fixture.start(nodeId, { dataDir: fixture.directoryOf('a'), discovery: false });
      for (const { key } of await again.collection('things').find()) found.add(key);
      await again.stop();
    }
    expect(
      outcomes.flatMap((outcome, index) => (outcome === 'none' && !found.has(`k${index}`) ? [index] : [])),
    ).toEqual([]);
  });

  it.each(['binding', 'openingStore', 'undoing'])(
    'at %s, of one that would have failed -> nothing is left open',
    async (step) => {
      const before = openFiles().length;
      const a = await fixture.start('a');
      writeFileSync(join(fixture.directoryOf('a'), 'a-2.db'), 'no database');
      const [port = 0] = await freePorts(1);
      const stopped = stopAt(a, step);
      const asked = codeOf(() => a.reconfigure({ nodeId: 'a-2', port }));
      await stopped;
      expect(['databaseForeign', 'notRunning']).toContain(await asked);
      await until('everything is closed', () => openFiles().length === before);
      expect(await canListen(port)).toBe(true);
    },
  );

  it('calls that wait for their turn -> are answered with notRunning, or with their result', async () => {
    const a = await fixture.start('a');
    const stopped = stopAt(a, 'draining');
    const asked = Array.from({ length: 5 }, (_, index) => codeOf(() => a.reconfigure({ nodeId: `a-${index}` })));
    const more = Array.from({ length: 5 }, (_, index) => codeOf(() => a.reconfigure({ syncIntervalMs: 500 + index })));
    await stopped;
    for (const outcome of await Promise.all([...asked, ...more])) expect(['none', 'notRunning']).toContain(outcome);
  });
});

describe('what was replaced', () => {
  it('many changes of everything -> no more is open than before', async () => {
    const [a, b] = [await fixture.start('a'), await fixture.start('b')];
    await untilMeshed([a, b]);
    const ports = await freePorts(2);
    const change = async (round: number): Promise<void> => {
      await a.reconfigure({ nodeId: round % 2 === 0 ? 'a' : 'a-2', port: ports[round % 2] as number });
      await untilMeshed([a, b]);
      await until('it is settled', () => stepOf(a.actor) === 'settled');
    };
    await change(1);
    await change(0);
    await until('the other side is settled', () => b.peers.length === 1);
    const before = openFiles().length;
    for (let round = 1; round <= 20; round += 1) await change(round);
    await until('as many as before', () => openFiles().length === before);
  });
});
