/**
 * Bounds the clients that read streams from the control socket.
 *
 * Invariants: streams use only a part of the places, so that `status`, `doctor` and `stop` always find one. A client that does not read
 * holds one line in memory; all such clients together hold a bounded number of bytes, for a bounded time. When one has to go, it is the
 * client that has not read for longest.
 */
import type { ServerResponse } from 'node:http';
import type { ControlLimits } from './protocol.js';

export class ControlReaders {
  readonly #limits: ControlLimits;
  readonly #streams = new Set<ServerResponse>();
  /** Those that do not read, in the order in which they stopped, with what they hold. */
  readonly #stalled = new Map<ServerResponse, number>();
  #stalledBytes = 0;

  constructor(limits: ControlLimits) {
    this.#limits = limits;
  }

  /** Whether there is room for one more stream: one that is not read has to make some. */
  takesStream(response: ServerResponse): boolean {
    if (this.#streams.size >= this.#limits.streamsMax) this.#dropStalled();
    if (this.#streams.size >= this.#limits.streamsMax) return false;
    this.#streams.add(response);
    response.once('close', () => this.#streams.delete(response));
    return true;
  }

  /** Waits until the caller has read what was written. Rejects when it goes, or has to. */
  async untilRead(response: ServerResponse): Promise<void> {
    if (response.destroyed) throw new Error('The caller is gone.');
    const { socket } = response;
    const idleBefore = socket?.timeout ?? 0;
    this.#stalled.set(response, response.writableLength);
    this.#stalledBytes += response.writableLength;
    try {
      await new Promise<void>((resolve, reject) => {
        // Each takes all of them away: a long answer waits many times.
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
