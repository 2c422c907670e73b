/**
 * Reception: connections and sessions of two sites that come and go. The limit of sessions, which a guard uses, is
 * lowered to two.
 */

import type { SessionIdentified, WardReport } from '../../../src/actors/mailboxes.js';
import type { AuthorKey } from '../../../src/core/author.js';
import type { BucketMap } from '../../../src/core/bucket-map.js';
import type { Boot, NodeId } from '../../../src/core/ids.js';
import { receptionMachine } from '../../../src/machines/reception.machine.js';
import type { Identity } from '../../../src/wire/messages.js';
import { defineWalk } from '../walk.js';
import { adjusted, configuration, connection, larger, lost, mailbox, smaller, store, us } from './samples.js';

const sessionsMax = 2;

interface Sessions {
  readonly sessions: BucketMap<{ readonly opened: number; readonly guest: object | undefined }>;
}

/** In the order of opening. */
function inOrder<Row extends { readonly opened: number }>(sessions: BucketMap<Row>): (readonly [string, Row])[] {
  return [...sessions].sort(([, a], [, b]) => a.opened - b.opened);
}

/** The first or the last unidentified session identifies the other side. */
function identified(identity: Identity, { subject = 'site-1', last = false } = {}) {
  return ({ sessions }: Sessions): SessionIdentified | undefined => {
    const strangers = inOrder(sessions).filter(([, { guest }]) => guest === undefined);
    const [sessionId] = strangers.at(last ? -1 : 0) ?? [];
    if (sessionId === undefined) return undefined;
    return {
      type: 'session.identified',
      sessionId,
      session: mailbox(),
      identity,
      expected: undefined,
      subject,
      direction: 'accepted',
      remoteAddress: '127.0.0.1:5',
      remoteHost: '127.0.0.1',
    };
  };
}

/** The first or the last session has ended. */
function ended<Type extends WardReport['type']>(type: Type, { last = false } = {}) {
  return ({ sessions }: Sessions) => {
    const [sessionId] = inOrder(sessions).at(last ? -1 : 0) ?? [];
    return sessionId === undefined ? undefined : { type, sessionId, failure: lost };
  };
}

export const reception = defineWalk({
  machine: receptionMachine.provide({
    guards: { isFull: ({ context }) => context.sessions.size >= sessionsMax },
  }),
  inputs: [{ parent: mailbox(), identity: us, store, configuration, ca: undefined, random: () => 0 }],
  facts: ({ sessions, guests }) => {
    const present = new Set(guests.values());
    return inOrder(sessions).map(([id, { guest }]) => [guest?.subject, guest?.identity.nodeId, present.has(id)]);
  },
  samples: {
    'connection.accepted': {
      '': { type: 'connection.accepted', connection },
      'of the cluster': {
        type: 'connection.accepted',
        connection: { ...connection, protection: { kind: 'psk', keyId: 'k' } },
      },
    },
    'session.identified': {
      '': identified(smaller),
      'the later one': identified(smaller, { last: true }),
      'of another site': identified(smaller, { subject: 'site-2' }),
      ourselves: identified(us),
      'our double': identified({ ...us, boot: larger.boot as Boot }),
    },
    'session.answered': { '': { type: 'session.answered', sessionId: 'session-1' } },
    'session.aligned': { '': { type: 'session.aligned', sessionId: 'session-1' } },
    'session.neighbors': {
      '': { type: 'session.neighbors', sessionId: 'session-1', neighbors: new Set(['n' as NodeId]) },
    },
    'session.advanced': { '': { type: 'session.advanced', sessionId: 'session-1' } },
    'session.matched': { '': { type: 'session.matched', sessionId: 'session-1' } },
    'session.probed': { '': { type: 'session.probed', sessionId: 'session-1' } },
    'session.diverged': {
      '': { type: 'session.diverged', sessionId: 'session-1', authors: ['a/i/shared' as AuthorKey] },
    },
    notice: { '': { type: 'notice', nodeEvent: { type: 'failure', where: 'here', failure: lost } } },
    'configuration.adjusted': { '': adjusted(), intervals: adjusted('intervals') },
    'session.relocated': { '': { type: 'session.relocated', sessionId: 'session-1', port: 9 } },
    'session.closed': { '': ended('session.closed'), 'the later one': ended('session.closed', { last: true }) },
    'session.failed': { '': ended('session.failed') },
    'reception.leave': {
      '': { type: 'reception.leave', refusal: { code: 'goodbye', message: 'The node is stopping.' } },
    },
  },
  outputs: {},
  resting: ['open'],
  goals: [['left']],
  laws: {
    'no more sessions than there may be': ({ sessions }) => sessions.size <= sessionsMax,
    'one session that counts for each guest': ({ sessions, guests }) =>
      [...guests].every(([key, sessionId]) => {
        const guest = sessions.get(sessionId)?.guest;
        return key === `${guest?.subject}/${guest?.identity.nodeId}`;
      }),
    'every session is of a ward, and no ward is empty': ({ sessions, wards }) =>
      [...wards].every(
        ([wardId, { sessionCount }]) =>
          sessionCount > 0 && sessionCount === [...sessions.values()].filter((row) => row.wardId === wardId).length,
      ) && [...sessions.values()].every(({ wardId }) => wards.has(wardId)),
  },
  ignored: [
    { states: ['leaving'], events: ['reception.leave'], why: 'It is leaving already.' },
    {
      states: ['leaving'],
      events: ['configuration.adjusted'],
      why: 'It is leaving: nothing of it is there to be adjusted any more.',
    },
  ],
});
