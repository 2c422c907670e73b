/**
 * Connections to a cloud node over real sockets: TLS with a certificate, and WebSockets. All traffic stays on
 * 127.0.0.0/8.
 */
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { limits } from '../../src/core/limits.js';
import { Secret } from '../../src/core/secret.js';
import type { DialSecurity, ListenSecurity } from '../../src/ports/ports.js';
import {
  bytesOf,
  type ConnectionWay,
  ContractWorld,
  codeOf,
  connectionLimits,
  describeConnections,
  record,
} from './network.contract.js';
import {
  authorityCertificate,
  certificate,
  certificateKey,
  expiredCertificate,
  serverCertificate,
  serverKey,
  strangeCertificate,
} from './network-certificate.js';
import { security as clusterKey, host, makeHarness, until } from './network-sockets.js';

const serving = (pem: string, key = serverKey): ListenSecurity => ({
  kind: 'server',
  server: { certificate: pem, key: new Secret(key) },
});
const trusting: DialSecurity = { kind: 'verified', ca: authorityCertificate };
const verified: ConnectionWay = { listen: { security: serving(serverCertificate) }, dial: { security: trusting } };
const none: ConnectionWay = { listen: { security: { kind: 'none' } }, dial: { security: { kind: 'none' } } };
const webSocketOver = ({ listen, dial }: ConnectionWay): ConnectionWay => ({
  listen: { ...listen, acceptsWebSockets: true },
  dial: { ...dial, webSocketPath: '/sync?site=1' },
});

describeConnections('TCP', () => makeHarness(none));
describeConnections('TLS with a certificate', () => makeHarness(verified));
describeConnections('WebSocket', () => makeHarness(webSocketOver(none)));
describeConnections('WebSocket over TLS', () => makeHarness(webSocketOver(verified)));

let world: ContractWorld;
/** Sockets and servers of the tests themselves. */
let own: { destroy(): unknown }[];

beforeEach(async () => {
  world = new ContractWorld(await makeHarness(verified));
  own = [];
});

afterEach(async () => {
  for (const socket of own) socket.destroy();
  await world.harness.close();
});

function client(port: number, text?: string | Uint8Array) {
  const socket = connect(port, host);
  const seen = { socket, isClosed: false, text: '' };
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    seen.text += bytes.toString('latin1');
  });
  socket.on('close', () => {
    seen.isClosed = true;
  });
  if (text !== undefined) socket.write(text);
  own.push(socket);
  return seen;
}

async function listening(server: ReturnType<typeof createServer>): Promise<number> {
  own.push({ destroy: () => server.close() });
  await new Promise<void>((resolve) => {
    server.listen(0, host, resolve);
  });
  return (server.address() as { port: number }).port;
}

const keep = (socket: Socket) => {
  own.push(socket);
  socket.on('error', () => {});
};

describe('another certificate', () => {
  test('protect: a renewed certificate -> is shown to new dialers', async () => {
    const listener = await world.listen({ security: serving(expiredCertificate) });
    expect(await codeOf(world.dial(listener.port))).toBe('certificateInvalid');
    listener.protect({ security: serving(serverCertificate) });
    const near = await world.dial(listener.port);
    expect(near.protection).toEqual({ kind: 'verified' });
  });

  test('protect: a certificate that TLS cannot use -> throws, and connections are accepted as before, with the old one', async () => {
    const listener = await world.listen({ security: clusterKey, acceptsWebSockets: false });
    expect(() => listener.protect({ security: serving('no certificate'), acceptsWebSockets: true })).toThrow();
    await world.dial(listener.port, { security: clusterKey });
    await until(() => world.accepted.length === 1);
    expect(world.accepted[0]?.protection).toEqual({ kind: 'psk', keyId: 'cluster-key' });
  });

  test('protect: a connection that is secure but silent -> is cut off, and nothing is reported', async () => {
    const way = { security: serving(serverCertificate), acceptsWebSockets: true };
    const listener = await world.listen(way);
    const near = await world.dial(listener.port);
    const recorded = record();
    near.attach(recorded);
    listener.protect(way);
    await until(() => recorded.closures.length === 1);
    await world.dial(listener.port, { webSocketPath: '/sync' });
    await until(() => world.accepted.length === 1);
    expect(world.refused).toEqual([]);
  });
});

