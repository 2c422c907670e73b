/**
 * An authority, and a cloud node, that repeat their input: none of it shows up anywhere. Real sockets, everything
 * recorded.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createNode, type StatemeshNode } from '../../src/index.js';
import { encodeFrame, FrameDecoder } from '../../src/wire/framing.js';
import { protocolVersion } from '../../src/wire/messages.js';
import { until } from './cluster-fixture.js';
import { encodings, tracesOf } from './encodings.js';
import { ownPort } from './own-port.js';

const secret = 'p-_.!*lanted/client+secret "0123456789';
const token = 'planted.access-token_0123456789';

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Answers requests for tokens in every way in which a secret can be repeated, one after the other. */
async function echoingAuthority(): Promise<{ url: string; answered(): number }> {
  let count = 0;
  const server: Server = createServer((request, response) => {
    void text(request).then((body) => {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      if (request.url?.includes('/.well-known/')) {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ issuer: url, token_endpoint: `${url}/token`, echo: request.headers }));
        return;
      }
      const encode = encodings[count % encodings.length] ?? String;
      const said = encode(secretIn(request.headers, body));
      const answers: (() => void)[] = [
        () => json(401, { error: 'invalid_client', error_description: said, error_uri: `https://x/${said}` }),
        () => json(400, { error: said, error_description: said }),
        () => json(200, { access_token: said, token_type: said, expires_in: said }),
        () => response.writeHead(200, { 'content-type': 'text/html' }).end(`<h1>${said}</h1>`),
        () => response.writeHead(302, { location: `https://x/?${encodeURIComponent(said)}` }).end(),
        () => response.writeHead(500, encodeURIComponent(said)).end(said),
        () => response.socket?.end(`HTTP/9.9 ${said} nonsense\r\n\r\n${said}`),
      ];
      const json = (status: number, value: object) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
      answers[Math.floor(count / encodings.length) % answers.length]?.();
      count += 1;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, answered: () => count };
}

function secretIn({ authorization = '' }: IncomingHttpHeaders, body: string): string {
  const [, pair = ''] = Buffer.from(authorization.replace(/^Basic /, ''), 'base64')
    .toString()
    .split(':');
  const sent = pair === '' ? (new URLSearchParams(body).get('client_secret') ?? '') : pair;
  return decodeURIComponent(sent.replace(/\+/g, ' '));
}

/** A node that leads alone, and everything that it prints, logs, or reports. */
async function watchedNode(): Promise<{ node: StatemeshNode; told(): Promise<string> }> {
  const directory = await mkdtemp(join(tmpdir(), 'statemesh-echo-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const lines: string[] = [];
  const log = (fields: object, message: string) =>
    void lines.push(JSON.stringify(fields), inspect(fields, { depth: 20 }), message);
  const node = createNode(
    {
      nodeId: 'node-a',
      dataDir: directory,
      clusterKey: 'a long secret that nodes share',
      clusterSalt: 'test-salt',
      discoveryPort: ownPort(),
      electionIntervalMs: 100,
      metricsPort: 0,
      plaintextCloud: true,
      inspector: { trace: join(directory, 'trace.jsonl') },
    },
    { logger: { debug: log, info: log, warn: log, error: log } },
  );
  node.on('*' as never, (nodeEvent: unknown) => void lines.push(inspect(nodeEvent, { depth: 20 })));
  await node.start();
  cleanups.push(() => node.stop());
  const told = async () => {
    const status = await node.status();
    const metrics = await (await fetch(`http://127.0.0.1:${status.metricsPort}/metrics`)).text();
    lines.push(JSON.stringify(status), JSON.stringify(node.gateways), metrics);
    await node.stop();
    for (const name of (await readdir(directory)).filter((each) => /trace|\.db/.test(each))) {
      lines.push(await readFile(join(directory, name), 'latin1'));
    }
    return lines.join('\n');
  };
  return { node, told };
}

describe('servers that repeat their input', () => {
  it('an authority, in every encoding and every kind of answer -> the client secret shows up nowhere', async () => {
    const { url, answered } = await echoingAuthority();
    const { node, told } = await watchedNode();
    const oAuth2 = { authority: url, clientId: 'shop', clientSecret: secret, scopes: ['entgldb:sync'] };
    // Each change of the peer causes a request at once.
    for (let round = 0; round < encodings.length * 7; round += 1) {
      if (round > 0) await node.removeRemotePeer('cloud-1');
      const before = answered();
      await node.addCloudPeer('cloud-1', '127.0.0.1:9', { ...oAuth2, audience: `urn:${round}` });
      await until('the authority was asked', () => answered() > before);
    }
    const all = await told();
    expect(all).toContain('authorityRefused');
    expect(all).toContain('authorityInvalid');
    expect(tracesOf(secret).filter((trace) => all.includes(trace))).toEqual([]);
  }, 60_000);

  it('a cloud node, in its refusal, in every encoding -> the access token shows up nowhere', async () => {
    const tokens = createServer((request, response) => {
      const url = `http://127.0.0.1:${(tokens.address() as AddressInfo).port}`;
      const grant = { access_token: token, token_type: 'Bearer', expires_in: 600 };
      const isMetadata = request.url?.includes('/.well-known/');
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(isMetadata ? { issuer: url, token_endpoint: `${url}/token` } : grant));
    });
    await new Promise<void>((resolve) => tokens.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => new Promise((resolve) => tokens.close(resolve).closeAllConnections()));
    let count = 0;
    const cloud: TcpServer = createTcpServer((socket) => {
      const decoder = new FrameDecoder(1_000_000);
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        decoder.feed(bytes);
        const frame = decoder.next();
        if (frame?.type !== 'frame.handshakeRequest') return;
        const said = (encodings[count % encodings.length] ?? String)(frame.token?.reveal() ?? '');
        const isGoodbye = count >= encodings.length;
        count += 1;
        const refusal = { code: 'protocolUnsupported', message: `no: ${said} !` } as const;
        const identity = { nodeId: 'cloud-1', boot: 'boot-cloud', port: 0 } as never;
        socket.end(
          encodeFrame(
            isGoodbye
              ? { type: 'frame.goodbye', ...refusal }
              : { type: 'frame.handshakeResponse', version: protocolVersion, identity, refusal },
          ),
        );
      });
    });
    await new Promise<void>((resolve) => cloud.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => new Promise((resolve) => cloud.close(resolve)));
    const { node, told } = await watchedNode();
    const oAuth2 = {
      authority: `http://127.0.0.1:${(tokens.address() as AddressInfo).port}`,
      clientId: 'shop',
      scopes: [],
    };
    const address = `tcp://127.0.0.1:${(cloud.address() as AddressInfo).port}`;
    for (let round = 0; round < encodings.length * 2; round += 1) {
      if (round > 0) await node.removeRemotePeer('cloud-1');
      const before = count;
      await node.addCloudPeer('cloud-1', address, { ...oAuth2, audience: `urn:${round}` });
      await until('the cloud node was dialed', () => count > before);
    }
    const all = await told();
    expect(all).toContain('withheld');
    expect(tracesOf(token).filter((trace) => all.includes(trace))).toEqual([]);
  }, 60_000);
});
