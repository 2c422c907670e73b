/**
 * Frames on a byte stream: `[length: int32 LE, of the payload][type: u8][compression: u8][payload]`, as the EntglDB
 * peers have it, but with an upper bound on the length: it is checked before anything is allocated.
 */
import { StatemeshError } from '../core/errors.js';
import type { Frame } from './messages.js';
import { decodeMessage, encodeMessage } from './wire.js';

const headerBytes = 6;
const uncompressed = 0;

export function encodeFrame(frame: Frame): Uint8Array {
  const { number, payload } = encodeMessage(frame);
  const bytes = new Uint8Array(headerBytes + payload.length);
  for (let index = 0; index < 4; index += 1) bytes[index] = payload.length >>> (8 * index);
  bytes[4] = number;
  bytes[5] = uncompressed;
  bytes.set(payload, headerBytes);
  return bytes;
}

/** Cuts a byte stream into frames, whatever the pieces in which it arrives. */
export class FrameDecoder {
  readonly #header = new Uint8Array(headerBytes);
  #headerFilled = 0;
  #payload: Uint8Array | undefined;
  #payloadFilled = 0;

  /** @param frameBytesMax the longest payload to accept; raised once the other side is known */
  constructor(public frameBytesMax: number) {}

  /**
   * The frames that are complete with these bytes.
   * @throws StatemeshError `frameTooLarge`, `frameMalformed`; the stream is of no use afterwards
   */
  *push(bytes: Uint8Array): Generator<Frame> {
    let offset = 0;
    while (offset < bytes.length) {
      if (this.#payload === undefined) {
        const taken = Math.min(headerBytes - this.#headerFilled, bytes.length - offset);
        this.#header.set(bytes.subarray(offset, offset + taken), this.#headerFilled);
        this.#headerFilled += taken;
        offset += taken;
        if (this.#headerFilled < headerBytes) return;
        const length = this.#readLength();
        if (bytes.length - offset >= length) {
          // The usual case: the whole frame is in this piece, and nothing is copied.
          yield this.#finish(bytes.subarray(offset, offset + length));
          offset += length;
          continue;
        }
        this.#payload = new Uint8Array(length);
        this.#payloadFilled = 0;
      }
      const taken = Math.min(this.#payload.length - this.#payloadFilled, bytes.length - offset);
      this.#payload.set(bytes.subarray(offset, offset + taken), this.#payloadFilled);
      this.#payloadFilled += taken;
      offset += taken;
      if (this.#payloadFilled === this.#payload.length) yield this.#finish(this.#payload);
    }
  }

  #readLength(): number {
    const length = new DataView(this.#header.buffer).getInt32(0, true);
    if (length < 0 || length > this.frameBytesMax) {
      throw new StatemeshError(
        'frameTooLarge',
        `A frame of ${length} bytes is refused; at most ${this.frameBytesMax}.`,
      );
    }
    if (this.#header[5] !== uncompressed) {
      throw new StatemeshError('frameMalformed', 'A compressed frame is refused: compression was not negotiated.');
    }
    return length;
  }

  #finish(payload: Uint8Array): Frame {
    this.#payload = undefined;
    this.#headerFilled = 0;
    return decodeMessage(this.#header[4] as number, payload);
  }
}
