/** The built command line without a running node: help, usage, `init`, and starts that fail. */

import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { gatherConfiguration } from '../../src/cli/configuration-fields.js';
import { exitCodeOf } from '../../src/cli/exit-codes.js';
import { nodeIdOf } from '../../src/cli/init.js';
import { warningsOn } from '../../src/cli/warnings.js';
import { configurationFields } from '../../src/configuration/fields.js';
import { configurationSchema } from '../../src/configuration/schema.js';
import { errorCodes, parseConfiguration } from '../../src/index.js';
import { clusterKey, clusterSalt, lastJson, readJson, run, temporaryDirectory } from './cli-fixture.js';

const commandNames = 'init start status peers put get delete find import add-static-peer stop simulate'.split(' ');

describe('help and usage', () => {
  test('--help: -> every command and every exit code', async () => {
    const { exitCode, stdout } = await run(['--help']);
    expect(exitCode).toBe(0);
    for (const name of commandNames) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    for (const code of [0, 1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 130, 143])
      expect(stdout).toMatch(new RegExp(`^  ${code} +\\w`, 'm'));
  });

  test('<command> --help: -> an example, its exit codes and --json, for each of them', async () => {
    const helps = await runAll(commandNames.map((name) => [name, '--help']));
    for (const [index, { exitCode, stdout }] of helps.entries()) {
      expect(exitCode).toBe(0);
      expect(stdout).toContain(`statemesh ${commandNames[index]}`);
      expect(stdout).toMatch(/Examples:\n {2}.*statemesh/);
      expect(stdout).toMatch(/Exit codes:\n {2}0 /);
      expect(stdout).toContain('--json');
    }
  });

  test.each([
    ['no command', []],
    ['unknown command', ['frobnicate']],
    ['unknown option', ['status', '--frobnicate']],
    ['missing argument', ['put', 'c']],
    ['missing required option', ['add-static-peer', '--node-id', 'a']],
    ['bad JSON', ['put', 'c', 'k', '{a}']],
    ['bad condition', ['find', 'c', '--where', '{']],
    ['bad limit', ['find', 'c', '--limit', 'many']],
    ['missing file', ['import', 'c', '/nowhere/at/all.jsonl']],
  ])('bad input: %s -> 2 and a message on standard error only', async (_what, args) => {
    const { exitCode, stdout, stderr } = await run(args, { cwd: await temporaryDirectory() });
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).not.toBe('');
    expect(stderr).not.toMatch(/^ {4}at /m);
  });

  test('bad input: with --json -> code and message as JSON', async () => {
    const { exitCode, stderr } = await run(['status', '--frobnicate', '--json']);
    expect(exitCode).toBe(2);
    expect(lastJson(stderr)).toEqual({ code: 'requestInvalid', message: expect.stringContaining('--frobnicate') });
  });

  test('no node: every command that talks to one -> 3, with the directory and what to do', async () => {
    const cwd = await temporaryDirectory();
    const calls = [
      ['status'],
      ['peers'],
      ['put', 'c', 'k', '1'],
      ['get', 'c', 'k'],
      ['delete', 'c', 'k'],
      ['find', 'c'],
    ];
    const more = [['add-static-peer', '--node-id', 'a', '--address', '127.0.0.1:1'], ['stop'], ['import', 'c', '-']];
    for (const { exitCode, stdout, stderr } of await runAll([...calls, ...more], cwd)) {
      expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' });
      expect(stderr).toContain(
        `No node was set up in ${cwd}: there is no statemesh.json and no data directory. Run \`statemesh init\``,
      );
    }
    const { stderr } = await run(['status', '--json'], { cwd });
    expect(lastJson(stderr).code).toBe('controlUnavailable');
  });

  test('exit codes: every error code -> one of the table', () => {
    const codes = Object.keys(errorCodes) as (keyof typeof errorCodes)[];
    expect(new Set(codes.map((code) => exitCodeOf(code)))).toEqual(new Set([1, 2, 3, 4, 5, 6, 130]));
    expect(exitCodeOf('controlUnavailable', { isStarting: true })).toBe(5);
  });

  test('errors: all of them, or one -> with their meanings and exit codes; an unknown one -> refused', async () => {
    const lines = (await run(['errors', '--json'])).stdout.split('\n').slice(0, -1);
    const listed = lines.map((line) => JSON.parse(line) as { code: keyof typeof errorCodes; meaning: string });
    expect(Object.fromEntries(listed.map(({ code, meaning }) => [code, meaning]))).toEqual(errorCodes);
    const [one, none] = await runAll([
      ['errors', 'diskFull'],
      ['errors', 'diskfull'],
    ]);
    expect(one).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/diskFull +6 +The disk is full/) });
    expect(none).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('no error code "diskfull"') });
  });
});

