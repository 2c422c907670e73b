/**
 * The protocol over one connection, for both sides: identify each other, compare vector clocks, then run both halves of
 * the exchange.
 *
 * The states are the gate: before `synchronizing` there is no handler for data, and any frame that a state does not
 * expect closes the session. The parent decides whether the other side is welcome (`session.admit`).
 *
 * Over a cloud link, the dialer shows an access token. Before it is verified, the cloud node tells nothing, not even
 * its own parent. Only `shared` entries are exchanged there: a vector clock covers no others, and a batch with others
 * is refused.
 */
import { sendTo } from 'xstate';
import { itsEvent, mailboxOf } from '../actors/typed.js';
import { failureOf } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Refusal } from '../wire/messages.js';
import { sessionSetup } from './session-actions.js';
import {
  beforeHandshake,
  linkOf,
  originOf,
  otherVersion,
  refusalOf,
  renewalOf,
  tokenRefusalOf,
  toldFailureOf,
} from './session-context.js';
import {
  clockFrame,
  goodbyeFrame,
  pingFrame,
  pongFrame,
  relocatedFrame,
  renewalFrame,
  requestFrame,
  responseFrame,
} from './session-frames.js';

export type { SessionAccess, SessionEvent, SessionInput } from './session-context.js';

const withoutToken = { code: 'tokenRefused', message: 'The access token is refused: there is none.' } as const;
const outOfScope = {
  code: 'unexpectedFrame',
  message: 'A batch has entries that must not leave their cluster.',
} as const;

