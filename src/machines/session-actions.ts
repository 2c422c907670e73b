/** The guards and actions of a session, by their names in its chart. */
import { assign, type ErrorActorEvent, enqueueActions, sendTo, setup } from 'xstate';
import type {
  CredentialReport,
  LinkReport,
  ReplicationReport,
  SessionCommand,
  SessionOutput,
} from '../actors/mailboxes.js';
import { link } from '../actors/slots.js';
import { mailboxOf, noticeOf } from '../actors/typed.js';
import type { Intervals } from '../configuration/configured.js';
import type { AuthorKey } from '../core/author.js';
import { isSamePosition, type Run } from '../core/entry.js';
import type { Failure } from '../core/errors.js';
import type { Boot, NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { Secret } from '../core/secret.js';
import { authorsDiverged, clockToRemember } from '../core/vector-clock.js';
import { type Frame, type Identity, protocolVersion, type Refusal, type VectorClockFrame } from '../wire/messages.js';
import { credentialMachine } from './credential.machine.js';
import { receiverMachine } from './receiver.machine.js';
import { senderMachine } from './sender.machine.js';
import { newsOf, originOf, type SessionContext, type SessionEvent, type SessionInput } from './session-context.js';

/** Codes of ends that are not refusals. */
const harmless: ReadonlySet<string> = new Set(['connectionLost', 'goodbye', 'duplicateConnection', 'cancelled']);
export const sessionSetup = setup({
  types: {
    context: {} as SessionContext,
    input: {} as SessionInput,
    output: {} as SessionOutput,
    events: {} as SessionEvent | ErrorActorEvent<unknown, string>,
  },
  actors: { link, sender: senderMachine, receiver: receiverMachine, credential: credentialMachine },
  delays: { handshakeTimeout: limits.handshakeTimeoutMs, comparingTimeout: limits.comparingTimeoutMs },
  guards: {
    isDialed: ({ context }) => context.direction === 'dialed',
    isOtherVersion: (_, { version, identity }: { version: number; identity: Identity }) =>
      version !== protocolVersion || identity.boot === '',
    isGuarded: ({ context }) => context.access.kind === 'guarded',
    isWithoutToken: ({ context }, { token }: { token: Secret | undefined }) =>
      context.access.kind === 'guarded' && token === undefined,
    isLocal: ({ context }) => context.access.kind === 'cluster',
    showsToken: ({ context }) => context.access.kind === 'token',
    isOutOfScope: ({ context }, { runs }: { runs: readonly Run[] }) =>
      runs.some(({ author }) => !context.scopes.includes(author.scope)),
    isRefused: (_, { refusal }: { refusal: Refusal | undefined }) => refusal !== undefined,
  },
  actions: {
    send: sendTo(
      ({ context }) => context.link,
      (_, frame: Frame) => ({ type: 'link.send' as const, frame }),
    ),
    owe: assign(({ context: { owed } }, frame: Frame) => ({
      owed: [...owed.filter(({ type }) => type !== frame.type), frame],
    })),
    /** Sends the owed frames of one type, or all of them. */
    sendOwed: enqueueActions(({ context: { owed, link }, enqueue }, { only }: { only: Frame['type'] | undefined }) => {
      const isDue = ({ type }: Frame): boolean => only === undefined || type === only;
      for (const frame of owed.filter(isDue)) enqueue.sendTo(link, { type: 'link.send', frame });
      enqueue.assign({ owed: owed.filter((frame) => !isDue(frame)) });
    }),
    rememberPeer: assign((_, { identity }: { identity: Identity }) => ({ peer: identity })),
    rememberSubject: assign((_, { subject }: { subject: string }) => ({ subject })),
    /** Before the credential has verified the token, no other actor hears of the other side. */
    verifyToken: enqueueActions(({ context, enqueue, self }, { token }: { token: Secret | undefined }) => {
      if (context.access.kind !== 'guarded' || token === undefined) return;
      const { configuration, ca } = context.access;
      const parent = mailboxOf<CredentialReport>(self);
      enqueue.spawnChild('credential', { id: 'credential', input: { parent, token, configuration, ca } });
    }),
    introducePeer: enqueueActions(({ context, enqueue, self }) => {
      const identity = context.peer as Identity;
      enqueue.sendTo(context.parent, {
        type: 'session.identified',
        sessionId: context.sessionId,
        session: mailboxOf<SessionCommand>(self),
        identity,
        direction: context.direction,
        expected: context.expected,
        remoteAddress: context.connection.remoteAddress,
        remoteHost: context.connection.remoteHost,
        rate: context.rate,
        subject: context.subject,
      });
    }),
    rememberAdmission: assign({ isAdmitted: true }),
    /** The operator of a cloud node wants to know of refused guests. A connection that merely broke is none. */
    tellRefusedGuest: enqueueActions(({ context, enqueue }) => {
      const { access, isAdmitted, failure, connection, parent } = context;
      if (access.kind !== 'guarded' || isAdmitted || harmless.has(failure.code)) return;
      enqueue.sendTo(parent, noticeOf({ type: 'guest.refused', remoteAddress: connection.remoteAddress, failure }));
    }),
    admitPeer: sendTo(
      ({ context }) => context.link,
      ({ context }) => ({
        type: 'link.admit' as const,
        peerId: context.peer?.nodeId as NodeId,
        boot: context.peer?.boot as Boot,
        origin: originOf(context),
      }),
    ),
    /**
     * Two different hashes at one place of a chain are a divergence. A lack of them proves nothing: other places may
     * differ.
     */
    compareClocks: enqueueActions(({ context, enqueue }, { clock: said }: Pick<VectorClockFrame, 'clock'>) => {
      const ours = context.store.clock();
      const { scopes } = context;
      const clock = clockToRemember(said, { ours, scopes, othersMax: limits.authorsOnTrustMax });
      const diverged = [...context.diverged].filter((author) => !isSamePosition(ours.get(author), clock.get(author)));
      enqueue.assign({ theirClock: clock, diverged: new Set(diverged) });
      if (diverged.length < context.diverged.size && diverged.length === 0) {
        enqueue.sendTo(context.parent, { type: 'session.aligned', sessionId: context.sessionId });
      }
      const authors = authorsDiverged(ours, clock);
      if (authors.length > 0) enqueue.raise({ type: 'replication.diverged', authors });
    }),
    /** Reports each author once, until both sides have the same entries again. */
    reportDiverged: enqueueActions(
      ({ context, enqueue }, { authors }: Extract<ReplicationReport, { type: 'replication.diverged' }>) => {
        const news = newsOf(authors, context.diverged);
        if (news.length === 0) return;
        enqueue.assign({ diverged: new Set([...context.diverged, ...news]) });
        enqueue.sendTo(context.parent, { type: 'session.diverged', sessionId: context.sessionId, authors: news });
      },
    ),
    reportAligned: enqueueActions(({ context, enqueue }) => {
      if (context.diverged.size === 0) return;
      enqueue.assign({ diverged: new Set<AuthorKey>() });
      enqueue.sendTo(context.parent, { type: 'session.aligned', sessionId: context.sessionId });
    }),
    /** Reports each author once: the other side sends such entries again and again until their time has come. */
    reportParked: enqueueActions(
      ({ context, enqueue }, { authors }: Extract<ReplicationReport, { type: 'replication.parked' }>) => {
        const news = newsOf(authors, context.parked);
        if (news.length === 0) return;
        enqueue.assign({ parked: new Set([...context.parked, ...news]) });
        const nodeId = context.peer?.nodeId as NodeId;
        enqueue.sendTo(context.parent, noticeOf({ type: 'clock.drift', nodeId, authors: news }));
      },
    ),
    rememberMatch: assign({ isMatched: true }),
    forgetMatch: assign({ isMatched: false }),
    reportMatched: sendTo(
      ({ context }) => context.parent,
      ({ context }) => ({ type: 'session.matched' as const, sessionId: context.sessionId }),
    ),
    /** The first heartbeats may have come before the vector clocks. */
    reportEarlyMatch: enqueueActions(({ context, enqueue }) => {
      if (!context.isMatched) return;
      enqueue.sendTo(context.parent, { type: 'session.matched', sessionId: context.sessionId });
      enqueue.raise({ type: 'replication.advanced' });
    }),
    reportAdvanced: enqueueActions(({ context, enqueue }) => {
      if (context.isAdvanced) return;
      enqueue.assign({ isAdvanced: true });
      enqueue.sendTo(context.parent, { type: 'session.advanced', sessionId: context.sessionId });
    }),
    forgetParked: assign({ parked: new Set<AuthorKey>() }),
    reportAnswered: sendTo(
      ({ context }) => context.parent,
      ({ context }) => ({ type: 'session.answered' as const, sessionId: context.sessionId }),
    ),
    /** Reports the first probe of a session only. */
    reportProbed: enqueueActions(({ context, enqueue }) => {
      if (context.isDoubted) return;
      enqueue.assign({ isDoubted: true });
      enqueue.sendTo(context.parent, { type: 'session.probed', sessionId: context.sessionId });
    }),
    rememberIntervals: assign((_, { intervals }: { intervals: Intervals }) => ({ intervals })),
    adjustLink: sendTo(
      ({ context }) => context.link,
      (_, { intervals }: { intervals: Intervals }) => ({ type: 'link.adjust' as const, intervals }),
    ),
    rememberPort: assign(({ context }, { port }: { port: number }) => ({ identity: { ...context.identity, port } })),
    reportRelocated: sendTo(
      ({ context }) => context.parent,
      ({ context }, { port }: { port: number }) => ({
        type: 'session.relocated' as const,
        sessionId: context.sessionId,
        port,
      }),
    ),
    rememberNeighbors: assign((_, { neighbors }: { neighbors: ReadonlySet<NodeId> }) => ({ neighbors })),
    reportNeighbors: sendTo(
      ({ context }) => context.parent,
      ({ context: { sessionId } }, { neighbors }: { neighbors: ReadonlySet<NodeId> }) => ({
        type: 'session.neighbors' as const,
        sessionId,
        neighbors,
      }),
    ),
    rememberMeasured: assign(
      (_, { roundTripMs, clockAheadMs, bytesPerSecond }: Extract<LinkReport, { type: 'heartbeat.measured' }>) => ({
        roundTripMs,
        clockAheadMs,
        bytesPerSecond,
      }),
    ),
    recordFailure: assign((_, failure: Failure) => ({ failure: { code: failure.code, message: failure.message } })),
    recordUnexpected: assign(({ context }, { type }: { type: string }) => ({
      failure: {
        code: 'unexpectedFrame' as const,
        message: `${context.peer?.nodeId ?? context.connection.remoteAddress} sent ${type} where it has no meaning.`,
      },
    })),
  },
});