describe('init', () => {
  test('new: -> a valid configuration of mode 0600 with keys of its own, none of them printed', async () => {
    const directory = await temporaryDirectory();
    const init = (config: string) => run(['init', '--node-id', 'a', '--config', config], { cwd: directory });
    // In this order, because the second one gets another data directory.
    const [one, two] = [await init('one.json'), await init('two.json')];
    const [first, second] = [await readJson(join(directory, 'one.json')), await readJson(join(directory, 'two.json'))];
    expect(one?.exitCode).toBe(0);
    expect((await stat(join(directory, 'one.json'))).mode & 0o777).toBe(0o600);
    expect(parseConfiguration(first).configuration).toMatchObject({ nodeId: 'a', dataDir: './data', control: true });
    expect(Buffer.from(String(first.clusterKey), 'base64url')).toHaveLength(32);
    expect(first.clusterKey).not.toBe(second.clusterKey);
    expect(first.clusterSalt).not.toBe(second.clusterSalt);
    expect(`${one?.stdout}${one?.stderr}${two?.stdout}`).not.toContain(first.clusterKey);
    expect(one?.stdout).toContain('statemesh start --config one.json');
  });

  test('file exists: -> 2 and untouched; with --force -> replaced, mode 0600 again', async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, 'statemesh.json');
    await writeFile(path, 'mine');
    await chmod(path, 0o644);
    const refused = await run(['init'], { cwd: directory });
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain('--force');
    expect(await readFile(path, 'utf8')).toBe('mine');
    expect((await run(['init', '--force', '--json'], { cwd: directory })).exitCode).toBe(0);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(['statemesh.json']);
    expect((await readJson(path)).nodeId).toBe(nodeIdOf(hostname(), undefined));
  });

  test('--from: another node of the same machine -> its key, salt and discovery port, another name and directory', async () => {
    const directory = await temporaryDirectory();
    const source = { nodeId: nodeIdOf(hostname(), undefined), clusterKey, clusterSalt, discoveryPort: 30_123 };
    await writeFile(join(directory, 'one.json'), JSON.stringify(source));
    const { exitCode, stdout, stderr } = await run(['init', '--from', 'one.json', '--config', 'two.json', '--json'], {
      cwd: directory,
    });
    expect(exitCode).toBe(0);
    const { nodeId, dataDir, ...rest } = await readJson(join(directory, 'two.json'));
    expect(rest).toEqual({ clusterKey, clusterSalt, discoveryPort: 30_123, control: true });
    expect(nodeId).toBe(`${source.nodeId}-2`);
    expect(dataDir).toBe(`./data-${nodeId}`);
    expect(lastJson(stdout)).toEqual({
      config: join(directory, 'two.json'),
      nodeId,
      dataDir: join(directory, `data-${nodeId}`),
    });
    expect(stdout + stderr).not.toContain(clusterKey);
  });

  test('--from on the same machine: -> a file under the name of the new node beside that of the first, which stays unchanged', async () => {
    const cwd = await temporaryDirectory();
    await run(['init', '--node-id', 'till-1'], { cwd });
    const first = await readFile(join(cwd, 'statemesh.json'), 'utf8');
    const { exitCode, stdout } = await run(['init', '--from', 'statemesh.json', '--node-id', 'till-2'], { cwd });
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('Next: statemesh start --config till-2.json')]);
    expect(await readFile(join(cwd, 'statemesh.json'), 'utf8')).toBe(first);
    const second = await readJson(join(cwd, 'till-2.json'));
    expect(second).toMatchObject({
      nodeId: 'till-2',
      dataDir: './data-till-2',
      clusterKey: JSON.parse(first).clusterKey,
    });
    const again = await run(['init', '--from', 'statemesh.json', '--node-id', 'till-2'], { cwd });
    expect([again.exitCode, again.stderr]).toEqual([2, expect.stringContaining('the configuration of node till-2')]);
    expect(again.stderr).not.toContain('--force');
  });

  test.each([
    ['init', ['init']],
    ['init --config', ['init', '--config', 'statemesh.json']],
  ])('%s over the configuration of another node: -> 2, without advice to overwrite it', async (_what, args) => {
    const cwd = await temporaryDirectory();
    await run(['init', '--node-id', 'till-1'], { cwd });
    const { exitCode, stderr } = await run([...args, '--node-id', 'till-2'], { cwd });
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('--from')]);
    expect(stderr).not.toContain('--force');
  });

  test.each(['start', 'doctor', 'config show'])(
    '%s without a configuration: -> 2, and what to run first',
    async (command) => {
      const cwd = await temporaryDirectory();
      const { exitCode, stdout, stderr } = await run(command.split(' '), { cwd });
      expect(exitCode).toBe(2);
      expect(stdout + stderr).toContain(`There is no statemesh.json in ${cwd}: run \`statemesh init\``);
      expect(stdout + stderr).not.toMatch(/nodeId|undefined/);
    },
  );

  test('no NodeId given -> the output says that the name comes from the machine', async () => {
    const cwd = await temporaryDirectory();
    const nodeId = nodeIdOf(hostname(), undefined);
    const first = await run(['init'], { cwd });
    expect(first.stdout).toContain(`The name ${nodeId} comes from this machine`);
    const second = await run(['init', '--from', 'statemesh.json'], { cwd });
    expect(second.stdout).toContain(`The name ${nodeId}-2 comes from this machine`);
    const named = await run(['init', '--from', 'statemesh.json', '--node-id', 'till-9'], { cwd });
    expect(named.stdout).not.toContain('comes from this machine');
  });

  test('--passphrase-stdin: -> the first line is the key, and the salt is printed for other nodes', async () => {
    const cwd = await temporaryDirectory();
    const input = 'correct horse battery\nsecond line\n';
    const { exitCode, stdout, stderr } = await run(['init', '--passphrase-stdin', '--cluster-salt', 'shops-of-rome'], {
      cwd,
      input,
    });
    expect(exitCode).toBe(0);
    expect(await readJson(join(cwd, 'statemesh.json'))).toMatchObject({
      clusterKey: 'correct horse battery',
      clusterSalt: 'shops-of-rome',
    });
    expect(stdout + stderr).not.toContain('correct horse');
    expect(stdout).toContain('--cluster-salt shops-of-rome');
  });

  test.each([
    ['a bad NodeId', ['--node-id', 'a b'], '', 'nodeId'],
    ['a passphrase that is too short', ['--passphrase-stdin'], 'hunter2', 'clusterKey'],
    ['no passphrase', ['--passphrase-stdin'], '\n', 'no passphrase'],
    ['--from with --passphrase-stdin', ['--from', 'source.json', '--passphrase-stdin'], 'x', '--from brings the key'],
    ['--from a file without a key', ['--from', 'source.json'], '', 'no clusterKey'],
    ['--from nothing', ['--from', 'nothing.json'], '', 'nothing.json cannot be read (ENOENT)'],
  ])('refused: %s -> 2, nothing written, no secret shown', async (_what, args, input, message) => {
    const cwd = await temporaryDirectory();
    await writeFile(join(cwd, 'source.json'), '{"nodeId":"a"}');
    const { exitCode, stdout, stderr } = await run(['init', ...args], { cwd, input });
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('hunter2');
    expect(await readdir(cwd)).toEqual(['source.json']);
  });

  test.each([
    ['Kasse-1.Filiale.example', undefined, 'kasse-1.filiale.example'],
    ['--Büro (2. Stock)', undefined, 'b-ro-2.-stock-'],
    ['日本', undefined, 'node'],
    ['x'.repeat(300), undefined, 'x'.repeat(62)],
    ['a', 'a', 'a-2'],
  ])('nodeIdOf: the host name %s beside %s -> %s', (host, other, expected) => {
    expect(nodeIdOf(host, other)).toBe(expected);
    expect(() => parseConfiguration({ nodeId: nodeIdOf(host, other), security: 'none' })).not.toThrow();
  });
});

