/** `statemesh backup` and `statemesh restore`, with real nodes and files. */
import { existsSync } from 'node:fs';
import { copyFile, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { run, type StartedNode, startNode, temporaryDirectory } from './cli-fixture.js';
import { ownPort } from './own-port.js';

async function put(node: StartedNode, count: number, prefix = 'k'): Promise<void> {
  const lines = Array.from({ length: count }, (_, index) =>
    JSON.stringify({ key: `${prefix}${index}`, document: { index } }),
  );
  await run(['import', 'things', '-'], { cwd: node.directory, input: `${lines.join('\n')}\n` });
}

async function stopped(node: StartedNode): Promise<void> {
  node.child.kill('SIGTERM');
  await node.exitCode;
}

async function countOf(node: StartedNode): Promise<number> {
  return Number((await node.run(['find', 'things', '--count'])).stdout);
}

describe('backup and restore', () => {
  test('a node during writes -> a copy; restored after the database is damaged -> its documents are there', async () => {
    const node = await startNode();
    await put(node, 2_000);
    const file = join(node.directory, 'backups', 'node-a.db');
    const [made] = await Promise.all([node.run(['backup', file, '--json']), put(node, 500, 'later')]);
    expect([made.exitCode, JSON.parse(made.stdout)]).toEqual([0, { file, bytes: (await stat(file)).size }]);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readdir(join(node.directory, 'backups'))).sort()).toEqual(['node-a.db']);
    await stopped(node);
    const database = join(node.directory, 'data', 'node-a.db');
    await truncate(database, 20_000);
    const refused = await run(['start', '--json'], { cwd: node.directory });
    expect([refused.exitCode, JSON.parse(refused.stdout)]).toMatchObject([6, { code: 'databaseCorrupt' }]);
    const restored = await run(['restore', file, '--data-dir', 'data', '--json'], { cwd: node.directory });
    expect(JSON.parse(restored.stdout)).toEqual({
      nodeId: 'node-a',
      path: database,
      setAside: `${database}.before-restore`,
    });
    expect((await stat(`${database}.before-restore`)).size).toBe(20_000);
    const again = await startNode({}, { directory: node.directory });
    expect(await countOf(again)).toBeGreaterThanOrEqual(2_000);
    await put(again, 10, 'after');
  });

  test('restored beside a peer that has more -> both end with the same, and no data of the peer is lost', async () => {
    const options = { discoveryPort: ownPort(), beaconIntervalMs: 200 };
    const [a, b] = [await startNode(options), await startNode({ ...options, nodeId: 'node-b' })];
    await put(a, 100);
    const file = join(a.directory, 'a.db');
    await a.run(['backup', file]);
    await put(a, 50, 'later');
    await settled(b, 150);
    await stopped(a);
    await run(['restore', file, '--data-dir', 'data'], { cwd: a.directory });
    const again = await startNode(options, { directory: a.directory });
    await put(again, 5, 'new');
    await settled(again, 155);
    await settled(b, 155);
  });

  test('a running node -> is reported, with its process, and its database is not touched', async () => {
    const node = await startNode();
    await put(node, 3);
    const file = join(node.directory, 'a.db');
    await node.run(['backup', file]);
    const { exitCode, stderr } = await node.run(['restore', file]);
    expect([exitCode, stderr]).toEqual([5, expect.stringContaining(`process ${node.child.pid}`)]);
    // The message says what to do.
    expect(stderr).toContain('`statemesh stop`');
    expect(stderr).not.toContain('hint:');
    expect(await countOf(node)).toBe(3);
  });

  test('an existing file -> stays, unless --force is given', async () => {
    const node = await startNode();
    const file = join(node.directory, 'mine');
    await writeFile(file, 'mine');
    expect(await node.run(['backup', file])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--force') });
    expect(await readFile(file, 'utf8')).toBe('mine');
    expect((await node.run(['backup', file, '--force'])).exitCode).toBe(0);
    expect((await readFile(file)).subarray(0, 15).toString()).toBe('SQLite format 3');
  });

  test('an invalid place -> an error, and nothing is left behind', async () => {
    const node = await startNode();
    await writeFile(join(node.directory, 'file'), '');
    const { exitCode, stderr } = await node.run(['backup', join(node.directory, 'file', 'a.db')]);
    expect([exitCode, stderr]).toEqual([6, expect.stringContaining('check its path')]);
  });

  test.each([
    ['no database', 'text', 'databaseCorrupt', 'take another backup', 6],
    ['a file that is not there', undefined, 'requestInvalid', 'There is no copy at', 2],
  ])('%s -> refused, and the old database stays', async (_, content, code, words, exit) => {
    const cwd = await temporaryDirectory();
    if (content !== undefined) await writeFile(join(cwd, 'backup'), content);
    const { exitCode, stderr } = await run(['restore', 'backup', '--data-dir', 'data', '--json'], { cwd });
    expect([exitCode, JSON.parse(stderr)]).toEqual([exit, { code, message: expect.stringContaining(words) }]);
    expect(existsSync(join(cwd, 'data')) ? await readdir(join(cwd, 'data')) : []).toEqual([]);
  });

  test("another node's copy into the directory of a configured one -> restored, with a note that this node does not use it", async () => {
    const node = await startNode({ control: true });
    const file = join(node.directory, 'a.db');
    await node.run(['backup', file]);
    await stopped(node);
    const note = /It is not the database of node-b, .*`statemesh start --node-id node-a`/;
    const restore = async (...args: string[]): Promise<string> =>
      (await run(['restore', file, ...args], { cwd: node.directory })).stdout;
    expect(await restore()).not.toMatch(note);
    await node.run(['config', 'set', 'nodeId=node-b']);
    expect(await restore()).toMatch(note);
    expect(await restore('--data-dir', 'data')).toMatch(note);
    expect(await restore('--data-dir', 'elsewhere')).not.toMatch(note);
    await writeFile(join(node.directory, 'statemesh.json'), '{');
    expect(await restore('--data-dir', 'data')).toMatch(/is restored/);
  });

  test("another node's copy, and a damaged one -> refused, and the old database stays", async () => {
    const node = await startNode();
    await put(node, 2_000);
    const file = join(node.directory, 'a.db');
    await node.run(['backup', file]);
    await stopped(node);
    const database = join(node.directory, 'data', 'node-a.db');
    const before = await readFile(database);
    const other = await run(['restore', file, '--data-dir', 'data', '--node-id', 'node-b'], { cwd: node.directory });
    expect([other.exitCode, other.stderr]).toEqual([6, expect.stringContaining('belongs to node "node-a"')]);
    const damaged = join(node.directory, 'damaged.db');
    await copyFile(file, damaged);
    const bytes = await readFile(damaged);
    bytes.fill(0x5a, 5 * 8_192, 6 * 8_192);
    await writeFile(damaged, bytes);
    const refused = await run(['restore', damaged, '--data-dir', 'data'], { cwd: node.directory });
    expect([refused.exitCode, refused.stderr]).toEqual([6, expect.stringMatching(/damaged/)]);
    expect((await readFile(database)).equals(before)).toBe(true);
    expect((await readdir(join(node.directory, 'data'))).filter((name) => name.includes('restore'))).toEqual([]);
  });
});

async function settled(node: StartedNode, count: number): Promise<void> {
  for (let turn = 0; turn < 200 && (await countOf(node)) !== count; turn++);
  expect(await countOf(node)).toBe(count);
}
