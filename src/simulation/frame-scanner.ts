/** Finds frames in a stream of bytes without decoding all of them: see `wire/framing.ts` for the header. */

import { decodeMessage } from '../wire/codec.js';
import type { Frame } from '../wire/messages.js';

type Found = (type: number, frame: Frame | undefined) => void;

export class FrameScanner {
  readonly #header: number[] = [];
  readonly #decoded: ReadonlySet<number>;
  #payload: number[] | undefined;
  #left = 0;

  /** @param decoded The numbers of the frame types to decode; of other frames only the type is reported */
  constructor(decoded: ReadonlySet<number>) {
    this.#decoded = decoded;
  }

  /** @param found Called for each frame: when a decoded frame is complete, and when any other frame begins */
  push(bytes: Uint8Array, found: Found): void {
    let offset = 0;
    while (offset < bytes.length) {
      const taken = Math.min(this.#left, bytes.length - offset);
      this.#payload?.push(...bytes.subarray(offset, offset + taken));
      this.#left -= taken;
      offset += taken;
      if (this.#left > 0 || this.#finish(found)) continue;
      this.#header.push(bytes[offset] as number);
      offset += 1;
      if (this.#header.length === headerBytes) this.#begin(found);
    }
  }

  #begin(found: Found): void {
    const [a, b, c, d, type] = this.#header as [number, number, number, number, number];
    this.#left = a | (b << 8) | (c << 16) | (d << 24);
    if (this.#decoded.has(type)) this.#payload = [];
    else found(type, undefined);
    if (this.#left === 0) this.#finish(found);
  }

  /** Ends a frame; returns whether there was one. */
  #finish(found: Found): boolean {
    const payload = this.#payload;
    const wasWithin = this.#header.length === headerBytes;
    const type = this.#header[4];
    if (wasWithin) this.#header.length = 0;
    this.#payload = undefined;
    if (payload !== undefined && type !== undefined) found(type, decodeMessage(type, Uint8Array.from(payload)));
    return wasWithin;
  }
}

const headerBytes = 6;
