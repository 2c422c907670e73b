/** The same seed gives the same run: here, after other worlds, in another process, and in a worker thread. */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { createWorld, type TraceLine } from '../../src/simulation/index.js';
import { drawPlan, type Plan } from '../../src/simulation/swarm/plan.js';
import { playPlan } from '../../src/simulation/swarm/play.js';
import type { Verdict } from '../../src/simulation/verdict.js';
import { run as runCommand } from '../integration/cli-fixture.js';

const seeds = [1, 2, 3, 4];
const planOf = (seed: number) => drawPlan({ seed, nodes: [3, 5], durationMs: 10_000 });

async function hashesOf(order: readonly number[]): Promise<Record<number, string>> {
  const hashes: Record<number, string> = {};
  for (const seed of order) hashes[seed] = (await playPlan(planOf(seed))).traceHash;
  return hashes;
}

describe('determinism', () => {
  let hashes: Record<number, string>;

  beforeAll(async () => {
    hashes = await hashesOf(seeds);
  });

  it('seeds: different ones -> different hashes', () => {
    expect(new Set(Object.values(hashes)).size).toBe(seeds.length);
  });

  it('in one process: in another order, after other worlds -> the same hashes', async () => {
    const world = createWorld({ seed: 99 });
    const [a] = world.lan('office', ['node-a', 'node-b']);
    await world.run('5s');
    await a.collection('things').put('k', 1);
    expect(await hashesOf([...seeds].reverse())).toEqual(hashes);
    await world.close();
    expect(await hashesOf(seeds.slice(0, 1))).toEqual({ 1: hashes[1] });
  });

  it('a run: started outside of any promise, as by a message or a timer -> the same hash', async () => {
    const verdict = await new Promise<Verdict>((resolve) => setImmediate(() => void playPlan(planOf(1)).then(resolve)));
    expect(verdict.traceHash).toBe(hashes[1]);
  });

  it('a failure that names a file: in two worlds, with different directories -> the same hash and trace', async () => {
    const plan: Plan = {
      seed: 1,
      nodes: 2,
      wiring: 'mesh',
      clouds: 0,
      tokenLifetimeMs: 60_000,
      durationMs: 10_000,
      options: {},
      faults: [{ atMs: 5_000, kind: 'fillDisk', node: 1, forMs: 1_000 }],
      writes: [{ atMs: 5_100, node: 0, key: 'k', value: 1, bytes: 100_000 }],
    };
    const play = async () => {
      const lines: TraceLine[] = [];
      const verdict = await playPlan(plan, { trace: (line) => lines.push(line) });
      return { verdict, lines };
    };
    const first = await play();
    expect(JSON.stringify(first.lines)).toMatch(/diskFull.*node-b\.db/);
    expect(await play()).toEqual(first);
  });

  it('with a trace: -> the same hashes, and the same trace', async () => {
    const traceOf = async () => {
      const lines: TraceLine[] = [];
      const { traceHash } = await playPlan(planOf(2), { trace: (line) => lines.push(line) });
      return { traceHash, lines };
    };
    const first = await traceOf();
    expect(first.traceHash).toBe(hashes[2]);
    expect(first.lines.length).toBeGreaterThan(0);
    expect(await traceOf()).toEqual(first);
  });

  it('in another process: built, without Jest -> the same hashes', async () => {
    const program = `
      const { drawPlan, playPlan } = await import(${JSON.stringify(pathToFileURL(resolve('dist/simulation/index.js')))});
      const hashes = {};
      for (const seed of ${JSON.stringify(seeds)}) {
        hashes[seed] = (await playPlan(drawPlan({ seed, nodes: [3, 5], durationMs: 10_000 }))).traceHash;
      }
      console.log(JSON.stringify(hashes));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    expect(JSON.parse(stdout)).toEqual(hashes);
  });

  it.each([1, 3])('in worker threads: %i of them -> the same hashes', async (jobs) => {
    const options = ['--seeds', '4', '--seconds', '10', '--jobs', String(jobs), '--json'];
    const { exitCode, stdout } = await runCommand(['simulate', ...options]);
    expect(exitCode).toBe(0);
    const lines = stdout
      .trim()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
    expect(Object.fromEntries(lines.map(({ seed, traceHash }) => [seed, traceHash]))).toEqual(hashes);
  });
});
