/** The command line beside a program that embeds a node. */
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createNode, type StatemeshNode } from '../../src/index.js';
import { clusterKey, clusterSalt, run, temporaryDirectory } from './cli-fixture.js';
import { ownPort } from './own-port.js';

const nodes: StatemeshNode[] = [];

afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop();
});

async function embedded(nodeId: string): Promise<string> {
  const cwd = await temporaryDirectory();
  const options = { nodeId, dataDir: join(cwd, 'data'), clusterKey, clusterSalt, discoveryPort: ownPort() };
  const node = createNode(options);
  nodes.push(node);
  await node.start();
  return cwd;
}

describe('an embedded node without a control socket', () => {
  test.each(['status', 'stop', 'peers'])(
    '%s -> names the process that has the database, and what to do',
    async (command) => {
      const cwd = await embedded('till-1');
      const { exitCode, stderr } = await run([command], { cwd });
      expect(exitCode).toBe(3);
      expect(stderr).toContain(`The process ${process.pid} has the database ${join(cwd, 'data', 'till-1.db')} open`);
      expect(stderr).toContain('Set `control: true`');
      expect(stderr).not.toContain('statemesh start');
    },
  );

  test.each(['till-1', 'till-2'])('doctor: as %s -> the node runs, and cannot be asked', async (nodeId) => {
    const cwd = await embedded('till-1');
    const env = { STATEMESH_CLUSTER_KEY: clusterKey, STATEMESH_CLUSTER_SALT: clusterSalt };
    const { exitCode, stdout } = await run(['doctor', '--node-id', nodeId, '--data-dir', 'data'], { cwd, env });
    expect([exitCode, stdout]).toEqual([
      5,
      expect.stringMatching(/✗ node: runs, but does not answer: .*till-1\.db open.*\n {4}Set `control: true`/),
    ]);
  });
});
