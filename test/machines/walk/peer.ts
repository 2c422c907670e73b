/**
 * One peer: addresses from every source, sessions of either direction and of two processes, and reports of its session,
 * of its contender, and of an unknown session.
 */

import type { Direction, SessionIdentified } from '../../../src/actors/mailboxes.js';
import type { AuthorKey } from '../../../src/core/author.js';
import { StatemeshError } from '../../../src/core/errors.js';
import type { Boot, NodeId } from '../../../src/core/ids.js';
import { peerMachine } from '../../../src/machines/peer.machine.js';
import { defineWalk } from '../walk.js';
import { address, connection, larger, lost, mailbox, us } from './samples.js';

const refusal = { code: 'wrongClusterKey', message: 'Not welcome.' } as const;
const gone = { code: 'identityChanged', message: 'It is another one now.' } as const;
const nowhere = { ...larger, boot: 'boot-0' as Boot, port: 0 };
const authors = ['c/i/shared' as AuthorKey];

function identified(direction: Direction, boot: string): SessionIdentified {
  return {
    type: 'session.identified',
    sessionId: `${direction}-${boot}`,
    session: mailbox(),
    direction,
    identity: { ...larger, boot: boot as Boot },
    expected: undefined,
    remoteAddress: '127.0.0.1:5',
    remoteHost: '127.0.0.1',
    subject: undefined,
  };
}

interface Sessions {
  readonly session: SessionIdentified | undefined;
  readonly contender: SessionIdentified | undefined;
}

/** An event for the peer's session, for its contender, and for another session. */
function ofEach<const E>(make: (sessionId: string) => E) {
  return {
    own: ({ session }: Sessions) => session && make(session.sessionId),
    contender: ({ contender }: Sessions) => contender && make(contender.sessionId),
    other: make('other'),
  };
}

export const peer = defineWalk({
  machine: peerMachine,
  inputs: [
    {
      nodeId: larger.nodeId,
      selfId: us.nodeId,
      parent: mailbox(),
      security: { kind: 'none' },
      random: () => 0,
      now: () => 0,
    },
    // The view of the other side of the same two connections.
    {
      nodeId: 'a' as NodeId,
      selfId: us.nodeId,
      parent: mailbox(),
      security: { kind: 'none' },
      random: () => 0,
      now: () => 0,
    },
  ],
  facts: ({ nodeId, addresses, session, contender, attempt }) => [
    nodeId,
    Object.keys(addresses).sort(),
    session?.sessionId,
    contender !== undefined,
    Math.min(attempt, 6),
  ],
  samples: {
    'peer.discovered': {
      beacon: { type: 'peer.discovered', source: 'beacon', address },
      known: { type: 'peer.discovered', source: 'known', address },
    },
    'peer.stirred': { '': { type: 'peer.stirred' } },
    'peer.vanished': {
      beacon: { type: 'peer.vanished', source: 'beacon' },
      known: { type: 'peer.vanished', source: 'known' },
    },
    'peer.wrongAddress': {
      '': {
        type: 'peer.wrongAddress',
        remoteAddress: '127.0.0.1:9000',
        failure: { code: 'nodeIdMismatch', message: 'Another one.' },
      },
    },
    'peer.secure': { '': { type: 'peer.secure', security: { kind: 'none' } } },
    'session.identified': {
      dialed: identified('dialed', 'boot-1'),
      accepted: identified('accepted', 'boot-1'),
      'accepted, of one that cannot be dialed back': { ...identified('accepted', 'boot-0'), identity: nowhere },
      'another process': identified('accepted', 'boot-2'),
    },
    'session.answered': ofEach((sessionId) => ({ type: 'session.answered', sessionId })),
    'session.diverged': ofEach((sessionId) => ({ type: 'session.diverged', sessionId, authors })),
    'session.aligned': ofEach((sessionId) => ({ type: 'session.aligned', sessionId })),
    'session.advanced': ofEach((sessionId) => ({ type: 'session.advanced', sessionId })),
    'session.relocated': ofEach((sessionId) => ({ type: 'session.relocated', sessionId, port: 9 })),
    'session.closed': {
      'own, gone': ({ session }: Sessions) =>
        session && ({ type: 'session.closed', sessionId: session.sessionId, failure: gone } as const),
      ...ofEach((sessionId) => ({ type: 'session.closed', sessionId, failure: lost })),
      'own, refused': ({ session }: Sessions) =>
        session && ({ type: 'session.closed', sessionId: session.sessionId, failure: refusal } as const),
      'other, refused': { type: 'session.closed', sessionId: 'other', failure: refusal },
    },
  },
  outputs: { dial: { '': connection } },
  errors: { dial: { '': lost, refused: new StatemeshError('wrongClusterKey', 'Not welcome.') } },
  resting: ['idle', 'connected'],
  retrying: ['dialing', 'backingOff', 'refused'],
  goals: [['connected'], ['forgotten']],
  laws: {
    'it has a session exactly while it is connected': ({ session }, leaves) =>
      (session !== undefined) === leaves.some((leaf) => leaf.startsWith('connected.')),
    'it has a contender exactly while it is contested': ({ contender }, leaves) =>
      (contender !== undefined) === leaves.includes('connected.claim.contested'),
    'it dials only where it knows an address': ({ addresses }, leaves) =>
      !leaves.some((leaf) => leaf === 'backingOff' || leaf === 'refused') || Object.keys(addresses).length > 0,
  },
  ignored: [
    {
      states: ['idle', 'dialing', 'backingOff', 'refused'],
      events: ['session.answered (other)', 'session.diverged (other)', 'session.aligned (other)'],
      why: 'It has no session, so this is the last word of one that is over.',
    },
    {
      states: ['connected'],
      events: ['session.answered (other)', 'session.diverged (other)', 'session.aligned (other)'],
      why: 'Only the session that was admitted last speaks for the peer; this one has been replaced.',
    },
    {
      states: ['connected.claim.contested'],
      events: ['session.answered (contender)', 'session.diverged (contender)', 'session.aligned (contender)'],
      why: 'A contender has not been admitted: it has compared nothing, and nobody has probed it.',
    },
    {
      states: ['*'],
      events: [
        ...['session.relocated (contender)', 'session.relocated (other)'],
        ...['session.advanced (contender)', 'session.advanced (other)'],
      ],
      why: 'Only the session that was admitted last speaks for the peer.',
    },
    {
      states: ['connected.claim.settled'],
      events: ['session.answered (own)'],
      why: 'The answer comes after the contender has given up, so there is nothing left to decide.',
    },
    {
      states: ['connected.chains.aligned'],
      events: ['session.aligned (own)'],
      why: 'It is raised at each admission, in case the session before had diverged.',
    },
    {
      states: ['idle', 'dialing.connecting', 'backingOff', 'refused', 'connected'],
      events: ['session.closed (other)', 'session.closed (other, refused)'],
      why: 'It was surplus, refused or replaced, or its failure was counted when the handshake timed out.',
    },
  ],
});
