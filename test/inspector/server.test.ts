/**
 * The inspector's server over real sockets: which callers get in, which do not, and the bounds on what they can occupy.
 */
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { systemTime } from '../../src/adapters/time.js';
import type { Assets } from '../../src/inspector/assets.js';
import { History } from '../../src/inspector/history.js';
import {
  type InspectorServer,
  type ServerOptions,
  serveInspector,
  serverLimits,
} from '../../src/inspector/inspector-server.js';
import { closeCodes } from '../../src/inspector/pump.js';
import type { InspectorRecord } from '../../src/inspector/records.js';
import { relay } from '../../src/inspector/relay.js';
import type { Control, ServerMessage } from '../../src/inspector/wire.js';
import { until } from '../integration/cluster-fixture.js';
import { callersThatDoNotRead, callerWithoutEnd, silentCallers } from '../integration/crowd.js';

const token = 'a-token-of-the-tests';
const assets: Assets = new Map([['/index.html', { type: 'text/html', body: Buffer.from('<title>page</title>') }]]);

let history: History;
let server: InspectorServer;
let sockets: WebSocket[];

beforeEach(() => {
  history = new History();
  sockets = [];
});
afterEach(async () => {
  for (const socket of sockets) socket.terminate();
  await server.close();
});

async function serve(options: Partial<ServerOptions> = {}): Promise<InspectorServer> {
  server = await serveInspector({ history, port: 0, token, title: 'test', time: systemTime(), assets, ...options });
  return server;
}

function tell(what: string): void {
  history.add({ id: 1, node: '', atMs: 0, type: 'statemesh.world', what });
}

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
  readonly headers: NodeJS.Dict<string | string[]>;
}

