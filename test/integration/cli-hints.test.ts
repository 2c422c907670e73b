/** Hints of commands to first-time users. */
import { describe, expect, test } from '@jest/globals';
import { createNode } from '../../src/index.js';
import { clusterKey, clusterSalt, eventsOf, open, run, startNode, temporaryDirectory, until } from './cli-fixture.js';

describe('config get and show, beside a running node', () => {
  test('port 0 -> the value of the file, and a hint at the actual port; of equal values nothing', async () => {
    const node = await startNode({ discovery: false });
    const { exitCode, stdout, stderr } = await node.run(['config', 'get', 'port']);
    expect([exitCode, stdout, stderr]).toEqual([
      0,
      '0\n',
      `hint:  The running node has port ${node.port}: with 0 the system chooses one.\n`,
    ]);
    expect((await node.run(['config', 'show'])).stderr).toBe(stderr);
    expect((await node.run(['config', 'get', 'node-id'])).stderr).toBe('');
    await node.run(['stop']);
    expect((await node.run(['config', 'get', 'port'])).stderr).toBe('');
  });
});

describe('what is missing', () => {
  test.each([
    [
      'put articles {"a":1}',
      'The key is missing. Usage: statemesh put <collection> <key> <json>, for example `statemesh',
    ],
    ['put articles espresso', 'The json is missing. Usage: statemesh put'],
    ['get articles', 'The key is missing. Usage: statemesh get <collection> <key>, for example `statemesh get'],
    ['disable-peer', 'The node-id is missing. Usage: statemesh disable-peer <node-id>.'],
  ])('%s -> named, with the usage', async (command, message) => {
    const { exitCode, stderr } = await run(command.split(' '));
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  test('put of a program without a key -> named, with an example', async () => {
    const dataDir = await temporaryDirectory();
    const node = createNode({ nodeId: 'a', dataDir, clusterKey, clusterSalt, discovery: false });
    await node.start();
    const articles = node.collection('articles') as unknown as { put(document: object): Promise<unknown> };
    await expect((async () => articles.put({ price: 1 }))()).rejects.toMatchObject({
      code: 'keyInvalid',
      message: expect.stringContaining(
        "The key is missing: it is a text, and comes before the document. For example: put('",
      ),
    });
    await node.stop();
  });

  test('a command before init -> one sentence what, and one what to do', async () => {
    const cwd = await temporaryDirectory();
    const { exitCode, stderr } = await run(['status'], { cwd });
    expect([exitCode, stderr]).toEqual([
      3,
      `error: No node was set up in ${cwd}: there is no statemesh.json and no data directory. ` +
        'Run `statemesh init` and `statemesh start`, or name the node with --config or --data-dir.\n',
    ]);
  });
});

describe('what is misspelled', () => {
  test.each([
    [
      'config set discovery false',
      '"discovery" has no value: write field and value with an = between them, discovery=false.',
    ],
    ['config set port', 'port=VALUE'],
    ['config set prot 9', 'There is no field "prot": did you mean port?'],
    [
      'logs wran',
      'There is no log level "wran". Allowed choices are trace, debug, info, warn, error, silent. Did you mean warn?',
    ],
  ])('%s -> the right form', async (command, message) => {
    const cwd = await temporaryDirectory();
    await run(['init', '--node-id', 'a'], { cwd });
    const { exitCode, stderr } = await run(command.split(' '), { cwd });
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

describe('start', () => {
  test('a second one -> tells its failure once', async () => {
    const node = await startNode({ discovery: false });
    const { exitCode, stdout, stderr } = await node.run(['start']);
    expect(exitCode).toBe(5);
    expect(`${stdout}${stderr}`.match(/has the database open/g)).toHaveLength(1);
  });

  test('--help -> no option is explained by its opposite, and an empty list is none', async () => {
    const help = (await run(['start', '--help'])).stdout;
    const longest = Math.max(
      ...help
        .slice(0, help.indexOf('Every option has'))
        .split('\n')
        .map(({ length }) => length),
    );
    expect(longest).toBeLessThanOrEqual(80);
    const stdout = help.replace(/\s+/g, ' ');
    expect(stdout).not.toMatch(/Not so|Default: \[\]/);
    expect(stdout).toMatch(/--no-eligible +Never let this node be elected leader/);
    expect(stdout).toContain('Default: none. [STATEMESH_KNOWN_PEERS]');
  });
});

describe('the last failure of a peer', () => {
  test('peers, status and doctor -> tell how long ago it was', async () => {
    const node = await startNode({ discovery: false, knownPeers: [{ nodeId: 'far', address: '127.0.0.1:9' }] });
    await until(async () => (await node.run(['peers'])).stdout.includes('0 min ago: connectionRefused') || undefined);
    expect((await node.run(['doctor'])).stdout).toMatch(/far is backingOff: .* \(0 min ago\)/);
    const [peer] = JSON.parse((await node.run(['status', '--json'])).stdout).peers;
    expect(peer.lastFailure.atMs).toBeGreaterThan(Date.now() - 60_000);
  });
});

describe('watch', () => {
  test('Ctrl-C -> ends as the table of exit codes says', async () => {
    const node = await startNode({ discovery: false });
    const watching = open(['watch', '--since', '0'], { cwd: node.directory });
    await node.run(['put', 'c', 'k', '1']);
    await until(() => watching.stdout().includes('c k') || undefined);
    watching.child.kill('SIGINT');
    expect(await watching.exitCode).toBe(0);
    expect(eventsOf(node)).toHaveLength(1);
  });
});
