/**
 * Opens a connection to another node.
 *
 * Invariants: the socket of a dial that fails, times out or is given up is destroyed. A dial settles once, within its
 * timeout, whatever the other side does. A WebSocket is requested on a socket that is already open and proved, so both
 * kinds of connection have the same protection.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { WebSocket } from 'ws';
import { isPort } from '../core/address.js';
import { StatemeshError, shortText } from '../core/errors.js';
import { foreignText } from '../core/foreign-text.js';
import type { Connection, DialOptions } from '../ports/ports.js';
import { dialByRing, protectionOf, type SingleDialOptions } from './dial-by-ring.js';
import { addressText, dialError, dialTimeout } from './network-errors.js';
import { TcpConnection } from './tcp-connection.js';
import { hasProvedKey, keyNotProved, pskClientOptions, verifiedClientOptions } from './tls-options.js';
import { WebSocketConnection, webSocketOptions } from './web-socket-connection.js';

/**
 * Dials another node. `opened` gets the socket before anything else happens to it.
 *
 * @throws StatemeshError `wrongClusterKey`, `certificateInvalid`, `connectionRefused`, `connectionTimeout`,
 * `connectionLost`, `protocolUnsupported`, `cancelled`
 */
export function dial(options: DialOptions, opened: (socket: Socket) => void): Promise<Connection> {
  return dialByRing(
    options,
    (once) => dialOnce(once, opened),
    () => performance.now(),
  );
}

function dialOnce(options: SingleDialOptions, opened: (socket: Socket) => void): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const { host, port, security, signal, timeoutMs } = options;
    if (signal.aborted) {
      reject(dialCancelled(options));
      return;
    }
    let socket: Socket;
    try {
      // Node.js would create a socket first, and keep it forever when it throws.
      if (!isPort(port)) throw Object.assign(new RangeError(`${port} is not a port`), { code: 'ERR_SOCKET_BAD_PORT' });
      socket = open(options);
    } catch (error) {
      reject(dialError(error, host, port, security.kind));
      return;
    }
    opened(socket);
    const settle = (outcome: { connection: Connection } | { error: StatemeshError }): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
      socket.off('error', fail).off('close', vanish);
      if ('connection' in outcome) {
        resolve(outcome.connection);
        return;
      }
      // Later errors of this socket do not matter, but an error without a listener ends the process.
      socket.on('error', () => {});
      socket.destroy();
      reject(outcome.error);
    };
    const cancel = (): void => settle({ error: dialCancelled(options) });
    const fail = (error: Error): void => settle({ error: dialError(error, host, port, security.kind) });
    const vanish = (): void => fail(new Error('closed by the other side'));
    const proceed = (): void => {
      if (options.webSocketPath === undefined) {
        const remoteAddress = remoteAddressOf(socket, options);
        settle({ connection: new TcpConnection(socket, remoteAddress, protectionOf(security)) });
        return;
      }
      void upgrade(socket, options, {
        upgraded: (connection) => settle({ connection }),
        refused: (reason) => settle({ error: noWebSocket(options, reason) }),
      });
    };
    const timer = setTimeout(() => settle({ error: dialTimeout(host, port) }), timeoutMs);
    signal.addEventListener('abort', cancel, { once: true });
    socket.on('error', fail).on('close', vanish);
    if (security.kind === 'none') {
      socket.once('connect', proceed);
    } else {
      socket.once('secureConnect', () => {
        if (security.kind === 'verified' || hasProvedKey(socket as TLSSocket)) proceed();
        else fail(keyNotProved('the server finished the handshake without our key'));
      });
    }
  });
}

export function dialCancelled({ host, port }: Pick<DialOptions, 'host' | 'port'>): StatemeshError {
  return new StatemeshError('cancelled', `The dial to ${addressText(host, port)} was given up.`);
}

function open({ host, port, security }: SingleDialOptions): Socket {
  switch (security.kind) {
    case 'none':
      return connectTcp({ host, port });
    case 'psk':
      return connectTls({ host, port, ...pskClientOptions(security.key) });
    case 'verified':
      return connectTls({ host, port, ...verifiedClientOptions(host, security.ca) });
  }
}

interface Upgrade {
  upgraded(connection: Connection): void;
  refused(reason: string): void;
}

/** The dial handles its deadline and the end of the socket. */
async function upgrade(socket: Socket, options: SingleDialOptions, { upgraded, refused }: Upgrade): Promise<void> {
  const { host, port, security, webSocketPath } = options;
  const scheme = security.kind === 'none' ? 'ws' : 'wss';
  let webSocket: WebSocket;
  try {
    // Imported on demand: most connections are not WebSockets.
    const ws = await import('ws');
    // The dial has settled meanwhile.
    if (socket.destroyed) return;
    webSocket = new ws.WebSocket(`${scheme}://${addressText(host, port)}${webSocketPath}`, {
      ...webSocketOptions,
      followRedirects: false,
      createConnection: () => socket,
    });
  } catch (error) {
    refused(foreignText((error as Error).message));
    return;
  }
  const opening = { remoteAddress: remoteAddressOf(socket, options), protection: protectionOf(security) };
  webSocket.on('open', () => upgraded(new WebSocketConnection(webSocket, socket, opening)));
  webSocket.on('unexpected-response', (_, { statusCode }) => refused(`it answers with the HTTP status ${statusCode}`));
  // Also called after the socket has failed: the dial has settled then.
  webSocket.on('error', (error) => {
    if (!socket.destroyed) refused(foreignText(error.message));
  });
}

type Place = Pick<DialOptions, 'host' | 'port' | 'webSocketPath'>;

export function noWebSocket({ host, port, webSocketPath }: Place, reason: string): StatemeshError {
  return new StatemeshError(
    'protocolUnsupported',
    `No WebSocket at ${addressText(host, port)}${shortText(webSocketPath)} (${reason}): correct the address and its path.`,
  );
}

function remoteAddressOf({ remoteAddress, remotePort }: Socket, { host, port }: Place): string {
  return addressText(remoteAddress ?? host, remotePort ?? port);
}
