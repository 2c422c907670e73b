/** Strangers that connect to a port in great numbers and never identify themselves. */
import { connect, type Socket } from 'node:net';

/** What a stranger does once it is connected. */
export type Manner = 'silent' | 'drip' | 'half a handshake';

export interface CrowdOptions {
  readonly port: number;
  readonly perSecond: number;
  /** Addresses of this machine, used in turn. */
  readonly addresses: readonly string[];
  readonly manner?: Manner;
}

/** The first bytes of a TLS handshake: a record of 512 bytes is announced, and few of them come. */
const halfHello = Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]);
const dripMs = 4_000;

export interface Crowd {
  /** Connections that were opened so far. */
  readonly opened: number;
  leave(): void;
}

export function gather({ port, perSecond, addresses, manner = 'silent' }: CrowdOptions): Crowd {
  const sockets = new Set<Socket>();
  const startedMs = performance.now();
  let opened = 0;
  const open = (): void => {
    const localAddress = addresses[opened % addresses.length] as string;
    opened += 1;
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    sockets.add(socket);
    const drip = manner === 'drip' ? setInterval(() => socket.write(halfHello.subarray(0, 1)), dripMs) : undefined;
    socket.on('connect', () => {
      if (manner !== 'silent') socket.write(halfHello.subarray(0, manner === 'drip' ? 1 : undefined));
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(drip);
      sockets.delete(socket);
    });
  };
  const timer = setInterval(() => {
    const due = ((performance.now() - startedMs) / 1_000) * perSecond;
    while (opened < due) open();
  }, 5);
  return {
    get opened() {
      return opened;
    },
    leave() {
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** This many addresses of loopback, from 127.0.1.1 on. */
export function loopbackAddresses(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `127.0.1.${index + 1}`);
}

/** Silent callers of a local port, once all of them are connected. */
export async function silentCallers(port: number, count: number): Promise<{ close(): void }> {
  const sockets = Array.from({ length: count }, () => connect(port, '127.0.0.1'));
  for (const socket of sockets) socket.on('error', () => {});
  await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.once('connect', () => resolve()))));
  return {
    close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/**
 * Local callers that send requests repeatedly and read no answers, until their requests are no longer read, or they are
 * closed.
 */
export async function callersThatDoNotRead(
  { port, path }: { readonly port: number; readonly path: string },
  count: number,
): Promise<{ close(): void }> {
  // Few at a time: one piece is parsed at once, even on a connection that is closed after the first request.
  const requests = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`.repeat(5);
  const flood = (): Promise<Socket> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1').pause();
      const timer = setInterval(() => {
        if (!socket.writableNeedDrain) socket.write(requests);
      }, 5);
      const isStuck = (): void => {
        clearInterval(timer);
        resolve(socket);
      };
      socket.on('error', isStuck).on('close', isStuck).setTimeout(500, isStuck);
    });
  const sockets = await Promise.all(Array.from({ length: count }, flood));
  return {
    close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A local caller whose request has a body without end: how long until it is closed, ms. */
export function callerWithoutEnd({ port, path }: { readonly port: number; readonly path: string }): Promise<number> {
  const startedMs = performance.now();
  const socket = connect(port, '127.0.0.1').resume();
  socket.write(`POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 1000000000\r\n\r\n`);
  const piece = Buffer.alloc(16 * 1024);
  const timer = setInterval(() => {
    if (!socket.writableNeedDrain) socket.write(piece);
  }, 5);
  return new Promise((resolve) => {
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(timer);
      resolve(performance.now() - startedMs);
    });
  });
}
