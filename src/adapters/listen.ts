/**
 * Accepts connections from other nodes.
 *
 * Invariants: each TCP connection ends in exactly one of `accepted`, `refused` or the listener's close; what comes in beyond the
 * limits, of connections and of handshakes, in all and by address, is destroyed at once; a handshake has a deadline; closing the
 * listener leaves accepted connections alone.
 *
 * A handshake is that of TLS, and where WebSockets are accepted then the first four bytes, which tell frames from an HTTP
 * request, and that request.
 */
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { exceededLimit } from '../core/admission.js';
import { type Failure, messageOf, systemCodeOf } from '../core/errors.js';
import type { Connection, Listening, ListenOptions, ListenSecurity, Protection } from '../protocol/ports.js';
import { addressText, handshakeFailure, listenError } from './network-errors.js';
import { TcpConnection } from './tcp-connection.js';
import { certificateServerOptions, pskServerOptions } from './tls-options.js';
import { beginsHttp, createWebSocketAcceptor } from './web-socket-acceptor.js';

export interface SocketListenOptions extends ListenOptions {
  /** Hears of each socket before anything else happens to it: who keeps them is the network's business. */
  opened(socket: Socket): void;
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

interface Handshake {
  readonly socket: Socket;
  /** TLS has its own deadline; this is the one of what comes after it. */
  deadline?: NodeJS.Timeout;
}

class Listener {
  readonly #options: SocketListenOptions;
  #security: ListenSecurity;
  readonly #tcpServer: Server;
  /** Never listens itself: it is handed the sockets that have passed the limits. */
  #tlsServer: TlsServer | undefined;
  readonly #open = new Map<Socket, { readonly host: string; isAuthenticated: boolean }>();
  /** Sockets in a handshake, by their two addresses: the TLS server reports of another object than it was given. */
  readonly #handshaking = new Map<string, Handshake>();
  /** Which key of ours the other side has named, and proved if its handshake comes to an end. */
  readonly #namedKeys = new WeakMap<TLSSocket, string>();
  /** Undefined where only frames are accepted. */
  #acceptWebSocket: ((socket: Socket) => void) | undefined;

