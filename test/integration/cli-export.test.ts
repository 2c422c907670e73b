/** `statemesh export` and `statemesh watch`, on running nodes. */
import { existsSync } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { open, type Running, run, type StartedNode, startNode, until } from './cli-fixture.js';

let node: StartedNode;

beforeAll(async () => {
  node = await startNode({}, { keep: true });
  for (const [key, document] of Object.entries({ a: { n: 1 }, b: 'text', c: null })) {
    await node.run(['put', 'things', key, JSON.stringify(document)]);
  }
  await node.run(['put', 'things', 'a', '{"n":2}']);
  await node.run(['put', 'others', 'x', '1']);
  await node.run(['delete', 'things', 'b']);
});
afterAll(async () => {
  node.child.kill('SIGTERM');
  await node.exitCode;
  await rm(node.directory, { recursive: true, force: true });
});

function linesOf(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

describe('export', () => {
  test('a collection -> its documents in their latest version, as import reads them', async () => {
    const { exitCode, stdout } = await node.run(['export', 'things']);
    expect([exitCode, linesOf(stdout)]).toEqual([
      0,
      [
        { key: 'a', document: { n: 2 } },
        { key: 'c', document: null },
      ],
    ]);
    const imported = await run(['import', 'copies', '-'], { cwd: node.directory, input: stdout });
    expect(imported.exitCode).toBe(0);
    expect((await node.run(['get', 'copies', 'a', '--json'])).stdout).toBe('{"n":2}\n');
  });

  test('documents that were rewritten unchanged -> one line each', async () => {
    for (let time = 0; time < 3; time += 1) {
      await run(['import', 'again', '-'], { cwd: node.directory, input: '{"key":"k","document":1}\n' });
    }
    expect((await node.run(['export', 'again'])).stdout).toBe('{"key":"k","document":1}\n');
  });

  test('import without a collection: an export of everything, and its history -> imported', async () => {
    const line = '{"collection":"sent","key":"k","document":1}\n';
    const sent = await node.run(['import', '-'], { input: line });
    expect([sent.exitCode, sent.stdout]).toEqual([0, 'Imported 1 document.\n']);
    const history = (await node.run(['export', 'sent', '--history'])).stdout;
    expect((await node.run(['import', '-', '--json'], { input: history })).stdout).toBe('{"written":1}\n');
    const refused = await node.run(['import', 'things', '-'], { input: line });
    expect([refused.exitCode, refused.stderr]).toEqual([
      2,
      expect.stringContaining('leave out the one before the file'),
    ]);
  });

  test('more than a reader takes at once, many times -> complete, and no warning of the node', async () => {
    const text = 'x'.repeat(10_000);
    const lines = Array.from({ length: 1_000 }, (_, n) =>
      JSON.stringify({ key: String(n).padStart(4, '0'), document: text }),
    );
    await node.run(['import', 'large', '-'], { input: lines.join('\n') });
    expect((await node.run(['export', 'large'])).stdout).toBe(`${lines.join('\n')}\n`);
    expect((await node.run(['find', 'large', '--json'])).stdout).toBe(`${lines.join('\n')}\n`);
    expect(node.stderr()).not.toContain('Warning');
  });

  test("everything -> with its collection, and without statemesh's own documents", async () => {
    await node.run(['add-static-peer', '--node-id', 'far', '--address', '127.0.0.1:9']);
    const lines = linesOf((await node.run(['export'])).stdout);
    expect(lines).toContainEqual({ collection: 'others', key: 'x', document: 1 });
    expect(lines.filter(({ collection }) => String(collection).startsWith('_'))).toEqual([]);
  });

  test('--history -> each entry with its stamp, including deletions and replaced versions', async () => {
    const lines = linesOf((await node.run(['export', 'things', '--history'])).stdout);
    expect(lines.map(({ key, operation, current }) => [key, operation, current])).toEqual([
      ['a', 'put', true],
      ['b', 'put', true],
      ['c', 'put', true],
      ['a', 'put', true],
      ['b', 'delete', true],
    ]);
    expect(lines[0]).toEqual({
      collection: 'things',
      key: 'a',
      operation: 'put',
      document: { n: 1 },
      nodeId: 'node-a',
      current: true,
      hlc: expect.any(Number),
    });
  });

  test('an empty collection -> nothing, without waiting', async () => {
    expect(await node.run(['export', 'nothing'])).toMatchObject({ exitCode: 0, stdout: '' });
  });

  test('--to a file -> complete, readable by its owner only; an existing file stays, unless --force is given', async () => {
    const file = join(node.directory, 'out.jsonl');
    expect(await node.run(['export', 'things', '--to', file])).toMatchObject({
      exitCode: 0,
      stdout: `2 documents in ${file}.\n`,
    });
    expect([(await stat(file)).mode & 0o777, existsSync(`${file}.partial`)]).toEqual([0o600, false]);
    await writeFile(file, 'mine');
    const refused = await node.run(['export', 'things', '--to', file]);
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('--force')]);
    expect(await readFile(file, 'utf8')).toBe('mine');
    const { stdout } = await node.run(['export', 'things', '--to', file, '--force', '--json']);
    expect(JSON.parse(stdout)).toEqual({ lines: 2, file });
  });

  test('--to an invalid place -> an error, and nothing is left behind', async () => {
    const { exitCode, stderr } = await node.run(['export', 'things', '--to', join(node.directory, 'missing', 'x')]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('There is no directory')]);
  });
});

describe('watch', () => {
  function watching(args: readonly string[]): Running {
    return open(['watch', '--data-dir', join(node.directory, 'data'), '--json', ...args], { cwd: node.directory });
  }

  test('from the beginning -> all entries of the collection, then new ones; Ctrl-C ends it with 0', async () => {
    const watch = watching(['things', '--since', '0']);
    await until(() => linesOf(watch.stdout()).length === 5 || undefined);
    await node.run(['put', 'others', 'y', '1']);
    await node.run(['put', 'things', 'd', '4']);
    const last = await until(() => linesOf(watch.stdout())[5]);
    expect(last).toMatchObject({ collection: 'things', key: 'd', operation: 'put', document: 4, nodeId: 'node-a' });
    watch.child.kill('SIGINT');
    expect(await watch.exitCode).toBe(0);
    await node.run(['delete', 'things', 'd']);
  });

  test('from a cursor on -> the entries after it', async () => {
    const first = watching(['--since', '0']);
    const cursor = (await until(() => linesOf(first.stdout())[1]))?.cursor;
    const second = watching(['--since', String(cursor)]);
    const third = await until(() => linesOf(first.stdout())[2]);
    expect((await until(() => linesOf(second.stdout())[0]))?.cursor).toBe(third?.cursor);
  });

  test.each([
    [['--since', 'tomorrow'], 'not a cursor'],
    [['--since', 'cforeign.3.abcdefgh'], 'start from 0'],
  ])('%j -> refused, with what to do', async (args, reason) => {
    const watch = watching(args);
    expect([await watch.exitCode, watch.stderr()]).toEqual([2, expect.stringContaining(reason)]);
  });
});
