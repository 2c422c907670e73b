/**
 * Messages as protobuf. Types 1 and 2 are those of EntglDB peers (`node_id`, `accepted`), with our own fields from 100
 * up. Every other message has a type of its own in the range that is free for extensions, from 32 up.
 *
 * Decoding trusts nothing. Counts and lengths are checked before any object is made, then every id, stamp, count and
 * text. Anything out of bounds is `frameMalformed`.
 */

import type protobuf from 'protobufjs';
import { isPort } from '../core/address.js';
import { type Author, type AuthorKey, authorKeyOf, parseAuthorKey, scopeOf } from '../core/author.js';
import type { ElectionRole, Uplink } from '../core/election-rule.js';
import type { Entry, Position, Run } from '../core/entry.js';
import { type ErrorCode, isErrorCode, StatemeshError } from '../core/errors.js';
import { foreignText } from '../core/foreign-text.js';
import { type Hlc, isHlc } from '../core/hlc.js';
import { type CollectionName, isBoot, isCollectionName, isDocumentKey, isNodeId, type NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { Presence, RelayedPresence } from '../core/liveness.js';
import { Secret } from '../core/secret.js';
import { wireBounds } from './bounds.js';
import { FrameShape } from './frame-shape.js';
import type { BatchFrame, Frame, Identity, Refusal } from './messages.js';
import { protobufjs } from './protobuf.js';

const schema = `
  syntax = "proto3";
  message HandshakeRequest {
    string node_id = 1; string auth_token = 2; uint32 version = 100; string boot = 101; uint32 port = 102;
  }
  message HandshakeResponse {
    string node_id = 1; bool accepted = 2;
    uint32 version = 100; string boot = 101; uint32 port = 102; string refusal_code = 103; string refusal_message = 104;
  }
  message VectorClock { repeated AuthorPosition positions = 1; uint64 received = 2; }
  message VectorClockHead { uint64 received = 2; }
  message AuthorPosition { string author = 1; uint64 hlc = 2; string hash = 3; }
  message VectorClockRequest {}
  message Batch {
    uint64 sequence = 1; repeated string collections = 2; repeated Run runs = 3; bool carried = 4; bool wants_progress = 5;
  }
  message Parcel { string hash = 1; uint64 size = 2; uint64 offset = 3; }
  message Part { bytes bytes = 1; bool wants_progress = 2; }
  message ParcelHeld { string hash = 1; uint64 held = 2; }
  message Progress { uint64 received = 1; }
  message Run { string author = 1; uint64 after_hlc = 2; string after_hash = 3; repeated Entry entries = 4; }
  message Entry { uint64 hlc = 1; uint32 collection = 2; string key = 3; bool deleted = 4; string payload = 5; string hash = 6; }
  message Acknowledgement { uint64 sequence = 1; uint64 received = 2; }
  message BatchHeld { uint64 sequence = 1; string code = 2; }
  message Heartbeat {
    uint64 sequence = 1; uint64 echo = 2; uint32 held_ms = 3; string digest = 4; uint64 wall_ms = 10;
    bool neighbors_changed = 5; repeated string neighbors = 6; uint32 interval_ms = 7;
    Presence presence = 8; repeated RelayedPresence relayed = 9; uint64 received = 11;
  }
  message Presence {
    uint64 counter = 1; bool eligible = 2; uint32 uplink = 3; uint32 election_role = 4; uint64 term = 5; string impairment = 6;
  }
  message RelayedPresence { string node_id = 1; string boot = 2; uint32 interval_ms = 3; Presence presence = 4; }
  message Ping {}
  message Pong {}
  message Goodbye { string code = 1; string message = 2; }
  message TokenRenewal { string token = 1; }
  message Relocated { uint32 port = 1; }
`;

let root: protobuf.Root | undefined;

/**
 * Parses the schema when the first frame is sent or received: a program may import this long before, or never meet a
 * peer.
 */
function messageOf(name: string): protobuf.Type {
  root ??= protobufjs().parse(schema, { keepCase: false }).root;
  return root.lookupType(name);
}

interface WireType {
  readonly message: protobuf.Type;
  /** The part that is decoded at once: the whole message, or all of it but a part that is decoded on each walk. */
  readonly head: protobuf.Type;
  readonly shape: FrameShape;
}

/** How one frame travels: the number of its type, and its fields as protobufjs accepts and returns them. */
interface Codec {
  readonly number: number;
  type(): WireType;
  encode(frame: Frame): object;
  decode(fields: never, payload: Buffer): Frame;
}

function codec<Type extends Frame['type'], Fields>(
  type: Type,
  number: number,
  encode: (frame: Extract<Frame, { type: Type }>) => Fields,
  decode: (fields: Fields, payload: Buffer) => Omit<Extract<Frame, { type: Type }>, 'type'>,
  headName = '',
): Codec {
  const name = type.slice('frame.'.length);
  let built: WireType | undefined;
  const build = (): WireType => {
    const message = messageOf(name.charAt(0).toUpperCase() + name.slice(1));
    const head = headName === '' ? message : messageOf(headName);
    return { message, head, shape: new FrameShape(message, wireBounds) };
  };
  return {
    number,
    type() {
      built ??= build();
      return built;
    },
    encode: encode as Codec['encode'],
    decode: (fields, payload) => ({ type, ...decode(fields, payload) }) as Frame,
  };
}

const nothing = () => ({});
/** protobufjs gives an empty array, which is not a Buffer, for bytes that did not come. */
const noBytes = Buffer.alloc(0);
const codecs: Record<Frame['type'], Codec> = {
  'frame.handshakeRequest': codec(
    'frame.handshakeRequest',
    1,
    ({ identity, version, token }) => ({ ...identity, version, authToken: token?.reveal() ?? '' }),
    (fields) => ({
      version: fields.version,
      identity: decodeIdentity(fields),
      token: fields.authToken === '' ? undefined : decodeToken(fields.authToken),
    }),
  ),
  'frame.handshakeResponse': codec(
    'frame.handshakeResponse',
    2,
    ({ identity, version, refusal }) => ({
      ...identity,
      version,
      accepted: refusal === undefined,
      refusalCode: refusal?.code ?? '',
      refusalMessage: refusalText(refusal?.message ?? ''),
    }),
    (fields) => ({
      version: fields.version,
      identity: decodeIdentity(fields),
      refusal: fields.accepted ? undefined : decodeRefusal(fields.refusalCode, fields.refusalMessage),
    }),
  ),
  'frame.vectorClock': codec(
    'frame.vectorClock',
    32,
    ({ clock, received }) => ({
      received,
      positions: [...clock].map(([author, { hlc, hash }]) => ({ author: author as string, hlc: hlc as number, hash })),
    }),
    ({ received }, payload) => ({ received: count(received), clock: new WireClock(payload) }),
    'VectorClockHead',
  ),
  'frame.vectorClockRequest': codec('frame.vectorClockRequest', 33, nothing, nothing),
  'frame.batch': codec('frame.batch', 34, encodeBatch, (fields) => ({
    sequence: count(fields.sequence),
    runs: fields.carried ? carriedRun(decodeRuns(fields)) : decodeRuns(fields),
    ...(fields.carried ? { isCarried: true } : undefined),
    ...(fields.wantsProgress ? { wantsProgress: true } : undefined),
  })),
  'frame.acknowledgement': codec(
    'frame.acknowledgement',
    35,
    ({ sequence, received }) => ({ sequence, received: received ?? 0 }),
    ({ sequence, received }) => ({ sequence: count(sequence), ...receivedOf(received) }),
  ),
  'frame.heartbeat': codec(
    'frame.heartbeat',
    36,
    ({ sequence, echo, heldMs, wallMs, intervalMs, digest, received, neighbors, presence, relayed }) => ({
      sequence,
      echo,
      heldMs,
      wallMs,
      intervalMs,
      digest,
      received: received ?? 0,
      neighborsChanged: neighbors !== undefined,
      neighbors: (neighbors ?? []) as readonly string[],
      presence: presence === undefined ? null : encodePresence(presence),
      relayed: relayed.map(encodeRelayed),
    }),
    (fields) => ({
      sequence: count(fields.sequence),
      echo: count(fields.echo),
      heldMs: fields.heldMs,
      wallMs: count(fields.wallMs),
      intervalMs: Math.min(fields.intervalMs, limits.heartbeatIntervalMaxMs),
      digest: hashText(fields.digest),
      ...receivedOf(fields.received),
      neighbors: fields.neighborsChanged ? decodeNeighbors(fields.neighbors) : undefined,
      presence: fields.presence === null ? undefined : decodePresence(fields.presence),
      relayed: decodeAllRelayed(fields.relayed),
    }),
  ),
  'frame.batchHeld': codec(
    'frame.batchHeld',
    42,
    ({ sequence, code }) => ({ sequence, code: code as string }),
    ({ sequence, code }) => ({ sequence: count(sequence), code: impairmentNamed(code) }),
  ),
  'frame.ping': codec('frame.ping', 37, nothing, nothing),
  'frame.pong': codec('frame.pong', 38, nothing, nothing),
  'frame.goodbye': codec(
    'frame.goodbye',
    39,
    ({ code, message }) => ({ code: code as string, message: refusalText(message) }),
    ({ code, message }) => decodeRefusal(code, message),
  ),
  'frame.tokenRenewal': codec(
    'frame.tokenRenewal',
    40,
    ({ token }) => ({ token: token.reveal() }),
    ({ token }) => ({ token: decodeToken(token) }),
  ),
  'frame.relocated': codec(
    'frame.relocated',
    41,
    ({ port }) => ({ port }),
    ({ port }) => ({ port: decodePort(port) }),
  ),
  'frame.parcel': codec(
    'frame.parcel',
    46,
    ({ hash, size, offset }) => ({ hash, size, offset }),
    ({ hash, size, offset }) => ({ hash: hashText(hash), ...decodeStretch(size, offset) }),
  ),
  'frame.part': codec(
    'frame.part',
    43,
    ({ bytes, wantsProgress }) => ({ bytes, wantsProgress: wantsProgress === true }),
    ({ bytes, wantsProgress }) => ({
      bytes: bytes.length === 0 ? noBytes : bytes,
      ...(wantsProgress ? { wantsProgress } : undefined),
    }),
  ),
  'frame.parcelHeld': codec(
    'frame.parcelHeld',
    44,
    ({ hash, held }) => ({ hash, held }),
    ({ hash, held }) => ({ hash: hashText(hash), held: count(held) }),
  ),
  'frame.progress': codec(
    'frame.progress',
    45,
    ({ received }) => ({ received }),
    ({ received }) => ({ received: count(received) }),
  ),
};

/** The number of each type on the wire: 1 to 127, so that a header always takes the same number of bytes. */
export const frameNumbers: Readonly<Record<Frame['type'], number>> = Object.fromEntries(
  Object.entries(codecs).map(([type, { number }]) => [type, number]),
) as Record<Frame['type'], number>;

const codecsByNumber = new Map(Object.values(codecs).map((each) => [each.number, each]));

/**
 * Encodes a frame as protobuf, after the header that `begin` writes. `begin` gets the number of the frame's type.
 * Nothing is copied: the result is a part of the buffer that protobufjs has written to.
 */
export function encodeMessage(frame: Frame, begin: (writer: protobuf.Writer, number: number) => void): Uint8Array {
  const { number, type, encode } = codecs[frame.type];
  const writer = protobufjs().Writer.create();
  begin(writer, number);
  return type().message.encode(encode(frame), writer).finish(true);
}

/**
 * The maximum of payload bytes of a frame, by the number of its type.
 *
 * @throws StatemeshError `frameMalformed` for an unknown type
 */
export function payloadBytesMaxOf(number: number): number {
  return codecOf(number).type().shape.bytesMax;
}

/**
 * Decodes a payload by the number of its type.
 *
 * @throws StatemeshError `frameMalformed`
 */
export function decodeMessage(number: number, payload: Uint8Array): Frame {
  const codec = codecOf(number);
  const { head, shape } = codec.type();
  shape.check(payload);
  // Native code reads the texts of a Buffer.
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  let fields: protobuf.Message;
  try {
    fields = head.decode(bytes);
  } catch (cause) {
    throw new StatemeshError('frameMalformed', `A frame of type ${number} has broken protobuf.`, { cause });
  }
  return codec.decode(fields as never, bytes);
}

function codecOf(number: number): Codec {
  const codec = codecsByNumber.get(number);
  if (codec === undefined) throw malformed(`its type ${number} is unknown`);
  return codec;
}

interface WireRun {
  readonly author: string;
  readonly afterHlc: number;
  readonly afterHash: string;
  readonly entries: readonly WireEntry[];
}

interface WireEntry {
  readonly hlc: number;
  readonly collection: number;
  readonly key: string;
  readonly deleted: boolean;
  readonly payload: string;
  readonly hash: string;
}

interface WireBatch {
  readonly sequence: number;
  readonly runs: WireRun[];
  readonly collections: string[];
  readonly carried: boolean;
  readonly wantsProgress: boolean;
}

/** Collection names travel once per batch; entries refer to them by index. */
function encodeBatch({ sequence, runs, isCarried = false, wantsProgress = false }: BatchFrame): WireBatch {
  const indexes = new Map<CollectionName, number>();
  const indexOf = (name: CollectionName): number => {
    let index = indexes.get(name);
    if (index === undefined) {
      index = indexes.size;
      indexes.set(name, index);
    }
    return index;
  };
  const encoded = runs.map(({ author, after, entries }) => ({
    author: authorKeyOf(author),
    afterHlc: after.hlc,
    afterHash: after.hash,
    entries: entries.map((entry) => ({
      hlc: entry.hlc,
      collection: indexOf(entry.collection),
      key: entry.key,
      deleted: entry.operation === 'delete',
      payload: isCarried ? '' : entry.payload,
      hash: entry.hash,
    })),
  }));
  return { sequence, runs: encoded, collections: [...indexes.keys()], carried: isCarried, wantsProgress };
}

function carriedRun(runs: readonly Run[]): readonly Run[] {
  const entry = runs[0]?.entries[0];
  if (runs.length !== 1 || runs[0]?.entries.length !== 1 || entry?.operation !== 'put' || entry.payload !== '') {
    throw malformed('it does not name the one entry that came in parts');
  }
  return runs;
}

/** A sender that does not report it sends 0. */
function receivedOf(received: number): { readonly received: number } | undefined {
  return received === 0 ? undefined : { received: count(received) };
}

function decodeStretch(size: number, offset: number): { readonly size: number; readonly offset: number } {
  if (count(size) > limits.parcelBytesMax) {
    throw new StatemeshError(
      'frameTooLarge',
      `A parcel of ${size} bytes is refused; at most ${limits.parcelBytesMax}.`,
    );
  }
  if (count(offset) > size) throw malformed('its offset is beyond its size');
  return { size, offset };
}

function decodePort(port: number): number {
  if (!isPort(port)) throw malformed('its port is invalid');
  return port;
}

function decodeIdentity({ nodeId, boot, port }: { nodeId: string; boot: string; port: number }): Identity {
  if (!isNodeId(nodeId)) throw malformed('its NodeId is invalid');
  // Other implementations have no boot: the session refuses them by their version, with a message that they can show.
  if (boot !== '' && !isBoot(boot)) throw malformed('its boot is invalid');
  return { nodeId, boot: boot as Identity['boot'], port: decodePort(port) };
}

/** Visible characters, as RFC 6750 requires. */
function decodeToken(token: string): Secret {
  if (!/^[!-~]+$/.test(token)) throw malformed('its token is invalid');
  return new Secret(token);
}

/** A code of a newer version is unknown here: it is shown as `goodbye`, with its text. */
function decodeRefusal(code: string, message: string): Refusal {
  const text = foreignText(message, { lengthMax: limits.refusalTextLengthMax });
  return { code: isErrorCode(code) ? code : 'goodbye', message: text };
}

/** Cut to the maximum length. */
function refusalText(message: string): string {
  return message.slice(0, limits.refusalTextLengthMax).toWellFormed();
}

/**
 * A clock kept as the bytes of its frame. It may name 100,000 authors, of which few matter, so each walk decodes them
 * one by one.
 */
class WireClock implements Iterable<readonly [AuthorKey, Position]> {
  readonly #payload: Buffer;

  /** @throws StatemeshError `frameMalformed` */
  constructor(payload: Buffer) {
    this.#payload = payload;
    // Walks once, so that no later walk fails.
    for (const _ of this);
  }

  *[Symbol.iterator](): Generator<readonly [AuthorKey, Position]> {
    const authorPosition = messageOf('AuthorPosition');
    const reader = protobufjs().Reader.create(this.#payload);
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag >>> 3 === 1) yield decodePosition(authorPosition.decode(reader, reader.uint32()) as never);
      else reader.skipType(tag & 7);
    }
  }
}