function get(path: string, { host, method = 'GET' }: { host?: string; method?: string } = {}): Promise<Answer> {
  const headers = { host: host ?? `127.0.0.1:${server.port}` };
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: server.port, path, method, headers, agent: false }, (response) => {
      let body = '';
      response.on('data', (text) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode, body, headers: response.headers }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

interface Viewer {
  readonly socket: WebSocket;
  readonly messages: ServerMessage[];
  readonly records: InspectorRecord[];
  closed: number | undefined;
}

function view(path = `/records?token=${token}`, headers: Record<string, string> = {}): Viewer {
  const origin = `http://127.0.0.1:${server.port}`;
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`, { headers: { origin, ...headers } });
  sockets.push(socket);
  const viewer: Viewer = { socket, messages: [], records: [], closed: undefined };
  socket.on('message', (data) => {
    const message = JSON.parse(String(data)) as ServerMessage;
    viewer.messages.push(message);
    if (message.kind === 'records') viewer.records.push(...message.records);
  });
  socket.on('error', () => {});
  socket.on('close', (code) => {
    viewer.closed = code;
  });
  return viewer;
}

function statusOf(path: string, headers: Record<string, string | undefined> = {}): Promise<number | undefined> {
  const origin = `http://127.0.0.1:${server.port}`;
  const given = Object.fromEntries(Object.entries({ origin, ...headers }).filter(([, value]) => value !== undefined));
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`, { headers: given as Record<string, string> });
  sockets.push(socket);
  return new Promise((resolve) => {
    socket.on('error', () => {});
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode));
    socket.on('open', () => resolve(101));
  });
}

describe('the page', () => {
  it('its whole address -> the page, which may load nothing from elsewhere and sends its address nowhere', async () => {
    const { url } = await serve();
    const { pathname, search } = new URL(url.reveal());
    const { status, body, headers } = await get(pathname + search);
    expect([status, body]).toEqual([200, '<title>page</title>']);
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'$/,
    );
    expect(headers['referrer-policy']).toBe('no-referrer');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['cache-control']).toBe('no-store');
  });

  it('the address printed -> does not show the token', async () => {
    const { url, collectorUrl } = await serve();
    expect(`${url} ${JSON.stringify({ url, collectorUrl })}`).not.toContain(token);
  });

  it('the address -> has the token in its fragment, which no browser sends; the page is the same with and without it', async () => {
    const { url } = await serve();
    expect(new URL(url.reveal())).toMatchObject({ pathname: '/', search: '', hash: `#token=${token}` });
    for (const path of ['/', '/?token=wrong', '/index.html']) {
      expect(await get(path)).toMatchObject({ status: 200, body: '<title>page</title>' });
    }
  });

  it.each(['evil.example', 'evil.example:PORT', '127.0.0.1', '127.0.0.1:1', '0.0.0.0:PORT', '192.168.1.2:PORT'])(
    'the host %s -> refused',
    async (host) => {
      await serve();
      const { status } = await get(`/?token=${token}`, { host: host.replace('PORT', `${server.port}`) });
      expect(status).toBe(421);
    },
  );

  it.each(['localhost', '[::1]'])('the host %s -> counts as this machine', async (name) => {
    await serve();
    expect((await get(`/?token=${token}`, { host: `${name}:${server.port}` })).status).toBe(200);
  });

  it.each(['/../package.json', '/%2e%2e/package.json', '/assets/../../package.json', '//etc/passwd', '/index.html%00'])(
    '%s -> only files of the page are served',
    async (path) => {
      await serve();
      expect([403, 404, 400]).toContain((await get(path)).status);
    },
  );

  it('another method -> refused', async () => {
    await serve();
    expect((await get(`/?token=${token}`, { method: 'POST' })).status).toBe(405);
    expect(await get(`/?token=${token}`, { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  });

  it('a taken port -> an error that says what to do', async () => {
    await serve();
    const again = serveInspector({ history, port: server.port, token, title: '', time: systemTime(), assets });
    await expect(again).rejects.toMatchObject({ code: 'portInUse', message: expect.stringContaining('another one') });
  });
});

describe('viewers', () => {
  it('a viewer that comes late -> receives everything, then what comes', async () => {
    await serve();
    for (let index = 0; index < 2_000; index++) tell(`${index}`);
    const viewer = view();
    await until('it has caught up', () => viewer.messages.some(({ kind }) => kind === 'caughtUp'));
    expect(viewer.messages[0]).toMatchObject({ kind: 'hello', version: 1, title: 'test', isLive: true, controls: [] });
    expect(viewer.records).toHaveLength(2_000);
    tell('later');
    await until('it is told', () => viewer.records.length === 2_001);
    expect(viewer.records.at(-1)).toMatchObject({ what: 'later' });
  });

  it.each([
    ['a wrong token', '/records?token=wrong', {}, 403],
    ['no token', '/records', {}, 403],
    ['another origin', `/records?token=${token}`, { origin: 'http://evil.example' }, 403],
    ['no origin', `/records?token=${token}`, { origin: undefined }, 403],
    ['another host', `/records?token=${token}`, { host: 'evil.example', origin: 'http://evil.example' }, 421],
    ['another stream', `/secrets?token=${token}`, {}, 400],
    ['a collector where none is', `/collect?token=${token}`, { origin: undefined }, 400],
  ])('%s -> refused before anything is sent', async (_, path, headers, status) => {
    await serve();
    tell('secret');
    expect(await statusOf(path, headers)).toBe(status);
  });

  it('too many viewers -> refused; when one leaves, there is room again', async () => {
    await serve();
    const viewers = Array.from({ length: serverLimits.viewersMax }, () => view());
    await until('all are in', () => viewers.every(({ messages }) => messages.length > 0));
    expect(await statusOf(`/records?token=${token}`)).toBe(403);
    viewers[0]?.socket.close();
    await until('there is room', async () => (await statusOf(`/records?token=${token}`)) === 101);
  });

  it('a viewer that does not read -> is dropped when its unread records are forgotten; another one receives all', async () => {
    history = new History({ recordsMax: 500, charactersMax: 1e9 });
    await serve();
    const [slow, quick] = [view(), view()];
    await until('both are in', () => [slow, quick].every(({ messages }) => messages.length > 0));
    slow.socket.pause();
    const text = 'x'.repeat(20_000);
    let told = 0;
    const isHeard = () => quick.records.at(-1)?.id === told;
    while (told < 2_000) {
      for (let index = 0; index < 100; index++) {
        told += 1;
        history.add({ id: told, node: '', atMs: 0, type: 'statemesh.world', what: text });
      }
      await until('the quick one has heard it', isHeard);
      quick.messages.length = 0;
    }
    slow.socket.resume();
    await until('the slow one is dropped', () => slow.closed !== undefined);
    expect([slow.closed, quick.closed]).toEqual([closeCodes.tooSlow, undefined]);
    expect([slow.records.length < told, quick.records.length]).toEqual([true, told]);
  }, 60_000);

  /** A viewer that reads no answer before it has asked for more than a system holds for it: tens of megabytes. */
  async function askAndNotRead(ask: (socket: WebSocket) => void, { count, atOnce }: { count: number; atOnce: number }) {
    const viewer = view();
    await until('it is in', () => viewer.messages.length > 0);
    viewer.socket.pause();
    for (let asked = 0; asked < count; asked += 1) {
      ask(viewer.socket);
      if (asked % atOnce === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    return viewer;
  }

  it('commands whose answers are not read -> the viewer is dropped, when they find no room', async () => {
    const count = 10_000;
    await serve({ controls: ['heal'], controller: async () => 'x'.repeat(10_000) });
    const heal = JSON.stringify({ kind: 'control', request: 1, control: { name: 'heal' } });
    const viewer = await askAndNotRead((socket) => socket.send(heal), { count, atOnce: 8 });
    viewer.socket.resume();
    await until('it is dropped', () => viewer.closed !== undefined);
    expect([viewer.closed, viewer.messages.length < count]).toEqual([closeCodes.tooSlow, true]);
  }, 60_000);

  it('pings whose answers are not read -> are not answered, when they find no room', async () => {
    const count = 600_000;
    await serve();
    let pongs = 0;
    const { socket, records } = await askAndNotRead((own) => own.ping('x'.repeat(100)), { count, atOnce: 2_000 });
    socket.on('pong', () => {
      pongs += 1;
    });
    socket.resume();
    tell('it is still there');
    await until('it hears what comes', () => records.length > 0);
    expect(pongs).toBeLessThan(count);
  }, 60_000);

  it('garbage instead of a request, and more of it than fits -> the server continues', async () => {
    await serve();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 20_000 }), async (bytes) => {
        const socket = connect(server.port, '127.0.0.1');
        socket.on('error', () => {});
        socket.write(bytes, () => socket.destroy());
        await new Promise((resolve) => socket.once('close', resolve));
      }),
      { numRuns: 40 },
    );
    expect((await get(`/?token=${token}`)).status).toBe(200);
  });
});

