/**
 * Bounds the clients that read streams from the control socket.
 *
 * Invariants: streams use only a part of the connections, so `status`, `doctor` and `stop` always find one. A client
 * that does not read holds one line in memory. All such clients together hold a bounded number of bytes, for a bounded
 * time. When one has to be dropped, it is the client that has not read for longest.
 */
import type { ServerResponse } from 'node:http';
import type { ControlLimits } from './protocol.js';

export class ControlReaders {
  readonly #limits: ControlLimits;
  readonly #streams = new Set<ServerResponse>();
  /** Clients that do not read, in the order in which they stopped, with the bytes that they hold. */
  readonly #stalled = new Map<ServerResponse, number>();
  #stalledBytes = 0;

  constructor(limits: ControlLimits) {
    this.#limits = limits;
  }

  /** Whether there is room for one more stream; a client that does not read is dropped to make room. */
  takesStream(response: ServerResponse): boolean {
    if (this.#streams.size >= this.#limits.streamsMax) this.#dropStalled();
    if (this.#streams.size >= this.#limits.streamsMax) return false;
    this.#streams.add(response);
    response.once('close', () => this.#streams.delete(response));
    return true;
  }

  /** Waits until the caller has read what was written. Rejects when the caller disconnects or is dropped. */
  async untilRead(response: ServerResponse): Promise<void> {
    if (response.destroyed) throw new Error('The caller is gone.');
    const { socket } = response;
    const idleBefore = socket?.timeout ?? 0;
    this.#stalled.set(response, response.writableLength);
    this.#stalledBytes += response.writableLength;
    try {
      await new Promise<void>((resolve, reject) => {
        // Each outcome removes all listeners: a long answer waits many times.
        const settle = (): void => {
          response.off('drain', read).off('finish', read).off('close', gone);
          socket?.off('timeout', drop);
        };
        const read = (): void => {
          settle();
          resolve();
        };
        const gone = (): void => {
          settle();
          reject(new Error('The caller is gone.'));
        };
        const drop = (): void => void response.destroy();
        response.once('drain', read).once('finish', read).once('close', gone);
        socket?.once('timeout', drop);
        socket?.setTimeout(this.#limits.readerIdleTimeoutMs);
        while (this.#stalledBytes > this.#limits.stalledBytesMax && this.#dropStalled()) {}
      });
    } finally {
      this.#forget(response);
      socket?.setTimeout(idleBefore);
    }
  }

  #dropStalled(): boolean {
    const [response] = this.#stalled.keys();
    if (response === undefined) return false;
    this.#forget(response);
    this.#streams.delete(response);
    response.destroy();
    return true;
  }

  #forget(response: ServerResponse): void {
    this.#stalledBytes -= this.#stalled.get(response) ?? 0;
    this.#stalled.delete(response);
  }
}
