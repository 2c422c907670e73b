/** The command line with unusual files, standard input or standard output. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstat, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { streamControl } from '../../src/control/client.js';
import { readPemFile } from '../../src/services/pem-files.js';
import { clusterKey, clusterSalt, type StartedNode, startNode, temporaryDirectory } from './cli-fixture.js';

const main = join(process.cwd(), 'dist/cli/main.js');
let node: StartedNode;

beforeAll(async () => {
  node = await startNode({ discovery: false }, { keep: true });
  await node.run(['put', 'c', 'k', '{"v":1}']);
});

afterAll(async () => {
  node.child.kill('SIGKILL');
  await node.exitCode;
});

/** Runs a shell line in the directory of the node; `statemesh` is the command. */
async function shell(line: string): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  const script = `statemesh() { '${process.execPath}' '${main}' "$@"; }\n${line}`;
  const child = spawn('sh', ['-c', script], { cwd: node.directory, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { exitCode, stdout, stderr };
}

async function fifo(): Promise<string> {
  const path = join(await temporaryDirectory(), 'pipe');
  execFileSync('mkfifo', [path]);
  return path;
}

describe('standard input', () => {
  test.each([
    ['put: without an end', 'statemesh put c x - < /dev/zero', /more than 8388608 bytes/],
    ['config set: without an end', 'statemesh config set --stdin < /dev/zero', /more than 8388608 bytes/],
    ['import: a line without an end', 'statemesh import c - < /dev/zero', /Line 1 .* longer than 8388608 bytes/],
    ['import: a file without an end', 'statemesh import c /dev/zero', /Line 1 .* longer than 8388608 bytes/],
    ['put: a directory', 'statemesh put c x - < .', /Standard input is a directory/],
    ['import: a directory', 'statemesh import c - < .', /Standard input is a directory/],
    ['inspect: a line without an end', 'statemesh inspect /dev/zero', /longer than \d+ bytes/],
  ])('%s -> 2, and why', async (_what, line, message) => {
    const { exitCode, stdout, stderr } = await shell(line);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^ {4}at /m);
  });

  test('lines that come late -> the request arrives before the first of them', async () => {
    const path = join(await temporaryDirectory(), 'control.sock');
    const server = createServer((_request, response) => response.end('{"written":1}\n')).listen(path);
    const arrived = once(server, 'request');
    async function* lines(): AsyncGenerator<string> {
      await arrived;
      yield '{}\n';
    }
    for await (const item of streamControl(path, 'import', { lines: lines() })) expect(item).toEqual({ written: 1 });
    server.close();
  });
});

describe('fields that no document has', () => {
  const hint = 'No document in c has the field "w".';

  test.each([
    ['where', '\'{"w":1}\'', [hint]],
    ['where, counting', '\'{"$and":[{"w":1},{"v":2}]}\' --count', [hint]],
    ['where: a field that is there', '\'{"v":99}\'', []],
    ['where: null is what a missing field is', '\'{"w":null,"v":1}\'', []],
    ['order', '\'{"v":1}\' --order-by -w,v', [hint]],
  ])('find: %s -> a hint on standard error', async (_what, where, hints) => {
    const { exitCode, stderr } = await shell(`statemesh find c --where ${where}`);
    expect(exitCode).toBe(0);
    expect(stderr).toBe(hints.map((each) => `hint:  ${each}\n`).join(''));
  });

  test('find --json: nothing is found -> the hint is JSON', async () => {
    const { stderr } = await shell('statemesh find c --json --where \'{"w":1}\'');
    expect(JSON.parse(stderr)).toEqual({ hint });
  });
});

