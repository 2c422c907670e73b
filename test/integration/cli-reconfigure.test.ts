/** The configuration from the command line: shown, checked, changed in its file, and in a running node. */
import { execFile } from 'node:child_process';
import { chmod, chown, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { configurationJsonSchema } from '../../src/configuration/fields.js';
import {
  clusterKey,
  clusterSalt,
  eventsOf,
  lastJson,
  open,
  readJson,
  run,
  startNode,
  temporaryDirectory,
  until,
} from './cli-fixture.js';
import { ownPort } from './own-port.js';

const fields = { nodeId: 'shop-1', clusterKey, clusterSalt, port: 9_000 };

async function withFile(content: object = fields) {
  const cwd = await temporaryDirectory();
  const path = join(cwd, 'statemesh.json');
  await writeFile(path, JSON.stringify(content), { mode: 0o640 });
  return { cwd, path };
}

describe('config', () => {
  test.each(['docs', 'dist'])(
    'schema: %s/configuration.schema.json -> is the present one (`statemesh config schema` prints it)',
    async (folder) => {
      const written = JSON.parse(await readFile(`${folder}/configuration.schema.json`, 'utf8'));
      expect(written).toEqual(JSON.parse(JSON.stringify(configurationJsonSchema())));
    },
  );

  test('set: some fields -> the file is replaced, with its mode, its order and its other fields', async () => {
    const { cwd, path } = await withFile({ $schema: 'x', ...fields });
    const { exitCode, stdout } = await run(['config', 'set', 'port=9001', 'eligible=false', '--json'], { cwd });
    expect([exitCode, lastJson(stdout)]).toEqual([0, { config: path, changed: ['port', 'eligible'] }]);
    expect(Object.entries(await readJson(path))).toEqual(
      Object.entries({ $schema: 'x', ...fields, port: 9_001, eligible: false }),
    );
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect((await run(['config', 'set', 'port='], { cwd })).exitCode).toBe(0);
    expect(await readJson(path)).not.toHaveProperty('port');
  });

  test('set: a file of another user, with a mode that the umask would not give -> keeps both', async () => {
    const { cwd, path } = await withFile();
    await chmod(path, 0o664);
    const before = await stat(path);
    // A user other than root has only own files.
    if (process.getuid?.() === 0) await chown(path, 12_345, 12_346);
    const owned = await stat(path);
    expect((await run(['config', 'set', 'port=9001'], { cwd })).exitCode).toBe(0);
    const { mode, uid, gid, ino } = await stat(path);
    expect([mode, uid, gid]).toEqual([owned.mode, owned.uid, owned.gid]);
    expect(ino).not.toBe(before.ino);
  });

  test('set, check: the key in the environment -> is enough, and hides no error in the file', async () => {
    const { clusterKey: _, ...keyless } = fields;
    const { cwd, path } = await withFile(keyless);
    const env = { STATEMESH_CLUSTER_KEY: clusterKey, STATEMESH_PORT: '9005' };
    expect((await run(['config', 'check'], { cwd })).exitCode).toBe(2);
    expect((await run(['config', 'check'], { cwd, env })).exitCode).toBe(0);
    expect((await run(['config', 'set', 'eligible=false'], { cwd, env })).exitCode).toBe(0);
    expect(await readJson(path)).toEqual({ ...keyless, eligible: false });
    await writeFile(path, JSON.stringify({ ...keyless, port: -1 }));
    const { exitCode, stderr } = await run(['config', 'check'], { cwd, env });
    expect([exitCode, stderr.includes('port')]).toEqual([2, true]);
  });

  test('a file that never ends -> refused with 2', async () => {
    const { exitCode, stderr } = await run(['config', 'check', '/dev/zero']);
    expect([exitCode, stderr.includes('more than')]).toEqual([2, true]);
  });

  test('set: a wrong value, alone or with others -> 2, names the field, and the file is unchanged', async () => {
    const { cwd, path } = await withFile();
    for (const [args, field] of [
      [['port=ninety'], 'port'],
      [['role=cloud'], 'authority'],
      [['nope=1'], 'nope'],
      [['port'], 'port=VALUE'],
      [[], 'nothing to change'],
    ] as const) {
      const { exitCode, stderr } = await run(['config', 'set', ...args], { cwd });
      expect([exitCode, stderr.includes(field)]).toEqual([2, true]);
    }
    expect(await readJson(path)).toEqual(fields);
  });

  test('set: a secret -> from standard input only, and shown nowhere', async () => {
    const { cwd, path } = await withFile();
    const secret = 'the next secret of the cluster';
    const refused = await run(['config', 'set', `cluster-key=${secret}`], { cwd });
    expect([refused.exitCode, refused.stderr.includes('--stdin'), refused.stderr.includes(secret)]).toEqual([
      2,
      true,
      false,
    ]);
    const input = JSON.stringify({ acceptedClusterKeys: [secret] });
    expect((await run(['config', 'set', '--stdin'], { cwd, input })).exitCode).toBe(0);
    expect((await readJson(path)).acceptedClusterKeys).toEqual([secret]);
    for (const args of [
      ['config', 'show'],
      ['config', 'show', '--json'],
      ['config', 'check'],
    ]) {
      const { exitCode, stdout, stderr } = await run(args, { cwd });
      expect([exitCode, `${stdout}${stderr}`.includes(secret), stdout.includes(clusterKey)]).toEqual([0, false, false]);
    }
  });

  test('show: a value of each origin -> names the origin', async () => {
    const { cwd } = await withFile();
    const { stdout } = await run(['config', 'show', '--json'], { cwd, env: { STATEMESH_ELIGIBLE: 'false' } });
    expect(lastJson(stdout)).toMatchObject({
      port: { value: 9_000, origin: 'file' },
      eligible: { value: false, origin: 'environment' },
      logLevel: { value: 'info', origin: 'default' },
      clusterKey: { value: '[not shown]', origin: 'file' },
    });
  });

  test('check: a file with two mistakes -> 2, and both are named', async () => {
    const { cwd, path } = await withFile({ ...fields, port: -1, colour: 'red' });
    const { exitCode, stderr } = await run(['config', 'check', path], { cwd: '/' });
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/port.*colour/);
    expect((await run(['config', 'check', join(cwd, 'none.json')], { cwd })).exitCode).toBe(2);
  });
});