const machine = sessionSetup.createMachine({
  id: 'session',
  context: ({ input, spawn, self }) => ({
    ...input,
    ...linkOf(input, mailboxOf(self), (linkInput) => spawn('link', { id: 'link', input: linkInput })),
    ...beforeHandshake(),
  }),
  output: ({ context }) => ({
    sessionId: context.sessionId,
    peerId: context.peer?.nodeId,
    expected: context.expected,
    failure: context.failure,
  }),
  initial: 'handshaking',
  on: {
    'frame.goodbye': {
      target: '.closed',
      actions: { type: 'recordFailure', params: ({ event }) => toldFailureOf(event) },
    },
    'frame.*': { target: '.closed', actions: { type: 'recordUnexpected', params: itsEvent } },
    'link.closed': {
      target: '.closed',
      actions: {
        type: 'recordFailure',
        params: ({ event }) =>
          event.failure ?? { code: 'connectionLost', message: 'The other side closed the connection.' },
      },
    },
    'session.close': {
      target: '.closed',
      actions: [
        { type: 'send', params: ({ event }) => goodbyeFrame(event.refusal) },
        { type: 'recordFailure', params: ({ event }) => event.refusal },
      ],
    },
    'credential.ended': {
      target: '.closed',
      actions: [
        { type: 'send', params: ({ event }) => goodbyeFrame(tokenRefusalOf(event.failure)) },
        { type: 'recordFailure', params: ({ event }) => event.failure },
      ],
    },
    'session.adjust': {
      actions: [
        { type: 'rememberIntervals', params: itsEvent },
        { type: 'adjustLink', params: itsEvent },
      ],
    },
    // The frame has a meaning only once both sides synchronize.
    'session.relocate': {
      actions: [
        { type: 'rememberPort', params: itsEvent },
        { type: 'owe', params: ({ event }) => relocatedFrame(event) },
      ],
    },
    // The other side may admit us, and send heartbeats, before we admit it.
    'neighbors.changed': {
      guard: 'isLocal',
      actions: [
        { type: 'rememberNeighbors', params: itsEvent },
        { type: 'reportNeighbors', params: itsEvent },
      ],
    },
    'heartbeat.matched': { actions: 'rememberMatch' },
    'heartbeat.differed': { actions: 'forgetMatch' },
    'heartbeat.measured': { actions: { type: 'rememberMeasured', params: itsEvent } },
    'xstate.error.actor.*': {
      target: '.closed',
      actions: { type: 'recordFailure', params: ({ event }) => failureOf(event.error) },
    },
  },
  states: {
    handshaking: {
      after: {
        handshakeTimeout: {
          target: 'closed',
          actions: {
            type: 'recordFailure',
            params: {
              code: 'handshakeTimeout',
              message: `The other side did not say who it is within ${limits.handshakeTimeoutMs} ms.`,
            },
          },
        },
      },
      on: {
        'session.renew': {
          guard: 'showsToken',
          actions: { type: 'owe', params: ({ event }) => renewalFrame(event) },
        },
        'credential.ended': {
          target: 'closed',
          actions: [
            { type: 'send', params: ({ context, event }) => responseFrame({ context }, tokenRefusalOf(event.failure)) },
            { type: 'recordFailure', params: ({ event }) => event.failure },
          ],
        },
      },
      initial: 'starting',
      states: {
        starting: {
          always: [{ guard: 'isDialed', target: 'requesting' }, { target: 'listening' }],
        },
        requesting: {
          entry: { type: 'send', params: requestFrame },
          on: {
            'frame.handshakeResponse': [
              {
                guard: { type: 'isOtherVersion', params: itsEvent },
                target: '#session.closed',
                actions: { type: 'recordFailure', params: otherVersion },
              },
              {
                guard: { type: 'isRefused', params: itsEvent },
                target: '#session.closed',
                actions: { type: 'recordFailure', params: ({ event }) => toldFailureOf(event.refusal as Refusal) },
              },
              { target: 'introducing', actions: { type: 'rememberPeer', params: itsEvent } },
            ],
          },
        },
        listening: {
          on: {
            'frame.handshakeRequest': [
              {
                guard: { type: 'isOtherVersion', params: itsEvent },
                target: '#session.closed',
                actions: [
                  { type: 'send', params: (given) => responseFrame(given, otherVersion()) },
                  { type: 'recordFailure', params: otherVersion },
                ],
              },
              {
                guard: { type: 'isWithoutToken', params: itsEvent },
                target: '#session.closed',
                actions: [
                  { type: 'send', params: (given) => responseFrame(given, withoutToken) },
                  { type: 'recordFailure', params: withoutToken },
                ],
              },
              {
                guard: 'isGuarded',
                target: 'verifying',
                actions: [
                  { type: 'rememberPeer', params: itsEvent },
                  { type: 'verifyToken', params: itsEvent },
                ],
              },
              { target: 'introducing', actions: { type: 'rememberPeer', params: itsEvent } },
            ],
          },
        },
        /** We are a cloud node, and trust nothing before the token is verified. */
        verifying: {
          on: {
            'credential.verified': {
              target: 'introducing',
              actions: { type: 'rememberSubject', params: itsEvent },
            },
          },
        },
        introducing: {
          entry: 'introducePeer',
          on: {
            'session.admit': [
              { guard: 'isDialed', target: '#session.comparing' },
              { target: '#session.comparing', actions: { type: 'send', params: (given) => responseFrame(given) } },
            ],
            'session.refuse': [
              {
                guard: 'isDialed',
                target: '#session.closed',
                actions: [
                  { type: 'send', params: ({ event }) => goodbyeFrame(event.refusal) },
                  { type: 'recordFailure', params: ({ event }) => event.refusal },
                ],
              },
              {
                target: '#session.closed',
                actions: [
                  { type: 'send', params: ({ context, event }) => responseFrame({ context }, event.refusal) },
                  { type: 'recordFailure', params: ({ event }) => event.refusal },
                ],
              },
            ],
          },
        },
      },
    },
    comparing: {
      // The dialer speaks first: the other side may still be choosing between two connections.
      entry: ['rememberAdmission', 'admitPeer', { type: 'sendOwed', params: { only: 'frame.tokenRenewal' } }],
      on: {
        // A ping would end the session: the other side may not have admitted us yet.
        'session.probe': { actions: { type: 'owe', params: pingFrame } },
        'session.renew': {
          guard: 'showsToken',
          actions: { type: 'send', params: ({ event }) => renewalFrame(event) },
        },
        'frame.tokenRenewal': { guard: 'isGuarded', actions: sendTo('credential', ({ event }) => renewalOf(event)) },
      },
      initial: 'starting',
      states: {
        starting: { always: [{ guard: 'isDialed', target: 'asking' }, { target: 'answering' }] },
        asking: {
          entry: { type: 'send', params: clockFrame },
          on: {
            'frame.vectorClock': {
              target: '#session.synchronizing',
              actions: { type: 'compareClocks', params: itsEvent },
            },
          },
        },
        answering: {
          on: {
            'frame.vectorClock': {
              target: '#session.synchronizing',
              actions: [
                { type: 'send', params: clockFrame },
                { type: 'compareClocks', params: itsEvent },
              ],
            },
          },
        },
      },
      after: {
        comparingTimeout: {
          target: 'closed',
          actions: {
            type: 'recordFailure',
            params: { code: 'handshakeTimeout', message: 'The other side did not say what it has.' },
          },
        },
      },
    },
    synchronizing: {
      entry: [{ type: 'sendOwed', params: { only: undefined } }, 'reportEarlyMatch'],
      invoke: [
        {
          id: 'sender',
          src: 'sender',
          input: ({ context, self }) => ({
            parent: mailboxOf(self),
            link: context.link,
            store: context.store,
            peerId: context.access.kind === 'cluster' ? context.peer?.nodeId : undefined,
            origin: originOf(context),
            scopes: context.scopes,
            rate: context.rate,
            clock: context.theirClock,
            neighbors: context.neighbors,
            random: context.random,
          }),
          onError: {
            target: 'closed',
            actions: { type: 'recordFailure', params: ({ event }) => failureOf(event.error) },
          },
        },
        {
          id: 'receiver',
          src: 'receiver',
          input: ({ context, self }) => ({
            parent: mailboxOf(self),
            link: context.link,
            store: context.store,
            origin: originOf(context),
            scopes: context.scopes,
            random: context.random,
          }),
          onError: {
            target: 'closed',
            actions: { type: 'recordFailure', params: ({ event }) => failureOf(event.error) },
          },
        },
      ],
      on: {
        'frame.batch': [
          {
            guard: { type: 'isOutOfScope', params: itsEvent },
            target: 'closed',
            actions: [
              { type: 'send', params: goodbyeFrame(outOfScope) },
              { type: 'recordFailure', params: outOfScope },
            ],
          },
          { actions: sendTo('receiver', itsEvent) },
        ],
        'frame.tokenRenewal': { guard: 'isGuarded', actions: sendTo('credential', ({ event }) => renewalOf(event)) },
        'session.renew': { guard: 'showsToken', actions: { type: 'send', params: ({ event }) => renewalFrame(event) } },
        'frame.acknowledgement': { actions: sendTo('sender', itsEvent) },
        'frame.batchHeld': { actions: sendTo('sender', itsEvent) },
        'parcel.sent': { actions: sendTo('sender', itsEvent) },
        'frame.vectorClock': {
          actions: [
            { type: 'compareClocks', params: itsEvent },
            sendTo('sender', ({ context, event }) => ({ ...event, clock: context.theirClock })),
          ],
        },
        'frame.vectorClockRequest': { actions: sendTo('receiver', { type: 'clock.announce' }) },
        'session.relocate': {
          actions: [
            { type: 'rememberPort', params: itsEvent },
            { type: 'send', params: ({ event }) => relocatedFrame(event) },
          ],
        },
        'frame.relocated': { guard: 'isLocal', actions: { type: 'reportRelocated', params: itsEvent } },
        'frame.ping': { actions: [{ type: 'send', params: pongFrame }, 'reportProbed'] },
        'frame.pong': { actions: 'reportAnswered' },
        'heartbeat.matched': {
          actions: [
            'reportMatched',
            'reportAdvanced',
            'reportAligned',
            'forgetParked',
            sendTo('sender', itsEvent),
            sendTo('receiver', itsEvent),
          ],
        },
        'heartbeat.differed': { actions: sendTo('receiver', itsEvent) },
        'neighbors.changed': {
          guard: 'isLocal',
          actions: [
            { type: 'rememberNeighbors', params: itsEvent },
            { type: 'reportNeighbors', params: itsEvent },
            sendTo('sender', itsEvent),
          ],
        },
        'session.probe': { actions: { type: 'send', params: pingFrame } },
        'replication.failed': {
          target: 'closed',
          actions: [
            { type: 'send', params: ({ event }) => goodbyeFrame(refusalOf(event.failure)) },
            { type: 'recordFailure', params: ({ event }) => event.failure },
          ],
        },
        'replication.advanced': { actions: 'reportAdvanced' },
        'replication.diverged': { actions: { type: 'reportDiverged', params: itsEvent } },
        'replication.parked': { actions: { type: 'reportParked', params: itsEvent } },
      },
    },
    closed: { type: 'final', entry: 'tellRefusedGuest' },
  },
});

type SessionMachineType = typeof machine;
/** The type of {@link sessionMachine}. */
export interface SessionMachine extends SessionMachineType {}
/** Runs the protocol over one connection, for either side. */
export const sessionMachine: SessionMachine = machine;
