/**
 * A slow line between real nodes: a relay of TCP that carries so many bytes a second each way, and delivers them half a round trip later.
 *
 * It reads from a sender no faster than it carries, so that what waits stands in the buffers of the system, as with a slow modem. What it
 * has on its way itself is what a line of this length holds.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface LineOptions {
  /** Each way, shared by all connections. */
  readonly bytesPerSecond: number;
  readonly roundTripMs: number;
  /** Where it leads. */
  readonly host: string;
  readonly port: number;
  /** Where it is met; another address than that of the other end, or nodes find each other without it. */
  readonly listenHost?: string;
}

export interface Line {
  readonly host: string;
  readonly port: number;
  /** Bytes carried so far, of both ways. */
  readonly carriedBytes: number;
  /** From now on. */
  setRate(bytesPerSecond: number): void;
  /** Breaks what is open; new connections are taken. */
  breakAll(): void;
  close(): Promise<void>;
}

/** How often it carries something, at least. */
const tickMs = 5;

export async function openLine({ listenHost = '127.0.0.1', ...options }: LineOptions): Promise<Line> {
  let { bytesPerSecond } = options;
  let carriedBytes = 0;
  const sockets = new Set<Socket>();
  /** When the line is free again, each way. */
  const freeAtMs = { there: 0, back: 0 };

  const carry = (from: Socket, to: Socket, way: 'there' | 'back'): void => {
    /** In order: timers that are due together are not always. */
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
