/**
 * Opens a connection to another node.
 *
 * Invariants: the socket of a dial that fails, times out or is given up is destroyed; a dial settles once, within its
 * timeout, whatever the other side does.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { StatemeshError } from '../core/errors.js';
import type { DialOptions } from '../protocol/ports.js';
import { addressText, dialError, dialTimeout } from './network-errors.js';
import { hasProvedKey, keyNotProved, pskClientOptions } from './tls-options.js';

/**
 * `opened` hears of the socket before anything else happens to it.
 *
 * @throws StatemeshError `wrongClusterKey`, `connectionRefused`, `connectionTimeout`, `connectionLost`, `cancelled`
 */
export function dial(options: DialOptions, opened: (socket: Socket) => void): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { host, port, signal, timeoutMs } = options;
    if (signal.aborted) {
      reject(dialCancelled(options));
      return;
    }
    let socket: Socket;
    try {
      socket = open(options);
    } catch (error) {
      reject(dialError(error, host, port));
      return;
    }
    opened(socket);
    const settle = (error?: StatemeshError): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
      socket.off('error', fail).off('close', vanish);
      if (error === undefined) {
        resolve(socket);
        return;
      }
      // What still goes wrong with this socket concerns nobody, but an error without a listener ends the process.
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const cancel = (): void => settle(dialCancelled(options));
    const fail = (error: Error): void => settle(dialError(error, host, port));
    const vanish = (): void => fail(new Error('closed by the other side'));
    const timer = setTimeout(() => settle(dialTimeout(host, port)), timeoutMs);
    signal.addEventListener('abort', cancel, { once: true });
    socket.on('error', fail).on('close', vanish);
    if (options.security.kind === 'none') {
      socket.once('connect', () => settle());
    } else {
      socket.once('secureConnect', () => {
        if (hasProvedKey(socket as TLSSocket)) settle();
        else fail(keyNotProved('the server finished the handshake without our key'));
      });
    }
  });
}

export function dialCancelled({ host, port }: DialOptions): StatemeshError {
  return new StatemeshError('cancelled', `The dial to ${addressText(host, port)} was given up.`);
}

function open({ host, port, security }: DialOptions): Socket {
  if (security.kind !== 'psk') return connectTcp({ host, port });
  return connectTls({ host, port, ...pskClientOptions(security) });
}