describe('precedence', () => {
  const before = { ...process.env };

  afterEach(() => {
    for (const name of Object.keys(process.env)) if (name.startsWith('STATEMESH_')) delete process.env[name];
    Object.assign(process.env, before);
  });

  test('fields: all of the schema -> each has its variable', () => {
    // Lists of peers and of keys, and fields with fields of their own, are too much for a variable.
    const inTheFileOnly = ['initialRemotePeers', 'acceptedClusterKeys', 'inspector'];
    expect(configurationFields().map(({ name }) => name)).toEqual(
      Object.keys(configurationSchema.shape).filter((name) => !inTheFileOnly.includes(name)),
    );
    const named = new Map(configurationFields().map(({ name, variable }) => [name, variable]));
    expect(named.get('nodeId')).toBe('STATEMESH_NODE_ID');
    expect(named.get('beaconIntervalMs')).toBe('STATEMESH_BEACON_INTERVAL_MS');
  });

  test('gathering: option, variable, file and default -> in this order', () => {
    const file = fileOf({ nodeId: 'file', port: 1, host: '127.0.0.1', logLevel: 'warn' });
    Object.assign(process.env, {
      STATEMESH_NODE_ID: 'variable',
      STATEMESH_PORT: '2',
      STATEMESH_LAN: '',
      STATEMESH_OTHER: '1',
    });
    const { input, unknownVariables } = gatherConfiguration({ nodeId: 'option' }, file);
    expect(input).toEqual({
      nodeId: 'option',
      port: 2,
      host: '127.0.0.1',
      logLevel: 'warn',
      dataDir: '/etc/shop/data',
      control: true,
    });
    expect(unknownVariables).toEqual(['STATEMESH_OTHER']);
  });

  test('gathering: variables of every kind -> values of the right type', () => {
    Object.assign(process.env, {
      STATEMESH_DISCOVERY: 'false',
      STATEMESH_CONTROL: '0',
      STATEMESH_SYNC_INTERVAL_MS: '100',
      STATEMESH_KNOWN_PEERS: 'b=127.0.0.1:2, c=[::1]:3',
      STATEMESH_CLUSTER_KEY: clusterKey,
    });
    expect(gatherConfiguration({}, undefined).input).toEqual({
      control: false,
      discovery: false,
      syncIntervalMs: 100,
      clusterKey,
      knownPeers: [
        { nodeId: 'b', address: '127.0.0.1:2' },
        { nodeId: 'c', address: '[::1]:3' },
      ],
    });
  });

  test.each([
    ['STATEMESH_PORT', 'http'],
    ['STATEMESH_PORT', '70000'],
    ['STATEMESH_PORT', '1e3'],
    ['STATEMESH_LAN', 'yes'],
    ['STATEMESH_SECURITY', 'tls'],
    ['STATEMESH_LOG_LEVEL', 'loud'],
    ['STATEMESH_NODE_ID', 'a b'],
    ['STATEMESH_KNOWN_PEERS', 'b'],
    ['STATEMESH_KNOWN_PEERS', 'b=nowhere'],
    ['STATEMESH_CLUSTER_KEY', 'short'],
  ])('variable: %s=%s -> configurationInvalid that names it, without the value of a secret', (name, value) => {
    process.env[name] = value;
    const attempt = () => gatherConfiguration({}, undefined);
    expect(attempt).toThrow(expect.objectContaining({ code: 'configurationInvalid' }));
    expect(attempt).toThrow(name);
    if (name.endsWith('KEY')) expect(attempt).not.toThrow('short');
  });

  test('option: a wrong value -> configurationInvalid that names it', () => {
    expect(() => gatherConfiguration({ port: 'x' }, undefined)).toThrow('--port "x": use a whole number');
  });

  test('warnings: --lan, another host, an exposed key, a misspelled variable -> in plain words', () => {
    const none = { configuration: { lan: false, host: undefined }, file: undefined, unknownVariables: [] };
    expect(warningsOn(none)).toEqual([]);
    expect(warningsOn({ ...none, configuration: { lan: true, host: undefined } })).toEqual([
      'This node opens to the network: it listens on every interface and announces itself to the whole local network.',
    ]);
    expect(warningsOn({ ...none, configuration: { lan: false, host: '192.0.2.1' } })[0]).toContain(
      'opens to the network',
    );
    const exposed = { ...fileOf({ clusterKey }), isExposed: true };
    expect(warningsOn({ ...none, file: exposed })).toEqual([
      expect.stringMatching(/^Other users can read .* chmod 600/),
    ]);
    expect(warningsOn({ ...none, unknownVariables: ['STATEMESH_NODEID'] })[0]).toContain('STATEMESH_NODEID');
  });
});

