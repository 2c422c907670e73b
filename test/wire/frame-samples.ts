/**
 * Samples of every frame for all tests of frames: an arbitrary one, as the fuzzer draws it, and the largest one. A
 * missing type does not compile.
 */
import fc from 'fast-check';
import {
  anyAuthor,
  anyBoot,
  anyCount,
  anyHash,
  anyHlc,
  anyIdentity,
  anyNodeId,
  anyPort,
  anyRefusal,
  anyRun,
  anySecret,
  record,
} from '../../fuzz/material.js';
import { type Author, authorKeyOf, type Incarnation } from '../../src/core/author.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { Boot, CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import type { Presence } from '../../src/core/liveness.js';
import { Secret } from '../../src/core/secret.js';
import type { Frame } from '../../src/wire/messages.js';

export type FrameOf<Type extends Frame['type']> = Extract<Frame, { type: Type }>;
type Fields<Type extends Frame['type']> = Omit<FrameOf<Type>, 'type'>;

interface Samples<Type extends Frame['type']> {
  /** Any well-formed frame of the type, with any claims. */
  readonly any: fc.Arbitrary<FrameOf<Type>>;
  /** The largest frame of the type that an honest node can send. */
  readonly largest: () => FrameOf<Type>;
}

const nodeId = 'n'.repeat(limits.nodeIdLengthMax) as NodeId;
const boot = 'b'.repeat(limits.tokenIdLengthMax) as Boot;
const hash = 'h'.repeat(limits.hashLengthMax);
const hlc = (2 ** 52) as Hlc;
const author: Author = { nodeId, incarnation: boot as string as Incarnation, scope: 'cluster' };
const identity = { nodeId, boot, port: 65_535 };
const presence: Presence = {
  counter: 2 ** 52,
  isEligible: true,
  impairment: 'databaseUnavailable',
  uplink: 'failed',
  electionRole: 'leading',
  term: 2 ** 52,
};
const anyPresence = record<Presence>({
  counter: anyCount,
  isEligible: fc.boolean(),
  impairment: fc.constantFrom(undefined, 'diskFull', 'databaseUnavailable'),
  uplink: fc.constantFrom('unknown', 'ok', 'failed'),
  electionRole: fc.constantFrom('following', 'claiming', 'leading'),
  term: anyCount,
});
const anyRelayed = fc
  .tuple(record({ nodeId: anyNodeId, boot: anyBoot, intervalMs: fc.nat(60_000) }), anyPresence)
  .map(([who, how]) => ({ ...who, ...how }));
const refusal = { code: 'reconfigurationQueueFull', message: '€'.repeat(limits.refusalTextLengthMax) } as const;
const token = new Secret('t'.repeat(limits.tokenLengthMax));
const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));
const none = () => ({});

