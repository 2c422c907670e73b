/**
 * The way to one cloud peer: an access token, a connection, a session over it, and again when one of them ends.
 *
 * Only the gateways of the leader leave standby, and a probe: it goes all the way, says goodbye as soon as the cloud node has said
 * who it is, and rests. A token is kept for as long as it is fresh, so that a cloud node that is down costs no token requests.
 */
import { assign, type DoneActorEvent, type ErrorActorEvent, enqueueActions, raise, sendTo, setup } from 'xstate';
import type {
  Adjustment,
  GatewayCommand,
  GatewayCondition,
  GatewayReport,
  Happening,
  Mailbox,
  SessionCommand,
  SessionIdentified,
  SessionOutput,
  SessionReport,
} from '../actors/mailboxes.js';
import { type AccessToken, dialCloud, requestToken } from '../actors/slots.js';
import { itsEvent, mailboxOf } from '../actors/typed.js';
import type { Configuration } from '../configuration/schema.js';
import type { Scope } from '../core/author.js';
import { backoffMs } from '../core/backoff.js';
import { type ErrorCode, type Failure, failureOf, type PastFailure } from '../core/errors.js';
import type { ClusterKeys } from '../core/keys.js';
import { limits } from '../core/limits.js';
import type { Connection } from '../ports/ports.js';
import type { Store } from '../ports/store.js';
import type { CloudPeer } from '../remote-peers/remote-peer.js';
import type { Identity } from '../wire/messages.js';
import { sessionMachine } from './session.machine.js';

export interface GatewayInput {
  readonly peer: CloudPeer;
  readonly parent: Mailbox<GatewayReport>;
  readonly identity: Identity;
  readonly store: Store;
  readonly configuration: Configuration;
  /** To open a sealed client secret. */
  readonly keys: ClusterKeys | undefined;
  /** Authorities to trust in place of the system's: PEM. */
  readonly ca: string | undefined;
  readonly random: () => number;
  /** Wall clock, ms since 1970. */
  readonly now: () => number;
}

interface GatewayContext extends GatewayInput {
  /** What it is for at present. */
  readonly duty: 'rest' | 'open' | 'probe';
  readonly token: (AccessToken & { readonly refreshAtMs: number }) | undefined;
  /** Whether the cloud node has refused a token, so that another one is its last chance. */
  readonly wasTokenRefused: boolean;
  readonly session: OwnSession | undefined;
  readonly sessionCount: number;
  /** Attempts that failed in a row. */
  readonly attempt: number;
  /** Renewals of the token that failed in a row. */
  readonly refreshAttempt: number;
  readonly lastFailure: PastFailure | undefined;
  /** The reason that the outside world was told last. */
  readonly toldFailure: string | undefined;
  readonly toldCondition: GatewayCondition | undefined;
  /** When both sides last came to have the same. */
  readonly lastSyncedAtMs: number | undefined;
}

interface OwnSession {
  readonly sessionId: string;
  readonly ref: Mailbox<SessionCommand>;
  readonly isAdmitted: boolean;
}

type AttemptFailed = { readonly type: 'attempt.failed'; readonly failure: Failure };

type GatewayEvent = GatewayCommand | SessionReport | AttemptFailed;

/** What is of a cluster stays there. */
const scopes: readonly Scope[] = ['shared'];

/** Somebody has to correct something: tried again, but rarely. */
const refusals: ReadonlySet<ErrorCode> = new Set([
  'tokenRefused',
  'authorityRefused',
  'secretVariableUnlisted',
  'environmentMissing',
  'secretUnsealable',
  'certificateInvalid',
  'plaintextRefused',
  'nodeIdMismatch',
  'duplicateNodeId',
  'selfConnection',
  'protocolUnsupported',
  'peerInvalid',
]);

const resting = { code: 'goodbye', message: 'This node does not lead any more.' } as const;
const revised = { code: 'goodbye', message: 'The configuration of the cloud peer has changed.' } as const;
const adjusted = { code: 'goodbye', message: 'The way to the cloud has been configured anew.' } as const;
const probed = { code: 'goodbye', message: 'This node only asked whether it could reach you.' } as const;

