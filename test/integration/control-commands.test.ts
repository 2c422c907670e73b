/** The answers of a real node on its control socket. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { callControl, streamControl } from '../../src/control/client.js';
import { controlSocketPath } from '../../src/control/protocol.js';
import { failureOf } from '../../src/core/errors.js';
import { createNode, type StatemeshNode } from '../../src/index.js';
import { ownPort } from './own-port.js';

const directory = mkdtempSync(join(tmpdir(), 'statemesh-commands-'));
const path = controlSocketPath(directory);
let node: StatemeshNode;

beforeAll(async () => {
  node = await startNode();
});

afterAll(async () => {
  await node.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('fields called __proto__', () => {
  const proto = (value: unknown) => JSON.parse(`{"__proto__":${JSON.stringify(value)}}`) as Record<string, unknown>;

  test('find, count: a condition on it -> works like any other', async () => {
    await call('put', { collection: 'protos', key: 'with', document: proto(1) });
    await call('put', { collection: 'protos', key: 'without', document: { a: 1 } });
    expect(await call('count', { collection: 'protos', where: proto(1) })).toEqual({ count: 1 });
    expect(await call('count', { collection: 'protos', where: proto(2) })).toEqual({ count: 0 });
    const found = await all(streamControl(path, 'find', { body: { collection: 'protos', where: proto(1) } }));
    expect(found).toMatchObject([{ key: 'with' }]);
  });

  test('reconfigure: not a field -> refused by its name', async () => {
    await expect(call('reconfigure', { partial: proto({ port: 1 }) })).rejects.toMatchObject({
      code: 'configurationInvalid',
      message: expect.stringContaining('__proto__'),
    });
  });
});

describe('documents', () => {
  test('put, get, delete: a document -> written, found, deleted', async () => {
    const place = { collection: 'things', key: 'a' };
    expect(await call('put', { ...place, document: { n: 1 } })).toEqual({
      hlc: expect.any(Number),
      cursor: expect.any(String),
    });
    expect(await call('get', place)).toEqual({ found: true, document: { n: 1 } });
    expect(await call('delete', place)).toMatchObject({ found: true });
    expect(await call('get', place)).toEqual({ found: false });
    expect(await call('delete', place)).toEqual({ found: false });
  });

  test('put: null -> a document that is found', async () => {
    await call('put', { collection: 'things', key: 'null', document: null });
    expect(await call('get', { collection: 'things', key: 'null' })).toEqual({ found: true, document: null });
  });

  test.each([
    ['put', undefined, 'requestInvalid'],
    ['put', [], 'requestInvalid'],
    ['put', { collection: 'c', key: 1, document: 1 }, 'requestInvalid'],
    ['put', { collection: 'c', key: 'k', document: 1, colour: 'red' }, 'requestInvalid'],
    ['put', { collection: 'c', key: 'k' }, 'requestInvalid'],
    ['put', { collection: '', key: 'k', document: 1 }, 'collectionNameInvalid'],
    ['put', { collection: '_system_remote_peers', key: 'k', document: 1 }, 'collectionReserved'],
    ['put', { collection: 'c', key: 'a\u0000b', document: 1 }, 'keyInvalid'],
    ['put', { collection: 'c', key: 'k'.repeat(513), document: 1 }, 'keyInvalid'],
    ['put', { collection: 'c', key: 'k', document: 'x'.repeat(5_000_000) }, 'documentTooLarge'],
    ['put', { collection: 'c', key: 'k', document: nested(200) }, 'documentInvalid'],
    ['get', { collection: 'c' }, 'requestInvalid'],
    ['delete', { collection: '_system_remote_peers', key: 'k' }, 'collectionReserved'],
    ['find', { collection: 'c', where: [] }, 'requestInvalid'],
    ['find', { collection: 'c', where: { $nor: [] } }, 'queryInvalid'],
    ['find', { collection: 'c', where: { a: { $gt: null } } }, 'queryInvalid'],
    ['find', { collection: 'c', where: { a: 1, $and: [null] } }, 'queryInvalid'],
    ['find', { collection: 'c', orderBy: [null] }, 'queryInvalid'],
    ['find', { collection: 'c', orderBy: ['a b[c'] }, 'queryInvalid'],
    ['find', { collection: 'c', limit: -1 }, 'queryInvalid'],
    ['find', { collection: 'c', offset: 1.5 }, 'queryInvalid'],
    ['count', { collection: 'c', where: 'a' }, 'requestInvalid'],
    ['addStaticPeer', { nodeId: 'a b', address: '127.0.0.1:1' }, 'peerInvalid'],
    ['addStaticPeer', { nodeId: 'a', address: '127.0.0.1' }, 'peerInvalid'],
    ['addStaticPeer', { nodeId: 'a' }, 'requestInvalid'],
    ['status', { verbose: true }, 'requestInvalid'],
  ])('%s: %j -> %s', async (command, body, code) => {
    expect(await call(command, body).catch((error) => failureOf(error).code)).toBe(code);
  });

  test('find and count: a condition, an order and a page -> exactly those documents', async () => {
    await Promise.all([1, 2, 3, 4].map((n) => call('put', { collection: 'numbers', key: `n${n}`, document: { n } })));
    const query = { where: { n: { $gt: 1 } }, orderBy: [{ field: 'n', descending: true }], limit: 2, offset: 1 };
    expect(await all(streamControl(path, 'find', { body: { collection: 'numbers', ...query } }))).toEqual([
      { key: 'n3', document: { n: 3 } },
      { key: 'n2', document: { n: 2 } },
    ]);
    expect(await call('count', { collection: 'numbers', where: { n: { $lte: 2 } } })).toEqual({ count: 2 });
  });
});

describe('import', () => {
  test('lines of key and document: with blank ones -> progress, then the number', async () => {
    const lines = ['{"key":"a","document":{"n":1}}', '', '  ', '{"key":"b","document":2}'];
    expect((await importing('plain', lines)).at(-1)).toEqual({ written: 2, done: true });
    expect(await call('get', { collection: 'plain', key: 'b' })).toEqual({ found: true, document: 2 });
  });

  test('plain documents: with the name of the key field, text or number -> under those keys', async () => {
    await importing('keyed', ['{"id":"x","n":1}', '{"id":7,"n":2}'], { key: 'id' });
    expect(await call('get', { collection: 'keyed', key: '7' })).toEqual({ found: true, document: { id: 7, n: 2 } });
  });

  test('several batches: 2,500 documents -> progress grows to the end', async () => {
    const lines = Array.from({ length: 2_500 }, (_, n) => JSON.stringify({ id: n }));
    const told = (await importing('many', lines, { key: 'id' })).map(({ written }) => written);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect(told.at(-1)).toBe(2_500);
    expect(told.length).toBeGreaterThan(1);
  });

  test.each([
    ['not JSON', '{"id":', /^Line 3 is not valid: it is not JSON/],
    ['an id that is rounded', '{"id":9007199254740993}', /^Line 3 is not valid: at \$\.id: .*write it as text/],
    ['an id beyond 2^53', '{"id":9007199254740992}', /^Line 3 is not valid: its field "id".*write it as text/],
    ['a fraction as id', '{"id":1.5}', /^Line 3 is not valid: its field "id".*write it as text/],
    ['a number that is rounded', '{"id":"c","a":[{"n":9007199254740993}]}', /^Line 3 is not valid: at \$\.a\[0\]\.n: /],
    ['a field twice', '{"id":"c","id":"d"}', /^Line 3 is not valid: at \$\.id: the field occurs twice/],
    ['not an object', '"a"', /^Line 3 is not valid: it is not a JSON object/],
    ['a list', '[{"id":"c"}]', /^Line 3 is not valid: a list is no JSON Lines: .*`jq -c \.\[\]`/],
    ['the first line of an indented list', '[', /^Line 3 is not valid: a list is no JSON Lines/],
    ['without the key field', '{"n":1}', /^Line 3 is not valid: its field "id", the key,/],
    ['with an empty key', '{"id":""}', /^Line 3 is not valid: "" is not a document key/],
    ['too large', JSON.stringify({ id: 'c', text: 'x'.repeat(5_000_000) }), /^Line 3 is not valid: .*too large|larger/],
    ['too deep', JSON.stringify({ id: 'c', deep: nested(200) }), /^Line 3 is not valid: /],
    ['not UTF-8', Buffer.from([0x22, 0xff]), /^Line 3 is not valid: .*UTF-8/],
  ])(
    'bad line: %s -> importInvalid with its number, the lines before it kept, nothing after',
    async (what, bad, message) => {
      const collection = `bad ${what}`;
      const lines = ['{"id":"a"}', '{"id":"b"}', bad, '{"id":"d"}'];
      const failure = failureOf(await importing(collection, lines, { key: 'id' }).catch((error: unknown) => error));
      expect(failure.code).toBe('importInvalid');
      expect(failure.message).toMatch(message);
      expect(failure.message).toMatch(/ 2 documents were written before and stay\.$/);
      expect(await call('count', { collection })).toEqual({ count: 2 });
    },
  );

  test.each([
    ['a reserved collection', '_system_x', {}, 'collectionReserved'],
    ['no name', '', {}, 'collectionNameInvalid'],
    ['an unknown parameter', 'c', { colour: 'red' }, 'requestInvalid'],
    ['lines without key', 'c', {}, 'importInvalid'],
  ])('refused: %s -> its code', async (_what, collection, parameters, code) => {
    const importation = importing(collection, ['{"id":1}'], parameters as Record<string, string>);
    expect(await importation.catch((error) => failureOf(error).code)).toBe(code);
  });

  test('caller: disconnects midway -> the reported documents are written, and the node continues', async () => {
    const controller = new AbortController();
    const endless = (async function* () {
      for (let n = 0; ; n++) yield `${JSON.stringify({ id: n })}\n`;
    })();
    const options = { lines: endless, parameters: { collection: 'left', key: 'id' } };
    let told = 0;
    const drain = async () => {
      for await (const item of streamControl(path, 'import', options, { signal: controller.signal })) {
        told = (item as { written: number }).written;
        if (told > 0) controller.abort();
      }
    };
    expect(await drain().catch((error) => failureOf(error).code)).toBe('cancelled');
    const { count } = (await call('count', { collection: 'left' })) as { count: number };
    expect(count).toBeGreaterThanOrEqual(told);
  });
});

describe('the node', () => {
  test("status, peers, digest: -> the node's own values, with its process", async () => {
    expect(await call('status')).toMatchObject({
      nodeId: 'commands',
      state: 'running',
      port: expect.any(Number),
      processId: process.pid,
    });
    expect(await call('peers')).toEqual([]);
    expect(await call('digest')).toEqual(await node.contentDigest());
  });

  test('status: with any configuration -> no secret in it', async () => {
    const text = JSON.stringify([await call('status'), await call('peers'), await call('remotePeers')]);
    expect(text).not.toContain('a test key');
  });

  test('addStaticPeer: twice the same -> stored once', async () => {
    const peer = { nodeId: 'office', address: '127.0.0.1:1' };
    expect(await call('addStaticPeer', peer)).toEqual({ isNew: true, isChanged: true });
    expect(await call('addStaticPeer', peer)).toEqual({ isNew: false, isChanged: false });
    expect(await call('remotePeers')).toEqual([{ ...peer, type: 1, isEnabled: true }]);
  });

  test('second node: in the same data directory -> fails with controlUnavailable, the first continues', async () => {
    const second = createNode({ ...settings(), nodeId: 'second' });
    await expect(second.start()).rejects.toMatchObject({ code: 'controlUnavailable' });
    expect(await call('status')).toMatchObject({ nodeId: 'commands' });
  });

  test('stop: -> answers, then the node stops and the socket is gone', async () => {
    expect(await call('stop')).toEqual({ nodeId: 'commands', processId: process.pid });
    await until(() => (node.state === 'stopped' ? true : undefined));
    expect(await call('status').catch((error) => failureOf(error).code)).toBe('controlUnavailable');
    node = await startNode();
    expect(await call('get', { collection: 'things', key: 'null' })).toMatchObject({ found: true });
  });
});

function settings() {
  return {
    nodeId: 'commands',
    dataDir: directory,
    clusterKey: 'a test key that nobody else uses',
    clusterSalt: 'test-salt',
    discoveryPort: ownPort(),
    control: true,
  };
}

async function startNode(): Promise<StatemeshNode> {
  const started = createNode(settings());
  await started.start();
  await until(() => callControl(path, 'status').catch(() => undefined));
  return started;
}

function call(command: string, body?: unknown): Promise<unknown> {
  return callControl(path, command, body);
}

async function importing(
  collection: string,
  lines: readonly (string | Uint8Array)[],
  parameters: Readonly<Record<string, string>> = {},
): Promise<{ written: number }[]> {
  const source = (async function* () {
    for (const line of lines) {
      yield line;
      yield '\n';
    }
  })();
  const options = { lines: source, parameters: { collection, ...parameters } };
  return (await all(streamControl(path, 'import', options))) as { written: number }[];
}

function nested(depth: number): unknown {
  return depth === 0 ? 1 : [nested(depth - 1)];
}

async function all(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function until<T>(look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error('The condition did not come true in time.');
    await sleep(5);
  }
}
