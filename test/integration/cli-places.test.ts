/** Two nodes, or two configurations, that meet in one data directory. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { clusterKey, clusterSalt, eventsOf, open, run, type StartedNode, startNode } from './cli-fixture.js';

/** The configuration of another node, in the directory of the first. */
async function configurationBeside({ directory }: StartedNode, fields: Record<string, unknown>): Promise<string> {
  const name = `${fields.nodeId}.json`;
  const configuration = { clusterKey, clusterSalt, discovery: false, ...fields };
  await writeFile(join(directory, name), JSON.stringify(configuration), { mode: 0o600 });
  return name;
}

describe('start in a data directory in which another node runs', () => {
  test('another NodeId -> refused before it makes a database or listens', async () => {
    const node = await startNode();
    const config = await configurationBeside(node, { nodeId: 'node-b', dataDir: './data' });
    const second = open(['start', '--json', '--config', config], { cwd: node.directory });
    expect(await second.exitCode).toBe(5);
    expect(eventsOf(second)).toEqual([
      {
        event: 'failed',
        code: 'controlUnavailable',
        message: expect.stringContaining('Another node runs in this data directory'),
      },
    ]);
    expect(second.stderr()).not.toMatch(/Node running/);
    expect((await readdir(join(node.directory, 'data'))).filter((name) => name.startsWith('node-b'))).toEqual([]);
  });

  test('a file in place of the control socket -> refused before it makes a database', async () => {
    const node = await startNode();
    await node.run(['stop']);
    await node.exitCode;
    await writeFile(join(node.directory, 'data', 'control.sock'), '');
    const config = await configurationBeside(node, { nodeId: 'node-b', dataDir: './data' });
    const { exitCode, stderr } = await run(['start', '--config', config], { cwd: node.directory });
    expect([exitCode, stderr]).toEqual([5, expect.stringContaining('is in the way and is not a socket')]);
    expect((await readdir(join(node.directory, 'data'))).filter((name) => name.startsWith('node-b'))).toEqual([]);
  });

  test('the same NodeId -> the process that has the database is named', async () => {
    const node = await startNode();
    const { exitCode, stderr } = await node.run(['start']);
    expect(exitCode).toBe(5);
    expect(stderr).toContain(`The process ${node.child.pid} has the database open`);
  });
});