export const frameSamples: { readonly [Type in Frame['type']]: Samples<Type> } = {
  'frame.handshakeRequest': samples(
    'frame.handshakeRequest',
    { version: fc.nat(), identity: anyIdentity, token: fc.option(anySecret, { nil: undefined }) },
    () => ({ version: 2 ** 31, identity, token }),
  ),
  'frame.handshakeResponse': samples(
    'frame.handshakeResponse',
    { version: fc.nat(), identity: anyIdentity, refusal: fc.option(anyRefusal, { nil: undefined }) },
    () => ({ version: 2 ** 31, identity, refusal }),
  ),
  'frame.vectorClock': samples(
    'frame.vectorClock',
    {
      received: anyCount,
      clock: fc
        .array(fc.tuple(anyAuthor, record({ hlc: anyHlc, hash: anyHash })), { maxLength: 5 })
        .map((positions) => new Map(positions.map(([who, position]) => [authorKeyOf(who), position]))),
    },
    () => {
      const incarnation = (at: number) => `${at}`.padStart(10, '0') as Incarnation;
      const clock = times(limits.authorsPerClockMax, (at) => {
        const who = authorKeyOf({ nodeId: 'node-a' as NodeId, incarnation: incarnation(at), scope: 'shared' });
        return [who, { hlc, hash }] as const;
      });
      return { received: 2 ** 52, clock: new Map(clock) };
    },
  ),
  'frame.vectorClockRequest': samples('frame.vectorClockRequest', {}, none),
  'frame.batch': samples(
    'frame.batch',
    { sequence: fc.oneof(fc.integer({ min: 1, max: 6 }), anyCount), runs: fc.array(anyRun, { maxLength: 3 }) },
    largestBatch,
  ),
  'frame.parcel': samples(
    'frame.parcel',
    { hash: anyHash, size: fc.constant(limits.parcelBytesMax), offset: fc.nat(limits.parcelBytesMax) },
    () => ({
      hash,
      size: limits.parcelBytesMax,
      offset: limits.parcelBytesMax,
    }),
  ),
  'frame.part': samples('frame.part', { bytes: fc.uint8Array().map((bytes) => Buffer.from(bytes)) }, () => ({
    bytes: Buffer.alloc(limits.partBytesMax, 0xff),
    wantsProgress: true,
  })),
  'frame.parcelHeld': samples('frame.parcelHeld', { hash: anyHash, held: anyCount }, () => ({
    hash,
    held: limits.parcelBytesMax,
  })),
  'frame.progress': samples('frame.progress', { received: anyCount }, () => ({ received: 2 ** 52 })),
  'frame.acknowledgement': samples('frame.acknowledgement', { sequence: anyCount }, () => ({ sequence: 2 ** 52 })),
  'frame.batchHeld': samples(
    'frame.batchHeld',
    { sequence: anyCount, code: fc.constantFrom('diskFull', 'databaseCorrupt') },
    () => ({ sequence: 2 ** 52, code: 'databaseUnavailable' }),
  ),
  'frame.heartbeat': samples(
    'frame.heartbeat',
    {
      sequence: anyCount,
      echo: anyCount,
      heldMs: fc.nat(),
      wallMs: anyCount,
      intervalMs: fc.nat(60_000),
      digest: anyHash,
      neighbors: fc.option(fc.array(anyNodeId, { maxLength: 5 }), { nil: undefined }),
      presence: fc.option(anyPresence, { nil: undefined }),
      relayed: fc.array(anyRelayed, { maxLength: 3 }),
    },
    () => ({
      sequence: 2 ** 52,
      echo: 2 ** 52,
      heldMs: 2 ** 31,
      wallMs: 2 ** 52,
      intervalMs: limits.heartbeatIntervalMaxMs,
      digest: hash,
      neighbors: times(limits.peersMax, () => nodeId),
      presence,
      relayed: times(limits.peersMax, () => ({ nodeId, boot, intervalMs: limits.heartbeatIntervalMaxMs, ...presence })),
    }),
  ),
  'frame.ping': samples('frame.ping', {}, none),
  'frame.pong': samples('frame.pong', {}, none),
  'frame.goodbye': {
    any: anyRefusal.map((why) => ({ type: 'frame.goodbye', ...why })),
    largest: () => ({ type: 'frame.goodbye', ...refusal }),
  },
  'frame.tokenRenewal': samples('frame.tokenRenewal', { token: anySecret }, () => ({ token })),
  'frame.relocated': samples('frame.relocated', { port: anyPort }, () => ({ port: 65_535 })),
};

export const frameTypes = Object.keys(frameSamples) as readonly Frame['type'][];

/** A frame of the type, the same at each call. */
export function sampleOf<Type extends Frame['type']>(type: Type): FrameOf<Type> {
  const [sample] = fc.sample<FrameOf<Type>>(frameSamples[type].any, { seed: 1, numRuns: 1 });
  return sample as FrameOf<Type>;
}

function samples<Type extends Frame['type']>(
  type: Type,
  fields: { readonly [Name in keyof Fields<Type>]: fc.Arbitrary<Fields<Type>[Name]> },
  largest: () => Fields<Type>,
): Samples<Type> {
  const any = record<Fields<Type>>(fields).map((drawn) => ({ type, ...drawn }) as unknown as FrameOf<Type>);
  return { any, largest: () => ({ type, ...largest() }) as unknown as FrameOf<Type> };
}

/** A batch with the maximum of entries and of document bytes, with the longest names. */
function largestBatch(): Fields<'frame.batch'> {
  const payload = JSON.stringify('x'.repeat(Math.floor(limits.documentBytesMax / limits.batchEntriesMax) - 2));
  const entry = { hlc, key: '€'.repeat(limits.keyLengthMax) as DocumentKey, operation: 'put' as const, payload, hash };
  const collection = (at: number) =>
    `_system_${at}${'€'.repeat(limits.collectionNameLengthMax - `_system_${at}`.length)}` as CollectionName;
  return {
    sequence: 2 ** 52,
    runs: times(limits.batchRunsMax, (at) => ({
      author,
      after: { hlc, hash },
      entries: at < limits.batchEntriesMax ? [{ ...entry, collection: collection(at) }] : [],
    })),
  };
}
