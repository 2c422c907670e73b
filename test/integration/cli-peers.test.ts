/** Commands about stored peers, beside peers that were only discovered. */
import { describe, expect, test } from '@jest/globals';
import { jsonLines, open, startNode, until } from './cli-fixture.js';
import { ownPort } from './own-port.js';

describe('a peer that was discovered', () => {
  test.each(['disable-peer', 'enable-peer', 'remove-peer'])(
    '%s -> says that it is no stored one, and what can be done',
    async (command) => {
      const settings = { discoveryPort: ownPort(), beaconIntervalMs: 200 };
      const [one] = await Promise.all([
        startNode({ nodeId: 'one', ...settings }),
        startNode({ nodeId: 'two', ...settings }),
      ]);
      await until(
        async () => jsonLines((await one.run(['peers', '--json'])).stdout).length > 0 || undefined,
        'discovered',
      );
      const { exitCode, stderr } = await one.run([command, 'two']);
      expect([exitCode, stderr]).toEqual([4, expect.stringContaining('"two" is no stored peer: it was discovered')]);
      expect(stderr).toContain('replace the cluster key');
      const unknown = await one.run([command, 'three']);
      expect([unknown.exitCode, unknown.stderr]).toEqual([
        4,
        expect.stringContaining('There is no remote peer "three"'),
      ]);
    },
  );
});

describe('add-static-peer', () => {
  test('added, changed, the same again -> each is told apart', async () => {
    const node = await startNode({ discovery: false });
    const add = async (port: number, ...options: string[]) =>
      (await node.run(['add-static-peer', '--node-id', 'far', '--address', `127.0.0.1:${port}`, ...options])).stdout;
    expect(await add(9)).toBe('Added: far at 127.0.0.1:9.\n');
    expect(await add(8)).toBe('Changed: far at 127.0.0.1:8.\n');
    expect(await add(8)).toBe('Known already: far at 127.0.0.1:8.\n');
    expect(JSON.parse(await add(9, '--json'))).toEqual({ isNew: false, isChanged: true });
  });

  test('the NodeId of the node itself -> refused', async () => {
    const node = await startNode({ discovery: false });
    const { exitCode, stderr } = await node.run(['add-static-peer', '--node-id', 'node-a', '--address', '127.0.0.1:9']);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('nodeId: it is the name of this node')]);
    expect((await node.run(['remote-peers', '--json'])).stdout).toBe('');
  });
});

describe('a collection that does not exist', () => {
  const hint = 'There is no collection "articels" with documents: see `statemesh collections`.';

  test('find, export, get and delete -> say so in the same words', async () => {
    const node = await startNode({ discovery: false });
    for (const [command, expected] of [
      ['find articels', 0],
      ['export articels', 0],
      ['get articels k', 4],
      ['delete articels k', 4],
    ] as const) {
      const { exitCode, stdout, stderr } = await node.run(command.split(' '));
      expect([command, exitCode, stdout]).toEqual([command, expected, '']);
      expect(stderr).toContain(hint);
    }
  });

  test('watch -> says so, and waits; of one that exists it says nothing', async () => {
    const node = await startNode({ discovery: false });
    await node.run(['put', 'articles', 'k', '1']);
    const [missing, present] = ['articels', 'articles'].map((name) => open(['watch', name], { cwd: node.directory }));
    await until(() => missing?.stderr().includes(hint) || undefined, 'the hint');
    await node.run(['put', 'articels', 'k', '1']);
    await until(() => missing?.stdout().includes('articels k') || undefined, 'the entry');
    expect(present?.stderr()).toBe('');
  });
});
