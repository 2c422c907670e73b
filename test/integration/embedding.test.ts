/** What a program does around the node that it embeds. */
import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Cursor, createNode, restoreDatabase, type StatemeshNode, setDatabaseAside } from '../../src/index.js';
import { codeOf } from './database-fixture.js';

const settings = { clusterKey: 'a test key that nobody else uses', clusterSalt: 'test-salt', discovery: false };
const start = process.cwd();
let directory: string;
const nodes: StatemeshNode[] = [];

beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'statemesh-embedding-')));
});

afterEach(async () => {
  process.chdir(start);
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
  rmSync(directory, { recursive: true, force: true });
});

function nodeIn(dataDir: string, nodeId = 'a'): StatemeshNode {
  const node = createNode({ ...settings, nodeId, dataDir });
  nodes.push(node);
  return node;
}

describe('a relative data directory', () => {
  it('the program changes its directory, before the start and between two identities -> the same files', async () => {
    process.chdir(directory);
    const node = nodeIn('./data');
    process.chdir(tmpdir());
    await node.start();
    await node.collection('things').put('x', 'mine');
    process.chdir(start);
    await node.reconfigure({ nodeId: 'b' });
    process.chdir(tmpdir());
    await node.reconfigure({ nodeId: 'a' });
    expect(await node.collection('things').get('x')).toBe('mine');
    expect((await node.status()).store?.path).toBe(join(directory, 'data', 'a.db'));
    expect(readdirSync(join(directory, 'data'))).toEqual(expect.arrayContaining(['a.db', 'b.db']));
  });
});

describe('a cursor', () => {
  it('kept over a restart -> is resumed; over a restore of a copy, or from the peers -> is expired, before any entry comes', async () => {
    const file = join(directory, 'copy');
    let node = nodeIn(directory);
    const again = async (between = () => {}) => {
      await node.stop();
      between();
      node = nodeIn(directory);
      await node.start();
    };
    await node.start();
    const things = () => node.collection('things');
    await things().put('a', 1);
    await node.backUp(file);
    const { cursor } = (await things().put('b', 1)) ?? {};
    await again();
    await things().put('c', 1);
    expect((await node.changes({ since: cursor as Cursor }).next()).value).toMatchObject({ key: 'c' });
    await again(() => restoreDatabase({ backup: file, dataDir: directory }));
    for (const key of ['b', 'd', 'e', 'f']) await things().put(key, 2);
    expect(await codeOf(() => node.changes({ since: cursor as Cursor }))).toBe('cursorExpired');
    expect(await things().get('a')).toBe(1);
    await again(() => setDatabaseAside({ dataDir: directory, nodeId: 'a' }));
    for (const key of ['b', 'd', 'e', 'f']) await things().put(key, 2);
    expect(await codeOf(() => node.changes({ since: cursor as Cursor }))).toBe('cursorExpired');
    await node.reconfigure({ nodeId: 'b' });
    expect(await codeOf(() => node.changes({ since: cursor as Cursor }))).toBe('cursorExpired');
  });
});

describe('the root actor', () => {
  it('stopped by the program -> the node stops: writes are refused, and the directory is free', async () => {
    const node = nodeIn(directory);
    await node.start();
    const ended = new Promise<void>((resolve) => node.actor.subscribe({ complete: resolve }));
    expect(node.actor.stop()).toBe(node.actor);
    expect(await codeOf(() => node.collection('things').put('x', 1))).toBe('notRunning');
    await ended;
    expect(node.state).toBe('stopped');
    await nodeIn(directory).start();
  });

  it('stopped before the start -> the node never starts', async () => {
    const node = nodeIn(directory);
    node.actor.stop();
    expect(await codeOf(() => node.start())).toBe('alreadyStarted');
  });
});
