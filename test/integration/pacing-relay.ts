/**
 * A slow line between real nodes: a TCP relay that carries a number of bytes per second each way, and delivers them
 * half a round trip later.
 *
 * It reads from a sender no faster than it carries, so waiting bytes stay in the buffers of the system, as with a slow
 * modem. Its own bytes in flight are those that a line of this length holds.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface LineOptions {
  /** Each way, shared by all connections. */
  readonly bytesPerSecond: number;
  readonly roundTripMs: number;
  /** The target of the line. */
  readonly host: string;
  readonly port: number;
  /** The address of the line; different from that of the other end, otherwise nodes find each other without it. */
  readonly listenHost?: string;
}

export interface Line {
  readonly host: string;
  readonly port: number;
  /** Bytes carried so far, in both directions. */
  readonly carriedBytes: number;
  /** From now on. */
  setRate(bytesPerSecond: number): void;
  /** Breaks the open connections; new connections are accepted. */
  breakAll(): void;
  close(): Promise<void>;
}

/** The longest time between two steps. */
const tickMs = 5;

export async function openLine({ listenHost = '127.0.0.1', ...options }: LineOptions): Promise<Line> {
  let { bytesPerSecond } = options;
  let carriedBytes = 0;
  const sockets = new Set<Socket>();
  /** When the line is free again, each way. */
  const freeAtMs = { there: 0, back: 0 };

  const carry = (from: Socket, to: Socket, way: 'there' | 'back'): void => {
    /** In order: timers that are due together may fire out of order. */
    const underWay: Buffer[] = [];
    from.on('data', (bytes: Buffer) => {
      carriedBytes += bytes.length;
      const now = performance.now();
      const leavesAtMs = Math.max(now, freeAtMs[way]) + (1_000 * bytes.length) / bytesPerSecond;
      freeAtMs[way] = leavesAtMs;
      from.pause();
      // The next bytes are read when these have left; they arrive later.
      setTimeout(() => from.resume(), Math.max(0, leavesAtMs - now - tickMs));
      underWay.push(bytes);
      setTimeout(() => to.write(underWay.shift() as Buffer), leavesAtMs - now + options.roundTripMs / 2);
    });
    from.on('error', () => {});
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  };
  const server: Server = createServer({ noDelay: true, highWaterMark: 1_024 }, (near) => {
    const far = connect({ host: options.host, port: options.port, noDelay: true, highWaterMark: 1_024 } as never);
    sockets.add(near);
    sockets.add(far);
    carry(near, far, 'there');
    carry(far, near, 'back');
  });
  await new Promise<void>((resolve) => server.listen(0, listenHost, resolve));
  return {
    host: listenHost,
    port: (server.address() as { port: number }).port,
    get carriedBytes() {
      return carriedBytes;
    },
    setRate(rate) {
      bytesPerSecond = rate;
    },
    breakAll() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
