/** Input from other nodes: frames, protobuf messages, beacons, and the names and envelopes in them. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { checkClaims } from '../../src/core/access-token.js';
import { formatAddress, parseAddress, parseCloudAddress } from '../../src/core/address.js';
import { authorKeyOf, parseAuthorKey } from '../../src/core/author.js';
import type { Boot, NodeId } from '../../src/core/ids.js';
import { ClusterKeys } from '../../src/core/keys.js';
import { limits } from '../../src/core/limits.js';
import { own } from '../../src/core/own.js';
import { openSecret, type SealedFor, sealSecret } from '../../src/core/sealing.js';
import { Secret } from '../../src/core/secret.js';
import { tokenShapeOf } from '../../src/core/token-shape.js';
import { parseRemotePeer } from '../../src/remote-peers/peer-document.js';
import { type Beacon, decodeBeacon, encodeBeacon } from '../../src/wire/beacon.js';
import { decodeMessage, frameNumbers } from '../../src/wire/codec.js';
import { encodeFrame, FrameDecoder } from '../../src/wire/framing.js';
import type { Frame } from '../../src/wire/messages.js';
import { anyFrame, hostileFrames } from '../frames.js';
import {
  anyBytes,
  anyJson,
  damaged,
  damagedText,
  inPieces,
  orTreacherous,
  pieceSizes,
  spoilt,
  treacherousNames,
} from '../material.js';
import { must, refusingNow, type Target } from '../target.js';

const frames: Target = {
  name: 'frames',
  promise: 'frames are read or refused by code, the same in any pieces, and no more than the limit is held',
  runs: 1_000,
  open: () => ({
    property: fc.property(hostileFrames, pieceSizes, fc.boolean(), (bytes, sizes, isAdmitted) => {
      const lengthMax = isAdmitted ? limits.frameBytesMax : limits.frameBytesBeforeAdmissionMax;
      const whole = readAll([bytes], lengthMax);
      const pieces = readAll(inPieces(bytes, sizes), lengthMax);
      must(isDeepStrictEqual(whole, pieces), 'pieces make no difference');
    }),
  }),
};

interface Read {
  readonly frames: readonly Frame[];
  readonly isRefused: boolean;
}

function readAll(pieces: readonly Uint8Array[], lengthMax: number): Read {
  const decoder = new FrameDecoder(lengthMax);
  const read: Frame[] = [];
  const isWhole = refusingNow(['frameTooLarge', 'frameMalformed'], () => {
    for (const piece of pieces) for (const frame of decoder.push(piece)) read.push(frame);
    return true;
  });
  return { frames: read, isRefused: isWhole !== true };
}

const frameLimits: Target = {
  name: 'frame-limits',
  promise: 'repeated fields and false lengths of a frame cause little work and memory',
  runs: 300,
  open() {
    const count = fc.oneof(
      fc
        .constantFrom(0, 1, 2, limits.unknownFieldsMax, limits.peersMax, limits.batchEntriesMax, limits.batchRunsMax)
        .chain((bound) => fc.constantFrom(bound, bound + 1)),
      fc.integer({ min: 1, max: 200_000 }),
    );
    const elements = fc
      .tuple(fc.integer({ min: 1, max: 16 }), count, fc.constantFrom<readonly number[]>([0], [1, 0], [2, 8, 1]))
      .map(([field, times, content]) =>
        Buffer.alloc(times * (1 + content.length), Buffer.of((field << 3) | 2, ...content)),
      );
    const nested = fc.tuple(fc.option(fc.integer({ min: 1, max: 16 }), { nil: undefined }), elements);
    const announced = fc.integer({ min: -1, max: 2 ** 31 - 1 });
    return {
      property: fc.property(
        fc.oneof(fc.constantFrom(...Object.values(frameNumbers)), fc.integer({ min: 0, max: 255 })),
        nested,
        announced,
        (type, [field, content], length) => {
          const payload = field === undefined ? content : within(field, content);
          const startedMs = performance.now();
          refusingNow(['frameMalformed'], () => decodeMessage(type, payload));
          must(performance.now() - startedMs < elementsMsMax, 'no frame takes long');
          const decoder = new FrameDecoder(limits.frameBytesMax);
          const header = Buffer.alloc(6);
          header.writeInt32LE(length);
          header[4] = type;
          refusingNow(['frameTooLarge', 'frameMalformed'], () => [
            ...decoder.push(Buffer.concat([header, payload.subarray(0, 1_000)])),
          ]);
          must(decoder.heldBytes <= 2_000, 'memory is at most twice what has come');
        },
      ),
    };
  },
};

/** Many times the duration on a busy machine. */
const elementsMsMax = 1_000;