describe('reconfigure', () => {
  test('a running node: port, then a port that is taken -> in force; refused with 5, and the old one stays', async () => {
    const [node, other] = [await startNode(), await startNode({ nodeId: 'node-b' })];
    const done = await node.run(['reconfigure', 'heartbeat-interval-ms=500', '--json']);
    expect(lastJson(done.stdout)).toMatchObject({
      changes: [{ field: 'heartbeatIntervalMs', from: 1_000, to: 500 }],
      tookMs: expect.any(Number),
      writesHeldMs: 0,
      connectionsRefusedMs: 0,
    });
    const refused = await node.run(['reconfigure', `port=${other.port}`]);
    expect([refused.exitCode, refused.stderr.includes(String(other.port))]).toEqual([5, true]);
    expect(lastJson((await node.run(['status', '--json'])).stdout)).toMatchObject({
      port: node.port,
      reconfiguration: 'settled',
      lastFailure: { code: 'portInUse' },
    });
    const same = await node.run(['reconfigure', 'heartbeat-interval-ms=500']);
    expect([same.exitCode, same.stdout.includes('Nothing to change')]).toEqual([0, true]);
  });

  test('a bad value, an unknown field, no node -> 2, 2 and 3', async () => {
    const node = await startNode();
    expect((await node.run(['reconfigure', 'port=-1'])).exitCode).toBe(2);
    const unknown = await node.run(['reconfigure', '--stdin'], { input: '{"colour":"red"}' });
    expect([unknown.exitCode, unknown.stderr.includes('colour')]).toEqual([2, true]);
    expect((await run(['reconfigure', 'port=0'], { cwd: await temporaryDirectory() })).exitCode).toBe(3);
  });

  test('its data directory moves -> the command is answered, and the node answers at the new place', async () => {
    const node = await startNode();
    const dataDir = join(node.directory, 'elsewhere');
    const moved = await node.run(['reconfigure', `data-dir=${dataDir}`, '--json']);
    expect([moved.exitCode, moved.stderr]).toEqual([0, '']);
    const status = await until(async () => {
      const { exitCode, stdout } = await run(['status', '--json', '--data-dir', dataDir]);
      return exitCode === 0 ? lastJson(stdout) : undefined;
    });
    expect(status).toMatchObject({ nodeId: 'node-a', processId: node.child.pid });
    const further = join(node.directory, 'further');
    const again = await run(['reconfigure', `data-dir=${further}`, '--data-dir', dataDir]);
    expect([again.exitCode, again.stdout]).toEqual([0, expect.stringContaining(`--data-dir ${further}`)]);
  });

  test('its file is edited: another NodeId, then an error, then back -> applied, refused and reported, and all data is kept', async () => {
    const node = await startNode();
    const path = join(node.directory, 'statemesh.json');
    const original = await readFile(path, 'utf8');
    const nodeIdIs = (nodeId: string) =>
      until(async () => lastJson((await node.run(['status', '--json'])).stdout).nodeId === nodeId || undefined, nodeId);
    await node.run(['put', 'things', 'x', '1']);
    expect((await node.run(['config', 'set', 'nodeId=node-z'])).exitCode).toBe(0);
    await nodeIdIs('node-z');
    expect((await node.run(['get', 'things', 'x'])).stdout).toBe('1\n');
    await writeFile(path, original.replace('"node-a"', '"not a NodeId"'));
    await until(() => node.stderr().includes('nodeId: use 1 to') || undefined, 'the refusal');
    await nodeIdIs('node-z');
    await writeFile(path, original);
    await nodeIdIs('node-a');
    expect((await node.run(['get', 'things', 'x'])).stdout).toBe('1\n');
  });

  test('its NodeId is changed by a call, then its file in another field -> only that field changes', async () => {
    const node = await startNode({ discovery: false });
    expect((await node.run(['reconfigure', 'nodeId=node-z'])).exitCode).toBe(0);
    expect((await node.run(['config', 'set', 'syncIntervalMs=900'])).exitCode).toBe(0);
    await until(() => node.stderr().includes('syncIntervalMs: 2000 to 900') || undefined, 'the change');
    expect(lastJson((await node.run(['status', '--json'])).stdout).nodeId).toBe('node-z');
  });

  test('options and variables -> take precedence over a file that changes', async () => {
    const { cwd } = await withFile({ ...fields, port: 0, discoveryPort: ownPort() });
    const node = open(['start', '--json', '--heartbeat-interval-ms', '700'], { cwd });
    await until(() => eventsOf(node)[0]);
    await run(['config', 'set', 'heartbeatIntervalMs=900', 'syncIntervalMs=900'], { cwd });
    await until(() => node.stderr().includes('syncIntervalMs: 2000 to 900') || undefined);
    expect(node.stderr()).not.toContain('heartbeatIntervalMs');
  });

  test('SIGHUP without a terminal -> the file is read at once, and the node continues', async () => {
    const node = await startNode();
    const path = join(node.directory, 'statemesh.json');
    await writeFile(path, JSON.stringify({ ...(await readJson(path)), syncIntervalMs: 900 }));
    node.child.kill('SIGHUP');
    await until(() => node.stderr().includes('syncIntervalMs: 2000 to 900') || undefined);
    expect((await node.run(['status'])).exitCode).toBe(0);
  });

  test('--config of a pipe -> is read once, and paths in it are relative to the working directory', async () => {
    const cwd = await temporaryDirectory();
    const main = join(process.cwd(), 'dist/cli/main.js');
    const text = JSON.stringify({ ...fields, port: 0, discovery: false });
    const script = `"$0" "$1" start --json --config <(printf %s "$2") & node=$!
      while ! "$0" "$1" status --data-dir data >/dev/null 2>&1 && kill -0 $node 2>/dev/null; do :; done
      "$0" "$1" stop --data-dir data >/dev/null; wait $node`;
    const { stdout } = await promisify(execFile)('bash', ['-c', script, process.execPath, main, text], { cwd });
    expect(JSON.parse(stdout.split('\n')[0] ?? '')).toMatchObject({ event: 'running', dataDir: join(cwd, 'data') });
  });

  test('--config-url: a part, the rest by options and variables -> is complete; --config comes before the variable', async () => {
    const { cwd, path } = await withFile({ ...fields, nodeId: 'of-file', port: 0, discovery: false });
    const server = createServer((_, response) => {
      response.end(JSON.stringify({ clusterSalt, discovery: false, port: 0 }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/all-shops.json`;
    const firstEvent = async (args: readonly string[], env: Readonly<Record<string, string>>) => {
      const node = open(['start', '--json', ...args], { cwd, env });
      const event = await until(() => eventsOf(node)[0]);
      node.child.kill('SIGTERM');
      await node.exitCode;
      return event;
    };
    const env = { STATEMESH_CLUSTER_KEY: clusterKey };
    try {
      expect(await firstEvent(['--config-url', url, '--node-id', 'shop-7'], env)).toMatchObject({
        event: 'running',
        nodeId: 'shop-7',
      });
      expect(await firstEvent(['--config', path], { STATEMESH_CONFIG_URL: url })).toMatchObject({ nodeId: 'of-file' });
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
    // The kept part needs the rest, too. Its use is reported.
    const node = open(['start', '--json', '--config-url', url, '--node-id', 'shop-7'], { cwd, env });
    await until(() => eventsOf(node)[0]);
    await until(
      () => node.stderr().includes('The last good configuration, which was kept, stays in use.') || undefined,
    );
  });

  test('--config-url: a web server -> gives the configuration; away at the next start -> the kept one is used', async () => {
    const cwd = await temporaryDirectory();
    const authorizations: unknown[] = [];
    const server = createServer((request, response) => {
      authorizations.push(request.headers.authorization);
      response.end(JSON.stringify({ ...fields, port: 0, discoveryPort: ownPort() }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/shop-1.json`;
    const start = async () => {
      const node = open(['start', '--json', '--config-url', url], { cwd, env: { STATEMESH_CONFIG_TOKEN: 'a-token' } });
      const event = await until(() => eventsOf(node)[0]);
      node.child.kill('SIGTERM');
      await node.exitCode;
      return event;
    };
    expect(await start()).toMatchObject({ event: 'running', nodeId: 'shop-1' });
    await new Promise((resolve) => server.close(resolve));
    expect(await start()).toMatchObject({ event: 'running', nodeId: 'shop-1' });
    expect(new Set(authorizations)).toEqual(new Set(['Bearer a-token']));
  });
});
