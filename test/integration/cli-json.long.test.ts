/** The output of commands with `--json` matches docs/json.md: its types are those of real output. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { typeProblems } from '../type-check.js';
import { jsonLines, open, type Running, run, startNode, until } from './cli-fixture.js';

const text = readFileSync('docs/json.md', 'utf8');
const [, types = ''] = /```ts\n([\s\S]*?)```/.exec(text) ?? [];
/** The type that each row of the table names, by command. */
const documented = new Map(
  [...text.matchAll(/^\| (`.*`) \| .* \| `(\w+)` \|$/gm)].flatMap(([, commands = '', type = '']) =>
    [...commands.matchAll(/`([^`]+)`/g)].map(([, command = '']): [string, string] => [command, type]),
  ),
);

interface Sample {
  readonly type: string;
  readonly json: string;
}

/** Real output, by the command's name in the table. */
const samples = new Map<string, Sample[]>();

function take(command: string, stdout: string): void {
  const type = documented.get(command) ?? 'undocumented';
  const lines = stdout.split('\n').filter((line) => line !== '');
  samples.set(command, [...(samples.get(command) ?? []), ...lines.map((json) => ({ type, json }))]);
}

function takeFailure(stderr: string, type: string): void {
  samples.set(type, [{ type, json: stderr.trim().split('\n').at(-1) ?? '' }]);
}

function problemsOf(all: readonly Sample[]): string[] {
  const module = [types, ...all.map(({ type, json }, index) => `const sample${index}: ${type} = ${json};`)].join('\n');
  return typeProblems(new Map([['test/json-shapes.ts', `${module}\nexport {};`]])).map(({ message }) => message);
}

beforeAll(async () => {
  const node = await startNode({ inspector: { port: 0 }, metricsPort: 0 });
  const told = async (command: string, ...args: string[]): Promise<void> => {
    const { stdout, stderr, exitCode } = await node.run([...args, '--json']);
    const others = jsonLines(stderr).filter((line) => !('hint' in line));
    expect([args, exitCode, others]).toEqual([args, 0, []]);
    take(command, stdout);
  };
  const second = await startNode({
    nodeId: 'node-b',
    knownPeers: [{ nodeId: 'node-a', address: `127.0.0.1:${node.port}` }],
  });
  const watching = open(['watch', '--json'], { cwd: node.directory });
  await told('put', 'put', 'things', 'first', '{"n":1}');
  const isWatching = async () => {
    await node.run(['put', 'things', 'k', '[1,"two",null]']);
    return watching.stdout().includes('\n') || undefined;
  };
  await until(isWatching, 'a change');
  take('watch', watching.stdout());
  await until(async () => {
    const peers = jsonLines((await node.run(['peers', '--json'])).stdout);
    return peers.some(({ state }) => state === 'connected') || undefined;
  }, 'a peer');
  await told('add-static-peer', 'add-static-peer', '--node-id', 'node-z', '--address', '127.0.0.1:1');
  await told(
    'add-cloud-peer',
    ...['add-cloud-peer', '--node-id', 'cloud-1', '--address', '127.0.0.1:1', '--authority', 'http://127.0.0.1:1'],
    ...['--client-id', 'shop', '--client-secret-env', 'SHOP_SECRET', '--scope', 'entgldb:sync'],
  );
  await Promise.all([
    told('peers', 'peers'),
    told('status', 'status', '--inspect-url'),
    told('get', 'get', 'things', 'first'),
    told('find', 'find', 'things'),
    told('find --count', 'find', 'things', '--count'),
    told('collections', 'collections'),
    told('remote-peers', 'remote-peers'),
    told('config show', 'config', 'show'),
    told('config get', 'config', 'get', 'port'),
    told('config check', 'config', 'check'),
    told('errors', 'errors'),
  ]);
  await told('delete', 'delete', 'things', 'k');
  await Promise.all([
    told('export', 'export'),
    told('export', 'export', 'things'),
    told('export --history', 'export', '--history'),
  ]);
  const file = (name: string) => join(node.directory, name);
  await told('export --to', 'export', '--to', file('all.jsonl'));
  await told('import', 'import', file('all.jsonl'));
  await told('backup', 'backup', file('copy.db'));
  await told('disable-peer', 'disable-peer', 'node-z');
  await told('enable-peer', 'enable-peer', 'node-z');
  await told('remove-peer', 'remove-peer', 'node-z');
  await told('reconfigure', 'reconfigure', 'syncIntervalMs=777', 'tokenTypes=');
  await told('logs LEVEL', 'logs', 'debug');
  await told('logs', 'logs');
  await told('config set', 'config', 'set', 'syncIntervalMs=888');
  take('doctor', (await node.run(['doctor', '--json'])).stdout);
  takeFailure((await node.run(['get', 'things', 'nobody', '--json'])).stderr, 'Failure');
  takeFailure((await node.run(['find', 'nothing', '--json'])).stderr, 'Hint');
  await told('stop', 'stop');
  await told('restore', 'restore', file('copy.db'));
  take('start', second.stdout() + node.stdout());
  take('start', (await run(['start', '--json', '--port', '70000'], { cwd: second.directory })).stdout);
  take('init', (await run(['init', '--json', '--config', file('other.json'), '--node-id', 'c'])).stdout);
  const served = async (command: string, ...args: string[]): Promise<void> => {
    const serving: Running = open([...args, '--json'], { cwd: node.directory });
    await until(() => serving.stdout().includes('\n') || undefined, command);
    take(command, serving.stdout());
  };
  const { stdout } = await run(
    ['simulate', '--seed', '1', '--seconds', '1', '--trace', file('trace.jsonl'), '--json'],
    { cwd: node.directory },
  );
  take('simulate', stdout);
  await served('inspect', 'inspect', file('trace.jsonl'));
  await served('simulate --inspect', 'simulate', '--inspect', '--seed', '1');
}, 60_000);

describe('docs/json.md', () => {
  test('the output of every command -> has the type that its row names', () => {
    expect([...documented.keys()].filter((command) => (samples.get(command) ?? []).length === 0)).toEqual([]);
    expect([...samples.keys()].filter((name) => !documented.has(name))).toEqual(['Failure', 'Hint']);
    const wrong = [
      { type: 'Count', json: '{"count":1,"more":2}' },
      { type: 'Found', json: '{"key":"k"}' },
      { type: 'Failure', json: '{"code":1,"message":""}' },
    ];
    // An extra field, a missing one and one of another type are noticed; nothing else.
    expect(problemsOf([...samples.values(), wrong].flat())).toEqual([
      expect.stringContaining('does not exist in type'),
      expect.stringContaining("'document' is missing"),
      expect.stringContaining("'number' is not assignable"),
    ]);
  }, 60_000);

  test('every command -> has a row, or no --json', async () => {
    const listing = (await run(['--help'])).stdout.split('Commands:')[1]?.split('help [command]')[0] ?? '';
    const names = [...listing.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name = '']) => name);
    const rows = [...documented.keys()].map((command) => command.split(' ')[0]);
    expect(names.filter((name) => !rows.includes(name))).toEqual(['completion']);
    expect(rows.filter((name) => name === undefined || !names.includes(name))).toEqual([]);
  });
});
