/**
 * Disks that fail under one of three real nodes: each tool reports it, the other nodes are not disturbed, and
 * everything continues without a restart.
 */
import { expect, test } from '@jest/globals';
import { jsonLines, startNode, until } from './cli-fixture.js';
import { failuresOfDisk, startOnFailingDisk } from './failing-disk.js';
import { ownPort } from './own-port.js';

type Fields = Readonly<Record<string, unknown>>;
type Runner = { run(args: readonly string[]): Promise<{ exitCode: number | null; stdout: string; stderr: string }> };

const statusOf = async ({ run }: Runner) => JSON.parse((await run(['status', '--json'])).stdout) as Fields;
const leaderOf = async (node: Runner) => ((await statusOf(node)).leadership as { leaderId?: string }).leaderId;
const peersOf = async ({ run }: Runner) => jsonLines((await run(['peers', '--json'])).stdout) as Fields[];

test.each(failuresOfDisk)(
  '%s on the leader of three -> it reports it, hands over and refuses writes; its sessions stay; recovered -> it follows again',
  async (failure) => {
    const code = failure === 'ENOSPC' ? 'diskFull' : 'databaseUnavailable';
    const shared = { discoveryPort: ownPort(), beaconIntervalMs: 200, heartbeatIntervalMs: 200, syncIntervalMs: 400 };
    const metricsPort = ownPort();
    const a = await startOnFailingDisk({ ...shared, nodeId: 'node-a', metricsPort });
    const [b, c] = [await startNode({ ...shared, nodeId: 'node-b' }), await startNode({ ...shared, nodeId: 'node-c' })];
    for (const node of [a, b, c]) await until(async () => (await leaderOf(node)) === 'node-a' || undefined, 'a leads');
    await a.run(['put', 'things', 'before', '1']);
    await a.fail(failure);
    const put = await a.run(['put', 'things', 'k', '1', '--json']);
    expect([put.exitCode, JSON.parse(put.stderr).code]).toEqual([6, code]);
    for (const node of [b, c]) {
      await until(async () => (await leaderOf(node)) === 'node-b' || undefined, 'b leads');
    }
    // Entries from the others wait, over the same session.
    await b.run(['put', 'things', 'meanwhile', '2']);
    await until(async () => (await statusOf(a)).impairment !== undefined || undefined, 'a knows');
    expect(await statusOf(a)).toMatchObject({ state: 'running', impairment: { code } });
    expect((await a.run(['status'])).stdout).toContain(`impaired`);
    const doctor = await a.run(['doctor', '--json']);
    const finding = doctor.stdout.split('\n').find((line) => line.includes('"check":"database"')) ?? '{}';
    expect([doctor.exitCode, JSON.parse(finding)]).toMatchObject([6, { state: 'failed', code }]);
    expect(a.stderr()).toContain('The database is impaired');
    const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    expect(metrics).toContain('statemesh_database_impaired 1');
    for (const node of [b, c]) {
      const row = (await peersOf(node)).find(({ nodeId }) => nodeId === 'node-a');
      expect(row).toMatchObject({ state: 'connected', impairment: code, attempt: 0 });
    }
    await a.mend();
    await until(
      async () => (await a.run(['get', 'things', 'meanwhile'])).stdout.trim() === '2' || undefined,
      'it follows',
    );
    await until(async () => (await statusOf(a)).impairment === undefined || undefined, 'it is sound');
    await until(async () => (await a.run(['put', 'things', 'after', '3'])).exitCode === 0 || undefined);
    await until(
      async () => (await b.run(['get', 'things', 'after'])).stdout.trim() === '3' || undefined,
      'it is followed',
    );
    expect((await a.run(['get', 'things', 'before'])).stdout.trim()).toBe('1');
  },
  120_000,
);
