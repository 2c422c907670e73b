/**
 * Nobody sends data over a connection before the other side has said, in a handshake, who it is: vector clocks and batches go only
 * to whom one knows.
 */
import type { CheckerFactory } from '../checker.js';

/** The numbers of frames on the wire: see `protocol/wire.ts`. */
const handshakes: ReadonlySet<number> = new Set([1, 2]);
const beforeAdmission: ReadonlySet<number> = new Set([...handshakes, 39]);

/** What has passed on one stream. */
interface Introduction {
  /** Who has heard a handshake of the other side. */
  readonly known: Set<string>;
  readonly readers: Map<string, FrameTypes>;
}

export const authentication: CheckerFactory = (_, report) => {
  const introductions = new Map<number, Introduction>();
  return {
    name: 'authentication',
    kind: 'safety',
    delivered({ from, to, kind, stream, bytes }) {
      // Kept when an end is closed: what the other one has sent is still on its way.
      if (stream === undefined || kind !== 'bytes' || bytes === undefined) return;
      const introduction = introductions.get(stream) ?? {
        known: new Set<string>(),
        readers: new Map<string, FrameTypes>(),
      };
      introductions.set(stream, introduction);
      const { known, readers } = introduction;
      // Both know each other, and nothing can be sent too early any more.
      if (known.size === 2) {
        readers.clear();
        return;
      }
      const reader = readers.get(from) ?? new FrameTypes();
      readers.set(from, reader);
      reader.push(bytes, (type) => {
        if (handshakes.has(type)) known.add(to);
        else if (!known.has(from) && !beforeAdmission.has(type)) {
          report(`${from} has sent frame ${type} to ${to} before a handshake had come from there.`);
        }
      });
    },
  };
};

/** Finds the types of frames in a stream of bytes without decoding them: see `protocol/frame-codec.ts` for the header. */
class FrameTypes {
  readonly #header: number[] = [];
  #left = 0;

  push(bytes: Uint8Array, found: (type: number) => void): void {
    let offset = 0;
    while (offset < bytes.length) {
      const skipped = Math.min(this.#left, bytes.length - offset);
      this.#left -= skipped;
      offset += skipped;
      while (this.#left === 0 && offset < bytes.length) {
        this.#header.push(bytes[offset] as number);
        offset += 1;
        if (this.#header.length < headerBytes) continue;
        const [a, b, c, d, type] = this.#header as [number, number, number, number, number];
        found(type);
        this.#left = a | (b << 8) | (c << 16) | (d << 24);
        this.#header.length = 0;
        break;
      }
    }
  }
}

const headerBytes = 6;