/** Bytes as the content of a field. */
function within(field: number, content: Uint8Array): Uint8Array {
  const length: number[] = [];
  for (let rest = content.length; rest > 0 || length.length === 0; rest >>>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest);
  }
  return Buffer.from([(field << 3) | 2, ...length, ...content]);
}

const roundTrip: Target = {
  name: 'frames-back',
  promise: 'every well-formed frame arrives as it was sent',
  runs: 500,
  open: () => ({
    property: fc.property(anyFrame, (frame) => {
      const [read] = readAll([encodeFrame(frame)], limits.frameBytesMax).frames;
      must(isDeepStrictEqual(shown(read), shown(frame)), 'the frame that is read equals the one that was written');
    }),
  }),
};

/** Secrets compare by their content, and clocks by their iteration. */
function shown(frame: Frame | undefined): unknown {
  const { token, ...rest } = { token: undefined, ...frame } as { token?: Secret | undefined };
  const clock = frame?.type === 'frame.vectorClock' ? new Map(frame.clock) : undefined;
  return { ...rest, token: token?.reveal(), clock };
}

const messages: Target = {
  name: 'messages',
  promise: 'protobuf of every type is read or refused by code',
  runs: 1_000,
  open: () => ({
    property: fc.property(
      fc.integer({ min: 0, max: 48 }),
      fc.oneof(anyBytes, damaged(anyFrame.map((frame) => encodeFrame(frame).subarray(6)))),
      (type, payload) => void refusingNow(['frameMalformed'], () => decodeMessage(type, payload)),
    ),
  }),
};

const beacons: Target = {
  name: 'beacons',
  promise: 'a beacon that its cluster has not signed is never accepted, and no bytes cause worse',
  runs: 1_000,
  open() {
    const cluster = { clusterHash: 'A1B2C3D4', beaconKey: new Uint8Array(32).fill(7) };
    const beacon: Beacon = { nodeId: 'till-3' as NodeId, boot: 'boot-1' as Boot, sequence: 12, port: 9_000 };
    const signed = encodeBeacon(beacon, cluster);
    const fields: unknown = JSON.parse(Buffer.from(signed).toString());
    const names = Object.keys(fields as object);
    const forged = spoilt(fields, anyJson(...names)).map((value) => Buffer.from(JSON.stringify(value) ?? ''));
    return {
      property: fc.property(fc.oneof(anyBytes, damaged(fc.constant(signed)), forged), (bytes) => {
        const decoded = decodeBeacon(bytes, cluster);
        // White space, and fields that are not read, may differ.
        if (decoded.ok) must(isDeepStrictEqual(decoded.beacon, beacon), 'only the signed beacon is accepted');
      }),
    };
  },
};

const remotePeers: Target = {
  name: 'remote-peers',
  promise: 'a synced document is a remote peer with every field checked, or refused by code',
  runs: 1_000,
  open() {
    const oAuth2 = JSON.stringify({
      authority: 'https://identity.example.com',
      clientId: 'lan',
      clientSecret: 'SECRET',
      scopes: ['entgldb:sync'],
      audience: 'api',
    });
    const document = { NodeId: 'cloud-1', Address: 'wss://h:1/p', Type: 2, OAuth2Json: oAuth2, IsEnabled: true };
    const parts = fc.oneof(damagedText(fc.constant(oAuth2)), anyJson(...Object.keys(document), 'authority', 'scopes'));
    return {
      property: fc.property(orTreacherous(fc.constant('cloud-1')), spoilt(document, parts), (key, value) => {
        // Under its own key, so that more of it is checked.
        if (typeof value === 'object' && value !== null && own(value as object as Fields, 'NodeId') === 'cloud-1') {
          (value as { NodeId: string }).NodeId = key;
        }
        const peer = refusingNow(['peerInvalid', 'plaintextRefused'], () => parseRemotePeer(key, value));
        if (peer !== undefined) must(peer.nodeId === key, 'a peer has the name of its document');
      }),
    };
  },
};

