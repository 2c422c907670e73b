/** The session: both sides of a connection, and every frame in every state. */

import type { Direction, LinkReport } from '../../../src/actors/mailboxes.js';
import type { AuthorKey, Incarnation, Scope } from '../../../src/core/author.js';
import { chainStart } from '../../../src/core/entry.js';
import type { Hlc } from '../../../src/core/hlc.js';
import { Secret } from '../../../src/core/secret.js';
import { type SessionAccess, sessionMachine } from '../../../src/machines/session.machine.js';
import type { Store } from '../../../src/ports/store.js';
import { linkFrames, protocolVersion } from '../../../src/wire/messages.js';
import { type FrameOf, frameTypes, sampleOf } from '../../wire/frame-samples.js';
import { defineWalk } from '../walk.js';
import { configuration, connection, larger, lost, mailbox, smaller, us } from './samples.js';

const author = 'a/i/shared' as AuthorKey;
const position = { hlc: 7 as Hlc, hash: 'ours' };
const forked = { hlc: 7 as Hlc, hash: 'theirs' };
const store = { nodeId: us.nodeId, clock: () => new Map([[author, position]]) } as unknown as Store;

const request = {
  type: 'frame.handshakeRequest',
  version: protocolVersion,
  identity: smaller,
  token: undefined,
} as const;
const response = {
  type: 'frame.handshakeResponse',
  version: protocolVersion,
  identity: smaller,
  refusal: undefined,
} as const;
const clock = { type: 'frame.vectorClock', clock: new Map(), received: 0 } as const;

const token = new Secret('token');
/** A member on either side, a gateway, and a cloud node. */
const ways: readonly { direction: Direction; access: SessionAccess; scopes: readonly Scope[] }[] = [
  { direction: 'dialed', access: { kind: 'cluster' }, scopes: ['cluster', 'shared'] },
  { direction: 'accepted', access: { kind: 'cluster' }, scopes: ['cluster', 'shared'] },
  { direction: 'dialed', access: { kind: 'token', token }, scopes: ['shared'] },
  { direction: 'accepted', access: { kind: 'guarded', configuration, ca: undefined }, scopes: ['shared'] },
];
const local = { nodeId: smaller.nodeId, incarnation: 'i' as Incarnation, scope: 'cluster' } as const;

type HeardFrame = Extract<LinkReport, { type: `frame.${string}` }>;
/** A frame of each type that a link delivers. */
const heardFrames = Object.fromEntries(
  frameTypes
    .filter((type) => !(linkFrames as readonly string[]).includes(type))
    .map((type) => [type, { '': sampleOf(type) }]),
) as unknown as { [Type in HeardFrame['type']]: { '': FrameOf<Type> } };