const machine = setup({
  types: {
    context: {} as GatewayContext,
    input: {} as GatewayInput,
    events: {} as GatewayEvent | DoneActorEvent<SessionOutput, string> | ErrorActorEvent<unknown, string>,
  },
  actors: { requestToken, dialCloud, session: sessionMachine },
  delays: {
    backoff: ({ context }) => waitMs(context, limits.backoffFirstMs, limits.gatewayBackoffMaxMs),
    rejectedBackoff: ({ context }) => waitMs(context, limits.refusedBackoffFirstMs, limits.refusedBackoffMaxMs),
    refresh: ({ context: { token, now } }) => Math.max(0, (token?.refreshAtMs ?? 0) - now()),
    refreshBackoff: ({ context }) =>
      waitMs({ ...context, attempt: context.refreshAttempt }, limits.backoffFirstMs, limits.gatewayBackoffMaxMs),
  },
  guards: {
    isDisabled: ({ context }) => !context.peer.isEnabled,
    isOpen: ({ context }) => context.duty === 'open',
    isProbe: ({ context }) => context.duty === 'probe',
    hasFreshToken: ({ context: { token, now } }) => token !== undefined && now() < token.refreshAtMs,
    /** Whether the way to the cloud node is to be trusted by other rules, or may be open now. */
    touchesWay: ({ context }, { effects, configured }: Adjustment) =>
      effects.has('keys') ||
      configured.ca !== context.ca ||
      !isSameTrust(configured.configuration, context.configuration),
    isSamePeer: ({ context }, { peer }: { peer: CloudPeer }) => isSame(context.peer, peer),
    isOwnSession: ({ context }, { sessionId }: { sessionId: string }) => context.session?.sessionId === sessionId,
    isSomebodyElse: ({ context }, { identity }: SessionIdentified) => identity.nodeId !== context.peer.nodeId,
    /** A token may have been withdrawn, or the keys of the authority have changed: a fresh one is worth one attempt. */
    isFirstTokenRefusal: ({ context }, { failure }: AttemptFailed) =>
      failure.code === 'tokenRefused' && !context.wasTokenRefused,
    isRefusal: (_, { failure }: AttemptFailed) => refusals.has(failure.code),
  },
  actions: {
    setDuty: assign((_, { duty }: { duty: GatewayContext['duty'] }) => ({ duty })),
    /** A probe of what it was before proves nothing any more. */
    adoptPeer: assign(({ context }, { peer }: { peer: CloudPeer }) => ({
      duty: context.duty === 'probe' ? 'rest' : context.duty,
      ...{ peer, token: undefined, wasTokenRefused: false, attempt: 0, lastFailure: undefined, toldFailure: undefined },
    })),
    adjust: enqueueActions(({ context, enqueue }, { identity, configured }: Adjustment) => {
      const { configuration, keys, ca } = configured;
      enqueue.assign({ identity, configuration, keys, ca });
      if (context.session === undefined) return;
      enqueue.sendTo(context.session.ref, { type: 'session.adjust', intervals: configuration });
    }),
    keepToken: assign(({ context: { now, random } }, token: AccessToken) => {
      // Spread out, or all clusters of an authority would ask at once, for ever.
      const share = limits.tokenRefreshShare - limits.tokenRefreshJitter * random();
      return { token: { ...token, refreshAtMs: now() + share * token.lifetimeMs }, refreshAttempt: 0 };
    }),
    dropToken: assign({ token: undefined, wasTokenRefused: true }),
    dropRefusedToken: assign(({ context }, { code }: Failure) =>
      code === 'tokenRefused' || code === 'tokenExpired' ? { token: undefined } : { token: context.token },
    ),
    startSession: assign(({ context, spawn, self }, { connection }: { connection: Connection }) => {
      const { identity, store, configuration, peer, random, token } = context;
      const sessionId = `session-${context.sessionCount + 1}`;
      const ref = spawn('session', {
        id: sessionId,
        input: {
          ...{ sessionId, parent: mailboxOf<SessionReport>(self), connection, identity, store, scopes, random },
          ...{ direction: 'dialed', expected: peer.nodeId, intervals: configuration },
          access: { kind: 'token', token: (token as AccessToken).token },
        },
      });
      return { sessionCount: context.sessionCount + 1, session: { sessionId, ref, isAdmitted: false } };
    }),
    admit: enqueueActions(({ context, enqueue }, { session, sessionId }: SessionIdentified) => {
      enqueue.assign({ session: { sessionId, ref: session, isAdmitted: true }, toldFailure: undefined });
      enqueue.sendTo(session, { type: 'session.admit' });
      const happening = { type: 'gateway.connected', nodeId: context.peer.nodeId } as const;
      enqueue.sendTo(context.parent, { type: 'notice', happening });
    }),
    refuse: enqueueActions(({ context, enqueue }, failure: Failure) => {
      if (context.session === undefined) return;
      enqueue.sendTo(context.session.ref, { type: 'session.refuse', refusal: failure });
      enqueue.stopChild(context.session.sessionId);
      enqueue.assign({ session: undefined });
    }),
    /** Says goodbye, if there is anybody to say it to. */
    closeSession: enqueueActions(({ context, enqueue }, failure: Failure) => {
      if (context.session === undefined) return;
      enqueue.sendTo(context.session.ref, { type: 'session.close', refusal: failure });
      // It has said goodbye by then, and its link sends what is queued.
      enqueue.stopChild(context.session.sessionId);
      tellDisconnected(context, failure, (report) => enqueue.sendTo(context.parent, report));
      enqueue.assign({ session: undefined });
    }),
    /** Reaps a session that is over, and the attempt with it, unless we have closed it ourselves. */
    reap: enqueueActions(({ context, enqueue }, { actorId, failure }: { actorId: string; failure: Failure }) => {
      enqueue.stopChild(actorId);
      if (context.session?.sessionId !== actorId) return;
      tellDisconnected(context, failure, (report) => enqueue.sendTo(context.parent, report));
      enqueue.assign({ session: undefined });
      enqueue.raise({ type: 'attempt.failed', failure });
    }),
    renewSession: enqueueActions(({ context, enqueue }) => {
      if (context.session === undefined || context.token === undefined) return;
      enqueue.sendTo(context.session.ref, { type: 'session.renew', token: context.token.token });
    }),
    recordFailure: assign(({ context }, { failure }: { failure: Failure }) => ({
      lastFailure: { ...failure, atMs: context.now() },
      attempt: context.attempt + 1,
    })),
    recordRefreshFailure: assign(({ context }, { failure }: { failure: Failure }) => ({
      lastFailure: { ...failure, atMs: context.now() },
      refreshAttempt: context.refreshAttempt + 1,
    })),
    recordSync: assign(({ context }) => ({ lastSyncedAtMs: context.now() })),
    resetAttempts: assign({ attempt: 0, wasTokenRefused: false, lastFailure: undefined }),
    /** Each condition once. */
    report: enqueueActions(({ context, enqueue }, { condition }: { condition: GatewayCondition }) => {
      if (context.toldCondition === condition) return;
      enqueue.assign({ toldCondition: condition });
      enqueue.sendTo(context.parent, { type: 'gateway.changed', nodeId: context.peer.nodeId, condition });
    }),
    reportProbe: sendTo(
      ({ context }) => context.parent,
      ({ context }, { isReached }: { isReached: boolean }) => ({
        ...{ type: 'gateway.probed' as const, nodeId: context.peer.nodeId, isReached },
      }),
    ),
    /** Each reason once in a row, or a cloud node that is down for a day would fill the log. */
    tellFailure: enqueueActions(({ context, enqueue }, { type }: { type: 'gateway.failed' | 'gateway.rejected' }) => {
      const { lastFailure: failure, parent, peer } = context;
      if (failure === undefined || context.toldFailure === `${type} ${failure.code}`) return;
      enqueue.assign({ toldFailure: `${type} ${failure.code}` });
      enqueue.sendTo(parent, { type: 'notice', happening: { type, nodeId: peer.nodeId, failure } });
    }),
    passOn: sendTo(
      ({ context }) => context.parent,
      (_, event: Extract<SessionReport, { type: 'notice' }>) => event,
    ),
    tell: sendTo(
      ({ context }) => context.parent,
      (_, happening: Happening) => ({ type: 'notice' as const, happening }),
    ),
    failAttempt: raise((_, { failure }: { failure: Failure }) => ({ type: 'attempt.failed' as const, failure })),
  },
}).createMachine({
  id: 'gateway',
  context: ({ input }) => ({
    ...input,
    duty: 'rest',
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
    'gateway.open': { actions: { type: 'setDuty', params: { duty: 'open' } } },
    'gateway.rest': {
      target: '.deciding',
      actions: [
        { type: 'setDuty', params: { duty: 'rest' } },
        { type: 'closeSession', params: resting },
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
          { type: 'setDuty', params: ({ context }) => ({ duty: context.duty === 'probe' ? 'rest' : context.duty }) },
          'resetAttempts',
        ],
      },
      { actions: { type: 'adjust', params: itsEvent } },
    ],
    'attempt.failed': [
      {
        guard: 'isProbe',
        target: '.standby',
        actions: [
          { type: 'dropRefusedToken', params: ({ event }) => event.failure },
          { type: 'recordFailure', params: itsEvent },
          { type: 'setDuty', params: { duty: 'rest' } },
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
    'session.neighbours': {},
    'session.advanced': {},
    'session.answered': {},
    'session.aligned': {},
    'session.probed': {},
    'session.relocated': {},
    'session.diverged': {
      actions: {
        type: 'tell',
        params: ({ context, event }) => ({
          ...{ type: 'peer.diverged', nodeId: context.peer.nodeId, authors: event.authors },
        }),
      },
    },
    notice: { actions: { type: 'passOn', params: itsEvent } },
    'xstate.done.actor.*': {
      actions: { type: 'reap', params: ({ event }) => ({ actorId: event.actorId, failure: event.output.failure }) },
    },
    // A session that failed is a bug, but of that session only.
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
        { target: 'standby' },
      ],
    },
    /** The cluster wants no connection to this peer. */
    disabled: { entry: { type: 'report', params: { condition: 'disabled' } } },
    /** Another node leads. */
    standby: {
      entry: { type: 'report', params: { condition: 'resting' } },
      on: {
        'gateway.open': { target: 'authorizing', actions: { type: 'setDuty', params: { duty: 'open' } } },
        'gateway.probe': { target: 'authorizing', actions: { type: 'setDuty', params: { duty: 'probe' } } },
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
              ...{ address: peer.address, ca, isPlaintextAllowed: configuration.plaintextCloud },
            }),
            onDone: {
              target: 'introducing',
              actions: { type: 'startSession', params: ({ event }) => ({ connection: event.output }) },
            },
            onError: { actions: { type: 'failAttempt', params: ({ event }) => ({ failure: failureOf(event.error) }) } },
          },
        },
        /** The session finds out who is there, and shows our token. It ends by itself when nobody answers. */
        introducing: {
          on: {
            'session.identified': [
              {
                guard: { type: 'isSomebodyElse', params: itsEvent },
                actions: [
                  { type: 'refuse', params: ({ context, event }) => mistaken(context, event) },
                  { type: 'failAttempt', params: ({ context, event }) => ({ failure: mistaken(context, event) }) },
                ],
              },
              {
                guard: 'isProbe',
                target: '#gateway.standby',
                actions: [
                  { type: 'refuse', params: probed },
                  { type: 'setDuty', params: { duty: 'rest' } },
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
        // A connection alone proves nothing: what ends each session may be what it is there for.
        'session.advanced': { guard: { type: 'isOwnSession', params: itsEvent }, actions: 'resetAttempts' },
      },
      type: 'parallel',
      states: {
        /** The session goes on for as long as the token holds; a fresh one takes its place in time. */
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
      },
    },
    backingOff: {
      entry: [
        { type: 'report', params: { condition: 'trying' } },
        { type: 'tellFailure', params: { type: 'gateway.failed' } },
      ],
      after: { backoff: 'authorizing' },
    },
    /** Somebody has to correct something. */
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
/** The way to one cloud peer: token, connection, session. Only the leader's leaves standby. */
export const gatewayMachine: GatewayMachine = machine;

function isSameTrust(a: Configuration, b: Configuration): boolean {
  const trust = ({ plaintextCloud, secretVariables, authorityOrigins }: Configuration) =>
    JSON.stringify([plaintextCloud, secretVariables, authorityOrigins]);
  return trust(a) === trust(b);
}

function isSame(a: CloudPeer, b: CloudPeer): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function mistaken({ peer }: GatewayContext, { identity }: SessionIdentified): Failure {
  const message = `"${identity.nodeId}" answers at the address of the cloud peer "${peer.nodeId}": correct the address.`;
  return { code: 'nodeIdMismatch', message };
}

/** The wait after the failures so far; no shorter than the other side has asked for. */
function waitMs({ attempt, random, lastFailure }: GatewayContext, firstMs: number, maxMs: number): number {
  const ownMs = backoffMs({ firstMs, maxMs, attempt: attempt - 1, random: random() });
  return Math.max(ownMs, lastFailure?.retryAfterMs ?? 0);
}

/** Tells the end of a session of which the beginning was told. */
function tellDisconnected(
  { session, peer }: GatewayContext,
  failure: Failure,
  tell: (report: Extract<GatewayReport, { type: 'notice' }>) => void,
): void {
  if (session?.isAdmitted !== true) return;
  tell({ type: 'notice', happening: { type: 'gateway.disconnected', nodeId: peer.nodeId, failure } });
}
