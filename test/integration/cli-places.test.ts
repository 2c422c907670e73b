/** Two nodes, or two configurations, that meet in one data directory. */
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import {
  clusterKey,
  clusterSalt,
  eventsOf,
  open,
  readJson,
  run,
  type StartedNode,
  startNode,
  temporaryDirectory,
} from './cli-fixture.js';

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

describe('--config of one node with the data directory of another', () => {
  test('a command -> refused, with the node that answers; without --config it answers', async () => {
    const [one, two] = await Promise.all([startNode({ nodeId: 'one' }), startNode({ nodeId: 'two' })]);
    const data = join(two.directory, 'data');
    for (const command of ['status', 'peers', 'put c k 1', 'find c', 'stop']) {
      const { exitCode, stdout, stderr } = await one.run([
        ...command.split(' '),
        '--config',
        'statemesh.json',
        '--data-dir',
        data,
      ]);
      expect([command, exitCode, stdout]).toEqual([command, 2, '']);
      expect(stderr).toContain('Node two answers, not node "one".');
      expect(stderr).toContain(`leave out --config and say --data-dir ${data}`);
    }
    expect((await one.run(['find', 'c', '--data-dir', data])).exitCode).toBe(0);
    expect((await two.run(['status', '--config', 'statemesh.json', '--data-dir', data])).exitCode).toBe(0);
  });

  test('doctor -> refused when --config is given, a warning when the file is only the default', async () => {
    const [one, two] = await Promise.all([startNode({ nodeId: 'one' }), startNode({ nodeId: 'two' })]);
    const data = ['--data-dir', join(two.directory, 'data')];
    const [named, found] = await Promise.all([
      one.run(['doctor', ...data, '--config', 'statemesh.json']),
      one.run(['doctor', ...data]),
    ]);
    expect([named.exitCode, found.exitCode]).toEqual([2, 0]);
    expect(named.stdout).toMatch(/✗ node: Node two answers in .*, but the configuration names one\./);
    expect(found.stdout).toMatch(/! node: Node two answers in .*, but the configuration names one\./);
    expect(found.stdout).toContain('✓ node: two is running');
    expect(named.stdout).not.toContain('two is running');
  });
});

describe('init for a data directory of another node', () => {
  async function initialized(nodeId: string): Promise<string> {
    const cwd = await temporaryDirectory();
    expect((await run(['init', '--node-id', nodeId], { cwd })).exitCode).toBe(0);
    return cwd;
  }

  test('another configuration beside it has the default directory -> a directory of its own', async () => {
    const cwd = await initialized('one');
    expect((await run(['init', '--node-id', 'two', '--config', 'two.json'], { cwd })).exitCode).toBe(0);
    expect((await readJson(join(cwd, 'two.json'))).dataDir).toBe('./data-two');
  });

  test('--data-dir of another configuration -> refused with its name, and nothing is written', async () => {
    const cwd = await initialized('one');
    for (const more of [[], ['--from', 'statemesh.json']]) {
      const args = ['init', '--node-id', 'two', '--config', 'two.json', '--data-dir', 'data', ...more];
      const { exitCode, stderr } = await run(args, { cwd });
      expect([exitCode, stderr]).toEqual([2, expect.stringContaining('statemesh.json, of node one')]);
    }
    expect(await readdir(cwd)).toEqual(['statemesh.json']);
  });

  test('the node of another NodeId runs there, or has run -> refused, with what to do', async () => {
    const node = await startNode({ nodeId: 'one' });
    const cwd = await temporaryDirectory();
    const args = ['init', '--node-id', 'two', '--data-dir', join(node.directory, 'data')];
    const running = await run(args, { cwd });
    expect([running.exitCode, running.stderr]).toEqual([
      2,
      expect.stringContaining(`The process ${node.child.pid} has the database`),
    ]);
    await node.run(['stop']);
    await node.exitCode;
    const rested = await run(args, { cwd });
    expect([rested.exitCode, rested.stderr]).toEqual([2, expect.stringContaining('has the database of node one')]);
    expect(rested.stderr).toContain('statemesh reconfigure node-id=two');
    expect(await readdir(cwd)).toEqual([]);
    expect((await run(args.with(2, 'one'), { cwd })).exitCode).toBe(0);
  });

  test('--from with the NodeId of its source -> refused, with advice', async () => {
    const cwd = await initialized('one');
    const { exitCode, stderr } = await run(['init', '--from', 'statemesh.json', '--node-id', 'one'], { cwd });
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('is the configuration of node one itself')]);
    expect(stderr).toContain('choose another --node-id');
  });

  test('a pipe beside it that is named like a configuration -> is not waited for', async () => {
    const cwd = await initialized('one');
    execFileSync('mkfifo', [join(cwd, 'pipe.json')]);
    expect((await run(['init', '--node-id', 'two', '--config', 'two.json'], { cwd })).exitCode).toBe(0);
  });

  test('a link to the directory of another configuration, or a file in its place -> refused', async () => {
    const cwd = await initialized('one');
    await mkdir(join(cwd, 'data'));
    await symlink('data', join(cwd, 'link'));
    const init = ['init', '--node-id', 'two', '--config', 'two.json', '--data-dir'];
    const linked = await run([...init, 'link'], { cwd });
    expect([linked.exitCode, linked.stderr]).toEqual([2, expect.stringContaining('of node one')]);
    const onFile = await run([...init, 'statemesh.json'], { cwd });
    expect([onFile.exitCode, onFile.stderr]).toEqual([2, expect.stringContaining('is not a directory')]);
  });
});