function decodePosition({ author, hlc, hash }: { author: string; hlc: number; hash: string }) {
  if (parseAuthorKey(author) === undefined) throw malformed('an author is invalid');
  return [author as AuthorKey, { hlc: stamp(hlc), hash: hashText(hash) }] as const;
}

function decodeRuns({ runs, collections }: { runs: readonly WireRun[]; collections: readonly string[] }): Run[] {
  const names = collections.map((name) => {
    if (!isCollectionName(name)) throw malformed('a collection name is invalid');
    return name;
  });
  return runs.map(({ author: authorKey, afterHlc, afterHash, entries }) => {
    const author = parseAuthorKey(authorKey);
    if (author === undefined) throw malformed('an author is invalid');
    return { author, after: decodeAfter(afterHlc, afterHash), entries: decodeEntries(entries, names, author) };
  });
}

function decodeEntries(entries: readonly WireEntry[], names: readonly CollectionName[], author: Author): Entry[] {
  return entries.map((entry) => {
    const collection = names[entry.collection];
    if (collection === undefined) throw malformed('an entry names no collection');
    // Entries that must not leave the cluster have a chain of their own; a mixed chain would break that promise.
    if (scopeOf(collection) !== author.scope) throw malformed('an entry has the wrong scope');
    if (!isDocumentKey(entry.key)) throw malformed('a key is invalid');
    if (entry.deleted && entry.payload !== '') throw malformed('a delete has a payload');
    return {
      hlc: stamp(entry.hlc),
      collection,
      key: entry.key,
      operation: entry.deleted ? 'delete' : 'put',
      payload: entry.payload,
      hash: hashText(entry.hash),
    };
  });
}

