/** The real network: the contract, and faults that only real sockets have. All traffic stays on 127.0.0.0/8. */
import { createSocket } from 'node:dgram';
import { EventEmitter } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect as connectTls,
  createServer as createTlsServer,
  type TLSSocket,
} from 'node:tls';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { lanBroadcastAddresses } from '../../src/adapters/broadcast-addresses.js';
import { createNetwork } from '../../src/adapters/network.js';
import { addressText, dialError, listenError, plainHost } from '../../src/adapters/network-errors.js';
import { TcpConnection } from '../../src/adapters/tcp-connection.js';
import { pskServerOptions } from '../../src/adapters/tls-options.js';
import type { Failure } from '../../src/core/errors.js';
import { limits } from '../../src/core/limits.js';
import type { ConnectionSecurity } from '../../src/ports/ports.js';
import { bytesOf, ContractWorld, codeOf, connectionLimits, describeNetwork, record } from './network.contract.js';
import { certificate, certificateKey } from './network-certificate.js';
import { type Children, createChildren } from './network-child.js';
import { freeUdpPort, host, key, keyId, makeHarness, security, until } from './network-sockets.js';

describeNetwork('sockets', makeHarness);

let world: ContractWorld;
/** Sockets and servers of the tests themselves. */
let own: { destroy(): unknown }[];

beforeEach(async () => {
  world = new ContractWorld(await makeHarness());
  own = [];
});

afterEach(async () => {
  for (const socket of own) socket.destroy();
  await world.harness.close();
});

/** A bare TCP client: the bytes that it received, and whether it was closed. */
function rawClient(port: number, bytes?: Uint8Array | string) {
  const socket = connect(port, host);
  const seen = { socket, isClosed: false, bytes: 0 };
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    seen.bytes += chunk.length;
  });
  socket.on('close', () => {
    seen.isClosed = true;
  });
  if (bytes !== undefined) socket.write(bytes);
  own.push(socket);
  return seen;
}

async function rawServer(connected: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer((socket) => {
    own.push(socket);
    socket.on('error', () => {});
    connected(socket);
  });
  own.push({ destroy: () => server.close() });
  await new Promise<void>((resolve) => {
    server.listen(0, host, resolve);
  });
  return (server.address() as { port: number }).port;
}

