/**
 * Keeps exactly one session with one peer: dials it, accepts its connections, settles duplicates, and backs off.
 *
 * Of two connections between the same two processes, the one that the smaller NodeId dialed stays, so both sides decide
 * alike. Another process with the same NodeId has to wait until the present session proves dead: a clone cannot push
 * out the original.
 */
import type { Address, SessionIdentified } from '../actors/mailboxes.js';
import { itsEvent } from '../actors/typed.js';
import { failureOf } from '../core/errors.js';
import { peerSetup } from './peer-actions.js';
import { addressOf, cameToNothing } from './peer-context.js';

export type { PeerInput } from './peer-context.js';

const machine = peerSetup.createMachine({
  id: 'peer',
  context: ({ input }) => ({
    ...input,
    addresses: {},
    session: undefined,
    contender: undefined,
    attempt: 0,
    turn: 0,
    lastFailure: undefined,
    isStirred: false,
  }),
  initial: 'idle',
  on: {
    'peer.discovered': { actions: { type: 'rememberAddress', params: itsEvent } },
    'peer.vanished': { actions: { type: 'forgetAddress', params: itsEvent } },
    // The peer does not wait, or not for long.
    'peer.stirred': {},
    'peer.secure': { actions: { type: 'secure', params: itsEvent } },
    'peer.wrongAddress': { actions: { type: 'forgetWrongAddress', params: itsEvent } },
    'session.relocated': {
      guard: { type: 'isOwnSession', params: itsEvent },
      actions: { type: 'rememberPort', params: itsEvent },
    },
    'session.identified': { target: '.connected', actions: { type: 'admit', params: itsEvent } },
  },
  states: {
    /** The address is not known yet. */
    idle: {
      on: {
        'peer.discovered': { target: 'dialing', actions: { type: 'rememberAddress', params: itsEvent } },
      },
    },
    dialing: {
      initial: 'connecting',
      states: {
        connecting: {
          on: {
            // The peer has moved or restarted: the address being dialed may be outdated.
            'peer.discovered': {
              target: 'connecting',
              reenter: true,
              actions: { type: 'rememberAddress', params: itsEvent },
            },
          },
          invoke: {
            src: 'dial',
            input: ({ context }) => ({ address: addressOf(context) as Address, security: context.security }),
            onDone: {
              target: 'introducing',
              actions: { type: 'handOver', params: ({ event }) => ({ connection: event.output }) },
            },
            onError: [
              {
                guard: { type: 'isRefusal', params: ({ event }) => ({ failure: failureOf(event.error) }) },
                target: '#peer.refused',
                actions: { type: 'recordFailure', params: ({ event }) => ({ failure: failureOf(event.error) }) },
              },
              {
                target: '#peer.backingOff',
                actions: [
                  { type: 'recordFailure', params: ({ event }) => ({ failure: failureOf(event.error) }) },
                  {
                    type: 'tellUnreachable',
                    params: ({ event }) => ({ failure: failureOf(event.error) }),
                  },
                ],
              },
            ],
          },
        },
        /** The connection is open. The session asks for the NodeId of the other side. */
        introducing: {
          after: {
            handshakeTimeout: {
              target: '#peer.backingOff',
              actions: { type: 'recordFailure', params: { failure: cameToNothing } },
            },
          },
          on: {
            'session.closed': [
              {
                guard: { type: 'isRefusal', params: itsEvent },
                target: '#peer.refused',
                actions: { type: 'recordFailure', params: itsEvent },
              },
              { target: '#peer.backingOff', actions: { type: 'recordFailure', params: itsEvent } },
            ],
            'peer.wrongAddress': {
              target: '#peer.refused',
              actions: [
                { type: 'recordFailure', params: itsEvent },
                { type: 'forgetWrongAddress', params: itsEvent },
              ],
            },
          },
        },
      },
    },
    connected: {
      entry: 'tellConnected',
      on: {
        // An open connection is no proof: the exchange of data may be the very thing that ends each session.
        'session.advanced': { guard: { type: 'isOwnSession', params: itsEvent }, actions: 'resetAttempts' },
        'session.closed': [
          // The process continues as another node.
          {
            guard: { type: 'isGone', params: itsEvent },
            target: 'backingOff',
            actions: [
              { type: 'recordFailure', params: itsEvent },
              { type: 'tellDisconnected', params: itsEvent },
              'forgetSession',
              'forgetPlaces',
            ],
          },
          {
            guard: { type: 'isRefusalOfOwnSession', params: itsEvent },
            target: 'refused',
            actions: [
              { type: 'recordFailure', params: itsEvent },
              { type: 'tellDisconnected', params: itsEvent },
              'forgetSession',
            ],
          },
          {
            guard: { type: 'isOwnSession', params: itsEvent },
            target: 'backingOff',
            actions: [
              { type: 'recordFailure', params: itsEvent },
              { type: 'tellDisconnected', params: itsEvent },
              'forgetSession',
            ],
          },
        ],
      },
      type: 'parallel',
      states: {
        claim: {
          initial: 'settled',
          states: {
            settled: {
              on: {
                'session.identified': [
                  {
                    guard: { type: 'isSurplus', params: itsEvent },
                    actions: { type: 'refuseSurplus', params: itsEvent },
                  },
                  {
                    guard: { type: 'isSameProcess', params: itsEvent },
                    actions: { type: 'admit', params: itsEvent },
                  },
                  { target: 'contested', actions: { type: 'holdContender', params: itsEvent } },
                ],
              },
            },
            /** Another process claims the NodeId. Is the present session alive? */
            contested: {
              entry: 'probeSession',
              after: {
                duplicateProbe: {
                  target: 'settled',
                  actions: { type: 'admit', params: ({ context }) => context.contender as SessionIdentified },
                },
              },
              on: {
                'session.answered': {
                  guard: { type: 'isOwnSession', params: itsEvent },
                  target: 'settled',
                  actions: 'refuseContender',
                },
                'session.identified': { actions: { type: 'refuseSurplus', params: itsEvent } },
                'session.closed': [
                  {
                    guard: { type: 'isContender', params: itsEvent },
                    target: 'settled',
                    actions: 'forgetContender',
                  },
                  {
                    guard: { type: 'isOwnSession', params: itsEvent },
                    target: 'settled',
                    actions: [
                      'forgetSession',
                      { type: 'admit', params: ({ context }) => context.contender as SessionIdentified },
                    ],
                  },
                ],
              },
            },
          },
        },
        /** Whether both sides have the same history of every author. */
        chains: {
          initial: 'aligned',
          states: {
            aligned: {
              on: {
                'session.diverged': {
                  guard: { type: 'isOwnSession', params: itsEvent },
                  target: 'diverged',
                  actions: { type: 'tellDiverged', params: itsEvent },
                },
              },
            },
            diverged: {
              on: {
                // A session reports each author once, so these authors are new.
                'session.diverged': {
                  guard: { type: 'isOwnSession', params: itsEvent },
                  actions: { type: 'tellDiverged', params: itsEvent },
                },
                'session.aligned': { guard: { type: 'isOwnSession', params: itsEvent }, target: 'aligned' },
              },
            },
          },
        },
      },
    },
    backingOff: {
      always: { guard: 'isForgotten', target: 'forgotten' },
      after: { backoff: 'dialing' },
      on: {
        // The peer has moved or restarted: worth an attempt at once.
        'peer.discovered': { target: 'dialing', actions: { type: 'rememberAddress', params: itsEvent } },
        // Retried soon, but only at the first sign.
        'peer.stirred': { guard: 'isUnstirred', target: 'backingOff', reenter: true, actions: 'rememberStir' },
      },
    },
    /** One of the two sides refuses the other: retried, but rarely. */
    refused: {
      entry: 'tellRefused',
      always: { guard: 'isForgotten', target: 'forgotten' },
      after: { refusedBackoff: 'dialing' },
      on: {
        'peer.discovered': { target: 'dialing', actions: { type: 'rememberAddress', params: itsEvent } },
      },
    },
    forgotten: { type: 'final' },
  },
});

type PeerMachineType = typeof machine;
/** The type of {@link peerMachine}. */
export interface PeerMachine extends PeerMachineType {}
/** Keeps exactly one session with one peer: dials, accepts, settles duplicates, backs off. */
export const peerMachine: PeerMachine = machine;
