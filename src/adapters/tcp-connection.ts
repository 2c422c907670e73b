/**
 * A `Connection` over a TCP or TLS socket of Node.js.
 *
 * Invariants: nothing is read before `attach`, so nothing is lost. Handlers are never called from inside `attach`,
 * `write`, `end` or `destroy`. `closed` is called exactly once, and no handler after it. An ended socket goes away even
 * if the other side does not.
 */
import type { Socket } from 'node:net';
import type { Failure } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Connection, ConnectionHandlers, Protection } from '../ports/ports.js';
import { Linger } from './linger.js';
import { connectionLost, plainHost } from './network-errors.js';

export class TcpConnection implements Connection {
  readonly remoteAddress: string;
  readonly remoteHost: string;
  readonly protection: Protection;
  readonly #socket: Socket;
  #handlers: ConnectionHandlers | undefined;
  #failure: Failure | undefined;
  #isClosed = false;
  #isWriterWaiting = false;
  readonly #lingering = new Linger(
    () => this.queuedBytes,
    () => this.#socket.destroy(),
  );

  readonly #admit: () => void;

  /**
   * Takes over an open socket, which no other code may read.
   *
   * @param admit Called when the other side has proved its identity
   */
  constructor(socket: Socket, remoteAddress: string, protection: Protection, admit: () => void = () => {}) {
    this.#socket = socket;
    this.#admit = admit;
    this.protection = protection;
    this.remoteAddress = remoteAddress;
    this.remoteHost = plainHost(socket.remoteAddress ?? '');
    socket.setNoDelay(true);
    socket.on('drain', () => this.#drained());
    socket.on('error', (error) => {
      this.#failure ??= connectionLost(error, remoteAddress);
      // Node.js does not do this after a TLS error in an open connection: the socket would stay open and silent.
      socket.destroy();
    });
    // The other side has ended. Node.js now sends what is queued and ends, too, which must not wait forever either.
    socket.on('end', () => this.#linger());
    socket.on('close', () => this.#closed());
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  admitted(): void {
    this.#admit();
  }

  attach(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    if (this.#isClosed) {
      setImmediate(() => handlers.closed(this.#failure));
      return;
    }
    this.#socket.on('data', (bytes: Buffer) => {
      // A destroyed socket may still hand over bytes, but its owner is done with it.
      if (!this.#socket.destroyed) handlers.data(bytes);
    });
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#socket.writable) return false;
    this.#socket.write(bytes);
    this.#isWriterWaiting ||= this.queuedBytes >= limits.sendQueueHighBytes;
    return !this.#isWriterWaiting;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    if (this.#socket.destroyed) return;
    this.#socket.end();
    this.#linger();
  }

  destroy(): void {
    this.#socket.destroy();
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
