/**
 * The limit of latency: a commit here, the document over TLS, a commit there, and the answer back.
 *
 * The TLS settings are those of statemesh: 1.3 with a pre-shared key, no delay. Messages have fixed sizes, so framing
 * costs nothing.
 */
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { documentBytes, documentOf, keyOf } from '../documents.js';
import type { BareStore } from './bare-store.js';

const host = '127.0.0.1';
const psk = Buffer.alloc(32, 7);
const tls13 = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' } as const;

/** Stamp, author, collection, key and hash beside the document. */
const requestBytes = documentBytes + 120;
const answerBytes = 40;

/** Commits each document that comes in, then answers. */
export async function answerRequests(store: BareStore): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer({ ...tls13, pskCallback: () => psk }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.setNoDelay(true);
    let index = 0;
    onMessages(socket, requestBytes, () => {
      store.put([[keyOf(index), documentOf(index)]]);
      index += 1;
      socket.write(Buffer.alloc(answerBytes));
    });
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

export interface Requester {
  /** Commits a document, sends it, and waits for the answer; returns the milliseconds. */
  request(): Promise<number>;
  close(): void;
}

export async function connectRequester(port: number, store: BareStore): Promise<Requester> {
  const socket = connect({
    ...tls13,
    host,
    port,
    pskCallback: () => ({ identity: 'bench', psk }),
    ca: [],
    checkServerIdentity: () => new Error('The server showed a certificate.'),
  });
  await once(socket, 'secureConnect');
  socket.setNoDelay(true);
  let answered = (): void => {};
  let failed = (_error: Error): void => {};
  onMessages(socket, answerBytes, () => answered());
  socket.on('close', () => failed(new Error('The connection of the round trip closed.')));
  socket.on('error', (error) => failed(error));
  let index = 0;
  return {
    request: () =>
      new Promise((resolve, reject) => {
        const pair = [keyOf(index), documentOf(index)] as const;
        index += 1;
        const start = process.hrtime.bigint();
        answered = () => resolve(Number(process.hrtime.bigint() - start) / 1e6);
        failed = reject;
        store.put([pair]);
        socket.write(Buffer.alloc(requestBytes));
      }),
    close: () => socket.destroy(),
  };
}

function onMessages(socket: TLSSocket, bytes: number, hear: () => void): void {
  let received = 0;
  socket.on('data', (chunk: Buffer) => {
    for (received += chunk.length; received >= bytes; received -= bytes) hear();
  });
}