const names: Target = {
  name: 'names',
  promise: 'addresses and authors are refused, or come back as they were written',
  runs: 2_000,
  open() {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      damagedText(
        fc.constantFrom('wss://host:1/a?b', '[fe80::1%eth0]:80', '10.0.0.1:9000', 'tcp://127.0.0.1:1', 'a/b/shared'),
      ),
    );
    return {
      property: fc.property(text, (written) => {
        const address = refusingNow(['peerInvalid'], () => parseAddress(written));
        if (address !== undefined) {
          must(isDeepStrictEqual(parseAddress(formatAddress(address)), address), 'an address reads back');
        }
        refusingNow(['peerInvalid', 'plaintextRefused'], () => parseCloudAddress(written));
        const author = parseAuthorKey(written);
        must(author === undefined || authorKeyOf(author) === written, 'the key of an author has one form');
      }),
    };
  },
};

const envelopes: Target = {
  name: 'envelopes',
  promise: 'an altered envelope, or one of another peer, does not open',
  runs: 1_000,
  open() {
    const keys = new ClusterKeys(new Uint8Array(32).fill(1));
    const peer: SealedFor = { nodeId: 'cloud-1', authority: 'https://identity.example.com', clientId: 'lan' };
    const nonce = Buffer.alloc(12, 7).toString('base64url');
    const envelope = sealSecret({ keys, peer, nonce, secret: new Secret('the secret of the peer') });
    const orAnother = (text: string): fc.Arbitrary<string> => fc.oneof(fc.constant(text), fc.string());
    const owner = fc.record({
      nodeId: orAnother(peer.nodeId),
      authority: orAnother(peer.authority),
      clientId: orAnother(peer.clientId),
    });
    return {
      property: fc.property(
        fc.oneof(fc.constant(envelope), damagedText(fc.constant(envelope))),
        owner,
        (text, whose) => {
          const opened = refusingNow(['secretUnsealable'], () => openSecret({ keys, peer: whose, envelope: text }));
          if (opened === undefined) return;
          must(isDeepStrictEqual({ ...whose }, peer), 'it opens for its peer only');
          must(opened.reveal() === 'the secret of the peer', 'the opened secret is the sealed one');
        },
      ),
    };
  },
};

const claims: Target = {
  name: 'claims',
  promise: 'an access token grants only what it states itself, or is refused by code',
  runs: 1_000,
  open() {
    const expected = {
      issuer: 'https://identity.example.com',
      audiences: ['api'],
      scope: 'entgldb:sync',
      shape: tokenShapeOf({}),
      nowMs: 1_000_000,
    };
    const example = {
      iss: expected.issuer,
      aud: ['api'],
      exp: 5_000,
      nbf: 1,
      sub: 'till-1',
      client_id: 'lan',
      scope: 'openid entgldb:sync',
    };
    const part = fc.oneof(anyJson(...Object.keys(example)), fc.constantFrom(...treacherousNames));
    return {
      property: fc.property(spoilt(example, part), orTreacherous(fc.constant(expected.scope)), (value, scope) => {
        const grant = refusingNow(['tokenRefused'], () => checkClaims(value, { ...expected, scope }));
        if (grant === undefined) return;
        const said = JSON.stringify(value);
        must(said.includes(JSON.stringify(grant.subject)), 'the subject is one that the token names');
        must(said.includes(scope), 'the scope is one that the token has');
      }),
    };
  },
};

type Fields = Readonly<Record<string, unknown>>;

export const protocolTargets: readonly Target[] = [
  ...[frames, frameLimits, roundTrip, messages, beacons, remotePeers, names, envelopes, claims],
];
