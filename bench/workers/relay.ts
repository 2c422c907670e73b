/**
 * A process that is a slow line: it forwards what two TCP sides send, at a rate and after a delay, as a router does
 * between two networks.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { serve } from './serve.js';

export interface RelayOptions {
  readonly targetHost: string;
  readonly targetPort: number;
  /** Each way, for all connections together. */
  readonly bytesPerSecond: number;
  readonly roundTripMs: number;
}

const sockets = new Set<Socket>();

const handlers = {
  /** @returns The port at which it listens */
  async relay({ targetHost, targetPort, bytesPerSecond, roundTripMs }: RelayOptions) {
    const [there, back] = [new Way(bytesPerSecond, roundTripMs / 2), new Way(bytesPerSecond, roundTripMs / 2)];
    const server = createServer((near) => {
      const far = connect({ host: targetHost, port: targetPort });
      there.join(near, far);
      back.join(far, near);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  },
};

export type RelayHandlers = typeof handlers;

serve(handlers, async () => {
  for (const socket of sockets) socket.destroy();
});

/** How far the relay reads ahead of the line, in ms: so little that queues form at the senders, not here. */
const aheadMs = 10;
/** The depth of the bucket: delays of this process that it may catch up. */
const burstMs = 10;
/** What TCP puts into one packet on Ethernet. */
const packetBytes = 1_448;

/** One direction. Its token bucket is a time: when the line will have carried all that was read so far. */
class Way {
  readonly #bytesPerMs: number;
  readonly #latencyMs: number;
  #freeAtMs = 0;

  constructor(bytesPerSecond: number, latencyMs: number) {
    this.#bytesPerMs = bytesPerSecond / 1_000;
    this.#latencyMs = latencyMs;
  }

  join(from: Socket, to: Socket): void {
    sockets.add(from);
    from.setNoDelay(true);
    from.on('close', () => sockets.delete(from));
    from.on('error', () => to.destroy());
    from.on('end', () => setTimeout(() => to.end(), this.#freeAtMs - performance.now() + this.#latencyMs));
    let isWaiting = false;
    const carry = (): void => {
      if (isWaiting) return;
      const waitMs = this.#carry(from, to);
      isWaiting = waitMs > 0;
      if (isWaiting) setTimeout(resume, waitMs);
    };
    const resume = (): void => {
      isWaiting = false;
      carry();
    };
    from.on('readable', carry);
  }

  /**
   * Takes from a socket as much as the line carries soon; the rest waits in the socket, and then at its sender.
   *
   * @returns after how many ms the line carries more; 0 when there is no more
   */
  #carry(from: Socket, to: Socket): number {
    for (;;) {
      const now = performance.now();
      this.#freeAtMs = Math.max(this.#freeAtMs, now - burstMs);
      const waitMs = this.#freeAtMs - now - aheadMs;
      if (waitMs > 0) return waitMs;
      const bytes = this.#read(from);
      if (bytes === null) return 0;
      this.#freeAtMs += bytes.length / this.#bytesPerMs;
      setTimeout(() => to.writable && to.write(bytes), this.#freeAtMs - now + this.#latencyMs);
    }
  }

  #read(from: Socket): Buffer | null {
    const most = Math.max(packetBytes, Math.round(aheadMs * this.#bytesPerMs));
    return from.read(Math.min(most, from.readableLength)) as Buffer | null;
  }
}
