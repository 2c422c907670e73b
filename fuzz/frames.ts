/** Frames for the targets: well-formed ones with any claims, damaged ones, and headers that lie. */

import fc from 'fast-check';
import { encodeFrame } from '../src/wire/framing.js';
import type { Frame } from '../src/wire/messages.js';
import { frameSamples } from '../test/wire/frame-samples.js';
import { anyBytes, damaged } from './material.js';

/** Any well-formed frame, with any claims. */
export const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  ...Object.values<{ readonly any: fc.Arbitrary<Frame> }>(frameSamples).map(({ any }) => any),
);

export const anyFrameBytes = anyFrame.map(encodeFrame);

/** Hostile input of a stream: whole frames, damaged ones, no frames, or headers that lie. */
export const hostileFrames: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.oneof(
      { arbitrary: anyFrameBytes, weight: 3 },
      { arbitrary: damaged(anyFrameBytes), weight: 3 },
      { arbitrary: anyBytes, weight: 1 },
      { arbitrary: lyingHeader(), weight: 1 },
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) => new Uint8Array(Buffer.concat(parts)));

function lyingHeader(): fc.Arbitrary<Uint8Array> {
  return fc
    .record({
      length: fc.oneof(fc.constantFrom(-1, -(2 ** 31), 2 ** 31 - 1, 16 * 1024 * 1024, 16 * 1024 + 1, 0), fc.integer()),
      type: fc.integer({ min: 0, max: 255 }),
      compression: fc.constantFrom(0, 1, 2, 255),
      rest: fc.uint8Array({ maxLength: 64 }),
    })
    .map(({ length, type, compression, rest }) => {
      const header = Buffer.alloc(6);
      header.writeInt32LE(length | 0);
      header[4] = type;
      header[5] = compression;
      return new Uint8Array(Buffer.concat([header, rest]));
    });
}