describe('a certificate', () => {
  for (const [what, security, reason] of [
    ['self-signed', serving(certificate, certificateKey), /self-signed/],
    ['expired', serving(expiredCertificate), /expired/],
    ['for another host', serving(strangeCertificate), /another host/],
  ] as const) {
    test(`dial: a certificate that is ${what} -> certificateInvalid with the reason, and no connection lasts`, async () => {
      const { port } = await world.listen({ security });
      await expect(world.dial(port)).rejects.toMatchObject({
        code: 'certificateInvalid',
        message: expect.stringMatching(reason),
      });
      // The dialer judges after the handshake, so the listener may have accepted the connection for a moment.
      const ends = world.accepted.map((connection) => {
        const recorded = record();
        connection.attach(recorded);
        return recorded;
      });
      await until(() => ends.every(({ closures }) => closures.length === 1));
    });
  }

  test('dial: an authority that only the system could know -> certificateInvalid', async () => {
    const { port } = await world.listen();
    const dialed = world.dial(port, { security: { kind: 'verified', ca: undefined } });
    await expect(dialed).rejects.toMatchObject({ code: 'certificateInvalid', message: expect.stringMatching(/`ca`/) });
  });

  test('dial: by a name that the certificate has -> opens, and the name is sent as SNI', async () => {
    let servername: unknown;
    const server = createTlsServer({ key: serverKey, cert: serverCertificate }, (socket) => {
      keep(socket);
      servername = socket.servername;
    });
    const port = await listening(server);
    await world.dial(port, { host: 'localhost' });
    await until(() => servername !== undefined);
    expect(servername).toBe('localhost');
  });

  test('dial: a server of TLS 1.2 -> protocolUnsupported', async () => {
    const port = await listening(createTlsServer({ key: serverKey, cert: serverCertificate, maxVersion: 'TLSv1.2' }));
    expect(await codeOf(world.dial(port))).toBe('protocolUnsupported');
  });

  test('dial: a server without TLS, and one with the cluster key -> protocolUnsupported', async () => {
    const plain = await listening(createServer((socket) => void socket.end('220 welcome to the mail server')));
    expect(await codeOf(world.dial(plain))).toBe('protocolUnsupported');
    const { port } = await world.listen({ security: clusterKey });
    expect(await codeOf(world.dial(port))).toBe('protocolUnsupported');
  });

  test('listen: a client of TLS 1.2, one with the cluster key, plain bytes -> refused, and others get in', async () => {
    const { port } = await world.listen();
    const old = connectTls({ host, port, maxVersion: 'TLSv1.2', rejectUnauthorized: false });
    keep(old);
    await until(() => world.refused.length === 1);
    expect(await codeOf(world.dial(port, { security: clusterKey }))).toBe('wrongClusterKey');
    client(port, 'hello, is this a plain port?');
    await until(() => world.refused.length >= 3);
    expect(world.refused.map(({ code }) => code)).toEqual(['protocolUnsupported', 'connectionLost', 'frameMalformed']);
    await world.dial(port);
  });

  test('listen: more handshakes than unauthenticatedMax -> the first gives way', async () => {
    const { port } = await world.listen({
      limits: connectionLimits({ unauthenticatedMax: 1 }),
      handshakeTimeoutMs: 300,
    });
    const first = client(port);
    await until(() => !first.socket.connecting);
    client(port);
    await until(() => first.isClosed && world.refused.length === 2);
    expect(world.refused.map(({ code }) => code)).toEqual(['connectionLimit', 'handshakeTimeout']);
  });
});