describe('quotes', () => {
  const advice = 'In a shell, put single quotes around JSON';

  test.each([
    ['put: JSON that the shell takes apart', 'statemesh put c x "{a:1" "b:2}"', true],
    ['put: without quotes', 'statemesh put c x {"a":1}', true],
    ['find: without quotes', 'statemesh find c --where {"v":1}', true],
    ['find: $lt in double quotes', 'statemesh find c --where "{\\"v\\":{\\"$lt\\":2}}"', true],
    ['find: $or in double quotes', 'statemesh find c --where "{\\"$or\\": [{\\"v\\":1}]}"', true],
    ['put: a number that would lose digits', 'statemesh put c x \'{"a":9007199254740993}\'', false],
    ['put: too many arguments', 'statemesh put c x 1 2', false],
  ])('%s -> 2, and how to quote if that is the cause', async (_what, line, isAdvised) => {
    const { exitCode, stderr } = await shell(line);
    expect(exitCode).toBe(2);
    expect(stderr.includes(advice)).toBe(isAdvised);
  });

  test('find: a text with an escaped quote before a colon, an empty field of a document -> no advice', async () => {
    const { exitCode, stderr } = await shell(
      'statemesh find c --where \'{"v":"\\"\\": "}\'; statemesh put c e \'{"":1}\'',
    );
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  });
});

describe('standard output', () => {
  test.each(['status --json', 'find c --json', 'export c --json', 'put c k 1 --json'])(
    '%s: a full disk -> 2, and why',
    async (command) => {
      const { exitCode, stderr } = await shell(`statemesh ${command} > /dev/full`);
      expect({ exitCode, stderr }).toEqual({
        exitCode: 2,
        stderr: '{"code":"requestInvalid","message":"Standard output cannot be written (ENOSPC)."}\n',
      });
    },
  );
});

describe('a file to write', () => {
  test.each(['export c --force --to', 'backup --force', 'init --force --config'])(
    '%s: a pipe, a device, a directory -> refused, and they stay',
    async (command) => {
      const pipe = await fifo();
      for (const path of [pipe, '/dev/null', node.directory]) {
        const { exitCode, stderr } = await shell(`statemesh ${command} ${path}`);
        expect({ exitCode, stderr }).toEqual({
          exitCode: 2,
          stderr: expect.stringContaining(`${path} is not an ordinary file`),
        });
      }
      expect((await lstat(pipe)).isFIFO()).toBe(true);
      expect((await lstat('/dev/null')).isCharacterDevice()).toBe(true);
    },
  );

  test('export: a link to a file -> the file is replaced, and the link stays', async () => {
    const directory = await temporaryDirectory();
    const [file, link] = [join(directory, 'file'), join(directory, 'link')];
    await writeFile(file, 'old');
    await symlink(file, link);
    expect((await shell(`statemesh export c --force --to ${link}`)).exitCode).toBe(0);
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await readFile(file, 'utf8')).toContain('"key":"k"');
  });
});

describe('a path', () => {
  test.each(['status --data-dir ""', 'status --config ""', 'backup ""', 'restore "" --data-dir .', 'export --to ""'])(
    '%s: empty -> 2, named',
    async (command) => {
      const { exitCode, stderr } = await shell(`statemesh ${command}`);
      expect({ exitCode, stderr }).toEqual({
        exitCode: 2,
        stderr: expect.stringContaining('is empty: it takes a path'),
      });
    },
  );

  test('--data-dir: a file -> no node runs there', async () => {
    const { exitCode, stderr } = await shell('statemesh status --data-dir statemesh.json');
    expect({ exitCode, stderr }).toEqual({ exitCode: 3, stderr: expect.stringContaining('No node runs in') });
  });
});

describe('a pipe without a process at its other end', () => {
  test('a certificate -> is empty, at once', async () => {
    expect(await readPemFile(await fifo())).toBe('');
  });

  test.each([
    ['--ca', /has no certificate/],
    ['--audit-log', /cannot be written \(ENXIO\)/],
  ])('start %s -> refused at once', async (option, message) => {
    const cwd = await temporaryDirectory();
    const fields = { nodeId: 'b', clusterKey, clusterSalt, discovery: false };
    await writeFile(join(cwd, 'other.json'), JSON.stringify(fields), { mode: 0o600 });
    const { exitCode, stderr } = await shell(
      `cd ${cwd} && statemesh start --config other.json ${option} ${await fifo()}`,
    );
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(message);
  });

  test('--inspect-trace, on a running node -> the recording fails, and the node continues', async () => {
    const change = JSON.stringify({ inspector: { trace: await fifo() } });
    const { stdout } = await shell(`echo '${change}' | statemesh reconfigure --stdin --json; statemesh get c k --json`);
    expect(stdout).toMatch(/"changes".*\n1\n/);
  });
});
