/** The session: either side of a connection, and every frame in every state. */
import type { AuthorKey } from '../../../src/core/author.js';
import type { Hlc } from '../../../src/core/hlc.js';
import { Secret } from '../../../src/core/secret.js';
import { sessionMachine } from '../../../src/machines/session.machine.js';
import type { Direction } from '../../../src/protocol/events.js';
import { protocolVersion } from '../../../src/protocol/messages.js';
import type { Store } from '../../../src/protocol/store.js';
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

export const session = defineWalk({
  machine: sessionMachine,
  inputs: (['dialed', 'accepted'] as Direction[]).map((direction) => ({
    ...{ sessionId: 'session-1', parent: mailbox(), connection, direction, expected: undefined, identity: us },
    ...{ store, scopes: ['cluster', 'shared'] as const, intervals: configuration, random: () => 0 },
  })),
  facts: ({ direction, diverged, parked, isDoubted, owesPing }) => [
    direction,
    diverged.size,
    parked.size,
    isDoubted,
    owesPing,
  ],
  samples: {
    'frame.tokenRenewal': { '': { type: 'frame.tokenRenewal', token: new Secret('fresh') } },
    'session.renew': { '': { type: 'session.renew', token: new Secret('fresh') } },
    'frame.handshakeRequest': { '': request, 'another version': { ...request, version: 0 } },
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
    'frame.vectorClockRequest': { '': { type: 'frame.vectorClockRequest' } },
    'frame.batch': { '': { type: 'frame.batch', sequence: 1, runs: [] } },
    'frame.acknowledgement': { '': { type: 'frame.acknowledgement', sequence: 1 } },
    'frame.ping': { '': { type: 'frame.ping' } },
    'frame.pong': { '': { type: 'frame.pong' } },
    'frame.goodbye': { '': { type: 'frame.goodbye', code: 'goodbye', message: 'Bye.' } },
    'link.closed': {
      '': { type: 'link.closed', failure: undefined },
      failed: { type: 'link.closed', failure: lost },
    },
    'heartbeat.matched': { '': { type: 'heartbeat.matched' } },
    'heartbeat.differed': { '': { type: 'heartbeat.differed' } },
    'heartbeat.roundTrip': { '': { type: 'heartbeat.roundTrip', milliseconds: 1 } },
    'neighbours.changed': { '': { type: 'neighbours.changed', neighbours: new Set([larger.nodeId]) } },
    'session.admit': { '': { type: 'session.admit' } },
    'session.refuse': { '': { type: 'session.refuse', refusal: lost } },
    'session.probe': { '': { type: 'session.probe' } },
    'session.close': { '': { type: 'session.close', refusal: lost } },
    'replication.failed': { '': { type: 'replication.failed', failure: lost } },
    'replication.diverged': { '': { type: 'replication.diverged', authors: [author] } },
    'replication.parked': { '': { type: 'replication.parked', authors: [author] } },
  },
  outputs: { sender: { '': undefined }, receiver: { '': undefined } },
  resting: ['synchronizing'],
  goals: [['closed']],
  laws: {
    'nobody is synchronizing with somebody unknown': ({ peer }, leaves) =>
      peer !== undefined || !leaves.some((leaf) => leaf.startsWith('comparing') || leaf === 'synchronizing'),
    'a ping is owed only until it can be sent': ({ owesPing }, leaves) =>
      !owesPing || !leaves.includes('synchronizing'),
  },
  ignored: [
    {
      states: ['handshaking', 'comparing'],
      events: ['heartbeat.matched', 'heartbeat.differed'],
      why: 'The other side may beat as soon as it has admitted us; the clocks, which say more, are exchanged next.',
    },
    {
      states: ['handshaking.requesting', 'handshaking.listening', 'comparing', 'synchronizing'],
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
      events: ['replication.failed', 'replication.diverged', 'replication.parked'],
      why: 'Sender and receiver exist only while synchronizing, which leads nowhere but to the end.',
    },
    {
      states: ['synchronizing'],
      events: ['done sender', 'done receiver'],
      why: 'Each says replication.failed before it ends, which closes the session.',
    },
  ],
});
