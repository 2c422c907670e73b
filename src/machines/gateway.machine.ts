/**
 * The connection to one cloud peer: gets an access token, opens a connection and a session over it, and starts over
 * when one of them ends.
 *
 * Only the gateways of the leader leave `idle`, except for a probe. A probe runs the whole way, says goodbye as soon as
 * the cloud node has identified itself, and goes back to `idle`. The gateway keeps a token while it is fresh, so that a
 * cloud node that is down costs no token requests.
 */
import { itsEvent } from '../actors/typed.js';
import { failureOf } from '../core/errors.js';
import { gatewaySetup } from './gateway-actions.js';
import { adjusted, notLeading, probed, revised, wrongNode } from './gateway-context.js';

export type { GatewayInput } from './gateway-context.js';

const machine = gatewaySetup.createMachine({
  id: 'gateway',
  context: ({ input }) => ({
    ...input,
    assignment: 'idle',
    token: undefined,
    wasTokenRefused: false,
    session: undefined,
    sessionCount: 0,
    attempt: 0,
    refreshAttempt: 0,
    lastFailure: undefined,
    toldFailure: undefined,
    toldCondition: undefined,
    lastSyncedAtMs: undefined,
  }),
  initial: 'deciding',
  on: {
    'gateway.open': { actions: { type: 'setAssignment', params: { assignment: 'open' } } },
    'gateway.idle': {
      target: '.deciding',
      actions: [
        { type: 'setAssignment', params: { assignment: 'idle' } },
        { type: 'closeSession', params: notLeading },
      ],
    },
    'gateway.probe': {},
    'gateway.revise': [
      { guard: { type: 'isSamePeer', params: itsEvent } },
      {
        target: '.deciding',
        actions: [
          { type: 'closeSession', params: revised },
          { type: 'adoptPeer', params: itsEvent },
        ],
      },
    ],
    'configuration.adjusted': [
      {
        guard: { type: 'touchesWay', params: itsEvent },
        target: '.deciding',
        actions: [
          { type: 'closeSession', params: adjusted },
          { type: 'adjust', params: itsEvent },
          {
            type: 'setAssignment',
            params: ({ context }) => ({ assignment: context.assignment === 'probe' ? 'idle' : context.assignment }),
          },
          'resetAttempts',
        ],
      },
      { actions: { type: 'adjust', params: itsEvent } },
    ],
    'attempt.failed': [
      {
        guard: 'isProbe',
        target: '.idle',
        actions: [
          { type: 'dropRefusedToken', params: ({ event }) => event.failure },
          { type: 'recordFailure', params: itsEvent },
          { type: 'setAssignment', params: { assignment: 'idle' } },
          { type: 'reportProbe', params: { isReached: false } },
        ],
      },
      {
        guard: { type: 'isFirstTokenRefusal', params: itsEvent },
        target: '.authorizing',
        actions: [{ type: 'recordFailure', params: itsEvent }, 'dropToken'],
      },
      {
        guard: { type: 'isRefusal', params: itsEvent },
        target: '.rejected',
        actions: [
          { type: 'dropRefusedToken', params: ({ event }) => event.failure },
          { type: 'recordFailure', params: itsEvent },
        ],
      },
      {
        target: '.backingOff',
        actions: [
          { type: 'dropRefusedToken', params: ({ event }) => event.failure },
          { type: 'recordFailure', params: itsEvent },
        ],
      },
    ],
    'session.matched': {},
    'session.neighbors': {},
    'session.advanced': {},
    'session.answered': {},
    'session.aligned': {},
    'session.probed': {},
    'session.relocated': {},
    'session.diverged': {
      actions: {
        type: 'tell',
        params: ({ context, event }) => ({
          type: 'peer.diverged',
          nodeId: context.peer.nodeId,
          authors: event.authors,
        }),
      },
    },
    notice: { actions: { type: 'passOn', params: itsEvent } },
    'xstate.done.actor.*': {
      actions: { type: 'reap', params: ({ event }) => ({ actorId: event.actorId, failure: event.output.failure }) },
    },
    // A failed session is a bug, but it concerns that session only.
    'xstate.error.actor.*': {
      actions: [
        {
          type: 'tell',
          params: ({ event }) => ({ type: 'failure', where: event.actorId, failure: failureOf(event.error) }),
        },
        { type: 'reap', params: ({ event }) => ({ actorId: event.actorId, failure: failureOf(event.error) }) },
      ],
    },
  },
  states: {
    deciding: {
      always: [
        { guard: 'isDisabled', target: 'disabled' },
        { guard: 'isOpen', target: 'authorizing' },
        { target: 'idle' },
      ],
    },
    /** The stored peer is disabled. */
    disabled: { entry: { type: 'report', params: { condition: 'disabled' } } },
    /** Another node leads. */
    idle: {
      entry: { type: 'report', params: { condition: 'idle' } },
      on: {
        'gateway.open': { target: 'authorizing', actions: { type: 'setAssignment', params: { assignment: 'open' } } },
        'gateway.probe': { target: 'authorizing', actions: { type: 'setAssignment', params: { assignment: 'probe' } } },
      },
    },
    authorizing: {
      entry: { type: 'report', params: { condition: 'trying' } },
      initial: 'looking',
      states: {
        looking: { always: [{ guard: 'hasFreshToken', target: '#gateway.connecting' }, { target: 'requesting' }] },
        requesting: {
          invoke: {
            src: 'requestToken',
            input: ({ context: { peer, keys, ca, configuration } }) => ({ peer, keys, ca, configuration }),
            onDone: {
              target: '#gateway.connecting',
              actions: { type: 'keepToken', params: ({ event }) => event.output },
            },
            onError: { actions: { type: 'failAttempt', params: ({ event }) => ({ failure: failureOf(event.error) }) } },
          },
        },
      },
    },
    connecting: {
      initial: 'dialing',
      states: {
        dialing: {
          invoke: {
            src: 'dialCloud',
            input: ({ context: { peer, ca, configuration } }) => ({
              address: peer.address,
              ca,
              isPlaintextAllowed: configuration.plaintextCloud,
            }),
            onDone: {
              target: 'introducing',
              actions: { type: 'startSession', params: ({ event }) => ({ connection: event.output }) },
            },
            onError: { actions: { type: 'failAttempt', params: ({ event }) => ({ failure: failureOf(event.error) }) } },
          },
        },
        /**
         * The session asks the other side for its identity, and shows our token. Without an answer it ends by itself.
         */
        introducing: {
          on: {
            'session.identified': [
              {
                guard: { type: 'isWrongNode', params: itsEvent },
                actions: [
                  { type: 'refuse', params: ({ context, event }) => wrongNode(context, event) },
                  { type: 'failAttempt', params: ({ context, event }) => ({ failure: wrongNode(context, event) }) },
                ],
              },
              {
                guard: 'isProbe',
                target: '#gateway.idle',
                actions: [
                  { type: 'refuse', params: probed },
                  { type: 'setAssignment', params: { assignment: 'idle' } },
                  'resetAttempts',
                  { type: 'reportProbe', params: { isReached: true } },
                ],
              },
              { target: '#gateway.online', actions: { type: 'admit', params: itsEvent } },
            ],
          },
        },
      },
    },
    online: {
      entry: { type: 'report', params: { condition: 'online' } },
      on: {
        'session.matched': {
          guard: { type: 'isOwnSession', params: itsEvent },
          actions: 'recordSync',
        },
      },
      type: 'parallel',
      states: {
        /** The session lasts as long as the token is valid. A fresh token replaces it in time. */
        token: {
          initial: 'fresh',
          states: {
            fresh: { after: { refresh: 'refreshing' } },
            refreshing: {
              invoke: {
                src: 'requestToken',
                input: ({ context: { peer, keys, ca, configuration } }) => ({ peer, keys, ca, configuration }),
                onDone: {
                  target: 'fresh',
                  actions: [{ type: 'keepToken', params: ({ event }) => event.output }, 'renewSession'],
                },
                onError: {
                  target: 'aging',
                  actions: {
                    type: 'recordRefreshFailure',
                    params: ({ event }) => ({ failure: failureOf(event.error) }),
                  },
                },
              },
            },
            aging: { after: { refreshBackoff: 'refreshing' } },
          },
        },
        /** Whether the session has made up for the failures before it. */
        use: {
          initial: 'unproven',
          states: {
            /** An open connection is no proof: the exchange of data may be the very thing that ends each session. */
            unproven: {
              on: { 'session.advanced': { guard: { type: 'isOwnSession', params: itsEvent }, target: 'proven' } },
            },
            /** The session has been of use, but it may still end at once, like the one before it. */
            proven: { after: { steady: 'steady' } },
            steady: { entry: 'resetAttempts' },
          },
        },
      },
    },
    backingOff: {
      entry: [
        { type: 'report', params: { condition: 'trying' } },
        { type: 'tellFailure', params: { type: 'gateway.failed' } },
      ],
      after: { backoff: 'authorizing' },
    },
    /** A person has to correct the configuration. */
    rejected: {
      entry: [
        { type: 'report', params: { condition: 'rejected' } },
        { type: 'tellFailure', params: { type: 'gateway.rejected' } },
      ],
      after: { rejectedBackoff: 'authorizing' },
    },
  },
});

type GatewayMachineType = typeof machine;
/** The type of {@link gatewayMachine}. */
export interface GatewayMachine extends GatewayMachineType {}
/** Connects to one cloud peer: token, connection, session. Only the leader's gateways stay connected. */
export const gatewayMachine: GatewayMachine = machine;
