/** Nodes that are on two networks, one of which does not carry their connections. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from './cluster-fixture.js';

const main = resolve('dist/cli/main.js');
const script = resolve('test/integration/two-networks.sh');

let directory: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'statemesh-networks-'));
});
afterEach(async () => {
  if (child?.pid !== undefined && child.exitCode === null) {
    const ended = new Promise((done) => child?.once('close', done));
    // The group: the script, its nodes and the other namespace.
    process.kill(-child.pid, 'SIGKILL');
    await ended;
  }
  rmSync(directory, { recursive: true, force: true });
});

describe('two networks', () => {
  it('the first carries broadcasts only -> the nodes connect on the second, and the log reports the failure once', async () => {
    const start = [
      process.execPath,
      main,
      'start',
      '--lan',
      '--cluster-salt',
      'networks',
      '--beacon-interval-ms',
      '500',
    ];
    child = spawn('unshare', ['--user', '--map-root-user', '--net', 'sh', script, ...start], {
      cwd: directory,
      detached: true,
      env: { ...process.env, STATEMESH_CLUSTER_KEY: 'correct horse battery staple', STATEMESH_PORT: '25100' },
    });
    let log = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (text) => {
        log += text;
      });
    }
    const met = (peer: string) => log.includes(`Connected with ${peer} at 10.2.0.`);
    await until(`both meet; they said:\n${log}`, () => met('shop-a') && met('shop-b'), 60_000);
    expect(log.match(/cannot be reached at 10\.1\.0\./g)?.length ?? 0).toBeLessThanOrEqual(2);
  }, 90_000);
});
