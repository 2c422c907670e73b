/** The real HTTP adapter: the contract, and faults of which only real servers are capable. */
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHttp } from '../../src/adapters/http.js';
import { limits } from '../../src/core/limits.js';
import { describeHttp, type HttpHarness } from './http.contract.js';
import { authorityCertificate, expiredCertificate, serverCertificate, serverKey } from './network-certificate.js';

const host = '127.0.0.1';
const timeoutMs = 300;

describeHttp('sockets', async () => {
  const servers: Server[] = [];
  const harness: HttpHarness = {
    http: createHttp(timeoutMs),
    timeoutMs,
    ca: authorityCertificate,
    async serve(handler, { tls = false } = {}) {
      const listener: RequestListener = async (request, response) => {
        const pieces: Buffer[] = [];
        for await (const piece of request) pieces.push(piece as Buffer);
        const { method = '', url: path = '' } = request;
        const headers = request.headers as Record<string, string>;
        const answer = handler({ method, path, headers, body: Buffer.concat(pieces).toString() });
        if (answer === undefined) return;
        response.writeHead(answer.status ?? 200, answer.headers);
        response.end(answer.body);
      };
      const server = tls
        ? createTlsServer({ key: serverKey, cert: serverCertificate }, listener)
        : createServer(listener);
      return `${tls ? 'https' : 'http'}://${host}:${await listen(server, servers)}`;
    },
    async nowhere() {
      const own: Server[] = [];
      const port = await listen(createTcpServer(), own);
      await closeAll(own);
      return `http://${host}:${port}`;
    },
    settle: (promise) => promise,
    close: () => closeAll(servers),
  };
  return harness;
});

async function listen(server: Server, servers: Server[]): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, host, resolve);
  });
  return (server.address() as { port: number }).port;
}

async function closeAll(servers: Server[]): Promise<void> {
  for (const server of servers) {
    await new Promise((resolve) => {
      server.close(resolve);
      (server as { closeAllConnections?(): void }).closeAllConnections?.();
    });
  }
}

describe('http over sockets', () => {
  let servers: Server[];
  beforeEach(() => {
    servers = [];
  });
  afterEach(() => closeAll(servers));

  const ask = (url: string, ca?: string) => {
    const { signal } = new AbortController();
    return createHttp(timeoutMs).request({ method: 'GET', url, headers: {}, body: undefined, ca, signal });
  };

  test('request: to a server that compresses if allowed -> asks for an uncompressed response', async () => {
    const server = createServer((request, response) => response.end(String(request.headers['accept-encoding'])));
    const port = await listen(server, servers);
    expect(await ask(`http://${host}:${port}/`)).toMatchObject({ body: 'identity' });
  });

  test.each([
    ['no HTTP', '220 welcome to the mail server\r\n', 'authorityInvalid'],
    ['headers without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(40_000)}`, 'authorityInvalid'],
    [
      'interim answers without end',
      'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(2 * limits.httpInterimMax),
      'authorityInvalid',
    ],
    ['nothing', '', 'authorityUnavailable'],
    ['a body that breaks off', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', 'authorityUnavailable'],
  ])('request: a server that answers %s -> refused', async (_, text, code) => {
    const port = await listen(
      createTcpServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => socket.end(text));
      }),
      servers,
    );
    await expect(ask(`http://${host}:${port}`)).rejects.toMatchObject({ code });
  });

  test('request: an endless response -> is cut off at the limit, and its connection closed', async () => {
    let sent = 0;
    let isClosed = false;
    const server = createServer((_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(64 * 1024))) sent += 64 * 1024;
      };
      response.on('drain', more);
      response.on('close', () => {
        isClosed = true;
      });
      more();
    });
    const port = await listen(server, servers);
    await expect(ask(`http://${host}:${port}`)).rejects.toMatchObject({ code: 'authorityInvalid' });
    while (!isClosed) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(sent).toBeLessThan(limits.httpBodyBytesMax * 32);
  });

  test('request: an expired certificate -> certificateInvalid with the reason', async () => {
    const port = await listen(createTlsServer({ key: serverKey, cert: expiredCertificate }), servers);
    await expect(ask(`https://${host}:${port}`, authorityCertificate)).rejects.toMatchObject({
      code: 'certificateInvalid',
      message: expect.stringMatching(/expired/),
    });
  });
});
