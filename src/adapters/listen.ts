/**
 * Accepts connections from other nodes.
 *
 * Invariants: each TCP connection ends in exactly one of `accepted`, `refused` or the listener's close; at most
 * `unauthenticatedMax` are in the TLS handshake and `connectionsMax` open in all, and what comes in beyond is destroyed at
 * once; a handshake has a deadline; closing the listener leaves accepted connections alone.
 */
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { type Failure, messageOf, systemCodeOf } from '../core/errors.js';
import type { Listening, ListenOptions } from '../protocol/ports.js';
import { addressText, handshakeFailure, listenError } from './network-errors.js';
import { pskServerOptions } from './tls-options.js';

/** In terms of sockets: who wraps and who keeps them is the network's business. */
export interface SocketListenOptions extends Omit<ListenOptions, 'accepted'> {
  /** Hears of each socket before anything else happens to it. */
  opened(socket: Socket): void;
  accepted(socket: Socket, remoteAddress: string): void;
}

/** A listening with a promise of its very end, when its accepted connections have ended too. */
export interface OpenListening extends Listening {
  readonly closed: Promise<void>;
}

/** @throws StatemeshError `portInUse`, `addressUnavailable` */
export async function listen(options: SocketListenOptions): Promise<OpenListening> {
  const listener = new Listener(options);
  return listener.open();
}

class Listener {
  readonly #options: SocketListenOptions;
  readonly #tcpServer: Server;
  /** Never listens itself: it is handed the sockets that have passed the limits. */
  readonly #tlsServer: TlsServer | undefined;
  readonly #open = new Set<Socket>();
  /** Sockets in the TLS handshake, by their two addresses: the TLS server reports of another object than it was given. */
  readonly #handshaking = new Map<string, Socket>();
  readonly #namedKey = new WeakSet<TLSSocket>();

  constructor(options: SocketListenOptions) {
    this.#options = options;
    this.#tcpServer = createTcpServer((socket) => this.#connected(socket));
    this.#tlsServer = this.#createTlsServer();
  }

  open(): Promise<OpenListening> {
    const { host, port } = this.#options;
    const server = this.#tcpServer;
    return new Promise((resolve, reject) => {
      const fail = (error: unknown): void => reject(listenError(error, host, port));
      server.once('error', fail);
      server.once('listening', () => {
        server.off('error', fail);
        server.on('error', (error) => this.#acceptFailed(error));
        const address = server.address();
        const boundPort = typeof address === 'object' && address !== null ? address.port : port;
        const closed = new Promise<void>((resolveClosed) => {
          server.once('close', () => resolveClosed());
        });
        resolve({ host, port: boundPort, closed, close: () => this.#close() });
      });
      try {
        server.listen({ host, port, backlog: backlogMax });
      } catch (error) {
        fail(error);
      }
    });
  }

  #connected(socket: Socket): void {
    // Before anything else: a socket without this listener can end the process.
    socket.on('error', () => {});
    this.#options.opened(socket);
    const { remoteAddress: host, remotePort: port } = socket;
    const remoteAddress = host === undefined || port === undefined ? 'unknown' : addressText(host, port);
    const limit = this.#exceededLimit();
    if (limit !== undefined) {
      socket.destroy();
      this.#options.refused(limit, remoteAddress);
      return;
    }
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    if (this.#tlsServer === undefined) this.#options.accepted(socket, remoteAddress);
    else this.#startHandshake(this.#tlsServer, socket, remoteAddress);
  }

  #exceededLimit(): Failure | undefined {
    const { connectionsMax, unauthenticatedMax } = this.#options;
    if (this.#open.size >= connectionsMax) {
      return { code: 'connectionLimit', message: `All ${connectionsMax} connections of this node are in use.` };
    }
    if (this.#handshaking.size >= unauthenticatedMax) {
      return {
        code: 'connectionLimit',
        message: `${unauthenticatedMax} connections are in the TLS handshake, which is all that this node allows at once.`,
      };
    }
    return undefined;
  }

  #startHandshake(tlsServer: TlsServer, socket: Socket, remoteAddress: string): void {
    const key = socketKey(socket);
    this.#handshaking.set(key, socket);
    // The last to speak: whoever closes in the handshake for a reason that TLS has not told has simply gone.
    socket.once('close', () => {
      if (!this.#handshaking.delete(key)) return;
      this.#options.refused(handshakeFailure(new Error('closed by the other side')), remoteAddress);
    });
    tlsServer.emit('connection', socket);
  }

  #createTlsServer(): TlsServer | undefined {
    const { security, handshakeTimeoutMs } = this.#options;
    if (security.kind !== 'psk') return undefined;
    const named = (socket: TLSSocket): void => {
      this.#namedKey.add(socket);
    };
    const server = createTlsServer(pskServerOptions({ security, handshakeTimeoutMs, named }));
    server.on('secureConnection', (socket) => this.#secured(socket));
    server.on('tlsClientError', (error, socket) => this.#refuse(socket, handshakeFailure(error)));
    return server;
  }

  #secured(socket: TLSSocket): void {
    if (!this.#namedKey.has(socket)) {
      this.#refuse(socket, {
        code: 'wrongClusterKey',
        message: 'The other side took up an earlier TLS session without proving that it still has the cluster key.',
      });
      return;
    }
    const key = socketKey(socket);
    const remoteAddress = addressText(socket.remoteAddress ?? 'unknown', socket.remotePort ?? 0);
    if (this.#handshaking.delete(key)) this.#options.accepted(socket, remoteAddress);
    else socket.destroy();
  }

  #refuse(socket: TLSSocket, failure: Failure): void {
    socket.on('error', () => {});
    // Both from the handle, so before it is gone.
    const key = socketKey(socket);
    const remoteAddress = addressText(socket.remoteAddress ?? 'unknown', socket.remotePort ?? 0);
    // Node does it after a failed handshake, but not after one that timed out or was resumed.
    socket.destroy();
    if (this.#handshaking.delete(key)) this.#options.refused(failure, remoteAddress);
  }

  /** The system could not hand over a connection (too many open files): the listener goes on. */
  #acceptFailed(error: unknown): void {
    const reason = systemCodeOf(error) ?? messageOf(error);
    this.#options.refused(
      { code: 'connectionLimit', message: `This machine could not accept a connection (${reason}).` },
      'unknown',
    );
  }

  async #close(): Promise<void> {
    // Not its callback, which would wait for the accepted connections; the port is free at once.
    this.#tcpServer.close();
    const handshaking = [...this.#handshaking.values()];
    this.#handshaking.clear();
    for (const socket of handshaking) socket.destroy();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Connections that the system keeps for us until we accept them. */
const backlogMax = 128;

function socketKey({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}
