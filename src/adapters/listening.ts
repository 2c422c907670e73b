/**
 * Accepts connections from other nodes.
 *
 * Invariants: each TCP connection ends in exactly one of `accepted`, `refused` or the listener's close. Connections
 * that have not proved their identity give way to newcomers when there are too many, before they were accepted and
 * after. A handshake has a deadline. Closing the listener leaves accepted connections alone.
 *
 * A handshake is that of TLS. If WebSockets are accepted, it also includes the first four bytes, which tell frames from
 * an HTTP request, and that request.
 */
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { madeWay, Places, theOldest } from '../core/admission.js';
import { type Failure, lacksDescriptors, messageOf, systemCodeOf } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Listening, ListenOptions, ListenSecurity, Protection } from '../ports/ports.js';
import { descriptorOf, descriptorsMax } from './descriptors.js';
import { addressText, handshakeFailure, listenError, plainHost } from './network-errors.js';
import { TcpConnection } from './tcp-connection.js';
import { certificateServerOptions, pskServerOptions } from './tls-options.js';
import { beginsHttp, createWebSocketAcceptor } from './web-socket-acceptor.js';
import type { WebSocketConnection } from './web-socket-connection.js';

export interface SocketListenOptions extends ListenOptions {
  /** Called with each socket before anything else happens to it; the network keeps the sockets. */
  opened(socket: Socket): void;
}

/** A listening with a promise of its very end, when its accepted connections have ended, too. */
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
  /** TLS has its own deadline; this is the deadline before and after it. */
  deadline?: NodeJS.Timeout;
}

class Listener {
  readonly #options: SocketListenOptions;
  #security: ListenSecurity;
  readonly #tcpServer: Server;
  /** Never listens itself: it gets the sockets that have passed the limits. */
  #tlsServer: TlsServer | undefined;
  readonly #places: Places<Socket>;
  /** Accepted sockets. */
  readonly #accepted = new WeakMap<Socket, TcpConnection | WebSocketConnection>();
  /**
   * Sockets in a handshake, by their two addresses: the TLS server reports another object than the one it was given.
   */
  readonly #handshaking = new Map<string, Handshake>();
  /** The key of ours that the other side has named. The key is proved once the handshake completes. */
  readonly #namedKeys = new WeakMap<TLSSocket, string>();
  /** Undefined if only frames are accepted. */
  #acceptWebSocket: ((socket: Socket) => void) | undefined;

  constructor(options: SocketListenOptions) {
    this.#options = options;
    this.#security = options.security;
    this.#places = new Places(options.limits, options.random ?? theOldest);
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
          host,
          port: boundPort,
          closed,
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

  #protect({ security, acceptsWebSockets, limits = this.#places.limits }: Parameters<Listening['protect']>[0]): void {
    // First, because it throws for a certificate that OpenSSL rejects; then nothing has changed.
    const tlsServer = this.#createTlsServer(security);
    this.#tlsServer = tlsServer;
    this.#security = security;
    this.#places.limits = limits;
    this.#acceptWebSocket = acceptsWebSockets === true ? this.#createWebSocketAcceptor() : undefined;
  }

