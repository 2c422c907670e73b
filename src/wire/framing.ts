/**
 * Frames on a byte stream: `[length: int32 LE, of the payload][type: u8][compression: u8][payload]`, as EntglDB peers
 * have them, but with an upper bound on the length for each type. The bound is checked before anything is allocated.
 * The memory held for an incomplete frame grows with the bytes that have arrived, never with the announced length.
 */
import type { Writer } from 'protobufjs';
import { StatemeshError } from '../core/errors.js';
import { decodeMessage, encodeMessage, payloadBytesMaxOf } from './codec.js';
import type { Frame } from './messages.js';

const headerBytes = 6;
const uncompressed = 0;
const nothing = new Uint8Array();

export function encodeFrame(frame: Frame): Uint8Array {
  const bytes = encodeMessage(frame, beginFrame);
  const length = bytes.length - headerBytes;
  for (let index = 0; index < 4; index += 1) bytes[index] = length >>> (8 * index);
  return bytes;
}

/** Writes the header with a length that is not known yet. Both numbers are below 128, so each takes one byte. */
function beginFrame(writer: Writer, type: number): void {
  writer.fixed32(0).uint32(type).uint32(uncompressed);
}

/** Cuts a byte stream into frames, in whatever pieces it arrives. */
export class FrameDecoder {
  readonly #header = new Uint8Array(headerBytes);
  #headerFilled = 0;
  /** The part of an incomplete frame that has arrived, with room for at most as much again. */
  #payload: Uint8Array | undefined;
  #payloadFilled = 0;
  #payloadLength = 0;
  #bytes: Uint8Array = nothing;
  #offset = 0;
  /** Bytes of the payload of the last frame. */
  frameBytes = 0;

  /** @param frameBytesMax the longest payload to accept; raised once the other side is known */
  constructor(public frameBytesMax: number) {}

  /**
   * The frames that these bytes complete, one after the other. A change that the reader makes after one frame applies
   * to the next.
   *
   * @throws StatemeshError `frameTooLarge`, `frameMalformed`; the stream is unusable afterwards
   */
  *push(bytes: Uint8Array): Generator<Frame> {
    this.feed(bytes);
    for (let frame = this.next(); frame !== undefined; frame = this.next()) yield frame;
  }

  /** Bytes of memory that an incomplete frame takes. */
  get heldBytes(): number {
    return this.#payload?.length ?? 0;
  }

  /**
   * Like `push`, for readers of many frames: sets the next bytes. The bytes before must have been read to their end.
   */
  feed(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#offset = 0;
  }

  /**
   * The next complete frame; undefined when more bytes are needed.
   *
   * @throws as {@link FrameDecoder.push}
   */
  next(): Frame | undefined {
    const bytes = this.#bytes;
    while (this.#offset < bytes.length) {
      if (this.#payload === undefined) {
        while (this.#headerFilled < headerBytes && this.#offset < bytes.length) {
          this.#header[this.#headerFilled] = bytes[this.#offset] as number;
          this.#headerFilled += 1;
          this.#offset += 1;
        }
        if (this.#headerFilled < headerBytes) break;
        const length = this.#readLength();
        const end = this.#offset + length;
        if (end <= bytes.length) {
          // The usual case: the whole frame is in this piece, and nothing is copied.
          const payload = bytes.subarray(this.#offset, end);
          this.#offset = end;
          return this.#finish(payload);
        }
        this.#payload = nothing;
        this.#payloadFilled = 0;
        this.#payloadLength = length;
      }
      this.#collect(bytes.subarray(this.#offset));
      if (this.#payloadFilled === this.#payloadLength) return this.#finish(this.#payload);
    }
    this.#bytes = nothing;
    return undefined;
  }

  /** Adds the next bytes to the incomplete frame. */
  #collect(bytes: Uint8Array): void {
    const taken = Math.min(this.#payloadLength - this.#payloadFilled, bytes.length);
    const filled = this.#payloadFilled + taken;
    let payload = this.#payload as Uint8Array;
    if (filled > payload.length) {
      const grown = new Uint8Array(Math.min(this.#payloadLength, 2 * filled));
      grown.set(payload.subarray(0, this.#payloadFilled));
      payload = grown;
      this.#payload = grown;
    }
    payload.set(bytes.subarray(0, taken), this.#payloadFilled);
    this.#payloadFilled = filled;
    this.#offset += taken;
  }

  #readLength(): number {
    const [a, b, c, d] = this.#header as unknown as [number, number, number, number];
    const length = a | (b << 8) | (c << 16) | (d << 24);
    const bytesMax = Math.min(this.frameBytesMax, payloadBytesMaxOf(this.#header[4] as number));
    if (length < 0 || length > bytesMax) {
      throw new StatemeshError('frameTooLarge', `A frame of ${length} bytes is refused; at most ${bytesMax}.`);
    }
    if (this.#header[5] !== uncompressed) {
      throw new StatemeshError('frameMalformed', 'A compressed frame is refused: compression was not negotiated.');
    }
    return length;
  }

  #finish(payload: Uint8Array): Frame {
    this.#payload = undefined;
    this.#headerFilled = 0;
    this.frameBytes = payload.length;
    return decodeMessage(this.#header[4] as number, payload);
  }
}
