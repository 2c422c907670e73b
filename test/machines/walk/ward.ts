/** A ward: sessions that begin and end, at most two at a time, as the reception would enforce. */

import type { WardCommand } from '../../../src/actors/mailboxes.js';
import { wardMachine } from '../../../src/machines/ward.machine.js';
import { defineWalk } from '../walk.js';
import { adjusted, configuration, connection, lost, mailbox, smaller, store, us } from './samples.js';

const sessionIds = ['session-1', 'session-2'];

interface Sessions {
  readonly sessions: ReadonlyMap<string, unknown>;
}

export const ward = defineWalk({
  machine: wardMachine,
  inputs: [{ parent: mailbox(), identity: us, store, configuration, ca: undefined, random: () => 0 }],
  facts: ({ sessions }) => [...sessions.keys()].sort(),
  samples: {
    'ward.open': {
      '': ({ sessions }: Sessions): Extract<WardCommand, { type: 'ward.open' }> | undefined => {
        const sessionId = sessionIds.find((id) => !sessions.has(id));
        return sessionId === undefined ? undefined : { type: 'ward.open', sessionId, connection };
      },
    },
    'ward.leave': { '': { type: 'ward.leave', refusal: { code: 'goodbye', message: 'The node is stopping.' } } },
    'configuration.adjusted': { '': adjusted(), intervals: adjusted('intervals') },
  },
  outputs: {
    session: { '': { sessionId: 'session-1', peerId: smaller.nodeId, expected: undefined, failure: lost } },
  },
  resting: ['open'],
  goals: [['open']],
  laws: {
    'no other sessions than those it was told to open': ({ sessions }) =>
      [...sessions.keys()].every((id) => sessionIds.includes(id)),
  },
  ignored: [],
});