  constructor(options: SocketListenOptions) {
    this.#options = options;
    this.#security = options.security;
    this.#tcpServer = createTcpServer((socket) => this.#connected(socket));
    this.#protect(options);
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
        resolve({
          ...{ host, port: boundPort, closed },
          protect: (how) => {
            this.#protect(how);
            this.#cutHandshakes();
          },
          close: () => this.#close(),
        });
      });
      try {
        server.listen({ host, port, backlog: backlogMax });
      } catch (error) {
        fail(error);
      }
    });
  }

  #protect({ security, acceptsWebSockets }: Pick<ListenOptions, 'security' | 'acceptsWebSockets'>): void {
    // First, since it throws at a certificate that OpenSSL does not like: then all stays as it was.
    const tlsServer = this.#createTlsServer(security);
    this.#tlsServer = tlsServer;
    this.#security = security;
    this.#acceptWebSocket = acceptsWebSockets === true ? this.#createWebSocketAcceptor() : undefined;
  }

  #connected(socket: Socket): void {
    // Before anything else: a socket without this listener can end the process.
    socket.on('error', () => {});
    this.#options.opened(socket);
    const { remoteAddress: host, remotePort: port } = socket;
    const remoteAddress = host === undefined || port === undefined ? 'unknown' : addressText(host, port);
    const limit = exceededLimit(this.#options.limits, host ?? '', this.#open.values());
    if (limit !== undefined) {
      socket.destroy();
      this.#options.refused(limit, remoteAddress);
      return;
    }
    this.#open.set(socket, { host: host ?? '', isAuthenticated: true });
    socket.once('close', () => this.#open.delete(socket));
    if (this.#tlsServer === undefined && this.#acceptWebSocket === undefined) {
      this.#options.accepted(new TcpConnection(socket, remoteAddress, { kind: 'none' }));
      return;
    }
    this.#startHandshake(socket, remoteAddress);
    if (this.#tlsServer === undefined) this.#sniff(socket);
    else this.#tlsServer.emit('connection', socket);
  }

  #startHandshake(socket: Socket, remoteAddress: string): void {
    const key = socketKey(socket);
    this.#handshaking.set(key, { socket });
    this.#markAuthenticated(socket, false);
    // The last to speak: whoever closes in the handshake for a reason that TLS has not told has simply gone.
    socket.once('close', () => {
      if (!this.#endHandshake(key)) return;
      this.#options.refused(handshakeFailure(new Error('closed by the other side')), remoteAddress);
    });
  }

  #createTlsServer(security: ListenSecurity): TlsServer | undefined {
    const { handshakeTimeoutMs } = this.#options;
    if (security.kind === 'none') return undefined;
    const named = (socket: TLSSocket, keyId: string): void => {
      this.#namedKeys.set(socket, keyId);
    };
    const server = createTlsServer(
      security.kind === 'psk'
        ? pskServerOptions({ keys: security.keys, handshakeTimeoutMs, named })
        : certificateServerOptions(security.server, handshakeTimeoutMs),
    );
    server.on('secureConnection', (socket) => this.#secured(socket));
    server.on('tlsClientError', (error, socket) => this.#refuse(socket, handshakeFailure(error, security.kind)));
    return server;
  }

  #secured(socket: TLSSocket): void {
    socket.on('error', () => {});
    if (this.#security.kind === 'psk' && !this.#namedKeys.has(socket)) {
      this.#refuse(socket, {
        code: 'wrongClusterKey',
        message: 'The other side took up an earlier TLS session without proving that it still has the cluster key.',
      });
      return;
    }
    if (this.#acceptWebSocket === undefined) this.#accept(socket, this.#connectionOf(socket));
    else this.#sniff(socket);
  }

  /** Frames or an HTTP request? Four bytes tell, and nothing more is read before they have. */
  #sniff(socket: Socket): void {
    const handshake = this.#handshaking.get(socketKey(socket));
    if (handshake === undefined) {
      socket.destroy();
      return;
    }
    handshake.deadline = setTimeout(() => this.#refuse(socket, saidNothing), this.#options.handshakeTimeoutMs);
    const look = (): void => {
      const bytes: Buffer | null = socket.read(4);
      if (bytes === null) return;
      socket.off('readable', look);
      socket.unshift(bytes);
      if (beginsHttp(bytes)) this.#acceptWebSocket?.(socket);
      else this.#accept(socket, this.#connectionOf(socket));
    };
    socket.on('readable', look);
  }

  #createWebSocketAcceptor(): (socket: Socket) => void {
    return createWebSocketAcceptor({
      openingOf: (socket) => ({ remoteAddress: remoteAddressOf(socket), protection: this.#protectionOf(socket) }),
      accepted: (connection, socket) => this.#accept(socket, connection),
      refused: (failure, socket) => this.#report(socket, failure),
    });
  }

  #connectionOf(socket: Socket): TcpConnection {
    return new TcpConnection(socket, remoteAddressOf(socket), this.#protectionOf(socket));
  }

  #protectionOf(socket: Socket): Protection {
    const { kind } = this.#security;
    return kind === 'psk' ? { kind, keyId: this.#namedKeys.get(socket as TLSSocket) ?? '' } : { kind };
  }

  #accept(socket: Socket, connection: Connection): void {
    if (this.#endHandshake(socketKey(socket))) this.#options.accepted(connection);
    else socket.destroy();
  }

  #refuse(socket: Socket, failure: Failure): void {
    socket.on('error', () => {});
    this.#report(socket, failure);
    // Node does it after a failed handshake, but not after one that timed out or was resumed.
    socket.destroy();
  }

  /** Before the socket is closed: its handle has the addresses. */
  #report(socket: Socket, failure: Failure): void {
    const remoteAddress = remoteAddressOf(socket);
    if (this.#endHandshake(socketKey(socket))) this.#options.refused(failure, remoteAddress);
  }

  #endHandshake(key: string): boolean {
    const handshake = this.#handshaking.get(key);
    if (handshake === undefined) return false;
    clearTimeout(handshake.deadline);
    this.#markAuthenticated(handshake.socket, true);
    return this.#handshaking.delete(key);
  }

  #markAuthenticated(socket: Socket, isAuthenticated: boolean): void {
    const present = this.#open.get(socket);
    if (present !== undefined) present.isAuthenticated = isAuthenticated;
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
    this.#cutHandshakes();
    await new Promise((resolve) => setImmediate(resolve));
  }

  #cutHandshakes(): void {
    for (const [key, { socket }] of [...this.#handshaking]) {
      this.#endHandshake(key);
      socket.destroy();
    }
  }
}

const saidNothing: Failure = {
  code: 'handshakeTimeout',
  message: 'The other side connected but did not say in time what it wants.',
};

/** Connections that the system keeps for us until we accept them. */
const backlogMax = 128;

function remoteAddressOf({ remoteAddress, remotePort }: Socket): string {
  return addressText(remoteAddress ?? 'unknown', remotePort ?? 0);
}

function socketKey({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}
