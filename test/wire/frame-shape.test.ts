/** How much one frame may cost: it is refused at its header, or over its bytes, before it becomes objects. */
import { describe, expect, it } from '@jest/globals';
import type { ErrorCode } from '../../src/core/errors.js';
import { limits } from '../../src/core/limits.js';
import { frameNumbers, payloadBytesMaxOf } from '../../src/wire/codec.js';
import { encodeFrame, FrameDecoder } from '../../src/wire/framing.js';
import type { Frame } from '../../src/wire/messages.js';
import { frameSamples, frameTypes } from './frame-samples.js';

const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));

function read(...pieces: readonly Uint8Array[]): Frame[] {
  const decoder = new FrameDecoder(limits.frameBytesMax);
  return pieces.flatMap((piece) => [...decoder.push(piece)]);
}

function codeOf(run: () => unknown): ErrorCode | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return (error as { code: ErrorCode }).code;
  }
}

function header(number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(6);
  new DataView(bytes.buffer).setInt32(0, length, true);
  bytes[4] = number;
  return bytes;
}

function frameOf(type: Frame['type'], payload: Uint8Array): Uint8Array {
  return Buffer.concat([header(frameNumbers[type], payload.length), payload]);
}

/** Empty elements, `count` times: the tag of the field, and a length of zero. */
const empties = (field: number, count: number): Buffer => Buffer.alloc(2 * count, Buffer.of((field << 3) | 2, 0));

