/**
 * One NodeId, one database, one clock: what happens when there are two of them, or when one is wrong. Real processes.
 */
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import {
  clusterKey,
  clusterSalt,
  eventsOf,
  lastJson,
  open,
  run,
  type StartedNode,
  startNode,
  temporaryDirectory,
  until,
} from './cli-fixture.js';
import { ownPort } from './own-port.js';

const fast = { beaconIntervalMs: 200, heartbeatIntervalMs: 200, syncIntervalMs: 400 };

const put = async (node: StartedNode, key: string, document: unknown): Promise<void> => {
  expect(await node.run(['put', 'things', key, JSON.stringify(document)])).toMatchObject({ exitCode: 0 });
};
const documentsAt = async (node: StartedNode): Promise<string[]> => {
  const { stdout } = await node.run(['export', 'things']);
  return stdout.split('\n').slice(0, -1).sort();
};
const untilAgreed = (nodes: readonly StartedNode[], count: number): Promise<unknown> =>
  until(async () => {
    const all = await Promise.all(nodes.map(documentsAt));
    return (all.every((each) => each.length === count && String(each) === String(all[0])) && all) || undefined;
  }, `${count} documents, the same on all`);
const statusOf = async (node: StartedNode) => lastJson((await node.run(['status', '--json'])).stdout);

async function stopped(node: StartedNode): Promise<void> {
  node.child.kill('SIGTERM');
  await node.exitCode;
}

/** A copy of the data directory of a stopped node with its configuration, as from a disk image. */
async function clone(node: StartedNode): Promise<string> {
  const copy = await temporaryDirectory();
  await cp(join(node.directory, 'data'), join(copy, 'data'), { recursive: true });
  return copy;
}

describe('a data directory that was cloned to another machine', () => {
  test('written to here, then there -> all end with the same, and nothing is lost', async () => {
    const settings = { ...fast, discoveryPort: ownPort() };
    const [original, peer] = [await startNode(settings), await startNode({ ...settings, nodeId: 'node-b' })];
    await put(original, 'shared', 1);
    await untilAgreed([original, peer], 1);
    await stopped(original);
    const copy = await clone(original);
    // Both write entries under one NodeId that the other has never seen.
    const here = await startNode(settings, { directory: original.directory });
    await put(here, 'here', 'written by the original');
    await untilAgreed([here, peer], 2);
    await stopped(here);
    const there = await startNode(settings, { directory: copy });
    await put(there, 'there', 'written by the clone');
    await untilAgreed([there, peer], 3);
    await stopped(there);
    const again = await startNode(settings, { directory: original.directory });
    await untilAgreed([again, peer], 3);
  });

  test('both run -> both report it and refuse each other; the clone gets a name of its own, and all agree', async () => {
    const settings = { ...fast, discoveryPort: ownPort() };
    const first = await startNode(settings);
    await put(first, 'shared', 1);
    await stopped(first);
    const copy = await clone(first);
    const [original, double] = [
      await startNode(settings, { directory: first.directory }),
      await startNode(settings, { directory: copy }),
    ];
    for (const node of [original, double]) {
      await until(async () => {
        const { lastFailure } = (await statusOf(node)) as { lastFailure?: { code: string } };
        return lastFailure?.code === 'duplicateNodeId' || undefined;
      }, 'it has noticed');
    }
    expect((await statusOf(original)).peers).toEqual([]);
    await put(double, 'double', 'written by the clone');
    const renamed = await double.run(['reconfigure', 'node-id=node-c', '--json']);
    expect(renamed.exitCode).toBe(0);
    await put(double, 'renamed', 'written under its own name');
    await untilAgreed([original, double], 3);
  });
});

