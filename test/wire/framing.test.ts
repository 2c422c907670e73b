import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { anyFrame } from '../../fuzz/frames.js';
import { type Author, authorKeyOf, type Incarnation } from '../../src/core/author.js';
import { chainRun, chainStart } from '../../src/core/entry.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { Boot, CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { Secret } from '../../src/core/secret.js';
import { frameNumbers } from '../../src/wire/codec.js';
import { encodeFrame, FrameDecoder } from '../../src/wire/framing.js';
import type { Frame } from '../../src/wire/messages.js';
import { frameTypes, sampleOf } from './frame-samples.js';

const identity = { nodeId: 'node-a' as NodeId, boot: 'boot_1' as Boot, port: 9_000 };
const author: Author = { nodeId: 'node-a' as NodeId, incarnation: 'i1' as Incarnation, scope: 'shared' };
const hash = 'h'.repeat(43);

const entry = fc.record({
  collection: fc.constantFrom('things', 'Überall', 'x y').map((name) => name as CollectionName),
  key: fc.stringMatching(/^[\p{L}0-9]{1,40}$/u).map((key) => key as DocumentKey),
  content: fc.option(fc.jsonValue(), { nil: undefined }),
});

const batch = fc.tuple(fc.nat(), fc.array(entry, { maxLength: 20 })).map(([sequence, contents]): Frame => {
  const entries = contents.map(({ content, ...names }, index) => ({
    ...names,
    hlc: (index + 1) as Hlc,
    operation: content === undefined ? ('delete' as const) : ('put' as const),
    payload: content === undefined ? '' : JSON.stringify(content),
  }));
  return { type: 'frame.batch', sequence, runs: [chainRun(author, chainStart, entries)] };
});

/** One of each type. */
const others = frameTypes.map((type): Frame => sampleOf(type));
const frame = fc.oneof(anyFrame, batch);

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function decodeAll(pieces: readonly Uint8Array[], frameBytesMax = limits.frameBytesMax as number): Frame[] {
  const decoder = new FrameDecoder(frameBytesMax);
  return pieces.flatMap((piece) => [...decoder.push(piece)].map(withWholeClock));
}