describe('start that fails', () => {
  test.each([
    ['no NodeId', {}, [], 2, 'configurationInvalid'],
    ['no cluster key', { nodeId: 'a' }, [], 2, 'clusterKeyMissing'],
    ['a misspelt field', { nodeId: 'a', clusterKey, clusterSalt, prot: 1 }, [], 2, 'configurationInvalid'],
    ['a wrong option', { nodeId: 'a', clusterKey, clusterSalt }, ['--port', '99999'], 2, 'configurationInvalid'],
    [
      'a data directory that is a file',
      { nodeId: 'a', clusterKey, clusterSalt, dataDir: 'statemesh.json' },
      [],
      6,
      'databaseUnavailable',
    ],
  ])('start: %s -> its exit code, and code and message as JSON', async (_what, fields, args, expected, code) => {
    const cwd = await temporaryDirectory();
    await writeFile(join(cwd, 'statemesh.json'), JSON.stringify({ discovery: false, ...fields }), { mode: 0o600 });
    const { exitCode, stdout, stderr } = await run(['start', '--json', ...args], { cwd });
    expect({ exitCode, code: lastJson(stderr).code }).toEqual({ exitCode: expected, code });
    expect(lastJson(stdout)).toEqual({ event: 'failed', code, message: expect.any(String) });
    expect(stdout + stderr).not.toContain(clusterKey);
  });

  test('start: port in use -> 5, one line with the error, one with advice', async () => {
    const cwd = await temporaryDirectory();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const fields = { nodeId: 'a', clusterKey, clusterSalt, discovery: false, port, logLevel: 'silent' };
    await writeFile(join(cwd, 'statemesh.json'), JSON.stringify(fields), { mode: 0o600 });
    const { exitCode, stdout, stderr } = await run(['start'], { cwd });
    server.close();
    expect({ exitCode, stdout }).toEqual({ exitCode: 5, stdout: '' });
    expect(stderr).toMatch(/^error: Cannot listen on 127\.0\.0\.1:\d+.*\nhint: {2}.*--port.*\n$/);
  });

  test('start: the database of another node -> 6, named and untouched', async () => {
    const cwd = await temporaryDirectory();
    await mkdir(join(cwd, 'data'));
    await writeFile(join(cwd, 'data', 'a.db'), 'no database at all');
    const fields = { nodeId: 'a', clusterKey, clusterSalt, discovery: false };
    await writeFile(join(cwd, 'statemesh.json'), JSON.stringify(fields), { mode: 0o600 });
    const { exitCode, stderr } = await run(['start', '--json'], { cwd });
    expect(exitCode).toBe(6);
    expect(lastJson(stderr)).toMatchObject({ code: 'databaseForeign', message: expect.stringContaining('a.db') });
    expect(await readFile(join(cwd, 'data', 'a.db'), 'utf8')).toBe('no database at all');
  });

  test('start: a broken configuration file -> 2, the position is named and nothing of it is quoted', async () => {
    const cwd = await temporaryDirectory();
    await writeFile(join(cwd, 'statemesh.json'), `{\n  "clusterKey": "${clusterKey}" "x": 1\n}`);
    const [started, status] = await Promise.all([run(['start'], { cwd }), run(['status'], { cwd })]);
    for (const { exitCode, stderr } of [started, status]) {
      expect(exitCode).toBe(2);
      expect(stderr).toMatch(/statemesh\.json is not JSON \(line 2, column \d+\)/);
      expect(stderr).not.toMatch(/a test|nobody|else uses/);
    }
  });

  test('start: a named configuration file that is missing -> 2 and how to create it', async () => {
    const cwd = await temporaryDirectory();
    const env = { STATEMESH_CONFIG: 'nothing.json' };
    const runs = [run(['start', '--config', 'nothing.json'], { cwd }), run(['status'], { cwd, env })];
    for (const { exitCode, stderr } of await Promise.all(runs)) {
      expect(exitCode).toBe(2);
      expect(stderr).toContain('Check the name.');
      expect(stderr).toContain('statemesh init');
    }
  });

  test('start: the cluster key on the command line -> 2, refused without repeating it', async () => {
    const secret = 'do-not-repeat-this';
    const runs = [
      ['start', `--cluster-key=${secret}`],
      ['start', '--cluster-key', secret],
      ['start', `--clusterKey=${secret}`, '--json'],
    ];
    for (const { exitCode, stdout, stderr } of await runAll(runs)) {
      expect(exitCode).toBe(2);
      expect(stderr).toContain('--cluster');
      expect(stdout + stderr).not.toContain(secret);
    }
  });
});

function fileOf(fields: Record<string, unknown>) {
  return { path: '/etc/shop/statemesh.json', fields, isExposed: false, isPlain: true };
}

/** A few at a time: a process that starts uses a whole core. */
async function runAll(calls: readonly (readonly string[])[], cwd?: string) {
  const results = [];
  for (let index = 0; index < calls.length; index += 4) {
    const options = cwd === undefined ? {} : { cwd };
    results.push(...(await Promise.all(calls.slice(index, index + 4).map((args) => run(args, options)))));
  }
  return results;
}