export const session = defineWalk({
  machine: sessionMachine,
  inputs: ways.map(({ direction, access, scopes }) => ({
    sessionId: 'session-1',
    parent: mailbox(),
    connection,
    direction,
    expected: undefined,
    identity: us,
    access,
    store,
    scopes,
    intervals: configuration,
    random: () => 0,
  })),
  facts: ({ direction, access, diverged, parked, isDoubted, owed, isMatched }) => [
    direction,
    access.kind,
    isMatched,
    diverged.size,
    parked.size,
    isDoubted,
    owed.map(({ type }) => type).sort(),
  ],
  samples: {
    ...heardFrames,
    'session.renew': {
      'to a cloud node': ({ access }) =>
        access.kind === 'token' ? ({ type: 'session.renew', token: new Secret('fresh') } as const) : undefined,
      'to somebody else': ({ access }) =>
        access.kind === 'token' ? undefined : ({ type: 'session.renew', token: new Secret('fresh') } as const),
    },
    'frame.handshakeRequest': {
      '': request,
      'with a token': { ...request, token },
      'another version': { ...request, version: 0 },
    },
    'frame.handshakeResponse': {
      '': response,
      'another version': { ...response, version: 0 },
      refused: { ...response, refusal: lost },
    },
    'frame.vectorClock': {
      '': clock,
      diverged: { ...clock, clock: new Map([[author, forked]]) },
      aligned: { ...clock, clock: new Map([[author, position]]) },
    },
    'frame.batch': {
      '': { type: 'frame.batch', sequence: 1, runs: [] },
      'of the cluster': {
        type: 'frame.batch',
        sequence: 1,
        runs: [{ author: local, after: chainStart, entries: [] }],
      },
    },
    'credential.verified': { '': { type: 'credential.verified', subject: 'site-1' } },
    'credential.ended': { '': { type: 'credential.ended', failure: lost } },
    'link.closed': {
      '': { type: 'link.closed', failure: undefined },
      failed: { type: 'link.closed', failure: lost },
    },
    'heartbeat.matched': { '': { type: 'heartbeat.matched' } },
    'heartbeat.differed': { '': { type: 'heartbeat.differed' } },
    'heartbeat.measured': { '': { type: 'heartbeat.measured', roundTripMs: 1, clockAheadMs: 0, bytesPerSecond: 1 } },
    'replication.advanced': { '': { type: 'replication.advanced' } },
    'parcel.sent': { '': { type: 'parcel.sent', hash: '' } },
    'neighbors.changed': {
      '': ({ access }) =>
        access.kind === 'cluster'
          ? ({ type: 'neighbors.changed', neighbors: new Set([larger.nodeId]) } as const)
          : undefined,
      'over a cloud link': ({ access }) =>
        access.kind === 'cluster'
          ? undefined
          : ({ type: 'neighbors.changed', neighbors: new Set([larger.nodeId]) } as const),
    },
    'session.adjust': { '': { type: 'session.adjust', intervals: { heartbeatIntervalMs: 1, syncIntervalMs: 1 } } },
    'session.relocate': { '': { type: 'session.relocate', port: 9 } },
    'session.admit': { '': { type: 'session.admit' } },
    'session.refuse': { '': { type: 'session.refuse', refusal: lost } },
    'session.probe': { '': { type: 'session.probe' } },
    'session.close': { '': { type: 'session.close', refusal: lost } },
    'replication.failed': { '': { type: 'replication.failed', failure: lost } },
    'replication.diverged': { '': { type: 'replication.diverged', authors: [author] } },
    'replication.parked': { '': { type: 'replication.parked', authors: [author] } },
  },
  outputs: { sender: { '': undefined }, receiver: { '': undefined } },
  reports: { credential: ['credential.verified', 'credential.ended'] },
  resting: ['synchronizing'],
  goals: [['closed']],
  laws: {
    'nobody is synchronizing with somebody unknown': ({ peer }, leaves) =>
      peer !== undefined || !leaves.some((leaf) => leaf.startsWith('comparing') || leaf === 'synchronizing'),
    'a cloud node introduces nobody without a subject': ({ access, subject }, leaves) =>
      access.kind !== 'guarded' ||
      subject !== undefined ||
      leaves.every((leaf) => /^(handshaking\.(listening|verifying)|closed)$/.test(leaf)),
    'a frame is owed only until it can be sent': ({ owed }, leaves) =>
      owed.length === 0 || !leaves.includes('synchronizing'),
    'a renewal is not owed once the cloud node has admitted us': ({ owed }, leaves) =>
      owed.every(({ type }) => type !== 'frame.tokenRenewal') ||
      leaves.every((leaf) => leaf.startsWith('handshaking') || leaf === 'closed'),
  },
  ignored: [
    {
      states: ['handshaking', 'comparing'],
      events: ['parcel.sent'],
      why: 'Only a sender has anything to send in parts.',
    },
    {
      states: ['*'],
      events: ['session.renew (to somebody else)'],
      why: 'Only a gateway has a token to renew.',
    },
    {
      states: ['*'],
      events: ['neighbors.changed (over a cloud link)'],
      why: 'Whom a cloud node is connected with says nothing of what reaches it without us.',
    },
    {
      states: ['handshaking.introducing', 'comparing', 'synchronizing'],
      events: ['credential.verified'],
      why: 'It is said once, of the first token.',
    },
    {
      states: [
        ...['handshaking.requesting', 'handshaking.listening', 'handshaking.verifying'],
        ...['comparing', 'synchronizing'],
      ],
      events: ['session.admit', 'session.refuse'],
      why: 'The peer decides once about a session, when it has been introduced.',
    },
    {
      states: ['handshaking'],
      events: ['session.probe'],
      why: 'The peer probes only the session that it has admitted.',
    },
    {
      states: ['handshaking', 'comparing'],
      events: ['replication.failed', 'replication.diverged', 'replication.parked', 'replication.advanced'],
      why: 'Sender and receiver exist only while synchronizing, which leads nowhere but to the end.',
    },
    {
      states: ['synchronizing'],
      events: ['done sender', 'done receiver'],
      why: 'Each says replication.failed before it ends, which closes the session.',
    },
  ],
});
