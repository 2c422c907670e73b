/** Reception: connections and sessions of two sites that come and go; the limit of sessions, which is a guard, is lowered to two. */
import type { AuthorKey } from '../../../src/core/author.js';
import type { Boot, NodeId } from '../../../src/core/ids.js';
import { receptionMachine } from '../../../src/machines/reception.machine.js';
import type { Mailbox, SessionCommand, SessionIdentified, SessionOutput } from '../../../src/protocol/events.js';
import type { Identity } from '../../../src/protocol/messages.js';
import { defineWalk } from '../walk.js';
import { adjusted, configuration, connection, larger, lost, mailbox, smaller, store, us } from './samples.js';

const sessionsMax = 2;

interface Sessions {
  readonly sessions: Readonly<
    Record<string, { readonly ref: Mailbox<SessionCommand>; readonly guest: { readonly subject: string } | undefined }>
  >;
}

/** The first session, or the last, that has not said who is there says so. */
function identified(identity: Identity, { subject = 'site-1', last = false } = {}) {
  return ({ sessions }: Sessions): SessionIdentified | undefined => {
    const strangers = Object.entries(sessions).filter(([, { guest }]) => guest === undefined);
    const [sessionId, row] = strangers.at(last ? -1 : 0) ?? [];
    if (sessionId === undefined || row === undefined) return undefined;
    return {
      ...{ type: 'session.identified', sessionId, session: row.ref, identity, expected: undefined, subject },
      ...{ direction: 'accepted', remoteAddress: '127.0.0.1:5', remoteHost: '127.0.0.1' },
    };
  };
}

export const reception = defineWalk({
  machine: receptionMachine.provide({
    guards: { isFull: ({ context }) => Object.keys(context.sessions).length >= sessionsMax },
  }),
  inputs: [{ parent: mailbox(), identity: us, store, configuration, ca: undefined, random: () => 0 }],
  facts: ({ sessions }) =>
    Object.values(sessions)
      .sort((a, b) => a.opened - b.opened)
      .map(({ guest, isReplaced }) => [guest?.subject, guest?.identity.nodeId, isReplaced]),
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
    'session.neighbours': {
      '': { type: 'session.neighbours', sessionId: 'session-1', neighbours: new Set(['n' as NodeId]) },
    },
    'session.advanced': { '': { type: 'session.advanced', sessionId: 'session-1' } },
    'session.matched': { '': { type: 'session.matched', sessionId: 'session-1' } },
    'session.probed': { '': { type: 'session.probed', sessionId: 'session-1' } },
    'session.diverged': {
      '': { type: 'session.diverged', sessionId: 'session-1', authors: ['a/i/shared' as AuthorKey] },
    },
    notice: { '': { type: 'notice', happening: { type: 'failure', where: 'here', failure: lost } } },
    'configuration.adjusted': { '': adjusted(), intervals: adjusted('intervals') },
    'session.relocated': { '': { type: 'session.relocated', sessionId: 'session-1', port: 9 } },
    'reception.leave': {
      '': { type: 'reception.leave', refusal: { code: 'goodbye', message: 'The node is stopping.' } },
    },
  },
  outputs: {
    session: {
      '': {
        ...{ sessionId: 'session-1', peerId: smaller.nodeId, expected: undefined, failure: lost },
      } satisfies SessionOutput,
    },
  },
  resting: ['open'],
  goals: [['left']],
  laws: {
    'no more sessions than there may be': ({ sessions }) => Object.keys(sessions).length <= sessionsMax,
    'one session that counts for each node': ({ sessions }) => {
      const present = Object.values(sessions).filter(({ guest, isReplaced }) => guest !== undefined && !isReplaced);
      return new Set(present.map(({ guest }) => `${guest?.subject}/${guest?.identity.nodeId}`)).size === present.length;
    },
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
