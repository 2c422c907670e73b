/**
 * Turns an open socket on which an HTTP request begins into a WebSocket, or refuses it with a short answer.
 *
 * Invariants: each socket ends in exactly one of `accepted` and `refused`, unless it closes before. A request is small;
 * the caller enforces its deadline.
 */
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { type Failure, systemCodeOf } from '../core/errors.js';
import { foreignText } from '../core/foreign-text.js';
import { type Opening, WebSocketConnection, webSocketOptions } from './web-socket-connection.js';

export interface WebSocketAcceptorOptions {
  openingOf(socket: Socket): Opening;
  accepted(connection: WebSocketConnection, socket: Socket): void;
  /** The socket is closed, or about to close. */
  refused(failure: Failure, socket: Socket): void;
}

/** The headers of a WebSocket request. */
const headerBytesMax = 8 * 1024;

/**
 * Whether a connection begins like an HTTP request: as the length of a frame, these four bytes would be far above the
 * limit.
 */
export function beginsHttp(firstBytes: Buffer): boolean {
  return firstBytes.toString('latin1') === 'GET ';
}

/** Takes sockets from which nothing has been read, or whose bytes were put back. */
export function createWebSocketAcceptor(options: WebSocketAcceptorOptions): (socket: Socket) => void {
  // Imported on demand: members accept no WebSockets.
  const loading = createHttpServer(options);
  return (socket) => void loading.then((server) => server.emit('connection', socket));
}

/** Neither of the two servers listens: they are given sockets. */
async function createHttpServer({ openingOf, accepted, refused }: WebSocketAcceptorOptions): Promise<Server> {
  const { WebSocketServer } = await import('ws');
  const upgrader = new WebSocketServer({ ...webSocketOptions, noServer: true, clientTracking: false });
  const server = createServer({ maxHeaderSize: headerBytesMax, keepAlive: false });
  server.on('upgrade', (request, socket, head) => {
    upgrader.handleUpgrade(request, socket, head, (webSocket) => {
      accepted(new WebSocketConnection(webSocket, socket as Socket, openingOf(socket as Socket)), socket as Socket);
    });
  });
  upgrader.on('wsClientError', (error, socket) => {
    (socket as Socket).end(answer('400 Bad Request', error.message), () => socket.destroy());
    refused(noWebSocket(foreignText(error.message)), socket as Socket);
  });
  server.on('request', ({ socket }) => {
    socket.end(answer('426 Upgrade Required', 'This is a statemesh node: it speaks WebSocket only.'), () =>
      socket.destroy(),
    );
    refused(noWebSocket('an HTTP request without an upgrade'), socket);
  });
  server.on('clientError', (error, socket) => {
    refused(
      { code: 'frameMalformed', message: `The other side sent no HTTP (${systemCodeOf(error) ?? 'unknown reason'}).` },
      socket as Socket,
    );
    socket.destroy();
  });
  return server;
}

function answer(status: string, text: string): string {
  const fields = ['Upgrade: websocket', 'Connection: close', 'Content-Type: text/plain'];
  return `HTTP/1.1 ${status}\r\n${fields.join('\r\n')}\r\nContent-Length: ${text.length + 1}\r\n\r\n${text}\n`;
}

function noWebSocket(what: string): Failure {
  return { code: 'protocolUnsupported', message: `The other side did not request a supported WebSocket: ${what}.` };
}
