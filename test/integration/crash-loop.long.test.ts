/**
 * kill -9 at random moments, over and over, of a real process during writes: every acknowledged write is there, the
 * chains are whole, starting takes no longer than usual, and in the end the cluster agrees. CRASH_ROUNDS=1000 runs
 * longer.
 */
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from '@jest/globals';
import { callControl } from '../../src/control/client.js';
import { examineDatabase } from '../../src/node/examine.js';
import { clusterKey, clusterSalt, startNode, temporaryDirectory, until } from './cli-fixture.js';
import { ownPort } from './own-port.js';

const rounds = Number(process.env.CRASH_ROUNDS ?? 50);
const main = join(process.cwd(), 'dist/cli/main.js');
/** Enough that a write is always in progress. */
const writers = 16;

test(`${rounds} kills of a node during writes -> no acknowledged write is lost, and all agree`, async () => {
  const port = ownPort();
  const settings = { discoveryPort: port, beaconIntervalMs: 200, heartbeatIntervalMs: 200, syncIntervalMs: 400 };
  const peer = await startNode({ ...settings, nodeId: 'node-b' });
  const cwd = await temporaryDirectory();
  const configuration = { nodeId: 'node-a', clusterKey, clusterSalt, ...settings };
  await writeFile(join(cwd, 'statemesh.json'), JSON.stringify(configuration), { mode: 0o600 });
  const socket = join(cwd, 'data', 'control.sock');
  /** By key, the last acknowledged value, and the last requested one. */
  const acknowledged = new Map<string, number>();
  const asked = new Map<string, number>();
  const startsMs: number[] = [];
  let value = 0;

  for (let round = 0; round < rounds; round++) {
    const startedMs = performance.now();
    const child = spawn(process.execPath, [main, 'start', '--json'], { cwd, stdio: ['ignore', 'pipe', 'ignore'] });
    const gone = new Promise<void>((done) => child.once('exit', () => done()));
    const line = await new Promise<string>((done) => createInterface({ input: child.stdout }).once('line', done));
    expect(JSON.parse(line).event).toBe('running');
    startsMs.push(performance.now() - startedMs);
    let isOver = false;
    const write = async (writer: number): Promise<void> => {
      while (!isOver) {
        value += 1;
        const [key, mine] = [`k${writer}-${value % 50}`, value];
        asked.set(key, mine);
        try {
          await callControl(socket, 'put', { collection: 'things', key, document: mine });
        } catch {
          // Killed: it is unknown whether it was written.
          return;
        }
        acknowledged.set(key, mine);
      }
    };
    const writing = Array.from({ length: writers }, (_, writer) => write(writer));
    // Drawn without a clock: somewhere in the first writes, or among many.
    const enough = acknowledged.size === 0 ? 1 : 1 + ((round * 7_919) % 400);
    const least = value + enough;
    await until(() => value >= least || undefined);
    child.kill('SIGKILL');
    isOver = true;
    await gone;
    await Promise.all(writing);
    if (round % 10 !== 9) continue;
    const { damages } = await examineDatabase({ path: join(cwd, 'data', 'node-a.db'), nodeId: 'node-a' });
    expect(damages).toEqual([]);
  }

  const again = await startNode({ ...configuration }, { directory: cwd });
  for (const [key, least] of acknowledged) {
    const { document } = (await callControl(socket, 'get', { collection: 'things', key })) as { document: number };
    // A later requested write may be there without an acknowledgement.
    expect([key, document >= least && document <= (asked.get(key) ?? 0)]).toEqual([key, true]);
  }
  const digestOf = (directory: string) => callControl(join(directory, 'data', 'control.sock'), 'digest');
  await until(async () => {
    const [one, other] = await Promise.all([digestOf(again.directory), digestOf(peer.directory)]);
    return JSON.stringify(one) === JSON.stringify(other) || undefined;
  }, 'both have the same');
  const half = Math.floor(startsMs.length / 2);
  const middle = (times: readonly number[]): number =>
    times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] as number;
  // Recovery does not grow with the number of writes; on a busy machine everything takes longer, but not ten times.
  expect(middle(startsMs.slice(half))).toBeLessThan(10 * middle(startsMs.slice(0, half)));
  expect(acknowledged.size).toBeGreaterThan(100);
  expect((await readFile(join(cwd, 'data', 'node-a.db'))).length).toBeGreaterThan(0);
}, 600_000);