function inside(field: number, content: Uint8Array): Buffer {
  const length: number[] = [];
  for (let rest = content.length; ; rest >>>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  return Buffer.from([(field << 3) | 2, ...length, ...content]);
}

describe('the largest frame', () => {
  it.each(frameTypes)('%s: as large as an honest node may send -> is read', (type) => {
    const frame = frameSamples[type].largest();
    const [got] = read(encodeFrame(frame));
    expect(got?.type).toBe(type);
    if (type !== 'frame.batch' && type !== 'frame.vectorClock') expect(got).toEqual(frame);
  });

  it.each(frameTypes)(
    '%s: announced one byte longer than its type allows, or with 16 MiB -> frameTooLarge at its header',
    (type) => {
      const number = frameNumbers[type];
      const bytesMax = payloadBytesMaxOf(number);
      expect(codeOf(() => read(header(number, bytesMax)))).toBeUndefined();
      expect(codeOf(() => read(header(number, bytesMax + 1)))).toBe('frameTooLarge');
      expect(codeOf(() => read(header(number, limits.frameBytesMax + 1)))).toBe('frameTooLarge');
    },
  );

  it('every type number -> is one of those above, or refused at its header', () => {
    const known = new Set(Object.values(frameNumbers));
    const accepted = times(256, (number) => number).filter(
      (number) => codeOf(() => read(header(number, 1))) === undefined,
    );
    expect(accepted.sort()).toEqual([...known].sort());
  });

  it('a heartbeat and smaller frames -> have at most some KiB', () => {
    const small = frameTypes.filter((type) => !['frame.batch', 'frame.vectorClock'].includes(type));
    for (const type of small) expect([type, payloadBytesMaxOf(frameNumbers[type]) < 128 * 1024]).toEqual([type, true]);
  });
});

describe('elements', () => {
  const million = 1_000_000;
  it.each<[string, Frame['type'], Uint8Array]>([
    ['authors of a clock', 'frame.vectorClock', empties(1, million)],
    ['collections', 'frame.batch', empties(2, million)],
    ['runs', 'frame.batch', empties(3, million)],
    ['entries of a run', 'frame.batch', inside(3, empties(4, million))],
    ['entries of many runs', 'frame.batch', Buffer.concat(times(500, () => inside(3, empties(4, 500))))],
    ['neighbors', 'frame.heartbeat', empties(6, 10_000)],
    ['relayed signs of life', 'frame.heartbeat', empties(9, 10_000)],
    ['a field that comes once', 'frame.heartbeat', empties(8, 10_000)],
    ['a field of an element that comes once', 'frame.heartbeat', inside(9, empties(4, 10_000))],
    ['unknown fields', 'frame.batch', empties(15, million)],
  ])(
    '%s: millions of empty ones -> frameMalformed within a few milliseconds, without making objects',
    (_, type, payload) => {
      const bytes = frameOf(type, payload);
      const before = process.memoryUsage().heapUsed;
      const startedAt = process.cpuUsage();
      expect(codeOf(() => read(bytes))).toBe('frameMalformed');
      expect(process.cpuUsage(startedAt).user).toBeLessThan(200_000);
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(8 * 1024 * 1024);
    },
  );

  it('the maximum of unknown fields -> are skipped; one more -> frameMalformed', () => {
    const send = (count: number) => codeOf(() => read(frameOf('frame.ping', empties(15, count))));
    expect([send(limits.unknownFieldsMax), send(limits.unknownFieldsMax + 1)]).toEqual([undefined, 'frameMalformed']);
  });

  it('texts over their bounds -> frameMalformed', () => {
    const text = (field: number, length: number) => inside(field, Buffer.alloc(length, 'x'));
    const entry = (payload: number) => inside(3, inside(4, text(5, payload)));
    const payloads: [Frame['type'], Uint8Array][] = [
      ['frame.goodbye', text(1, limits.refusalCodeLengthMax + 1)],
      ['frame.heartbeat', text(4, limits.hashLengthMax + 1)],
      ['frame.handshakeRequest', text(1, limits.nodeIdLengthMax + 1)],
      ['frame.batch', text(2, 3 * limits.collectionNameLengthMax + 1)],
      ['frame.batch', entry(limits.documentBytesMax + 1)],
      ['frame.batch', Buffer.concat([entry(limits.documentBytesMax), entry(1)])],
    ];
    for (const [type, payload] of payloads) {
      expect([type, codeOf(() => read(frameOf(type, payload)))]).toEqual([type, 'frameMalformed']);
    }
  });

  it('a text that is not UTF-8, which would grow when sent on -> frameMalformed', () => {
    const [goodbye] = [inside(2, Buffer.alloc(300, 0xff))];
    expect(codeOf(() => read(frameOf('frame.goodbye', goodbye as Buffer)))).toBe('frameMalformed');
  });

  it('a reason longer than its maximum -> arrives cut short, never in the middle of a character', () => {
    const message = `${'x'.repeat(limits.refusalTextLengthMax - 1)}😀`;
    const [got] = read(encodeFrame({ type: 'frame.goodbye', code: 'goodbye', message }));
    expect(got).toMatchObject({ message: `${'x'.repeat(limits.refusalTextLengthMax - 1)}\ufffd` });
  });

  it('after a refused frame -> the next one is counted from the start', () => {
    const many = frameOf('frame.heartbeat', empties(6, limits.peersMax + 1));
    expect(codeOf(() => read(many))).toBe('frameMalformed');
    expect(read(encodeFrame(frameSamples['frame.heartbeat'].largest()))).toHaveLength(1);
  });
});

describe('an incomplete frame', () => {
  it('16 bytes of a batch announced with the maximum size -> take a few bytes of memory, and with each piece as much again', () => {
    const decoder = new FrameDecoder(limits.frameBytesMax);
    const number = frameNumbers['frame.batch'];
    const length = payloadBytesMaxOf(number);
    decoder.feed(Buffer.concat([header(number, length), Buffer.alloc(16)]));
    expect(decoder.next()).toBeUndefined();
    expect(decoder.heldBytes).toBeLessThanOrEqual(32);
    for (let arrived = 16; arrived + 65_536 < length; arrived += 65_536) {
      decoder.feed(Buffer.alloc(65_536));
      expect(decoder.next()).toBeUndefined();
      expect(decoder.heldBytes).toBeLessThanOrEqual(2 * (arrived + 65_536));
    }
  });

  it('complete -> no memory is held', () => {
    const decoder = new FrameDecoder(limits.frameBytesMax);
    const bytes = encodeFrame(frameSamples['frame.batch'].largest());
    decoder.feed(bytes.subarray(0, 100_000));
    expect(decoder.next()).toBeUndefined();
    expect(decoder.heldBytes).toBeGreaterThan(0);
    decoder.feed(bytes.subarray(100_000));
    expect(decoder.next()).toMatchObject({ type: 'frame.batch' });
    expect(decoder.heldBytes).toBe(0);
  });
});