function decodeAfter(hlc: number, hash: string): Position {
  if (hlc === 0 && hash === '') return { hlc: 0 as Hlc, hash };
  return { hlc: stamp(hlc), hash: hashText(hash) };
}

function decodeNeighbors(neighbors: readonly string[]): NodeId[] {
  return neighbors.map((nodeId) => {
    if (!isNodeId(nodeId)) throw malformed('a neighbor is invalid');
    return nodeId;
  });
}

interface WirePresence {
  readonly counter: number;
  readonly eligible: boolean;
  readonly uplink: number;
  readonly electionRole: number;
  readonly term: number;
  /** An error code; empty when nothing is wrong. */
  readonly impairment: string;
}

interface WireRelayed {
  readonly nodeId: string;
  readonly boot: string;
  readonly intervalMs: number;
  readonly presence: WirePresence | null;
}

/** In the order of their numbers on the wire. */
const uplinks: readonly Uplink[] = ['unknown', 'ok', 'failed'];
const electionRoles: readonly ElectionRole[] = ['following', 'claiming', 'leading'];

function encodePresence({
  counter,
  isEligible,
  impairment = undefined,
  uplink,
  electionRole,
  term,
}: Presence): WirePresence {
  return {
    counter,
    eligible: isEligible,
    uplink: uplinks.indexOf(uplink),
    electionRole: electionRoles.indexOf(electionRole),
    term,
    impairment: impairment ?? '',
  };
}