describe('controls', () => {
  const put: Control = { name: 'put', node: 'a', collection: 'c', key: 'k', document: 1 };

  async function ask(message: unknown, options: Partial<ServerOptions> = {}): Promise<ServerMessage | undefined> {
    await serve(options);
    const viewer = view();
    await until('it is in', () => viewer.messages.length > 0);
    viewer.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
    await until(
      'it is answered',
      () => viewer.messages.some(({ kind }) => kind === 'reply') || viewer.closed !== undefined,
    );
    return viewer.messages.find(({ kind }) => kind === 'reply');
  }

  it('controls that are allowed -> carried out, and answered', async () => {
    const asked: Control[] = [];
    const controller = async (control: Control) => {
      asked.push(control);
      return 'done';
    };
    const reply = await ask({ kind: 'control', request: 7, control: put }, { controls: ['put'], controller });
    expect(reply).toEqual({ kind: 'reply', request: 7, isDone: true, message: 'done' });
    expect(asked).toEqual([put]);
  });

  it('controls that are not allowed -> refused', async () => {
    expect(await ask({ kind: 'control', request: 1, control: put })).toMatchObject({ isDone: false });
  });

  it('a control that is not on the list -> refused', async () => {
    const controller = async () => 'done';
    const control: Control = { name: 'crash', node: 'a' };
    const reply = await ask({ kind: 'control', request: 1, control }, { controls: ['put'], controller });
    expect(reply).toMatchObject({ isDone: false, message: expect.stringContaining('without controls') });
  });

  it.each(['no JSON', {}, { kind: 'control' }, { kind: 'control', request: 1, control: { name: 'eval', code: '1' } }])(
    '%j -> refused as malformed',
    async (message) => {
      const reply = await ask(message, { controls: ['put'], controller: async () => 'done' });
      expect(reply).toMatchObject({ isDone: false });
    },
  );

  it('a control that fails -> its message, no stack', async () => {
    const controller = async () => {
      throw new Error('It cannot be.');
    };
    const reply = await ask({ kind: 'control', request: 1, control: put }, { controls: ['put'], controller });
    expect(reply).toEqual({ kind: 'reply', request: 1, isDone: false, message: 'It cannot be.' });
  });
});