describe('one port for frames and WebSockets', () => {
  for (const [what, way] of Object.entries({ plain: none, TLS: verified })) {
    test(`listen: ${what}, frames and a WebSocket -> both are accepted, from the first byte`, async () => {
      const { port } = await world.listen({ ...way.listen, acceptsWebSockets: true });
      for (const webSocketPath of [undefined, '/']) {
        const near = await world.dial(port, { ...way.dial, webSocketPath });
        const before = world.accepted.length;
        near.write(bytesOf('\x05\0\0\0 and more'));
        await until(() => world.accepted.length > before || webSocketPath !== undefined);
        const received = record();
        world.accepted.at(-1)?.attach(received);
        await until(() => received.byteCount === 13);
        expect(received.text()).toBe('\x05\0\0\0 and more');
      }
      expect(world.refused).toEqual([]);
    });
  }

  const listen = () => world.listen({ ...none.listen, acceptsWebSockets: true, handshakeTimeoutMs: 100 });

  test.each([
    ['nothing', undefined],
    ['three bytes', 'GET'],
    ['half a request', 'GET / HTTP/1.1\r\nHost: here\r\n'],
  ])('listen: a client that sends %s -> handshakeTimeout, and it is closed', async (_, text) => {
    const { port } = await listen();
    const seen = client(port, text);
    await until(() => seen.isClosed && world.refused.length === 1);
    expect(world.refused[0]?.code).toBe('handshakeTimeout');
  });

  test.each([
    ['a request that is no upgrade', 'GET / HTTP/1.1\r\nHost: here\r\n\r\n', '426', 'protocolUnsupported'],
    [
      'an upgrade to something else',
      'GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
      '400',
      'protocolUnsupported',
    ],
    ['no HTTP after all', 'GET into the kitchen\r\n\r\n', '', 'frameMalformed'],
    ['headers without end', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`, '', 'frameMalformed'],
  ])('listen: %s -> gets a short answer, is refused and closed; others get in', async (_, text, status, code) => {
    const { port } = await listen();
    const seen = client(port, text);
    await until(() => seen.isClosed && world.refused.length === 1);
    expect(seen.text.slice(9, 12)).toBe(status);
    expect(world.refused.map((failure) => failure.code)).toEqual([code]);
    expect(world.accepted).toEqual([]);
    await world.dial(port, { ...none.dial, webSocketPath: '/' });
  });

  test('dial: a server without WebSockets, or with another path -> protocolUnsupported with the status', async () => {
    const port = await listening(
      createServer((socket) => {
        keep(socket);
        socket.on('data', () => socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'));
      }),
    );
    await expect(world.dial(port, { ...none.dial, webSocketPath: '/sync' })).rejects.toMatchObject({
      code: 'protocolUnsupported',
      message: expect.stringMatching(/404/),
    });
  });

  test('dial: a server that redirects elsewhere -> is not followed', async () => {
    const { port: elsewhere } = await listen();
    const port = await listening(
      createServer((socket) => {
        keep(socket);
        const location = `ws://${host}:${elsewhere}/`;
        socket.on('data', () => socket.end(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`));
      }),
    );
    expect(await codeOf(world.dial(port, { ...none.dial, webSocketPath: '/' }))).toBe('protocolUnsupported');
    expect(world.accepted).toEqual([]);
  });

  async function webSocket() {
    const { port } = await listen();
    const socket = new WebSocket(`ws://${host}:${port}/`, { perMessageDeflate: true });
    own.push({ destroy: () => socket.terminate() });
    socket.on('error', () => {});
    await until(() => socket.readyState === socket.OPEN && world.accepted.length === 1);
    const recorded = record();
    world.accepted[0]?.attach(recorded);
    return { socket, recorded };
  }

  test('WebSocket: a text message -> ends the connection with frameMalformed', async () => {
    const { socket, recorded } = await webSocket();
    socket.send('a text');
    await until(() => recorded.closures.length === 1);
    expect(recorded.closures[0]?.code).toBe('frameMalformed');
    expect(recorded.chunks).toEqual([]);
  });

  test('WebSocket: a message above the limit -> ends the connection; compression -> is not agreed', async () => {
    const { socket, recorded } = await webSocket();
    expect(socket.extensions).toBe('');
    socket.send(new Uint8Array(limits.webSocketMessageBytesMax));
    await until(() => recorded.byteCount === limits.webSocketMessageBytesMax);
    socket.send(new Uint8Array(limits.webSocketMessageBytesMax + 1));
    await until(() => recorded.closures.length === 1);
    expect(recorded.closures[0]?.code).toBe('frameMalformed');
    expect(recorded.byteCount).toBe(limits.webSocketMessageBytesMax);
  });

  test('WebSocket: a ping -> is answered', async () => {
    const { socket } = await webSocket();
    let pong = '';
    socket.on('pong', (data) => {
      pong = data.toString();
    });
    socket.ping('are you there');
    await until(() => pong === 'are you there');
  });

  test('WebSocket: the socket breaks -> closed with connectionLost, once', async () => {
    const { socket, recorded } = await webSocket();
    (socket as unknown as { _socket: Socket })._socket.resetAndDestroy();
    await until(() => recorded.closures.length === 1);
    expect(recorded.closures).toMatchObject([{ code: 'connectionLost' }]);
  });
});
