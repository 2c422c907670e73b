/** The built command line with running nodes, each its own process with its own files. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, lstat, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { callControl } from '../../src/control/client.js';
import { controlSocketPath } from '../../src/control/protocol.js';
import {
  clusterKey,
  eventsOf,
  lastJson,
  open,
  run,
  type StartedNode,
  startNode,
  temporaryDirectory,
  until,
} from './cli-fixture.js';
import { ownPort } from './own-port.js';

describe('a node', () => {
  /** For tests that leave it running and use a collection of their own. */
  let shared: StartedNode;

  beforeAll(async () => {
    shared = await startNode({}, { keep: true });
  });

  afterAll(async () => {
    shared.child.kill('SIGTERM');
    await shared.exitCode;
    await rm(shared.directory, { recursive: true, force: true });
  });

  test('init, start, talk, stop: as the README says -> everything ends with 0', async () => {
    const cwd = await temporaryDirectory();
    expect((await run(['init', '--node-id', 'shop-1'], { cwd })).exitCode).toBe(0);
    const env = { STATEMESH_DISCOVERY_PORT: String(ownPort()) };
    const node = open(['start', '--json'], { cwd, env });
    const event = await until(() => eventsOf(node)[0]);
    expect(event).toEqual({
      event: 'running',
      nodeId: 'shop-1',
      host: '127.0.0.1',
      port: expect.any(Number),
      dataDir: join(cwd, 'data'),
      processId: node.child.pid,
    });
    expect((await lstat(join(cwd, 'data'))).mode & 0o777).toBe(0o700);
    expect((await lstat(join(cwd, 'data/control.sock'))).mode & 0o777).toBe(0o600);
    const stopped = await run(['stop'], { cwd });
    expect(stopped).toEqual({ exitCode: 0, stdout: 'Stopped: shop-1.\n', stderr: '' });
    // The process is gone when `stop` returns, so the next start finds everything free.
    expect(await node.exitCode).toBe(0);
    expect(eventsOf(node).at(-1)).toEqual({ event: 'stopped' });
    const again = open(['start', '--json'], { cwd, env });
    await until(() => eventsOf(again)[0]?.event === 'running' || undefined);
  });

  test('status --exit-code: of a serving node, and of none -> 0 and 3', async () => {
    expect((await shared.run(['status', '--exit-code'])).exitCode).toBe(0);
    expect((await run(['status', '--exit-code'], { cwd: await temporaryDirectory() })).exitCode).toBe(3);
  });

  test('documents: put, get, find, delete -> the written documents, and 4 for missing ones', async () => {
    const node = shared;
    const document = { name: 'Espresso', price: 1.2, note: 'a\u009bb' };
    expect(await node.run(['put', 'articles', 'espresso', JSON.stringify(document)])).toMatchObject({
      exitCode: 0,
      stdout: 'Written: espresso in articles.\n',
    });
    const put = await node.run(['put', 'articles', 'tea', '-', '--json'], { input: '{"name":"Tea","price":1}' });
    expect(lastJson(put.stdout)).toEqual({ hlc: expect.any(Number), cursor: expect.stringMatching(/^c[^.]+\.2\./) });

    const [pretty, line, missing, missingJson] = await Promise.all([
      node.run(['get', 'articles', 'espresso']),
      node.run(['get', 'articles', 'espresso', '--json']),
      node.run(['get', 'articles', 'cake']),
      node.run(['delete', 'articles', 'cake', '--json']),
    ]);
    expect(JSON.parse(pretty?.stdout ?? '')).toEqual(document);
    expect(pretty?.stdout).toContain('\n  "name"');
    expect(line?.stdout.split('\n')).toHaveLength(2);
    expect(line?.stdout).toContain('a\\u009bb');
    expect(missing).toMatchObject({
      exitCode: 4,
      stdout: '',
      stderr: 'error: There is no document "cake" in articles.\n',
    });
    expect(missingJson.exitCode).toBe(4);
    expect(lastJson(missingJson.stderr).code).toBe('documentNotFound');

    const [cheap, counted, ordered] = await Promise.all([
      node.run(['find', 'articles', '--where', '{"price":{"$lt":1.1}}', '--json']),
      node.run(['find', 'articles', '--count', '--json']),
      node.run(['find', 'articles', '--order-by', '-price,name', '--limit', '1', '--offset', '1']),
    ]);
    expect(cheap.stdout).toBe('{"key":"tea","document":{"name":"Tea","price":1}}\n');
    expect(lastJson(counted.stdout)).toEqual({ count: 2 });
    expect(ordered.stdout).toBe('tea  {"name":"Tea","price":1}\n');

    expect((await node.run(['delete', 'articles', 'tea'])).exitCode).toBe(0);
    expect((await node.run(['get', 'articles', 'tea'])).exitCode).toBe(4);
  });

  test('documents: what the node refuses -> 2 with its code', async () => {
    const node = shared;
    const results = await Promise.all([
      node.run(['put', '_system_remote_peers', 'k', '1', '--json']),
      node.run(['get', 'c', 'k'.repeat(600), '--json']),
      node.run(['find', 'c', '--where', '{"$nor":[]}', '--json']),
      node.run(['add-static-peer', '--node-id', 'b', '--address', 'nowhere', '--json']),
      node.run(['put', 'c', 'k', '-', '--json'], { input: `${'['.repeat(200)}${']'.repeat(200)}` }),
      node.run(['put', 'c', 'k', '-', '--json'], { input: `${'['.repeat(50_000)}${']'.repeat(50_000)}` }),
    ]);
    expect(results.map(({ exitCode, stderr }) => [exitCode, lastJson(stderr).code])).toEqual([
      [2, 'collectionReserved'],
      [2, 'keyInvalid'],
      [2, 'queryInvalid'],
      [2, 'peerInvalid'],
      [2, 'documentInvalid'],
      [2, 'requestInvalid'],
    ]);
  });

  test('status and peers: -> tables as text, JSON with --json, no secret in either', async () => {
    const node = shared;
    const [status, statusJson, peers] = await Promise.all([
      node.run(['status']),
      node.run(['status', '--json']),
      node.run(['peers']),
    ]);
    expect(status.stdout).toMatch(new RegExp(`^node +node-a\nstate +running .*\naddress +127.0.0.1:${node.port}\n`));
    expect(lastJson(statusJson.stdout)).toMatchObject({ nodeId: 'node-a', port: node.port, processId: node.child.pid });
    expect(peers.stdout).toBe(
      'No peers are known yet. (Nodes with another cluster key, salt or discovery port are not seen.)\n',
    );
    expect(status.stdout + statusJson.stdout + node.stdout() + node.stderr()).not.toContain(clusterKey);
  });

  test('import: a file with a key field -> every document, and the number', async () => {
    const node = shared;
    const file = join(node.directory, 'cities.jsonl');
    const lines = Array.from({ length: 3_000 }, (_, id) => JSON.stringify({ id, name: `city ${id}` }));
    await writeFile(file, lines.join('\n'));
    const imported = await node.run(['import', 'cities', file, '--key', 'id']);
    expect(imported).toEqual({ exitCode: 0, stdout: 'Imported 3,000 documents into cities.\n', stderr: '' });
    const piped = await node.run(['import', 'cities', '-', '--key', 'id', '--json'], { input: '{"id":"x"}\n' });
    expect(lastJson(piped.stdout)).toEqual({ written: 1 });
    expect((await node.run(['find', 'cities', '--count'])).stdout).toBe('3001\n');
    expect((await node.run(['get', 'cities', '2999', '--json'])).stdout).toBe('{"id":2999,"name":"city 2999"}\n');
  });

  test('a missing collection: found, counted, exported -> nothing, and a hint; collections -> the existing ones', async () => {
    const node = await startNode();
    expect((await node.run(['collections'])).stdout).toBe('There are no documents yet.\n');
    await node.run(['put', 'articles', 'a1', '{"name":"Espresso"}']);
    const hint = 'There is no collection "artciles" with documents: see `statemesh collections`.';
    const say = (stdout: string, stderr: string) => ({ exitCode: 0, stdout, stderr });
    expect(await node.run(['find', 'artciles'])).toEqual(say('', `hint:  ${hint}\n`));
    expect(await node.run(['find', 'artciles', '--count'])).toEqual(say('0\n', `hint:  ${hint}\n`));
    expect(await node.run(['export', 'artciles', '--json'])).toEqual(say('', `${JSON.stringify({ hint })}\n`));
    // A query without matches gives no hint.
    expect(await node.run(['find', 'articles', '--where', '{"name":"Tea"}'])).toEqual(say('', ''));
    expect((await node.run(['collections'])).stdout).toBe('COLLECTION  DOCUMENTS\narticles            1\n');
    expect((await node.run(['collections', '--json'])).stdout).toBe('{"collection":"articles","documents":1}\n');
  });

  test('remove-peer: an unknown name -> 4, and where to look', async () => {
    const { exitCode, stdout, stderr } = await shared.run(['remove-peer', 'zz']);
    expect([exitCode, stdout]).toEqual([4, '']);
    expect(stderr).toContain('There is no remote peer "zz"');
    expect(stderr).toContain('statemesh remote-peers');
  });

  test('numbers that would be rounded, duplicate fields -> refused by every command, with the path', async () => {
    const results = await Promise.all([
      shared.run(['put', 'c', 'k', '{"a":[9007199254740993]}', '--json']),
      shared.run(['put', 'c', 'k', '-', '--json'], { input: '{"a":[1e400]}' }),
      shared.run(['put', 'c', 'k', '{"a":[{},{"b":1,"b":2}]}', '--json']),
      shared.run(['find', 'c', '--where', '{"id":{"$eq":12345678901234567890}}', '--json']),
      shared.run(['find', 'c', '--count', '--where', '{"id":1,"id":2}', '--json']),
      shared.run(['import', 'c', '-', '--key', 'id', '--json'], { input: '{"id":9007199254740993}\n' }),
      shared.run(['reconfigure', '--stdin', '--json'], { input: '{"backoffMaxMs":1,"backoffMaxMs":2}' }),
    ]);
    expect(results.map(({ exitCode, stderr }) => [exitCode, lastJson(stderr).code, lastJson(stderr).message])).toEqual([
      [2, 'documentInvalid', expect.stringContaining('at $.a[0]: 9007199254740993 would become 9007199254740992')],
      [2, 'documentInvalid', expect.stringContaining('at $.a[0]: 1e400')],
      [2, 'documentInvalid', expect.stringContaining('at $.a[1].b: ')],
      [2, 'queryInvalid', expect.stringContaining('at $.id["$eq"]: 12345678901234567890')],
      [2, 'queryInvalid', expect.stringContaining('at $.id: ')],
      [2, 'importInvalid', expect.stringContaining('Line 1 is not valid: at $.id: 9007199254740993')],
      [2, 'configurationUnreadable', expect.stringContaining('at $.backoffMaxMs.')],
    ]);
  });

  test('bytes that are not UTF-8 -> refused, with the line', async () => {
    const latin = Buffer.from('{"a":1,\n"name":"caf\u00e9"}', 'latin1');
    const put = await shared.run(['put', 'c', 'k', '-'], { input: latin });
    expect([put.exitCode, put.stderr]).toEqual([2, expect.stringContaining('Line 2 of standard input is not UTF-8')]);
    const script = 'exec "$0" "$1" find c --where "$(printf \'{"a":"caf\\351"}\')" --data-dir data';
    const main = join(process.cwd(), 'dist/cli/main.js');
    const find = spawnSync('sh', ['-c', script, process.execPath, main], { cwd: shared.directory, encoding: 'utf8' });
    expect([find.status, find.stderr]).toEqual([2, expect.stringContaining('An argument is not UTF-8')]);
    expect((await shared.run(['put', 'c', 'k', '"\ufffd"'])).exitCode).toBe(0);
  });

  test('import: one document before a bad line -> is counted as one', async () => {
    const { stderr } = await shared.run(['import', 'singles', '-'], { input: '{"key":"a","document":1}\n{\n' });
    expect(stderr).toContain('1 document was written before and stays.');
  });

  test('import: a bad line -> 2, its number and how many were kept', async () => {
    const node = shared;
    const input = '{"key":"a","document":1}\n{"key":"b","document":2}\nnonsense\n';
    const { exitCode, stderr } = await node.run(['import', 'bad', '-', '--json'], { input });
    expect(exitCode).toBe(2);
    expect(lastJson(stderr)).toEqual({
      code: 'importInvalid',
      message: expect.stringMatching(/^Line 3 is not valid: .* 2 documents were written before and stay\.$/),
    });
  });

  test('the node is found: by option before variable before file -> the right one answers', async () => {
    const [one, two] = await Promise.all([startNode({ nodeId: 'one' }), startNode({ nodeId: 'two' })]);
    const dataOf = (node: StartedNode) => join(node.directory, 'data');
    const calls = [
      one.run(['status', '--json']),
      one.run(['status', '--json'], { env: { STATEMESH_DATA_DIR: dataOf(two) } }),
      one.run(['status', '--json', '--data-dir', dataOf(one)], { env: { STATEMESH_DATA_DIR: dataOf(two) } }),
      // A data directory in a file is relative to the file.
      one.run(['status', '--json', '--config', join(two.directory, 'statemesh.json')]),
      one.run(['status', '--json'], { env: { STATEMESH_CONFIG: join(two.directory, 'statemesh.json') } }),
    ];
    const found = (await Promise.all(calls)).map(({ stdout }) => lastJson(stdout).nodeId);
    expect(found).toEqual(['one', 'two', 'one', 'two', 'two']);
  });

  test('start: option, variable and file differ -> the option wins, then the variable', async () => {
    const cwd = await temporaryDirectory();
    const fields = { nodeId: 'file', clusterSalt: 'file-salt', dataDir: 'file-data', discovery: false };
    await writeFile(join(cwd, 'statemesh.json'), JSON.stringify(fields));
    const env = {
      STATEMESH_NODE_ID: 'variable',
      STATEMESH_DATA_DIR: 'variable-data',
      STATEMESH_CLUSTER_KEY: clusterKey,
    };
    const node = open(['start', '--json', '--node-id', 'option'], { cwd, env });
    expect(await until(() => eventsOf(node)[0])).toMatchObject({
      nodeId: 'option',
      dataDir: join(cwd, 'variable-data'),
    });
  });

  test('start: a configuration that others can read -> a warning; the key is in no output and no argument', async () => {
    const cwd = await temporaryDirectory();
    await writeFile(join(cwd, 'statemesh.json'), '{}');
    await chmod(join(cwd, 'statemesh.json'), 0o644);
    const fields = { nodeId: 'a', clusterKey, clusterSalt: 'test-salt', discovery: false, logLevel: 'debug' };
    await writeFile(join(cwd, 'statemesh.json'), JSON.stringify(fields));
    const node = open(['start', '--json'], { cwd });
    await until(() => eventsOf(node)[0]);
    expect(node.stderr()).toContain('which holds the cluster key: run chmod 600');
    expect(await readFile(`/proc/${node.child.pid}/cmdline`, 'utf8')).not.toContain(clusterKey);
    node.child.kill('SIGTERM');
    expect(await node.exitCode).toBe(0);
    expect(node.stdout() + node.stderr()).not.toContain(clusterKey);
    for (const line of node.stderr().trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('msg');
  });

  test('start: another node in the same data directory -> 5 with controlUnavailable, and the first continues', async () => {
    const node = await startNode();
    const second = await node.run(['start', '--json', '--node-id', 'node-b']);
    expect(second.exitCode).toBe(5);
    expect(lastJson(second.stdout)).toMatchObject({ event: 'failed', code: 'controlUnavailable' });
    const same = await node.run(['start', '--json']);
    expect([same.exitCode, lastJson(same.stdout).code]).toEqual([5, 'databaseInUse']);
    expect((await node.run(['status'])).exitCode).toBe(0);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('%s: a running node -> exit 0 within 2 s', async (signal) => {
    const node = await startNode();
    const sentAt = performance.now();
    node.child.kill(signal);
    expect(await node.exitCode).toBe(0);
    expect(performance.now() - sentAt).toBeLessThan(2_000);
    expect(eventsOf(node).at(-1)).toEqual({ event: 'stopped' });
  });

  test('SIGKILL: the socket stays behind -> the next start takes it over, and the data is there', async () => {
    const node = await startNode();
    await node.run(['put', 'c', 'k', '1']);
    node.child.kill('SIGKILL');
    await node.exitCode;
    expect((await lstat(join(node.directory, 'data/control.sock'))).isSocket()).toBe(true);
    expect((await node.run(['status'])).exitCode).toBe(3);
    const again = await startNode({}, { directory: node.directory });
    expect((await again.run(['get', 'c', 'k'])).stdout).toBe('1\n');
  });
});

describe('import', () => {
  test('Ctrl-C: with half a line sent -> 130, whole lines are kept and counted', async () => {
    const { node, importing } = await startImport(`${thousandLines}{"key":"half","docu`);
    importing.child.kill('SIGINT');
    expect(await importing.exitCode).toBe(130);
    expect(lastJson(importing.stderr())).toEqual({
      code: 'cancelled',
      message: 'The import was interrupted: 1,000 documents were written and stay.',
    });
    expect((await node.run(['find', 'c', '--count'])).stdout).toBe('1000\n');
  });

  test('the node stops meanwhile: -> 3, and the minimum number of kept lines', async () => {
    const { node, importing } = await startImport(thousandLines);
    node.child.kill('SIGTERM');
    expect(await importing.exitCode).toBe(3);
    expect(lastJson(importing.stderr())).toMatchObject({
      code: 'connectionLost',
      message: expect.stringMatching(/At least [\d,]+ documents were kept\.$/),
    });
    expect(await node.exitCode).toBe(0);
  });
});

describe('two nodes', () => {
  test('discovery: a document put on one -> read on the other, and both show each other as connected', async () => {
    const shared = { discoveryPort: ownPort(), beaconIntervalMs: 200, syncIntervalMs: 300 };
    const [one, two] = await Promise.all([
      startNode({ ...shared, nodeId: 'one' }),
      startNode({ ...shared, nodeId: 'two' }),
    ]);
    await one.run(['put', 'articles', 'tea', '{"price":1}']);
    await until(async () => (await two.run(['get', 'articles', 'tea'])).exitCode === 0 || undefined);
    const peers = await until(async () => {
      const { stdout } = await one.run(['peers']);
      return /connected/.test(stdout) ? stdout : undefined;
    });
    expect(peers).toMatch(
      /^PEER +STATE +ADDRESS +RTT +SENT +RECEIVED +CAUGHT UP +SAYS +LAST FAILURE\ntwo +connected +127\./,
    );
    const status = await two.run(['status']);
    expect(status.stdout).toMatch(/^peers +1 connected of 1 known$/m);
  });

  test('add-static-peer: without discovery -> they connect and sync, and the second call reports it as known', async () => {
    const [one, two] = await Promise.all([
      startNode({ nodeId: 'one', discovery: false }),
      startNode({ nodeId: 'two', discovery: false }),
    ]);
    const add = ['add-static-peer', '--node-id', 'two', '--address', `127.0.0.1:${two.port}`];
    expect((await one.run(add)).stdout).toBe(`Added: two at 127.0.0.1:${two.port}.\n`);
    expect(lastJson((await one.run([...add, '--json'])).stdout)).toEqual({ isNew: false, isChanged: false });
    await two.run(['put', 'c', 'k', '"from two"']);
    await until(async () => (await one.run(['get', 'c', 'k'])).stdout === '"from two"\n' || undefined);
  });
});

const thousandLines = Array.from({ length: 1_000 }, (_, n) => `{"key":"${n}","document":${n}}\n`).join('');

/** An import that has written something and waits for more. */
async function startImport(input: string) {
  const node = await startNode({ discovery: false });
  const importing = open(['import', 'c', '-', '--json'], { cwd: node.directory });
  importing.child.stdin?.write(input);
  const path = controlSocketPath(join(node.directory, 'data'));
  await until(async () => {
    const { count } = (await callControl(path, 'count', { collection: 'c' })) as { count: number };
    return count >= 500 || undefined;
  });
  return { node, importing };
}

describe('a node that commands do not find', () => {
  test('the data directory of a running node is gone -> that is said, and what it advises brings the node back', async () => {
    const node = await startNode();
    await node.run(['put', 'things', 'k', '1']);
    const data = join(node.directory, 'data');
    await rename(data, `${data}-moved`);
    const gone = await node.run(['status']);
    expect(gone.exitCode).toBe(3);
    expect(gone.stderr).toContain(`No node can be reached in ${data}, since there is no such directory`);
    expect(gone.stderr).not.toContain('No node runs');
    const [, advised = ''] = /\((mkdir [^)]*)\)/.exec(gone.stderr) ?? [];
    execFileSync('sh', ['-c', advised]);
    await until(async () => (await node.run(['status'])).exitCode === 0 || undefined, 'the node answers');
    const copy = await node.run(['backup', join(node.directory, 'copy.db')]);
    expect([copy.exitCode, copy.stderr]).toEqual([0, '']);
  }, 60_000);

  test('options before the command -> the same as behind it; what no node runs for is advised with the same options', async () => {
    const node = await startNode();
    const before = await node.run(['--json', '--data-dir', 'data', 'status']);
    expect([before.exitCode, lastJson(before.stdout)]).toEqual([0, expect.objectContaining({ nodeId: 'node-a' })]);
    expect((await node.run(['--config=statemesh.json', 'config', 'get', 'node-id'])).stdout).toBe('node-a\n');
    expect((await node.run(['--yaml', 'status'])).exitCode).toBe(2);
    await node.run(['stop']);
    await node.exitCode;
    const { stderr } = await node.run(['status', '--config', './statemesh.json']);
    expect(stderr).toContain('start one with `statemesh start --config ./statemesh.json`');
  }, 60_000);
});