describe('other processes', () => {
  it('records of a process -> arrive and are shown; when the process disconnects, it is gone', async () => {
    const { collectorUrl } = await serve({ collects: true });
    const theirs = new History();
    theirs.add({ id: 1, node: 'shop-1', atMs: 1, type: 'statemesh.process', what: 'began' });
    const stop = relay({ url: collectorUrl.reveal(), history: theirs, time: systemTime() });
    await until('it has come', () => history.end === 1);
    theirs.add({ id: 2, node: 'shop-1', atMs: 2, type: 'statemesh.world', what: 'hello' });
    await until('it has come, too', () => history.end === 2);
    stop();
    await until('its end is told', () => history.end === 3);
    const last = history
      .read(0, { linesMax: 10, charactersMax: 1e6 })
      ?.map((line) => JSON.parse(line) as InspectorRecord)
      .at(-1);
    expect(last).toMatchObject({ node: 'shop-1', type: 'statemesh.process', what: 'ended' });
  });

  it('the inspector starts late, or restarts -> the process connects again by itself', async () => {
    const first = await serve({ collects: true });
    const url = first.collectorUrl.reveal();
    await first.close();
    const theirs = new History();
    const stop = relay({ url, history: theirs, time: systemTime() });
    theirs.add({ id: 1, node: 'shop-1', atMs: 1, type: 'statemesh.process', what: 'began' });
    await serve({ collects: true, port: first.port });
    await until('it has come', () => history.end > 0);
    stop();
  });

  it.each([
    ['a wrong token', `/collect?token=wrong`, { origin: undefined }, 403],
    ['a page', `/collect?token=${token}`, {}, 403],
  ])('%s -> refused', async (_, path, headers, status) => {
    await serve({ collects: true });
    expect(await statusOf(path, headers)).toBe(status);
  });

  it('invalid records -> their sender is disconnected, and none of them is kept', async () => {
    await serve({ collects: true });
    const stamp = '"id":1,"node":"x","atMs":0';
    // It can be parsed, but not serialized again.
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    const wrong = ['no JSON', '{}', '[1]', '[{"id":1}]', `[{${stamp},"type":"eval"}]`];
    wrong.push(`[{${stamp},"type":"statemesh.process","what":"began","more":${deep}}]`);
    for (const text of wrong) {
      const socket = new WebSocket(`ws://127.0.0.1:${server.port}/collect?token=${token}`);
      sockets.push(socket);
      await new Promise((resolve) => socket.once('open', resolve));
      socket.send(text);
      expect(await new Promise((resolve) => socket.once('close', resolve))).toBe(1_008);
    }
    expect(history.end).toBe(0);
  });

  it.each(['ws://192.168.1.5:9/collect', 'wss://127.0.0.1:9/collect', 'http://127.0.0.1:9/', 'nothing'])(
    'the collector %s -> is not on this machine, or invalid: refused before anything is sent',
    async (url) => {
      await serve();
      expect(() => relay({ url, history, time: systemTime() })).toThrow(/inspector.collector/);
    },
  );

  it('300 local connections that say nothing -> the page is served, and records flow', async () => {
    await serve();
    const silent = await silentCallers(server.port, 300);
    expect((await get(`/?token=${token}`)).status).toBe(200);
    tell('something');
    const viewer = view();
    await until('records come', () => viewer.records.length === 1);
    // It is not closed to make room.
    const more = await silentCallers(server.port, serverLimits.waitingMax + 1);
    expect(viewer.closed).toBe(undefined);
    silent.close();
    more.close();
  });

  it('local connections that send many requests and do not read -> the page is served', async () => {
    await serve();
    const crowd = await callersThatDoNotRead({ port: server.port, path: '/' }, serverLimits.answeredMax);
    expect((await get('/')).status).toBe(200);
    crowd.close();
  });

  it('local connections that send a body without end -> each is closed as soon as it is answered', async () => {
    await serve();
    expect(await callerWithoutEnd({ port: server.port, path: '/' })).toBeLessThan(3_000);
  });

  it('a caller that is refused a stream and stays -> is closed', async () => {
    await serve();
    const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
    const headers = ['Connection: Upgrade', 'Upgrade: websocket', `Host: 127.0.0.1:${server.port}`];
    socket.write(`GET /records HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
    let isClosed = false;
    socket
      .on('error', () => {})
      .on('close', () => {
        isClosed = true;
      });
    socket.resume();
    await until('it is refused', () => socket.readableEnded);
    socket.write('still here');
    await until('it is closed', () => {
      socket.write('and here');
      return isClosed;
    });
  });
});