describe('two processes on one database', () => {
  test('the second -> is refused with the process of the first, which continues', async () => {
    const node = await startNode();
    const second = await run(['start', '--json'], { cwd: node.directory });
    expect([second.exitCode, lastJson(second.stdout)]).toMatchObject([
      5,
      { code: 'databaseInUse', message: expect.stringContaining(`process ${node.child.pid} `) },
    ]);
    await put(node, 'k', 'still here');
  });

  test('two starts at once -> one serves', async () => {
    const cwd = await temporaryDirectory();
    const configuration = { nodeId: 'node-a', clusterKey, clusterSalt, discoveryPort: ownPort() };
    await writeFile(join(cwd, 'statemesh.json'), JSON.stringify(configuration), { mode: 0o600 });
    const starting = [open(['start', '--json'], { cwd }), open(['start', '--json'], { cwd })];
    const events = await Promise.all(starting.map((each) => until(() => eventsOf(each)[0])));
    expect(events.map(({ event, code }) => code ?? event).sort()).toEqual(['databaseInUse', 'running']);
  });
});

describe('a wall clock that jumps', () => {
  const preload = `--import=${join(process.cwd(), 'test/integration/shifted-clock.mjs')}`;

  async function shifted(hours: number, settings: Readonly<Record<string, unknown>>, directory?: string) {
    const cwd = directory ?? (await temporaryDirectory());
    const file = join(cwd, 'shift');
    const shift = (by: number) => writeFile(file, String(by * 3_600_000));
    await shift(hours);
    const env = { NODE_OPTIONS: preload, CLOCK_SHIFT_FILE: file };
    const node = await startNode(settings, { directory: cwd, env });
    return {
      node,
      async jump(to: number): Promise<void> {
        await shift(to);
        node.child.kill('SIGUSR2');
      },
    };
  }

  test('hours back and forward, while it runs and between runs -> the order of writes stays', async () => {
    const settings = { ...fast, discoveryPort: ownPort() };
    const peer = await startNode({ ...settings, nodeId: 'node-b' });
    const { node, jump } = await shifted(0, settings);
    await put(node, 'k', 'first');
    await jump(-5);
    await put(node, 'k', 'second');
    await untilAgreed([node, peer], 1);
    expect(await documentsAt(peer)).toEqual([expect.stringContaining('second')]);
    await stopped(node);
    const { node: again } = await shifted(-9, settings, node.directory);
    await put(again, 'k', 'third');
    await until(async () => (await documentsAt(peer))[0]?.includes('third') || undefined);
    await stopped(again);
    const { node: right } = await shifted(0, settings, node.directory);
    await put(right, 'k', 'fourth');
    await until(async () => (await documentsAt(peer))[0]?.includes('fourth') || undefined);
  });

  test('an hour ahead -> does not spoil the order of the others, which report it; status and doctor show it', async () => {
    const settings = { ...fast, discoveryPort: ownPort() };
    const [one, two] = [await startNode(settings), await startNode({ ...settings, nodeId: 'node-b' })];
    const { node: wrong } = await shifted(1, { ...settings, nodeId: 'node-c' });
    await until(
      async () => ((await statusOf(wrong)).clockAheadMs as number | null) ?? undefined,
      'the clocks are compared',
    );
    expect(Math.round(((await statusOf(wrong)).clockAheadMs as number) / 60_000)).toBe(60);
    await put(wrong, 'k', 'from the future');
    await put(one, 'k', 'now');
    await put(two, 'other', 'now');
    await untilAgreed([one, two], 2);
    expect((await documentsAt(one))[0]).toContain('now');
    expect((await statusOf(one)).clockAheadMs).toBeLessThan(60_000);
    const peers = (await statusOf(one)).peers as { nodeId: string; clockAheadMs: number }[];
    const ahead = peers.find(({ nodeId }) => nodeId === 'node-c')?.clockAheadMs ?? 0;
    expect(Math.round(ahead / 60_000)).toBe(60);
    const { stdout } = await wrong.run(['doctor']);
    expect(stdout).toMatch(/! clock: this machine's clock is 3,\d\d\d s ahead of those of its peers/);
    expect((await wrong.run(['status'])).stdout).toMatch(/time +this machine's clock is 3,\d\d\d s ahead/);
    await rm(join(wrong.directory, 'shift'));
  });
});
