/**
 * A `Connection` over a WebSocket (RFC 6455): the stream travels in its binary messages, wherever they begin and end.
 *
 * Invariants, as for {@link TcpConnection}: nothing is read before `attach`. Handlers are never called from inside
 * `attach`, `write`, `end` or `destroy`. `closed` is called exactly once, and no handler after it. An ended connection
 * goes away even if the other side does not. Messages are short, so an incomplete one holds little memory; a text
 * message ends the connection.
 */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { type Failure, systemCodeOf } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Connection, ConnectionHandlers, Protection } from '../ports/ports.js';
import { Linger } from './linger.js';
import { connectionLost, plainHost } from './network-errors.js';

/** For both sides. Compression would let strangers spend our memory, and entries in flight are small. */
export const webSocketOptions = {
  perMessageDeflate: false,
  maxPayload: limits.webSocketMessageBytesMax,
  // Answered below, if there is room: a peer that sends pings and reads nothing must not fill our memory.
  autoPong: false,
} as const;

export interface Opening {
  readonly remoteAddress: string;
  readonly protection: Protection;
  /** Called when the other side has proved its identity. */
  admit?(): void;
}

export class WebSocketConnection implements Connection {
  readonly remoteAddress: string;
  readonly remoteHost: string;
  readonly protection: Protection;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  #handlers: ConnectionHandlers | undefined;
  #failure: Failure | undefined;
  #isClosed = false;
  #isDestroyed = false;
  #isWriterWaiting = false;
  readonly #lingering = new Linger(
    () => this.queuedBytes,
    () => this.#webSocket.terminate(),
  );

  readonly #admit: () => void;

  /** Takes over a WebSocket at the moment it opens, and the socket below it, which no other code may read. */
  constructor(webSocket: WebSocket, socket: Socket, { remoteAddress, protection, admit = () => {} }: Opening) {
    this.#webSocket = webSocket;
    this.#admit = admit;
    this.protection = protection;
    this.#socket = socket;
    this.remoteAddress = remoteAddress;
    this.remoteHost = plainHost(socket.remoteAddress ?? '');
    webSocket.pause();
    socket.setNoDelay(true);
    socket.on('drain', () => this.#drained());
    // `ws` hides the errors of its socket, and reports its own, about messages that it rejects.
    socket.on('error', (error) => this.lose(connectionLost(error, remoteAddress)));
    webSocket.on('error', (error) => this.lose(malformed(systemCodeOf(error) ?? 'unknown reason')));
    webSocket.on('message', (data, isBinary) => this.#received(data as Buffer, isBinary));
    webSocket.on('ping', (data) => {
      if (this.queuedBytes < limits.sendQueueHighBytes) webSocket.pong(data, undefined, () => {});
    });
    webSocket.on('close', () => this.#closed());
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  admitted(): void {
    this.#admit();
  }

  attach(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    if (this.#isClosed) setImmediate(() => handlers.closed(this.#failure));
    else this.#webSocket.resume();
  }

  write(bytes: Uint8Array): boolean {
    const webSocket = this.#webSocket;
    if (webSocket.readyState !== webSocket.OPEN || !this.#socket.writable) return false;
    for (let start = 0; start < bytes.length; start += limits.webSocketMessageBytesMax) {
      webSocket.send(bytes.subarray(start, start + limits.webSocketMessageBytesMax), sendOptions, () => {});
    }
    this.#isWriterWaiting ||= this.queuedBytes >= limits.sendQueueHighBytes;
    return !this.#isWriterWaiting;
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    this.#webSocket.resume();
  }

  end(): void {
    if (this.#isDestroyed || this.#isClosed) return;
    this.#webSocket.close(normalClosure);
    this.#linger();
  }

  destroy(): void {
    this.#isDestroyed = true;
    this.#webSocket.terminate();
  }

  #received(data: Buffer, isBinary: boolean): void {
    // `ws` still hands over data that it has already read, but the owner is done with it.
    if (this.#isDestroyed) return;
    if (isBinary) this.#handlers?.data(data);
    else this.lose(malformed('a text'));
  }

  /** Closes at once, for a reason that its owner receives. */
  lose(failure: Failure): void {
    this.#failure ??= failure;
    this.destroy();
  }

  #drained(): void {
    if (!this.#isWriterWaiting) return;
    this.#isWriterWaiting = false;
    this.#handlers?.drained();
  }

  #linger(): void {
    if (!this.#isClosed) this.#lingering.begin();
  }

  #closed(): void {
    this.#isClosed = true;
    this.#lingering.end();
    this.#handlers?.closed(this.#failure);
  }
}

const sendOptions = { binary: true } as const;
/** RFC 6455, section 7.4.1. */
const normalClosure = 1000;

function malformed(what: string): Failure {
  return { code: 'frameMalformed', message: `The other side sent an unsupported WebSocket message (${what}).` };
}
