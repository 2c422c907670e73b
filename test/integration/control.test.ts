/** The control service over real sockets in temporary directories. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { link, lstat, readdir, readFile, writeFile } from 'node:fs/promises';
import { request as openRequest } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createActor, fromCallback } from 'xstate';
import { systemTime } from '../../src/adapters/time.js';
import type { Configuration } from '../../src/configuration/schema.js';
import { callControl, streamControl } from '../../src/control/client.js';
import {
  type ControlCommands,
  type ControlLimits,
  controlLimits,
  controlSocketName,
} from '../../src/control/protocol.js';
import { failureOf, StatemeshError } from '../../src/core/errors.js';
import { createControl } from '../../src/services/control.js';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describe('control socket', () => {
  test('mode: opened in a directory that others can enter -> 0600, and nothing else is left beside it', async () => {
    const directory = temporaryDirectory();
    await opened({}, { directory });
    const { mode } = await lstat(join(directory, controlSocketName));
    expect((mode & 0o777).toString(8)).toBe('600');
    expect(await readdir(directory)).toEqual([controlSocketName]);
  });

  test('mode: watched while it opens -> it never appears with another mode', async () => {
    const directory = temporaryDirectory();
    const umask = process.umask(0);
    try {
      const { socketPath } = open({}, { directory });
      const modes = new Set<string>();
      await until(async () => {
        const found = await lstat(socketPath).catch(() => undefined);
        if (found === undefined) return undefined;
        modes.add((found.mode & 0o777).toString(8));
        return callControl(socketPath, 'none').catch(
          (error) => failureOf(error).code === 'requestInvalid' || undefined,
        );
      });
      expect([...modes]).toEqual(['600']);
    } finally {
      process.umask(umask);
    }
  });

  test('deleted, replaced by a file: while the node runs -> is opened again, unless a file is in the way', async () => {
    const { socketPath, failures } = await opened({ ping: async () => 'pong' }, { limits: { placeCheckMs: 20 } });
    rmSync(socketPath);
    await until(() => callControl(socketPath, 'ping').catch(() => undefined));
    expect(await callControl(socketPath, 'ping')).toBe('pong');
    // At once; otherwise the node would reopen it in between.
    writeFileSync(`${socketPath}.mine`, 'mine');
    renameSync(`${socketPath}.mine`, socketPath);
    await sleep(100);
    expect(await readFile(socketPath, 'utf8')).toBe('mine');
    rmSync(socketPath);
    await until(() => callControl(socketPath, 'ping').catch(() => undefined));
    expect(failures).toEqual([]);
  });

  test.each([
    ['a file', (directory: string) => writeFileSync(directory, 'x')],
    ['a link to itself', (directory: string) => symlinkSync(directory, directory)],
  ])(
    'replaced by %s: the whole directory, while the node runs -> is opened again once that is back',
    async (_, replace) => {
      const directory = join(temporaryDirectory(), 'data');
      mkdirSync(directory);
      const { socketPath, failures } = await opened(
        { ping: async () => 'pong' },
        { directory, limits: { placeCheckMs: 20 } },
      );
      renameSync(directory, `${directory}-away`);
      replace(directory);
      await sleep(100);
      rmSync(directory);
      mkdirSync(directory);
      await until(() => callControl(socketPath, 'ping').catch(() => undefined));
      expect(failures).toEqual([]);
    },
  );

  test('switched off: control false -> no socket', async () => {
    const directory = temporaryDirectory();
    open({}, { directory, control: false });
    await sleep(0);
    expect(await readdir(directory)).toEqual([]);
  });

  test('stale socket: no process answers on it -> it is replaced', async () => {
    const directory = temporaryDirectory();
    await leaveStaleSocket(directory);
    const { socketPath, failures } = await opened({ ping: async () => 'pong' }, { directory });
    expect(await callControl(socketPath, 'ping')).toBe('pong');
    expect(failures).toEqual([]);
    expect(await readdir(directory)).toEqual([controlSocketName]);
  });

  test('stale socket: several nodes find it at once -> one has it, the others fail with controlUnavailable', async () => {
    const directory = temporaryDirectory();
    await leaveStaleSocket(directory);
    const services = ['a', 'b', 'c', 'd'].map((name) => open({ who: async () => name }, { directory }));
    await until(() => services.filter(({ failures }) => failures.length > 0).length === 3 || undefined);
    const winner = services.findIndex(({ failures }) => failures.length === 0);
    expect(await callControl(join(directory, controlSocketName), 'who')).toBe(['a', 'b', 'c', 'd'][winner]);
    expect(services.flatMap(({ failures }) => failures.map(({ code }) => code))).toEqual(
      Array(3).fill('controlUnavailable'),
    );
  });

  test('live socket: another node answers on it -> controlUnavailable, and the other one continues', async () => {
    const directory = temporaryDirectory();
    const first = await opened({ who: async () => 'first' }, { directory });
    const second = open({ who: async () => 'second' }, { directory });
    const failure = await until(() => second.failures[0]);
    expect(failure).toMatchObject({
      code: 'controlUnavailable',
      message: expect.stringContaining('Another node runs in this data directory'),
    });
    second.stop();
    expect(await callControl(first.socketPath, 'who')).toBe('first');
  });

  test('a file in the way: not a socket -> controlUnavailable, and the file is untouched', async () => {
    const directory = temporaryDirectory();
    const path = join(directory, controlSocketName);
    await writeFile(path, 'mine');
    const { failures } = open({}, { directory });
    expect((await until(() => failures[0])).message).toContain('move it away');
    expect(await readFile(path, 'utf8')).toBe('mine');
    expect(await readdir(directory)).toEqual([controlSocketName]);
  });

  test('directory: too long for a Unix socket -> controlUnavailable that says what to do', async () => {
    const { failures } = open({}, { directory: join(tmpdir(), 'x'.repeat(100)), socketPath: '' });
    expect(await until(() => failures[0])).toMatchObject({
      code: 'controlUnavailable',
      message: expect.stringContaining('shorter path'),
    });
  });

  test('directory: missing -> controlUnavailable that names the reason', async () => {
    const { failures } = open({}, { directory: join(tmpdir(), 'statemesh-nowhere') });
    expect(await until(() => failures[0])).toMatchObject({
      code: 'controlUnavailable',
      message: expect.stringContaining('ENOENT'),
    });
  });

  test('stop: with a call and an idle connection open -> both are closed and the socket is gone', async () => {
    const { socketPath, stop, directory } = await opened({ wait: ({ signal }) => aborted(signal) });
    const call = callControl(socketPath, 'wait').catch((error) => failureOf(error).code);
    const idle = await connected(socketPath);
    stop();
    expect(await call).toBe('connectionLost');
    await until(() => idle.closed || undefined);
    expect(await readdir(directory)).toEqual([]);
    expect(await callControl(socketPath, 'wait').catch((error) => failureOf(error).code)).toBe('controlUnavailable');
  });

  test('stop: another node has taken the place meanwhile -> its socket stays', async () => {
    const directory = temporaryDirectory();
    const first = await opened({}, { directory });
    rmSync(first.socketPath);
    const second = await opened({ who: async () => 'second' }, { directory });
    first.stop();
    expect(await callControl(second.socketPath, 'who')).toBe('second');
  });

  test('stop: before the socket is open -> it never stays', async () => {
    const directory = temporaryDirectory();
    const { stop } = open({}, { directory });
    stop();
    await until(async () => (await readdir(directory)).length === 0 || undefined);
  });
});

describe('control calls', () => {
  test('command: a JSON body -> JSON back', async () => {
    const { socketPath } = await opened({ echo: async ({ body }) => ({ got: body }) });
    expect(await callControl(socketPath, 'echo', { a: ['é', null] })).toEqual({ got: { a: ['é', null] } });
    expect(await callControl(socketPath, 'echo')).toEqual({});
  });

  test('command: 40 calls at once -> each has its own answer', async () => {
    const { socketPath } = await opened({ echo: async ({ body }) => body });
    const numbers = Array.from({ length: 40 }, (_, number) => number);
    expect(await Promise.all(numbers.map((number) => callControl(socketPath, 'echo', number)))).toEqual(numbers);
  });

  test.each(['nothing', 'constructor', '__proto__', 'toString', ''])(
    'command: "%s", which does not exist -> 404 requestInvalid',
    async (name) => {
      const { socketPath } = await opened({ echo: async () => 1 });
      const { status, json } = await send(socketPath, `/v1/${name}`, '{}');
      expect({ status, code: json.code }).toEqual({ status: 404, code: 'requestInvalid' });
    },
  );

  test.each([
    ['malformed JSON', '{"a":', {}, 400],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), {}, 400],
    ['of an unknown type', 'a=1', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['too large', 'x'.repeat(2_000), {}, 413],
  ])('body: %s -> refused with requestInvalid, without calling the command', async (_what, body, headers, expected) => {
    let calls = 0;
    const { socketPath } = await opened({ echo: async () => ++calls }, { limits: { bodyBytesMax: 1_000 } });
    const { status, json, text } = await send(socketPath, '/v1/echo', body, { headers });
    expect({ status, code: json.code, calls }).toEqual({ status: expected, code: 'requestInvalid', calls: 0 });
    expect(text).not.toContain('    at ');
  });

  test('body: 64 MiB where 8 are allowed -> 413 reaches the caller', async () => {
    const { socketPath } = await opened({ echo: async () => 1 });
    const { status } = await send(socketPath, '/v1/echo', Buffer.alloc(64 * 1024 * 1024, 0x20));
    expect(status).toBe(413);
  });

  test('method: GET -> 405', async () => {
    const { socketPath } = await opened({ echo: async () => 1 });
    expect((await send(socketPath, '/v1/echo', '', { method: 'GET' })).status).toBe(405);
  });

  test('command: fails as expected -> 400 with its code; by a bug -> 500 without a stack', async () => {
    const { socketPath } = await opened({
      expected: () => Promise.reject(new StatemeshError('keyInvalid', 'Not a key.')),
      bug: () => Promise.reject(new TypeError('oops')),
      thrown: () => {
        throw new StatemeshError('queryInvalid', 'Not a query.');
      },
    });
    const answers = await Promise.all(['expected', 'bug', 'thrown'].map((name) => send(socketPath, `/v1/${name}`, '')));
    expect(answers.map(({ status, json }) => [status, json])).toEqual([
      [400, { code: 'keyInvalid', message: 'Not a key.' }],
      [500, { code: 'internal', message: 'oops' }],
      [400, { code: 'queryInvalid', message: 'Not a query.' }],
    ]);
  });

  test('caller: hangs up -> the command is aborted', async () => {
    let isRunning = false;
    let isAborted = false;
    const { socketPath } = await opened({
      async wait({ signal }) {
        isRunning = true;
        await aborted(signal);
        isAborted = true;
      },
    });
    const controller = new AbortController();
    const call = callControl(socketPath, 'wait', undefined, { signal: controller.signal });
    const refused = call.catch((error) => failureOf(error).code);
    await until(() => isRunning || undefined);
    controller.abort();
    expect(await refused).toBe('cancelled');
    await until(() => isAborted || undefined);
  });

  test('answered: the command waits for it -> it comes after the answer has arrived', async () => {
    let isAnswered = false;
    const { socketPath } = await opened({
      call: async ({ answered }) => {
        void answered.then(() => {
          isAnswered = true;
        });
        return isAnswered;
      },
    });
    expect(await callControl(socketPath, 'call')).toBe(false);
    await until(() => isAnswered || undefined);
  });
});

describe('control limits', () => {
  const quick = { headersTimeoutMs: 150, bodyIdleTimeoutMs: 150, linesIdleTimeoutMs: 150 };

  test.each([
    ['says nothing', ''],
    ['stops in the headers', 'POST /v1/echo HTTP/1.1\r\nHost: x\r\n'],
    ['stops in a body', 'POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{'],
    [
      'stops in lines',
      'POST /v1/lines HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: 10\r\n\r\na\n',
    ],
  ])('slow caller: %s -> 408 and closed', async (_what, text) => {
    const { socketPath } = await opened(
      {
        echo: async () => 1,
        async *lines({ lines }) {
          for await (const line of lines) void line;
          yield 1;
        },
      },
      { limits: quick },
    );
    const socket = await connected(socketPath);
    socket.write(text);
    await until(() => socket.closed || undefined);
    expect(socket.text()).toMatch(/^HTTP\/1\.1 408 /);
    expect(socket.text()).toContain('"connectionTimeout"');
  });

  test('slow command: longer than the idle timeout of bodies -> its answer still comes', async () => {
    const { socketPath } = await opened(
      {
        slow: async () => {
          await sleep(400);
          return 'done';
        },
      },
      { limits: quick },
    );
    expect(await callControl(socketPath, 'slow', {})).toBe('done');
  });

  test('caller: speaks no HTTP -> 400 requestInvalid and closed', async () => {
    const { socketPath } = await opened({});
    const socket = await connected(socketPath);
    socket.write('HELLO\r\n\r\n');
    await until(() => socket.closed || undefined);
    expect(socket.text()).toMatch(/^HTTP\/1\.1 400 .*"requestInvalid"/s);
  });

  test('callers: more silent ones than allowed -> the oldest is closed, and a call is answered', async () => {
    const { socketPath } = await opened({ echo: async () => 1 }, { limits: { connectionsMax: 3 } });
    const sockets = [await connected(socketPath), await connected(socketPath), await connected(socketPath)];
    expect(await callControl(socketPath, 'echo', {})).toBe(1);
    await until(() => sockets[0]?.closed || undefined);
    expect(sockets.map(({ closed }) => closed)).toEqual([true, false, false]);
  });

  test('caller: sends a second request before its answer -> is cut off, and only its first request was accepted', async () => {
    let calls = 0;
    const slow = async ({ signal }: { signal: AbortSignal }) => {
      calls += 1;
      await aborted(signal);
    };
    const { socketPath } = await opened({ slow });
    const socket = await connected(socketPath);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write('POST /v1/slow HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n'.repeat(3));
    await closed;
    expect({ calls, text: socket.text() }).toEqual({ calls: 1, text: '' });
  });

  test('callers: more in progress than allowed -> the one too many is closed, the others continue', async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { socketPath } = await opened(
      { wait: () => held.then(() => 1), echo: async () => 2 },
      { limits: { connectionsMax: 2 } },
    );
    const calls = [callControl(socketPath, 'wait', {}), callControl(socketPath, 'wait', {})];
    await until(() =>
      callControl(socketPath, 'echo', {}).then(
        () => undefined,
        () => true,
      ),
    );
    release();
    expect(await Promise.all(calls)).toEqual([1, 1]);
    expect(await callControl(socketPath, 'echo', {})).toBe(2);
  });
});

describe('control streams', () => {
  test('answer: items -> one JSON text per line, each as soon as it exists', async () => {
    let release = (): void => {};
    const { socketPath } = await opened({
      async *two() {
        yield { n: 1 };
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        yield { n: 2 };
      },
    });
    const stream = streamControl(socketPath, 'two', {});
    expect((await stream.next()).value).toEqual({ n: 1 });
    release();
    expect((await stream.next()).value).toEqual({ n: 2 });
    expect((await stream.next()).done).toBe(true);
  });

  test('answer: fails midway -> the items before, then the error', async () => {
    const { socketPath } = await opened({
      async *broken() {
        yield 1;
        throw new StatemeshError('diskFull', 'Full.');
      },
      async *early() {
        if (socketPath !== '') throw new StatemeshError('keyInvalid', 'No.');
        yield 1;
      },
    });
    const items: unknown[] = [];
    const drain = async (command: string) => {
      for await (const item of streamControl(socketPath, command, {})) items.push(item);
    };
    expect(await drain('broken').catch(failureOf)).toEqual({ code: 'diskFull', message: 'Full.' });
    expect(await drain('early').catch(failureOf)).toEqual({ code: 'keyInvalid', message: 'No.' });
    expect(items).toEqual([1]);
  });

  test('answer: not read -> the command stops producing, and is ended when the caller leaves', async () => {
    let produced = 0;
    let isEnded = false;
    const { socketPath } = await opened({
      async *endless() {
        try {
          for (;;) {
            produced += 1;
            yield 'x'.repeat(10_000);
          }
        } finally {
          isEnded = true;
        }
      },
    });
    const stream = streamControl(socketPath, 'endless', {});
    await stream.next();
    const settled = await settledValue(() => produced);
    expect(settled).toBeLessThan(1_000);
    await stream.return();
    await until(() => isEnded || undefined);
  });

  test('answers: 300 unread streams -> the maximum stays, and calls are answered', async () => {
    let produced = 0;
    const { socketPath } = await opened(
      {
        echo: async () => 1,
        async *endless() {
          for (;;) {
            produced += 100_000;
            yield 'x'.repeat(100_000);
          }
        },
      },
      { limits: { connectionsMax: 16, streamsMax: 8, stalledBytesMax: 600_000 } },
    );
    const unread = [];
    for (let count = 0; count < 300; count += 1) {
      const socket = await connected(socketPath);
      socket.pause();
      socket.write('POST /v1/endless HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n');
      unread.push(socket);
    }
    expect(await callControl(socketPath, 'echo')).toBe(1);
    await settledValue(() => produced);
    expect(await callControl(socketPath, 'echo')).toBe(1);
    const stream = streamControl(socketPath, 'endless', {});
    expect((await stream.next()).done).toBe(false);
    await stream.return();
    for (const socket of unread) socket.destroy();
  });

  test('answers: as many streams as allowed, all of them read -> another one gets controlBusy', async () => {
    const { socketPath } = await opened(
      {
        async *quiet({ signal }) {
          yield 1;
          await aborted(signal);
        },
      },
      { limits: { streamsMax: 2 } },
    );
    const streams = [1, 2].map(() => streamControl(socketPath, 'quiet', {}));
    for (const stream of streams) expect((await stream.next()).value).toBe(1);
    const refused = await streamControl(socketPath, 'quiet', {}).next().catch(failureOf);
    expect(refused).toMatchObject({ code: 'controlBusy' });
    await streams[0]?.return();
    await until(() =>
      streamControl(socketPath, 'quiet', {})
        .next()
        .then(() => true)
        .catch(() => undefined),
    );
    await streams[1]?.return();
  });

  test('answer: not read for readerIdleTimeoutMs -> the command is ended; an idle one is not', async () => {
    const ended: string[] = [];
    const { socketPath } = await opened(
      {
        async *endless() {
          try {
            for (;;) yield 'x'.repeat(100_000);
          } finally {
            ended.push('endless');
          }
        },
        async *quiet({ signal }) {
          yield 1;
          await aborted(signal);
          ended.push('quiet');
        },
      },
      { limits: { readerIdleTimeoutMs: 100 } },
    );
    const quiet = streamControl(socketPath, 'quiet', {});
    await quiet.next();
    await streamControl(socketPath, 'endless', {}).next();
    await until(() => ended.length > 0 || undefined);
    expect(ended).toEqual(['endless']);
    await quiet.return();
  });

  test('lines: cut anywhere, also inside a character -> whole lines, without byte order mark', async () => {
    const { socketPath } = await opened({ collect });
    const bytes = Buffer.from('\uFEFF{"é":1}\r\nß\n\nlast');
    const lines = (async function* () {
      for (const byte of bytes) yield Uint8Array.of(byte);
    })();
    expect(await all(streamControl(socketPath, 'collect', { lines }))).toEqual(['{"é":1}\r', 'ß', '', 'last']);
  });

  test('lines: while some are still to come -> those sent are answered already', async () => {
    const { socketPath } = await opened({ collect });
    let release = (): void => {};
    const lines = (async function* () {
      yield 'one\n';
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      yield 'two\n';
    })();
    const stream = streamControl(socketPath, 'collect', { lines });
    expect((await stream.next()).value).toBe('one');
    release();
    expect((await stream.next()).value).toBe('two');
  });

  test('lines: the command takes none -> the caller is held up, not buffered', async () => {
    let taken = 0;
    let sent = 0;
    const { socketPath } = await opened({
      async *idle({ lines, signal }) {
        for await (const _line of lines) {
          taken += 1;
          yield 'taken';
          await aborted(signal);
        }
      },
    });
    const lines = (async function* () {
      for (;;) {
        sent += 1;
        yield `${'x'.repeat(10_000)}\n`;
      }
    })();
    const stream = streamControl(socketPath, 'idle', { lines });
    await stream.next();
    expect(await settledValue(() => sent)).toBeLessThan(1_000);
    expect(taken).toBe(1);
    await stream.return();
  });

  test.each([
    ['too long', 'x'.repeat(300)],
    ['not UTF-8', Buffer.from([0xff])],
  ])('lines: one is %s -> those before it arrive, then requestInvalid', async (_what, bad) => {
    const { socketPath } = await opened({ collect }, { limits: { lineBytesMax: 200 } });
    const lines = (async function* () {
      yield 'good\n';
      yield bad;
      yield '\nnever\n';
    })();
    const items: unknown[] = [];
    const drain = async () => {
      for await (const item of streamControl(socketPath, 'collect', { lines })) items.push(item);
    };
    expect((await drain().catch(failureOf)) as unknown).toMatchObject({ code: 'requestInvalid' });
    expect(items).toEqual(['good']);
  });

  test('lines: the command fails while megabytes are in flight -> its error reaches the caller', async () => {
    const { socketPath } = await opened({
      async *refuse({ lines }) {
        for await (const line of lines) {
          if (line === 'bad') throw new StatemeshError('importInvalid', 'Line 2.');
          yield line.length;
        }
      },
    });
    const lines = (async function* () {
      yield 'good\nbad\n';
      for (let count = 0; count < 200; count++) yield `${'x'.repeat(100_000)}\n`;
    })();
    const drained = all(streamControl(socketPath, 'refuse', { lines })).catch(failureOf);
    expect(await drained).toEqual({ code: 'importInvalid', message: 'Line 2.' });
  });

  test('lines: the source of the caller fails -> the call fails, and the command is aborted', async () => {
    let isAborted = false;
    const { socketPath } = await opened({
      async *wait({ lines, signal }) {
        signal.addEventListener('abort', () => {
          isAborted = true;
        });
        for await (const line of lines) yield line;
      },
    });
    let fail = (): void => {};
    const lines = (async function* () {
      yield 'one\n';
      await new Promise<void>((resolve) => {
        fail = resolve;
      });
      throw new StatemeshError('requestInvalid', 'The file cannot be read.');
    })();
    const stream = streamControl(socketPath, 'wait', { lines });
    expect((await stream.next()).value).toBe('one');
    fail();
    expect(await stream.next().catch(failureOf)).toEqual({
      code: 'requestInvalid',
      message: 'The file cannot be read.',
    });
    await until(() => isAborted || undefined);
  });

  test('lines: sent as JSON to a command that takes lines -> requestInvalid', async () => {
    const { socketPath } = await opened({ collect });
    expect((await send(socketPath, '/v1/collect', '{}')).json.code).toBe('requestInvalid');
  });

  test('parameters: in the query -> decoded', async () => {
    const { socketPath } = await opened({
      async *show({ parameters }) {
        yield parameters;
      },
    });
    const parameters = { collection: 'a b&c', key: 'é' };
    expect(await all(streamControl(socketPath, 'show', { parameters }))).toEqual([parameters]);
  });
});

// --- Fixture ---------------------------------------------------------------------------------------------------------

async function* collect({ lines }: { lines: AsyncIterable<string> }): AsyncGenerator<string> {
  for await (const line of lines) yield line;
}

interface OpenOptions {
  readonly directory?: string;
  readonly control?: boolean;
  readonly limits?: Partial<ControlLimits>;
  readonly socketPath?: string;
}

function open(commands: ControlCommands, options: OpenOptions = {}) {
  const { directory = temporaryDirectory(), control = true, limits = {} } = options;
  const failures: { code: string; message: string }[] = [];
  const parent = createActor(
    fromCallback(({ receive }) => {
      receive((event) => failures.push(failureOf((event as unknown as { error: unknown }).error)));
    }),
  ).start();
  const service = createControl({ time: systemTime() }, () => commands, { ...controlLimits, ...limits });
  const configuration = { dataDir: directory, control } as Configuration;
  const actor = createActor(service, { input: { configuration, parent: parent as never } }).start();
  const stop = () => actor.stop();
  cleanups.push(stop);
  return { directory, failures, stop, socketPath: join(directory, controlSocketName) };
}

/** A service whose socket exists. */
async function opened(commands: ControlCommands, options: OpenOptions = {}) {
  const service = open(commands, options);
  await until(() =>
    callControl(service.socketPath, 'no such command').catch((error) =>
      failureOf(error).code === 'requestInvalid' ? true : undefined,
    ),
  );
  return service;
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'statemesh-control-'));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A socket whose server has gone without removing it, as after a kill -9. */
async function leaveStaleSocket(directory: string): Promise<void> {
  const server = createServer();
  const born = join(directory, 'born');
  await new Promise<void>((resolve) => server.listen(born, resolve));
  await link(born, join(directory, controlSocketName));
  await new Promise((resolve) => server.close(resolve));
}

interface Sent {
  readonly status: number | undefined;
  readonly text: string;
  readonly json: { code?: string; message?: string };
}

function send(
  socketPath: string,
  path: string,
  body: string | Buffer,
  { method = 'POST', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const request = openRequest({ socketPath, path, method, headers: { connection: 'keep-alive', ...headers } });
    request.on('response', async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
      request.destroy();
      resolve({ status: response.statusCode, text, json: JSON.parse(text) });
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function connected(socketPath: string): Promise<Socket & { text(): string }> {
  const socket = connect(socketPath);
  cleanups.push(() => socket.destroy());
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  return Object.assign(socket, { text: () => text });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function all(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** A number once it has stopped growing. */
async function settledValue(read: () => number): Promise<number> {
  let last = -1;
  let unchanged = 0;
  return until(async () => {
    unchanged = read() === last ? unchanged + 1 : 0;
    last = read();
    return unchanged >= 10 ? last : undefined;
  });
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