describe('TLS listener', () => {
  const plain: [string, string | Uint8Array, Failure['code']][] = [
    ['text', 'hello, is this a plain port?', 'frameMalformed'],
    ['an HTTP request', 'GET / HTTP/1.1\r\n\r\n', 'frameMalformed'],
    ['a frame of EntglDB', Uint8Array.of(0x15, 0, 0, 0, 1, 0, 0x0a, 3, 0x63, 0x6c, 0x69), 'frameMalformed'],
    ['a TLS record that holds no handshake', Uint8Array.of(22, 3, 1, 0, 5, 1, 2, 3, 4, 5), 'frameMalformed'],
  ];
  for (const [what, bytes, code] of plain) {
    test(`TLS listener: ${what} -> refused as ${code}, the client is closed, others get in`, async () => {
      const listening = await world.listen();
      const client = rawClient(listening.port, bytes);
      await until(() => client.isClosed && world.refused.length === 1);
      expect(world.refused).toEqual([{ code, message: expect.any(String) }]);
      await world.connectTo(listening);
    });
  }

  test('TLS listener: a client of TLS 1.2 -> refused as protocolUnsupported', async () => {
    const listening = await world.listen();
    const client = tlsClient(listening.port, { maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' });
    await until(() => client.isClosed && world.refused.length === 1);
    expect(world.refused[0]?.code).toBe('protocolUnsupported');
  });

  test('TLS listener: a client without a key -> refused as wrongClusterKey', async () => {
    const listening = await world.listen();
    const client = tlsClient(listening.port, { rejectUnauthorized: false });
    await until(() => client.isClosed && world.refused.length === 1);
    expect(world.refused[0]?.code).toBe('wrongClusterKey');
    expect(client.isSecure).toBe(false);
  });

  for (const [what, bytes] of [
    ['says nothing', undefined],
    ['stops in the middle of a record', Uint8Array.of(22, 3, 1, 2, 0, 1)],
  ] as const) {
    test(`TLS listener: a client that ${what} -> handshakeTimeout, and it is closed`, async () => {
      const listening = await world.listen({ handshakeTimeoutMs: 50 });
      const client = rawClient(listening.port, bytes);
      await until(() => client.isClosed);
      await until(() => world.refused.length === 1);
      expect(world.refused[0]?.code).toBe('handshakeTimeout');
    });
  }

  test('TLS listener: a client that hangs up in the handshake -> connectionLost, once', async () => {
    const listening = await world.listen();
    const client = rawClient(listening.port);
    client.socket.on('connect', () => client.socket.resetAndDestroy());
    await until(() => world.refused.length === 1);
    await world.connectTo(listening);
    expect(world.refused.map(({ code }) => code)).toEqual(['connectionLost']);
  });

  test('TLS listener: more handshakes than unauthenticatedMax -> the first gives way; a member gets in', async () => {
    const listening = await world.listen({ limits: connectionLimits({ unauthenticatedMax: 2 }) });
    const silent = [rawClient(listening.port), rawClient(listening.port)];
    await until(() => silent.every(({ socket }) => !socket.connecting));
    const third = rawClient(listening.port);
    await until(() => silent[0]?.isClosed === true);
    expect(world.refused.map(({ code }) => code)).toEqual(['connectionLimit']);
    const { far } = await world.connectTo(listening);
    far.admitted();
    await world.connectTo(listening);
    expect(third.isClosed).toBe(false);
  });

  test('TLS listener: a client with an old session and no key -> refused in the handshake', async () => {
    const listening = await world.listen();
    const first = tlsClient(listening.port, { pskCallback: () => ({ identity: keyId, psk: key }) });
    await until(() => first.session !== undefined && world.accepted.length === 1);
    const again = tlsClient(listening.port, { session: first.session as Buffer, rejectUnauthorized: false });
    await until(() => again.isClosed && world.refused.length === 1);
    expect(again.isSecure).toBe(false);
    expect(world.refused[0]?.code).toBe('wrongClusterKey');
    expect(world.accepted).toHaveLength(1);
  });

  test('TLS listener: a key that has left the ring -> neither it nor its session gets in again', async () => {
    const withKey = { pskCallback: () => ({ identity: keyId, psk: key }) };
    const listening = await world.listen();
    const first = tlsClient(listening.port, withKey);
    await until(() => first.session !== undefined && world.accepted.length === 1);
    listening.protect({ security: { kind: 'psk', keys: [{ keyId: 'another-key', key: new Uint8Array(32).fill(2) }] } });
    const session = first.session as Buffer;
    for (const shown of [{ session, rejectUnauthorized: false }, withKey, { ...withKey, session }]) {
      const again = tlsClient(listening.port, shown);
      await until(() => again.isClosed);
      expect(again.isSecure).toBe(false);
    }
    await until(() => world.refused.length === 3);
    expect(world.refused.map(({ code }) => code)).toEqual(Array(3).fill('wrongClusterKey'));
    expect([world.accepted.length, first.isClosed]).toEqual([1, false]);
  });

  test('TLS listener: other names that OpenSSL asks for, tickets among them -> no key, and nothing is named', () => {
    const named: unknown[] = [];
    const { pskCallback } = pskServerOptions({
      keys: [{ keyId, key }],
      handshakeTimeoutMs: 1,
      named: (socket, name) => named.push([socket, name]),
    });
    const socket = {} as TLSSocket;
    for (const identity of ['', 'q', 'jH', `${keyId} `]) expect(pskCallback?.(socket, identity)).toBe(null);
    expect(named).toEqual([]);
    expect(pskCallback?.(socket, keyId)).toBe(key);
    expect(named).toEqual([[socket, keyId]]);
  });

  test('TLS listener: closed during a handshake -> the client is closed, and nothing is reported', async () => {
    const listening = await world.listen();
    const client = rawClient(listening.port);
    await until(() => !client.socket.connecting);
    const { near, far } = await world.connectTo(listening);
    await listening.close();
    await until(() => client.isClosed);
    expect(world.refused).toEqual([]);
    const received = record();
    far.attach(received);
    near.write(bytesOf('up'));
    await until(() => received.text() === 'up');
  });

  test('TLS listener: garbage after the handshake -> connectionLost with its cause, and the process lives', async () => {
    const { far, listening } = await world.connect();
    far.destroy();
    const relay = await relayTo(listening.port);
    const near = await world.dial(relay.port);
    await until(() => world.accepted.length === 2);
    const received = record();
    world.accepted[1]?.attach(received);
    near.write(bytesOf('hello'));
    await until(() => received.text() === 'hello');
    relay.upstream().write('this is not a TLS record at all');
    await until(() => received.closures.length === 1);
    expect(received.closures[0]).toStrictEqual({
      code: 'connectionLost',
      message: expect.stringMatching(/127\.0\.0\.1:\d+ broke \(ERR_SSL_\w+\)/),
    });
  });

  test('TLS connection: bytes on the wire -> do not show the plaintext', async () => {
    const listening = await world.listen();
    const relay = await relayTo(listening.port);
    const near = await world.dial(relay.port);
    await until(() => world.accepted.length === 1);
    const received = record();
    world.accepted[0]?.attach(received);
    near.write(bytesOf('a very secret sentence'));
    await until(() => received.text() === 'a very secret sentence');
    expect(relay.seen().includes('secret')).toBe(false);
    expect(relay.seen().includes(keyId)).toBe(true);
  });

  interface TlsClient {
    isClosed: boolean;
    isSecure: boolean;
    session: Buffer | undefined;
  }

  function tlsClient(port: number, options: ConnectionOptions): TlsClient {
    const seen: TlsClient = { isClosed: false, isSecure: false, session: undefined };
    const socket: TLSSocket = connectTls({ host, port, checkServerIdentity: () => undefined, ...options });
    socket.on('session', (session) => {
      seen.session = session;
    });
    socket.on('secureConnect', () => {
      seen.isSecure = true;
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      seen.isClosed = true;
    });
    socket.resume();
    own.push(socket);
    return seen;
  }

  /** Stands between two ends and sees the bytes of the dialer. */
  async function relayTo(port: number) {
    let upstream: Socket | undefined;
    let seen = Buffer.alloc(0);
    const relayPort = await rawServer((downstream) => {
      upstream = connect(port, host);
      upstream.on('error', () => {});
      own.push(upstream);
      downstream.on('data', (bytes: Buffer) => {
        seen = Buffer.concat([seen, bytes]);
      });
      downstream.pipe(upstream).pipe(downstream);
    });
    return { port: relayPort, upstream: () => upstream as Socket, seen: () => seen };
  }
});

describe('dial', () => {
  test('dial: a plain server that stays silent -> connectionTimeout, and the socket is closed', async () => {
    let isClosed = false;
    const port = await rawServer((socket) => {
      socket.resume();
      socket.on('close', () => {
        isClosed = true;
      });
    });
    expect(await codeOf(world.dial(port, { timeoutMs: 50 }))).toBe('connectionTimeout');
    await until(() => isClosed);
  });

  test('dial: a plain server that sends data -> wrongClusterKey, because it has no key', async () => {
    const port = await rawServer((socket) => socket.write('220 welcome to the mail server'));
    await expect(world.dial(port)).rejects.toMatchObject({
      code: 'wrongClusterKey',
      message: expect.stringMatching(/does not speak TLS/),
    });
  });

  test('dial: a server that closes or resets at once -> connectionLost', async () => {
    const closing = await rawServer((socket) => socket.end());
    expect(await codeOf(world.dial(closing))).toBe('connectionLost');
    const resetting = await rawServer((socket) => socket.resetAndDestroy());
    expect(await codeOf(world.dial(resetting))).toBe('connectionLost');
  });

  test('dial: a trusted certificate instead of the key -> wrongClusterKey', async () => {
    const server = createTlsServer({ key: certificateKey, cert: certificate }, (socket) => {
      own.push(socket);
      socket.on('error', () => {});
    });
    own.push({ destroy: () => server.close() });
    await new Promise<void>((resolve) => {
      server.listen(0, host, resolve);
    });
    const { port } = server.address() as { port: number };
    const children = createChildren();
    try {
      const { writeFileSync } = await import('node:fs');
      const file = `${children.directory}/authority.pem`;
      writeFileSync(file, certificate);
      const child = children.start(
        `import { connect } from 'node:tls';
        import { createNetwork } from './adapters/network.js';
        const target = { host: '${host}', port: ${port} };
        const control = connect(target, () => { console.log('control', control.authorized); control.destroy(); });
        control.on('error', (error) => console.log('control', error.code));
        const security = { kind: 'psk', keys: [{ keyId: 'cluster-key', key: new Uint8Array(32).fill(1) }] };
        const { signal } = new AbortController();
        createNetwork().dial({ ...target, security, timeoutMs: 5000, signal }).then(
          () => console.log('dial resolved'), (error) => console.log('dial', error.code));`,
        { NODE_EXTRA_CA_CERTS: file },
      );
      await until(() => child.lines.length === 2);
      expect([...child.lines].sort()).toEqual(['control true', 'dial wrongClusterKey']);
    } finally {
      await children.close();
    }
  });
});

describe('listen', () => {
  test('listen: without security, a connection reset before attach -> connectionLost when attached', async () => {
    const listening = await world.listen({ security: { kind: 'none' } });
    const client = rawClient(listening.port);
    await until(() => world.accepted.length === 1);
    client.socket.resetAndDestroy();
    const recorded = record();
    world.accepted[0]?.attach(recorded);
    await until(() => recorded.closures.length === 1);
    expect(recorded.closures[0]).toMatchObject({
      code: 'connectionLost',
      message: expect.stringMatching(/ECONNRESET/),
    });
  });
});

describe('TcpConnection', () => {
  /** The part of a socket that a connection needs, moved by hand. */
  class HandSocket extends EventEmitter {
    writable = true;
    destroyed = false;
    writableLength = 0;
    isEnded = false;

    setNoDelay(): this {
      return this;
    }

    end(): void {
      this.isEnded = true;
      this.writable = false;
    }

    destroy(): void {
      if (this.destroyed) return;
      this.destroyed = true;
      this.emit('close');
    }
  }

  let socket: HandSocket;
  let connection: TcpConnection;

  beforeEach(() => {
    jest.useFakeTimers();
    socket = new HandSocket();
    connection = new TcpConnection(socket as unknown as Socket, 'other:1', { kind: 'none' });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  test('end: the queue keeps shrinking -> goes on; when it stands still -> destroyed', () => {
    socket.writableLength = 1_000;
    connection.end();
    for (let round = 0; round < 5; round += 1) {
      socket.writableLength -= 100;
      jest.advanceTimersByTime(limits.lingerMs);
      expect(socket.destroyed).toBe(false);
    }
    jest.advanceTimersByTime(limits.lingerMs);
    expect(socket.destroyed).toBe(true);
  });

  test('end: nothing is queued and the other side does not close -> destroyed; no timer stays', () => {
    connection.end();
    connection.end();
    jest.advanceTimersByTime(limits.lingerMs - 1);
    expect(socket.destroyed).toBe(false);
    jest.advanceTimersByTime(1);
    expect(socket.destroyed).toBe(true);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('end: the other side closes in good order -> closed without a failure, no timer stays', () => {
    const recorded = record();
    connection.attach(recorded);
    connection.end();
    socket.emit('end');
    socket.emit('close');
    expect(recorded.closures).toStrictEqual([undefined]);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('the other side ends but does not take the queued bytes -> destroyed', () => {
    socket.writableLength = 1_000;
    socket.emit('end');
    jest.advanceTimersByTime(limits.lingerMs);
    expect(socket.destroyed).toBe(true);
  });
});

describe('network errors', () => {
  const dialed: [string, Failure['code']][] = [
    ['ENOTFOUND', 'connectionRefused'],
    ['EHOSTUNREACH', 'connectionRefused'],
    ['ETIMEDOUT', 'connectionTimeout'],
    ['ECONNRESET', 'connectionLost'],
    ['EMFILE', 'descriptorsExhausted'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'wrongClusterKey'],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'wrongClusterKey'],
  ];
  for (const [systemCode, code] of dialed) {
    test(`dial: ${systemCode} -> ${code}, with the address and the cause`, () => {
      const cause = Object.assign(new Error('cause'), { code: systemCode });
      const error = dialError(cause, '::1', 7000);
      expect(error.code).toBe(code);
      expect(error.message).toContain('[::1]:7000');
    });
  }

  test('address: IPv6, and IPv4 as a listener on :: sees it -> as people write them', () => {
    expect(addressText('10.0.0.1', 1)).toBe('10.0.0.1:1');
    expect(addressText('::ffff:10.0.0.1', 1)).toBe('10.0.0.1:1');
    expect(addressText('fe80::1', 1)).toBe('[fe80::1]:1');
    expect(plainHost('::ffff:10.0.0.1')).toBe('10.0.0.1');
    expect(plainHost('::ffff:0')).toBe('::ffff:0');
  });

  for (const systemCode of ['EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND']) {
    test(`listen: ${systemCode} -> addressUnavailable, with the address and the cause`, () => {
      const cause = Object.assign(new Error('cause'), { code: systemCode });
      const error = listenError(cause, '0.0.0.0', 80);
      expect(error).toMatchObject({
        code: 'addressUnavailable',
        message: expect.stringContaining('0.0.0.0:80'),
        cause,
      });
    });
  }
});

describe('datagrams', () => {
  let children: Children;

  beforeEach(() => {
    children = createChildren();
  });

  afterEach(async () => {
    await children.close();
  });

  test('datagrams: three processes -> each hears the others, from an address that can be dialed', async () => {
    const port = await freeUdpPort();
    const heard: string[] = [];
    const datagrams = await world.harness.server.openDatagrams({
      port,
      scope: 'loopback',
      received: (bytes, senderHost) => heard.push(`${senderHost} ${Buffer.from(bytes)}`),
      failed: (failure) => heard.push(failure.message),
    });
    const source = (name: string) => `
      import { createNetwork } from './adapters/network.js';
      const datagrams = await createNetwork().openDatagrams({ port: ${port}, scope: 'loopback',
        received: (bytes, senderHost) => console.log(senderHost + ' ' + Buffer.from(bytes)),
        failed: (failure) => console.log(failure.message) });
      console.log('ready');
      process.stdin.on('data', () => datagrams.broadcast(Buffer.from('${name}')));`;
    const processes = [children.start(source('a')), children.start(source('b'))];
    await until(() => processes.every(({ lines }) => lines.includes('ready')));
    datagrams.broadcast(bytesOf('parent'));
    for (const child of processes) child.say('speak');
    const everything = ['127.0.0.1 a', '127.0.0.1 b', '127.0.0.1 parent'];
    for (const lines of [heard, ...processes.map((child) => child.lines)]) {
      await until(() => everything.every((line) => lines.includes(line)));
    }
  });

  test('datagrams: a program that does not share holds the port -> portInUse', async () => {
    const port = await freeUdpPort();
    const holder = createSocket('udp4');
    own.push({ destroy: () => holder.close() });
    await new Promise<void>((resolve) => {
      holder.bind(port, '127.255.255.255', resolve);
    });
    const opened = world.harness.server.openDatagrams({
      port,
      scope: 'loopback',
      received: () => {},
      failed: () => {},
    });
    await expect(opened).rejects.toMatchObject({ code: 'portInUse', message: expect.stringContaining(String(port)) });
  });
});

describe('lanBroadcastAddresses', () => {
  const info = (address: string, netmask: string, family: 'IPv4' | 'IPv6' = 'IPv4', internal = false) =>
    ({ address, netmask, family, internal, mac: '', cidr: null, scopeid: 0 }) as never;

  test('broadcast addresses: several interfaces -> one for each network, and loopback', () => {
    const interfaces = {
      lo: [info('127.0.0.1', '255.0.0.0', 'IPv4', true), info('10.1.1.1', '255.255.255.0', 'IPv4', true)],
      lo6: [info('::1', 'ffff::', 'IPv6', true)],
      eth0: [info('192.168.1.17', '255.255.255.0'), info('fe80::1', 'ffff::', 'IPv6')],
      eth1: [info('10.20.30.40', '255.255.240.0')],
      wlan0: [info('192.168.1.99', '255.255.255.0')],
      high: [info('223.255.0.1', '255.0.0.0')],
      none: undefined,
    };
    expect(lanBroadcastAddresses(interfaces).sort()).toEqual([
      '10.20.31.255',
      '127.255.255.255',
      '192.168.1.255',
      '223.255.255.255',
    ]);
  });

  test('broadcast addresses: no interface, a point-to-point link, nonsense -> loopback only', () => {
    const interfaces = {
      tun0: [info('10.8.0.2', '255.255.255.255'), info('10.8.0.4', '255.255.255.254')],
      odd: [info('10.8.0', '255.0.0.0'), info('1.2.3.4', 'x')],
    };
    expect(lanBroadcastAddresses(interfaces)).toEqual(['127.255.255.255']);
    expect(lanBroadcastAddresses({})).toEqual(['127.255.255.255']);
  });
});

describe('closeAll', () => {
  test('closeAll: after every kind of socket -> the process holds no more handles than before', async () => {
    const handles = () => (process as unknown as { _getActiveHandles(): object[] })._getActiveHandles();
    const before = new Set(handles());
    const network = createNetwork();
    const options = {
      host,
      port: 0,
      limits: connectionLimits(),
      handshakeTimeoutMs: 5_000,
      accepted: () => {},
      refused: () => {},
    };
    const { signal } = new AbortController();
    for (const kind of [security, { kind: 'none' } as ConnectionSecurity]) {
      const { port } = await network.listen({ ...options, security: kind });
      await network.dial({ host, port, security: kind, timeoutMs: 5_000, signal });
      const ended = await network.dial({ host, port, security: kind, timeoutMs: 5_000, signal });
      ended.end();
      const nowhere = network.dial({ host, port: 70_000, security: kind, timeoutMs: 5_000, signal });
      expect(await codeOf(nowhere)).toBe('connectionRefused');
      rawClient(port);
      // Under way when everything closes.
      void network.dial({ host, port, security: kind, timeoutMs: 5_000, signal }).catch(() => {});
    }
    await network.openDatagrams({ port: await freeUdpPort(), scope: 'loopback', received: () => {}, failed: () => {} });
    await network.closeAll();
    for (const socket of own) socket.destroy();
    await until(() => handles().every((handle) => before.has(handle)));
  });
});
