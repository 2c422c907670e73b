/**
 * Malformed documents, which only another node can have written: commands pass over them, and say so on standard error.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { systemRandomness } from '../../src/adapters/randomness.js';
import { systemTime } from '../../src/adapters/time.js';
import type { CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';
import { clusterKey, clusterSalt, jsonLines, run, startNode, temporaryDirectory } from './cli-fixture.js';

jest.setTimeout(60_000);

/** A node whose database holds them, as they would arrive from another node. */
async function place(payloads: Readonly<Record<string, string>>): Promise<string> {
  const cwd = await temporaryDirectory();
  const configuration = { nodeId: 'node-a', clusterKey, clusterSalt };
  await writeFile(join(cwd, 'statemesh.json'), JSON.stringify(configuration), { mode: 0o600 });
  const store = await openSqliteStore({
    path: join(cwd, 'data', 'node-a.db'),
    nodeId: 'node-a' as NodeId,
    time: systemTime(),
    randomness: systemRandomness(),
  });
  const collection = 'things' as CollectionName;
  const writes = Object.entries(payloads).map(([key, payload]) => {
    return { kind: 'put' as const, collection, key: key as DocumentKey, payload };
  });
  await store.write(writes);
  await store.close();
  return cwd;
}

const advice = '`statemesh put` replaces such a document, `statemesh delete` removes it.';
const search = 'While the node does not run, `statemesh doctor` finds all of them.';

describe('malformed documents of another node', () => {
  test('get -> says that there is one, exit code 4; of a key without a document nothing new', async () => {
    const node = await startNode({}, { directory: await place({ bad: '{"count":', good: '{"count":1}' }) });
    const { exitCode, stdout, stderr } = await node.run(['get', 'things', 'bad']);
    expect([exitCode, stdout, stderr]).toEqual([
      4,
      '',
      `error: The document "bad" in things is malformed and cannot be read; another node wrote it. ${advice}\n`,
    ]);
    const json = await node.run(['get', 'things', 'bad', '--json']);
    expect(JSON.parse(json.stderr)).toMatchObject({ code: 'documentNotFound' });
    const { stderr: none } = await node.run(['get', 'things', 'none']);
    expect(none).toBe('error: There is no document "none" in things.\n');
    await node.run(['put', 'things', 'bad', '{"count":2}']);
    expect((await node.run(['get', 'things', 'bad', '--json'])).stdout).toBe('{"count":2}\n');
  });

  test('find and export -> a hint with their number and the first keys; output and exit code stay', async () => {
    expect(limits.malformedExamplesMax).toBe(3);
    const bad = Object.fromEntries(['b1', 'b2', 'b3', 'b4'].map((key) => [key, '{"count":1e0}']));
    const node = await startNode({}, { directory: await place({ ...bad, good: '{"count":1}' }) });
    const hint = `hint:  4 malformed documents of another node were passed over: "b1", "b2", "b3" in things, and 1 other. ${advice} ${search}\n`;
    for (const command of ['find things', 'export things', 'export', 'export things --csv']) {
      const { exitCode, stdout, stderr } = await node.run(command.split(' '));
      expect([command, exitCode, stderr]).toEqual([command, 0, hint]);
      expect(stdout).toMatch(/^(key,count\n)?[^\n]*good[^\n]*\n$/);
    }
    const found = await node.run(['find', 'things', '--json']);
    expect(jsonLines(found.stdout)).toEqual([{ key: 'good', document: { count: 1 } }]);
    expect(JSON.parse(found.stderr)).toEqual({ hint: hint.slice('hint:  '.length, -1) });
    const { stderr } = await node.run(['find', 'things', '--where', '{"count":1}', '--order-by', 'count']);
    expect(stderr).toBe('');
    for (const key of ['b1', 'b2', 'b3']) await node.run(['delete', 'things', key]);
    const { stderr: one } = await node.run(['export', 'things', '--to', 'out.jsonl']);
    expect(one).toContain('hint:  1 malformed document of another node was passed over: "b4" in things. ');
  });

  test('doctor, node stopped -> a warning for each collection; one that was replaced or deleted is none', async () => {
    const cwd = await place({ bad: '{"count":', worse: '', good: '{"count":1}' });
    const warning = async (): Promise<unknown> => {
      const { exitCode, stdout } = await run(['doctor', '--json'], { cwd });
      expect(exitCode).toBe(0);
      return jsonLines(stdout).filter(({ check }) => check === 'documents');
    };
    expect(await warning()).toEqual([
      {
        check: 'documents',
        state: 'warning',
        message: '2 malformed documents of another node cannot be read: "bad", "worse" in things.',
        advice,
      },
    ]);
    const node = await startNode({}, { directory: cwd });
    await node.run(['delete', 'things', 'bad']);
    await node.run(['put', 'things', 'worse', '1']);
    await node.run(['stop']);
    await node.exitCode;
    expect(await warning()).toEqual([]);
  });
});
