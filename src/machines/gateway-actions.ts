/** The guards and actions of a gateway, by their names in its chart. */
import { assign, type DoneActorEvent, type ErrorActorEvent, enqueueActions, raise, sendTo, setup } from 'xstate';
import type {
  Adjustment,
  GatewayCondition,
  NodeEvent,
  SessionIdentified,
  SessionOutput,
  SessionReport,
} from '../actors/mailboxes.js';
import { type AccessToken, dialCloud, requestToken } from '../actors/slots.js';
import { mailboxOf, noticeOf } from '../actors/typed.js';
import { waitMs } from '../core/backoff.js';
import type { Failure } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Connection } from '../ports/ports.js';
import type { CloudPeer } from '../remote-peers/remote-peer.js';
import {
  type AttemptFailed,
  type GatewayContext,
  type GatewayEvent,
  type GatewayInput,
  isSame,
  isSameTrust,
  refusals,
  scopes,
  tellDisconnected,
} from './gateway-context.js';
import { sessionMachine } from './session.machine.js';

export const gatewaySetup = setup({
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
    steady: limits.gatewaySteadyMs,
  },
  guards: {
    isDisabled: ({ context }) => !context.peer.isEnabled,
    isOpen: ({ context }) => context.assignment === 'open',
    isProbe: ({ context }) => context.assignment === 'probe',
    hasFreshToken: ({ context: { token, now } }) => token !== undefined && now() < token.refreshAtMs,
    /** Whether a change affects how the cloud node is trusted or reached. */
    touchesWay: ({ context }, { effects, configured }: Adjustment) =>
      effects.has('keys') ||
      configured.ca !== context.ca ||
      !isSameTrust(configured.configuration, context.configuration),
    isSamePeer: ({ context }, { peer }: { peer: CloudPeer }) => isSame(context.peer, peer),
    isOwnSession: ({ context }, { sessionId }: { sessionId: string }) => context.session?.sessionId === sessionId,
    isWrongNode: ({ context }, { identity }: SessionIdentified) => identity.nodeId !== context.peer.nodeId,
    /** A token may have been revoked, or the authority may have new keys: a fresh token is worth one attempt. */
    isFirstTokenRefusal: ({ context }, { failure }: AttemptFailed) =>
      failure.code === 'tokenRefused' && !context.wasTokenRefused,
    isRefusal: (_, { failure }: AttemptFailed) => refusals.has(failure.code),
  },
  actions: {
    setAssignment: assign((_, { assignment }: { assignment: GatewayContext['assignment'] }) => ({ assignment })),
    /** A probe of the previous address or authority proves nothing any more. */
    adoptPeer: assign(({ context }, { peer }: { peer: CloudPeer }) => ({
      assignment: context.assignment === 'probe' ? 'idle' : context.assignment,
      peer,
      token: undefined,
      wasTokenRefused: false,
      attempt: 0,
      lastFailure: undefined,
      toldFailure: undefined,
    })),
    adjust: enqueueActions(({ context, enqueue }, { identity, configured }: Adjustment) => {
      const { configuration, keys, ca } = configured;
      enqueue.assign({ identity, configuration, keys, ca });
      if (context.session === undefined) return;
      enqueue.sendTo(context.session.ref, { type: 'session.adjust', intervals: configuration });
    }),
    keepToken: assign(({ context: { now, random } }, token: AccessToken) => {
      // Spread out: otherwise all clusters of an authority would renew at the same time forever.
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
          sessionId,
          parent: mailboxOf<SessionReport>(self),
          connection,
          identity,
          store,
          scopes,
          random,
          direction: 'dialed',
          expected: peer.nodeId,
          intervals: configuration,
          access: { kind: 'token', token: (token as AccessToken).token },
        },
      });
      return { sessionCount: context.sessionCount + 1, session: { sessionId, ref, isAdmitted: false } };
    }),
    admit: enqueueActions(({ context, enqueue }, { session, sessionId }: SessionIdentified) => {
      enqueue.assign({ session: { sessionId, ref: session, isAdmitted: true }, toldFailure: undefined });
      enqueue.sendTo(session, { type: 'session.admit' });
      enqueue.sendTo(context.parent, noticeOf({ type: 'gateway.connected', nodeId: context.peer.nodeId }));
    }),
    refuse: enqueueActions(({ context, enqueue }, failure: Failure) => {
      if (context.session === undefined) return;
      enqueue.sendTo(context.session.ref, { type: 'session.refuse', refusal: failure });
      enqueue.stopChild(context.session.sessionId);
      enqueue.assign({ session: undefined });
    }),
    /** Says goodbye if a session is open. */
    closeSession: enqueueActions(({ context, enqueue }, failure: Failure) => {
      if (context.session === undefined) return;
      enqueue.sendTo(context.session.ref, { type: 'session.close', refusal: failure });
      // The session has said goodbye by then, and its link sends the queued frames.
      enqueue.stopChild(context.session.sessionId);
      tellDisconnected(context, failure, (report) => enqueue.sendTo(context.parent, report));
      enqueue.assign({ session: undefined });
    }),
    /** Reaps a session that has ended, and fails the attempt, unless the gateway closed the session itself. */
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
    /** Reports each condition once. */
    report: enqueueActions(({ context, enqueue }, { condition }: { condition: GatewayCondition }) => {
      if (context.toldCondition === condition) return;
      enqueue.assign({ toldCondition: condition });
      enqueue.sendTo(context.parent, { type: 'gateway.changed', nodeId: context.peer.nodeId, condition });
    }),
    reportProbe: sendTo(
      ({ context }) => context.parent,
      ({ context }, { isReached }: { isReached: boolean }) => ({
        type: 'gateway.probed' as const,
        nodeId: context.peer.nodeId,
        isReached,
      }),
    ),
    /** Logs each reason once in a row: a cloud node that is down for a day would fill the log. */
    tellFailure: enqueueActions(({ context, enqueue }, { type }: { type: 'gateway.failed' | 'gateway.rejected' }) => {
      const { lastFailure: failure, parent, peer } = context;
      if (failure === undefined || context.toldFailure === `${type} ${failure.code}`) return;
      enqueue.assign({ toldFailure: `${type} ${failure.code}` });
      enqueue.sendTo(parent, noticeOf({ type, nodeId: peer.nodeId, failure }));
    }),
    passOn: sendTo(
      ({ context }) => context.parent,
      (_, event: Extract<SessionReport, { type: 'notice' }>) => event,
    ),
    tell: sendTo(
      ({ context }) => context.parent,
      (_, event: NodeEvent) => noticeOf(event),
    ),
    failAttempt: raise((_, { failure }: { failure: Failure }) => ({ type: 'attempt.failed' as const, failure })),
  },
});