/** A received clock is decoded while it is walked. */
function withWholeClock(frame: Frame): Frame {
  return frame.type === 'frame.vectorClock' ? { ...frame, clock: new Map(frame.clock) } : frame;
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

/** A frame with any type and payload, valid or not. */
function rawFrame(type: number, payload: Uint8Array, length = payload.length, compression = 0): Uint8Array {
  const bytes = new Uint8Array(6 + payload.length);
  new DataView(bytes.buffer).setInt32(0, length, true);
  bytes[4] = type;
  bytes[5] = compression;
  bytes.set(payload, 6);
  return bytes;
}

describe('frame codec', () => {
  it('frames: encoded, cut anywhere, decoded -> the same frames', () => {
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 6 }), fc.array(fc.nat()), (frames, cuts) => {
        const bytes = concatenate(frames.map(encodeFrame));
        const places = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((x, y) => x - y);
        const pieces = [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.length));
        expect(decodeAll(pieces)).toEqual(frames);
      }),
      { numRuns: 200 },
    );
  });

  it('frames: byte by byte -> the same frames', () => {
    const bytes = concatenate(others.map(encodeFrame));
    expect(decodeAll([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(others);
  });

  it('any bytes -> frames, or an error with its code', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (pieces) => {
        expect([undefined, 'frameTooLarge', 'frameMalformed']).toContain(codeOf(() => decodeAll(pieces)));
      }),
    );
  });

  it('any payload under a known type -> a frame, or frameMalformed', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(frameNumbers)),
        fc.uint8Array({ maxLength: 100 }),
        (type, payload) => {
          expect([undefined, 'frameMalformed']).toContain(codeOf(() => decodeAll([rawFrame(type, payload)])));
        },
      ),
    );
  });

  it('the number of each type -> is its own, and fits in one byte of a header', () => {
    const numbers = Object.values(frameNumbers);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.filter((number) => number < 1 || number > 127)).toEqual([]);
  });

  it('a length over the limit, or negative -> frameTooLarge before anything is allocated', () => {
    const header = (length: number) => rawFrame(34, new Uint8Array(), length);
    expect(codeOf(() => decodeAll([header(limits.frameBytesMax + 1)]))).toBe('frameTooLarge');
    expect(codeOf(() => decodeAll([header(-1)]))).toBe('frameTooLarge');
    expect(codeOf(() => decodeAll([header(2_000)], 1_000))).toBe('frameTooLarge');
  });

  it('the maximum of authors, runs and entries -> are read; one more -> frameMalformed', () => {
    const clockOf = (authors: number): Frame => ({
      type: 'frame.vectorClock',
      received: 0,
      clock: new Map(
        Array.from({ length: authors }, (_, index) => [
          authorKeyOf({ ...author, incarnation: `i${index}` as Incarnation }),
          { hlc: 1 as Hlc, hash },
        ]),
      ),
    });
    const batchOf = (runs: number, entries: number): Frame => {
      const one = { hlc: 1 as Hlc, collection: 'c' as CollectionName, key: 'k' as DocumentKey };
      const made = { ...one, operation: 'put' as const, payload: '1', hash };
      const run = { author, after: chainStart, entries: Array(entries).fill(made) };
      return { type: 'frame.batch', sequence: 1, runs: Array(runs).fill(run) };
    };
    const refusalOf = (made: Frame) => codeOf(() => decodeAll([encodeFrame(made)]));
    expect([
      ...[refusalOf(clockOf(limits.authorsPerClockMax)), refusalOf(clockOf(limits.authorsPerClockMax + 1))],
      ...[refusalOf(batchOf(limits.batchRunsMax, 0)), refusalOf(batchOf(limits.batchRunsMax + 1, 0))],
      ...[refusalOf(batchOf(1, limits.batchEntriesMax)), refusalOf(batchOf(1, limits.batchEntriesMax + 1))],
    ]).toEqual([undefined, 'frameMalformed', undefined, 'frameMalformed', undefined, 'frameMalformed']);
  });

  it('a heartbeat that announces an interval of a day -> counts as one with the longest interval', () => {
    const [read] = decodeAll([encodeFrame({ ...sampleOf('frame.heartbeat'), intervalMs: 86_400_000 })]);
    expect(read).toMatchObject({ intervalMs: limits.heartbeatIntervalMaxMs });
  });

  it('a compressed frame, an unknown type -> frameMalformed', () => {
    expect(codeOf(() => decodeAll([rawFrame(37, new Uint8Array(), 0, 1)]))).toBe('frameMalformed');
    expect(codeOf(() => decodeAll([rawFrame(200, new Uint8Array())]))).toBe('frameMalformed');
  });

  it('a handshake as EntglDB peers send it -> decodes, without a version', () => {
    const bytes = Uint8Array.from(
      Buffer.from('150000000100' + '0a03636c69' + '1206736563726574' + '1a0662726f746c69', 'hex'),
    );
    expect(decodeAll([bytes])).toEqual([
      {
        type: 'frame.handshakeRequest',
        version: 0,
        identity: { nodeId: 'cli', boot: '', port: 0 },
        token: new Secret('secret'),
      },
    ]);
  });

  it('a token: the longest, before admission -> arrives; longer, or with invisible characters -> frameMalformed', () => {
    const send = (text: string) => {
      const token = new Secret(text);
      const longestId = { ...identity, nodeId: 'n'.repeat(limits.nodeIdLengthMax) as NodeId };
      const frames: Frame[] = [
        { type: 'frame.handshakeRequest', version: 1, identity: longestId, token },
        { type: 'frame.tokenRenewal', token },
      ];
      return frames.flatMap((frame) => decodeAll([encodeFrame(frame)], limits.frameBytesBeforeAdmissionMax));
    };
    const longest = 'x'.repeat(limits.tokenLengthMax);
    const arrived = send(longest).map((frame) => ('token' in frame ? frame.token?.reveal() : undefined));
    expect(arrived).toEqual([longest, longest]);
    for (const text of [`${longest}x`, 'a b', 'a\nb', 'ä']) expect(codeOf(() => send(text))).toBe('frameMalformed');
    expect(codeOf(() => decodeAll([encodeFrame({ type: 'frame.tokenRenewal', token: new Secret('') })]))).toBe(
      'frameMalformed',
    );
  });

  it('entries of the wrong scope, names with control characters, deletes with a payload -> frameMalformed', () => {
    const good = {
      hlc: 1 as Hlc,
      collection: 'c' as CollectionName,
      key: 'k' as DocumentKey,
      payload: '1',
      operation: 'put',
    } as const;
    const send = (changes: object) => {
      const [run] = [chainRun(author, chainStart, [{ ...good, ...changes }])];
      return codeOf(() => decodeAll([encodeFrame({ type: 'frame.batch', sequence: 1, runs: [run] })]));
    };
    expect(send({})).toBeUndefined();
    expect(send({ collection: '_system_remote_peers' })).toBe('frameMalformed');
    expect(send({ key: 'a\nb' })).toBe('frameMalformed');
    expect(send({ operation: 'delete' })).toBe('frameMalformed');
    expect(send({ hlc: 0 })).toBe('frameMalformed');
  });
});