function decodePresence(fields: WirePresence): Presence {
  const [uplink, electionRole] = [uplinks[fields.uplink], electionRoles[fields.electionRole]];
  if (uplink === undefined || electionRole === undefined) throw malformed('a presence is invalid');
  const { eligible: isEligible, counter, term } = fields;
  const impairment = fields.impairment === '' ? undefined : impairmentNamed(fields.impairment);
  return { counter: count(counter), isEligible, impairment, uplink, electionRole, term: count(term) };
}

/** A code of a newer version is unknown here: the database is impaired all the same. */
function impairmentNamed(code: string): ErrorCode {
  return isErrorCode(code) ? code : 'databaseUnavailable';
}

function encodeRelayed({ nodeId, boot, intervalMs, ...presence }: RelayedPresence): WireRelayed {
  return { nodeId, boot, intervalMs, presence: encodePresence(presence) };
}

function decodeAllRelayed(relayed: readonly WireRelayed[]): readonly RelayedPresence[] {
  return relayed.map(({ nodeId, boot, intervalMs, presence }) => {
    if (!isNodeId(nodeId) || !isBoot(boot) || presence === null) throw malformed('a relayed presence is invalid');
    return {
      nodeId,
      boot,
      intervalMs: Math.min(intervalMs, limits.heartbeatIntervalMaxMs),
      ...decodePresence(presence),
    };
  });
}

function stamp(value: number): Hlc {
  if (!isHlc(value)) throw malformed('a time stamp is invalid');
  return value;
}

function count(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw malformed('a count is invalid');
  return value;
}

function hashText(value: string): string {
  if (value.length !== limits.hashLengthMax) throw malformed('a hash is invalid');
  return value;
}

function malformed(why: string): StatemeshError {
  return new StatemeshError('frameMalformed', `A frame is refused: ${why}.`);
}