  #connected(socket: Socket): void {
    // First of all, because an error of a socket without this listener can end the process.
    socket.on('error', () => {});
    this.#options.opened(socket);
    const { remoteAddress: host, remotePort: port } = socket;
    if (host === undefined || port === undefined) {
      // Already gone.
      socket.destroy();
      return;
    }
    const remoteAddress = addressText(host, port);
    if (isOneTooMany(socket)) {
      socket.destroy();
      this.#options.refused(descriptorsExhausted(), remoteAddress);
      return;
    }
    const isFamiliar = this.#options.isFamiliar?.(plainHost(host)) ?? false;
    const placing = this.#places.enter(socket, { host, isFamiliar });
    if ('failure' in placing) {
      socket.destroy();
      this.#options.refused(placing.failure, remoteAddress);
      return;
    }
    socket.once('close', () => this.#places.leave(socket));
    if (placing.yields !== undefined) this.#cutOff(placing.yields);
    this.#startHandshake(socket, remoteAddress);
    if (this.#tlsServer === undefined && this.#acceptWebSocket === undefined) {
      this.#accept(socket, this.#connectionOf(socket));
      return;
    }
    if (this.#tlsServer === undefined) this.#sniff(socket);
    else this.#awaitHello(socket);
  }

  /** TLS begins with the first byte, so a silent stranger costs no more than its socket. */
  #awaitHello(socket: Socket): void {
    const handshake = this.#handshaking.get(socketKey(socket));
    if (handshake === undefined) return;
    handshake.deadline = setTimeout(() => this.#refuse(socket, saidNothing), this.#options.handshakeTimeoutMs);
    const look = (): void => {
      if (socket.readableLength === 0) {
        // Perhaps only the end has come, which must be read to be noticed.
        socket.read();
        return;
      }
      socket.off('readable', look);
      clearTimeout(handshake.deadline);
      this.#tlsServer?.emit('connection', socket);
    };
    socket.on('readable', look);
  }

  #startHandshake(socket: Socket, remoteAddress: string): void {
    const key = socketKey(socket);
    this.#handshaking.set(key, { socket });
    // Registered last: if the connection closes in the handshake for a reason that TLS has not reported, the other side
    // has simply gone.
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
        message: 'The other side resumed an earlier TLS session without proving that it still has the cluster key.',
      });
      return;
    }
    if (this.#acceptWebSocket === undefined) this.#accept(socket, this.#connectionOf(socket));
    else this.#sniff(socket);
  }

  /** Tells frames from an HTTP request by the first four bytes, and reads no further before that. */
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
      openingOf: (socket) => ({
        remoteAddress: remoteAddressOf(socket),
        protection: this.#protectionOf(socket),
        admit: this.#admissionOf(socket),
      }),
      accepted: (connection, socket) => this.#accept(socket, connection),
      refused: (failure, socket) => this.#report(socket, failure),
    });
  }

  #connectionOf(socket: Socket): TcpConnection {
    return new TcpConnection(socket, remoteAddressOf(socket), this.#protectionOf(socket), this.#admissionOf(socket));
  }

  /** The function to call when the other side of a socket has proved its identity. */
  #admissionOf(socket: Socket): () => void {
    const raw = this.#handshaking.get(socketKey(socket))?.socket;
    return () => {
      const failure = raw && this.#places.admit(raw);
      if (failure !== undefined) this.#accepted.get(raw as Socket)?.lose(failure);
    };
  }

  #protectionOf(socket: Socket): Protection {
    const { kind } = this.#security;
    return kind === 'psk' ? { kind, keyId: this.#namedKeys.get(socket as TLSSocket) ?? '' } : { kind };
  }

  #accept(socket: Socket, connection: TcpConnection | WebSocketConnection): void {
    const handshake = this.#endHandshake(socketKey(socket));
    if (handshake === undefined) {
      socket.destroy();
      return;
    }
    this.#accepted.set(handshake.socket, connection);
    this.#options.accepted(connection);
  }

  /**
   * Cuts off a connection whose place is needed. An accepted one gets the reason; otherwise its session would not know
   * why it ends.
   */
  #cutOff(socket: Socket): void {
    const accepted = this.#accepted.get(socket);
    if (accepted !== undefined) accepted.lose(madeWay);
    else this.#refuse(socket, madeWay);
  }

  #refuse(socket: Socket, failure: Failure): void {
    socket.on('error', () => {});
    this.#report(socket, failure);
    // Node.js destroys the socket after a failed handshake, but not after one that timed out or was resumed.
    socket.destroy();
  }

  /** Runs before the socket is closed, because its handle has the addresses. */
  #report(socket: Socket, failure: Failure): void {
    const remoteAddress = remoteAddressOf(socket);
    if (this.#endHandshake(socketKey(socket))) this.#options.refused(failure, remoteAddress);
  }

  /** The handshake that has now ended; undefined if there was none, or it had already ended. */
  #endHandshake(key: string): Handshake | undefined {
    const handshake = this.#handshaking.get(key);
    clearTimeout(handshake?.deadline);
    this.#handshaking.delete(key);
    return handshake;
  }

  /** The system could not hand over a connection (too many open files); the listener goes on. */
  #acceptFailed(error: unknown): void {
    const reason = systemCodeOf(error) ?? messageOf(error);
    const failure: Failure = lacksDescriptors(error)
      ? descriptorsExhausted()
      : { code: 'connectionLimit', message: `This machine could not accept a connection (${reason}).` };
    this.#options.refused(failure, 'unknown');
  }

  async #close(): Promise<void> {
    // Without its callback, which would wait for the accepted connections; the port is free at once.
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

/**
 * Connections must not take the last descriptors: without one, the node can neither answer its own user nor open a
 * file.
 */
function isOneTooMany(socket: Socket): boolean {
  const descriptor = descriptorOf(socket);
  return descriptor !== undefined && descriptor >= descriptorsMax(descriptor) - limits.descriptorsReserved;
}

function descriptorsExhausted(): Failure {
  return {
    code: 'descriptorsExhausted',
    message: `This process may have ${descriptorsMax(Number.POSITIVE_INFINITY)} files and connections open, and needs the rest itself: raise its limit (ulimit -n, LimitNOFILE of systemd).`,
  };
}

const saidNothing: Failure = {
  code: 'handshakeTimeout',
  message: 'The other side connected but did not send its first message in time.',
};

/**
 * How many connections the system keeps until they are accepted: those of some seconds, if many come and the machine is
 * busy.
 */
const backlogMax = 1_024;

function remoteAddressOf({ remoteAddress, remotePort }: Socket): string {
  return addressText(remoteAddress ?? 'unknown', remotePort ?? 0);
}

function socketKey({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}
