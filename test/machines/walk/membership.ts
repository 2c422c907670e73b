/**
 * Membership: connections, peers and sessions that come and go, two of each. The limit of sessions, which a guard uses,
 * is lowered to two.
 */

import type { Mailbox, SessionCommand, SessionIdentified, SessionOutput } from '../../../src/actors/mailboxes.js';
import type { AuthorKey } from '../../../src/core/author.js';
import type { Boot, CollectionName, DocumentKey, NodeId } from '../../../src/core/ids.js';
import { membershipMachine } from '../../../src/machines/membership.machine.js';
import type { Identity } from '../../../src/wire/messages.js';
import { defineWalk } from '../walk.js';
import { address, adjusted, configuration, connection, larger, lost, mailbox, smaller, store, us } from './samples.js';

const sessionsMax = 2;

interface Sessions {
  readonly sessions: ReadonlyMap<string, { readonly ref: Mailbox<SessionCommand>; readonly peerId: unknown }>;
}

/** The first unidentified session identifies the other side. */
function identified(identity: Identity, expected?: Identity) {
  return ({ sessions }: Sessions): SessionIdentified | undefined => {
    const [sessionId, row] = [...sessions].find(([, { peerId }]) => peerId === undefined) ?? [];
    if (sessionId === undefined || row === undefined) return undefined;
    return {
      type: 'session.identified',
      sessionId,
      session: row.ref,
      identity,
      expected: expected?.nodeId,
      direction: 'dialed',
      remoteAddress: '127.0.0.1:5',
      remoteHost: '127.0.0.1',
      subject: undefined,
    };
  };
}

/** A report of a known session, and of an ended one. */
function ofEach<const E>(make: (sessionId: string) => E) {
  return {
    '': ({ sessions }: Sessions) => {
      const sessionId = [...sessions.keys()].find((id) => sessions.get(id)?.peerId !== undefined);
      return sessionId === undefined ? undefined : make(sessionId);
    },
    'of a session that is over': make('session-0'),
  };
}

const otherwise = { ...connection, protection: { kind: 'psk', keyId: 'k' } } as const;

const quarantined = {
  collection: '_system_remote_peers' as CollectionName,
  documentKey: 'bad' as DocumentKey,
  reason: 'It is no peer.',
};
const known = (...peers: Identity[]) => new Map(peers.map(({ nodeId }) => [nodeId, address]));

export const membership = defineWalk({
  machine: membershipMachine.provide({
    guards: { isFull: ({ context }) => context.sessions.size >= sessionsMax },
  }),
  inputs: [
    {
      parent: mailbox(),
      identity: us,
      store,
      configuration,
      keys: undefined,
      random: () => 0,
      initialPeers: [],
      security: { kind: 'none' },
      now: () => 0,
    },
  ],
  facts: ({ sessions, peers, known }) => [
    [...sessions.values()].map(({ peerId }) => peerId ?? 'nobody').sort(),
    [...peers.keys()].sort(),
    known.size,
  ],
  samples: {
    'connection.accepted': {
      '': { type: 'connection.accepted', connection },
      'by other rules': { type: 'connection.accepted', connection: otherwise },
    },
    'connection.dialed': {
      '': { type: 'connection.dialed', connection, expected: larger.nodeId },
      'by other rules': { type: 'connection.dialed', connection: otherwise, expected: larger.nodeId },
    },
    'session.identified': {
      smaller: identified(smaller),
      mistaken: identified(smaller, larger),
      ourselves: identified(us),
      'our double': identified({ ...us, boot: 'boot-x' as Boot }),
    },
    'session.answered': ofEach((sessionId) => ({ type: 'session.answered', sessionId })),
    'session.diverged': ofEach((sessionId) => ({
      type: 'session.diverged',
      sessionId,
      authors: ['a/i/shared' as AuthorKey],
    })),
    'session.aligned': ofEach((sessionId) => ({ type: 'session.aligned', sessionId })),
    'session.neighbors': {
      '': { type: 'session.neighbors', sessionId: 'session-1', neighbors: new Set(['n' as NodeId]) },
    },
    'session.advanced': ofEach((sessionId) => ({ type: 'session.advanced', sessionId })),
    'session.matched': { '': { type: 'session.matched', sessionId: 'session-1' } },
    'session.probed': ofEach((sessionId) => ({ type: 'session.probed', sessionId })),
    notice: { '': { type: 'notice', nodeEvent: { type: 'failure', where: 'here', failure: lost } } },
    'peer.discovered': { '': { type: 'peer.discovered', nodeId: larger.nodeId, address } },
    'peer.vanished': {
      '': { type: 'peer.vanished', nodeId: larger.nodeId },
      'from one address': { type: 'peer.vanished', nodeId: larger.nodeId, address },
    },
    'peer.heard': { '': { type: 'peer.heard', nodeId: larger.nodeId } },
    'interfaces.changed': { '': { type: 'interfaces.changed' } },
    'beacon.duplicated': {
      '': { type: 'beacon.duplicated', address: { host: '127.0.0.1', port: 9 }, boot: larger.boot },
    },
    'beacon.foreign': { '': { type: 'beacon.foreign', host: '127.0.0.1', failure: lost } },
    'discovery.failed': { '': { type: 'discovery.failed', failure: lost } },
    'knownPeers.changed': {
      '': { type: 'knownPeers.changed', peers: known(smaller), quarantined: [quarantined], surplus: lost },
      none: { type: 'knownPeers.changed', peers: known(), quarantined: [], surplus: undefined },
    },
    'knownPeers.failed': { '': { type: 'knownPeers.failed', failure: lost } },
    'session.relocated': ofEach((sessionId) => ({ type: 'session.relocated', sessionId, port: 9 })),
    'configuration.adjusted': {
      intervals: adjusted('intervals'),
      discovery: adjusted('discovery'),
      'known peers': adjusted('knownPeers'),
      'another port': { ...adjusted('listener'), identity: { ...us, port: 9 } },
      'another port, and discovery': { ...adjusted('listener', 'discovery'), identity: { ...us, port: 9 } },
      'a key was dropped': adjusted('keys'),
    },
    'membership.leave': {
      '': { type: 'membership.leave', refusal: { code: 'goodbye', message: 'The node is stopping.' } },
    },
  },
  outputs: {
    peer: { '': undefined },
    session: {
      '': {
        sessionId: 'session-1',
        peerId: smaller.nodeId,
        expected: undefined,
        failure: lost,
      } satisfies SessionOutput,
    },
  },
  resting: ['present'],
  goals: [['left']],
  laws: {
    'no more sessions than there may be': ({ sessions }) => sessions.size <= sessionsMax,
  },
  ignored: [
    {
      states: ['leaving'],
      events: [
        'peer.discovered',
        'peer.heard',
        'interfaces.changed',
        'peer.vanished',
        'beacon.duplicated',
        'beacon.foreign',
        'discovery.failed',
      ],
      why: 'Discovery has been stopped, and who is there does not matter to a node that leaves.',
    },
    {
      states: ['leaving'],
      events: ['knownPeers.changed', 'knownPeers.failed'],
      why: 'The reading of known peers has been stopped, and nobody is dialed any more.',
    },
    {
      states: ['leaving'],
      events: ['configuration.adjusted'],
      why: 'It is leaving: nothing of it is there to be adjusted any more.',
    },
    { states: ['leaving'], events: ['membership.leave'], why: 'It is leaving already.' },
  ],
});
