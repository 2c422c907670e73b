/** What each tool reports about faults of peers, links and clocks: real processes on real sockets. */
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import { type StartedNode, temporaryDirectory, until } from './cli-fixture.js';
import { gather, loopbackAddresses } from './crowd.js';
import { ownPort } from './own-port.js';
import { openLine } from './pacing-relay.js';
import { fast, playTable, type Sayings, type Started, started } from './situations.js';

const endings: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

playTable('Peers, links and clocks', {
  'slow link': async () => {
    const { node: b } = await started({ nodeId: 'node-b' });
    const line = await openLine({ bytesPerSecond: 30_000, roundTripMs: 20, host: '127.0.0.1', port: b.port });
    endings.push(() => line.close());
    const { node, sayings } = await started({ host: '127.0.0.2' });
    await knows(node, 'node-b', line.port);
    await connected(node);
    for (let n = 0; n < 4; n++) {
      await node.run(['put', 'things', `k${n}`, '-'], { input: JSON.stringify({ text: 'x'.repeat(500_000) }) });
    }
    return sayings;
  },
  'another cluster key, on the side that dials': async () => (await withAnotherKey()).dialing,
  'another cluster key, on the side that is dialed': async () => (await withAnotherKey()).dialed,
  'beacons of another cluster key': async () => {
    const discoveryPort = ownPort();
    const { sayings } = await started({ discovery: true, discoveryPort });
    await started({ nodeId: 'node-b', discovery: true, discoveryPort, clusterKey: 'another key than that one' });
    return sayings;
  },
  'peer that is not there': async () => {
    const { node, sayings } = await started();
    await knows(node, 'node-z', ownPort());
    return sayings;
  },
  'peer that can be reached in one direction only': async () => {
    const { node: a, sayings } = await started();
    const { node: b } = await started({ nodeId: 'node-b' });
    await knows(a, 'node-b', ownPort());
    await knows(b, 'node-a', a.port);
    return sayings;
  },
  clone: async () => {
    const discoveryPort = ownPort();
    const settings = { discovery: true, discoveryPort };
    const { node } = await started(settings);
    await node.run(['stop']);
    await node.exitCode;
    const copy = await temporaryDirectory();
    await cp(join(node.directory, 'data'), join(copy, 'data'), { recursive: true });
    const { sayings } = await started(settings, { directory: node.directory });
    await started(settings, { directory: copy });
    return sayings;
  },
  'clock an hour ahead': async () => (await withWrongClock()).wrong,
  'right clock, beside one that is an hour ahead': async () => (await withWrongClock()).right,
  'strangers in great numbers': async () => {
    const { node, sayings } = await started();
    const crowd = gather({ port: node.port, perSecond: 400, addresses: loopbackAddresses(50) });
    endings.push(() => crowd.leave());
    return sayings;
  },
});

async function knows(node: StartedNode, peer: string, port: number): Promise<void> {
  await node.run(['add-static-peer', '--node-id', peer, '--address', `127.0.0.1:${port}`]);
}

async function connected(node: StartedNode): Promise<void> {
  await until(async () => (await node.run(['peers'])).stdout.includes(' connected ') || undefined, 'a session');
}

async function withAnotherKey(): Promise<{ dialing: Sayings; dialed: Sayings }> {
  const dialed = await started({ nodeId: 'node-b' });
  const dialing = await started({ clusterKey: 'another key than that one' });
  await knows(dialing.node, 'node-b', dialed.node.port);
  return { dialing: dialing.sayings, dialed: dialed.sayings };
}

const preload = `--import=${join(process.cwd(), 'test/integration/shifted-clock.mjs')}`;

/** Three nodes, the third with a clock that is an hour ahead. */
async function withWrongClock(): Promise<{ wrong: Sayings; right: Sayings }> {
  const settings = { ...fast, discovery: true, discoveryPort: ownPort() };
  const directory = await temporaryDirectory();
  const file = join(directory, 'shift');
  await writeFile(file, String(3_600_000));
  const shifted = { directory, env: { NODE_OPTIONS: preload, CLOCK_SHIFT_FILE: file } };
  const [right, , wrong] = await Promise.all([
    started(settings),
    started({ ...settings, nodeId: 'node-b' }),
    started({ ...settings, nodeId: 'node-c' }, shifted),
  ]);
  const isWhole = async ({ node }: Started) =>
    (await node.run(['status'])).stdout.includes('2 connected of 2 known') || undefined;
  for (const each of [right, wrong]) await until(() => isWhole(each), 'all three are connected');
  return { wrong: wrong.sayings, right: right.sayings };
}
