/**
 * The protocol over one connection, on either side of it: who are you, what do you have, then both halves of the exchange.
 *
 * The states are the gate: before `synchronizing` there is no handler for data, and any frame that a state does not
 * expect closes the session. Whether the other side is welcome is decided by its peer actor (`session.admit`).
 *
 * Over a cloud link the one that dialed shows an access token, and the cloud node says nothing, not even to its own parent, before
 * that was verified. Only `shared` entries are exchanged there: a clock speaks of no others, and a batch with others is refused.
 */
import { assign, type ErrorActorEvent, enqueueActions, sendTo, setup } from 'xstate';
import type {
  CredentialCommand,
  CredentialReport,
  Direction,
  LinkCommand,
  LinkReport,
  Mailbox,
  ReplicationReport,
  SessionCommand,
  SessionOutput,
  SessionReport,
} from '../actors/mailboxes.js';
import { type LinkInput, link } from '../actors/slots.js';
import { itsEvent, mailboxOf } from '../actors/typed.js';
import type { Intervals } from '../configuration/configured.js';
import type { Configuration } from '../configuration/schema.js';
import type { AuthorKey, Scope } from '../core/author.js';
import { isSamePosition, type Run } from '../core/entry.js';
import { type ErrorCode, errorCodes, type Failure, failureOf } from '../core/errors.js';
import type { Boot, NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import { LinkRate } from '../core/link-rate.js';
import type { Origin } from '../core/replication.js';
import type { Secret } from '../core/secret.js';
import { authorsDiverged, clockOfScopes, clockToRemember, type VectorClock } from '../core/vector-clock.js';
import type { Connection } from '../ports/ports.js';
import type { Store } from '../ports/store.js';
import { type Frame, type Identity, protocolVersion, type Refusal, type VectorClockFrame } from '../wire/messages.js';
import { credentialMachine } from './credential.machine.js';
import { receiverMachine } from './receiver.machine.js';
import { senderMachine } from './sender.machine.js';

/** Who may be on the other side, and how that is proved. */
export type SessionAccess =
  /** A member of our cluster: the connection has proved it. */
  | { readonly kind: 'cluster' }
  /** A cloud node, to which we show a token. */
  | { readonly kind: 'token'; readonly token: Secret }
  /** We are the cloud node: whoever shows a token that our authority has issued. */
  | { readonly kind: 'guarded'; readonly configuration: Configuration; readonly ca: string | undefined };

export interface SessionInput {
  readonly sessionId: string;
  readonly parent: Mailbox<SessionReport>;
  readonly connection: Connection;
  readonly direction: Direction;
  /** Whom we dialed, if we did. */
  readonly expected: NodeId | undefined;
  readonly identity: Identity;
  readonly store: Store;
  readonly access: SessionAccess;
  readonly scopes: readonly Scope[];
  readonly intervals: Intervals;
  readonly random: () => number;
}

interface SessionContext extends SessionInput {
  readonly link: Mailbox<LinkCommand>;
  /** What the connection carries: the link measures it, the sender goes by it. */
  readonly rate: LinkRate;
  /** Who is on the other side, once it has said so. */
  readonly peer: Identity | undefined;
  /** Whom its access token names. */
  readonly subject: string | undefined;
  readonly theirClock: VectorClock;
  readonly neighbours: ReadonlySet<NodeId>;
  /** Authors of whom the two sides have different histories. */
  readonly diverged: ReadonlySet<AuthorKey>;
  /** Whether our own node has been told that somebody doubts it. */
  readonly isDoubted: boolean;
  /** Whether our peer has asked for a sign of life that cannot be asked for yet. */
  readonly owesPing: boolean;
  /** Whether this node listens on another port than its handshake has said, and the other side could not be told yet. */
  readonly owesRelocation: boolean;
  /** Whether there is a fresh access token that the other side could not be told of yet. */
  readonly owesRenewal: boolean;
  /** Whether the last heartbeat has shown that both sides have the same. */
  readonly isMatched: boolean;
  /** Whether the session has been of use. */
  readonly isAdvanced: boolean;
  /** Authors whose entries wait for their time to come. */
  readonly parked: ReadonlySet<AuthorKey>;
  readonly roundTripMs: number | undefined;
  /** How far the clock of the other side is ahead of ours. */
  readonly clockAheadMs: number | undefined;
  /** What the link carries, when it was what limits. */
  readonly bytesPerSecond: number | undefined;
  readonly failure: Failure;
  /** Whether the other side was let in. */
  readonly isAdmitted: boolean;
}

export type SessionEvent = SessionCommand | LinkReport | ReplicationReport | CredentialReport;

const withoutToken = { code: 'tokenRefused', message: 'The access token is refused: there is none.' } as const;
/** Ends of connections that are no refusals. */
const harmless: ReadonlySet<string> = new Set(['connectionLost', 'goodbye', 'duplicateConnection', 'cancelled']);
const outOfScope = {
  code: 'unexpectedFrame',
  message: 'A batch has entries that must not leave their cluster.',
} as const;

const machine = setup({
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
    sendRequest: sendTo(
      ({ context }) => context.link,
      ({ context: { identity, access } }) => ({
        type: 'link.send' as const,
        frame: {
          type: 'frame.handshakeRequest' as const,
          version: protocolVersion,
          identity,
          token: access.kind === 'token' ? access.token : undefined,
        },
      }),
    ),
    sendResponse: sendTo(
      ({ context }) => context.link,
      ({ context: { identity } }, { refusal }: { refusal?: Refusal }) => ({
        type: 'link.send' as const,
        frame: { type: 'frame.handshakeResponse' as const, version: protocolVersion, identity, refusal },
      }),
    ),
    sendGoodbye: sendTo(
      ({ context }) => context.link,
      (_, refusal: Refusal) => ({ type: 'link.send' as const, frame: { type: 'frame.goodbye' as const, ...refusal } }),
    ),
    sendFrame: sendTo(
      ({ context }) => context.link,
      (_, frame: Frame) => ({ type: 'link.send' as const, frame }),
    ),
    sendClock: sendTo(
      ({ context }) => context.link,
      ({ context: { store, scopes } }) => ({
        type: 'link.send' as const,
        frame: {
          type: 'frame.vectorClock' as const,
          clock: new Map(clockOfScopes(store.clock(), scopes)),
          received: 0,
        },
      }),
    ),
    rememberPeer: assign((_, { identity }: { identity: Identity }) => ({ peer: identity })),
    rememberSubject: assign((_, { subject }: { subject: string }) => ({ subject })),
    /** Nobody hears of the other side before this has said that its token holds. */
    verifyToken: enqueueActions(({ context, enqueue, self }, { token }: { token: Secret | undefined }) => {
      if (context.access.kind !== 'guarded' || token === undefined) return;
      const { configuration, ca } = context.access;
      const parent = mailboxOf<CredentialReport>(self);
      enqueue.spawnChild('credential', { id: 'credential', input: { parent, token, configuration, ca } });
    }),
    replaceToken: assign((_, { token }: { token: Secret }) => ({ access: { kind: 'token' as const, token } })),
    sendRenewal: sendTo(
      ({ context }) => context.link,
      (_, { token }: { token: Secret }) => ({
        type: 'link.send' as const,
        frame: { type: 'frame.tokenRenewal' as const, token },
      }),
    ),
    oweRenewal: assign({ owesRenewal: true }),
    sendOwedRenewal: enqueueActions(({ context, enqueue }) => {
      if (!context.owesRenewal || context.access.kind !== 'token') return;
      enqueue.assign({ owesRenewal: false });
      const { token } = context.access;
      enqueue.sendTo(context.link, { type: 'link.send', frame: { type: 'frame.tokenRenewal', token } });
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
    /** On a cloud node somebody wants to know who tried. A connection that merely broke says nothing of anybody. */
    tellRefusedGuest: enqueueActions(({ context, enqueue }) => {
      const { access, isAdmitted, failure, connection, parent } = context;
      if (access.kind !== 'guarded' || isAdmitted || harmless.has(failure.code)) return;
      const happening = { type: 'guest.refused', remoteAddress: connection.remoteAddress, failure } as const;
      enqueue.sendTo(parent, { type: 'notice', happening });
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
    /** Two hashes at one place in a chain are a divergence; that there are none here does not mean that there are none. */
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
    /** Each author once, until both sides have the same again. */
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
    /** Each author once: the other side sends its entries again and again until their time has come. */
    reportParked: enqueueActions(
      ({ context, enqueue }, { authors }: Extract<ReplicationReport, { type: 'replication.parked' }>) => {
        const news = newsOf(authors, context.parked);
        if (news.length === 0) return;
        enqueue.assign({ parked: new Set([...context.parked, ...news]) });
        const nodeId = context.peer?.nodeId as NodeId;
        enqueue.sendTo(context.parent, {
          type: 'notice',
          happening: { type: 'clock.drift', nodeId, authors: news },
        });
      },
    ),
    rememberMatch: assign({ isMatched: true }),
    forgetMatch: assign({ isMatched: false }),
    reportMatched: sendTo(
      ({ context }) => context.parent,
      ({ context }) => ({ type: 'session.matched' as const, sessionId: context.sessionId }),
    ),
    /** The first heartbeats may have come before the clocks. */
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
    /** Once a session, however often it is asked. */
    reportProbed: enqueueActions(({ context, enqueue }) => {
      if (context.isDoubted) return;
      enqueue.assign({ isDoubted: true });
      enqueue.sendTo(context.parent, { type: 'session.probed', sessionId: context.sessionId });
    }),
    owePing: assign({ owesPing: true }),
    sendOwedPing: enqueueActions(({ context, enqueue }) => {
      if (!context.owesPing) return;
      enqueue.assign({ owesPing: false });
      enqueue.sendTo(context.link, { type: 'link.send', frame: { type: 'frame.ping' } });
    }),
    rememberIntervals: assign((_, { intervals }: { intervals: Intervals }) => ({ intervals })),
    adjustLink: sendTo(
      ({ context }) => context.link,
      (_, { intervals }: { intervals: Intervals }) => ({ type: 'link.adjust' as const, intervals }),
    ),
    rememberPort: assign(({ context }, { port }: { port: number }) => ({ identity: { ...context.identity, port } })),
    sendRelocation: sendTo(
      ({ context }) => context.link,
      ({ context }) => ({
        type: 'link.send' as const,
        frame: { type: 'frame.relocated' as const, port: context.identity.port },
      }),
    ),
    oweRelocation: assign({ owesRelocation: true }),
    sendOwedRelocation: enqueueActions(({ context, enqueue }) => {
      if (!context.owesRelocation) return;
      enqueue.assign({ owesRelocation: false });
      const { port } = context.identity;
      enqueue.sendTo(context.link, { type: 'link.send', frame: { type: 'frame.relocated', port } });
    }),
    reportRelocated: sendTo(
      ({ context }) => context.parent,
      ({ context }, { port }: { port: number }) => ({
        type: 'session.relocated' as const,
        sessionId: context.sessionId,
        port,
      }),
    ),
    rememberNeighbours: assign((_, { neighbours }: { neighbours: ReadonlySet<NodeId> }) => ({ neighbours })),
    reportNeighbours: sendTo(
      ({ context }) => context.parent,
      ({ context: { sessionId } }, { neighbours }: { neighbours: ReadonlySet<NodeId> }) => ({
        type: 'session.neighbours' as const,
        ...{ sessionId, neighbours },
      }),
    ),
    rememberMeasured: assign(
      (_, { roundTripMs, clockAheadMs, bytesPerSecond }: Extract<LinkReport, { type: 'heartbeat.measured' }>) => ({
        ...{ roundTripMs, clockAheadMs, bytesPerSecond },
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
}).createMachine({
  id: 'session',
  context: ({ input, spawn, self }) => ({
    ...input,
    ...linkOf(input, mailboxOf<LinkReport>(self), (linkInput) => spawn('link', { id: 'link', input: linkInput })),
    peer: undefined,
    subject: undefined,
    theirClock: new Map(),
    neighbours: new Set(),
    diverged: new Set(),
    isDoubted: false,
    owesPing: false,
    owesRenewal: false,
    owesRelocation: false,
    isMatched: false,
    isAdvanced: false,
    parked: new Set(),
    roundTripMs: undefined,
    clockAheadMs: undefined,
    bytesPerSecond: undefined,
    failure: { code: 'connectionLost', message: 'The connection ended.' },
    isAdmitted: false,
  }),
  output: ({ context }) => ({
    sessionId: context.sessionId,
    peerId: context.peer?.nodeId,
    expected: context.expected,
    failure: context.failure,
  }),
  initial: 'handshaking',
  on: {
    'frame.goodbye': { target: '.closed', actions: { type: 'recordFailure', params: itsEvent } },
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
        { type: 'sendGoodbye', params: ({ event }) => event.refusal },
        { type: 'recordFailure', params: ({ event }) => event.refusal },
      ],
    },
    'credential.ended': {
      target: '.closed',
      actions: [
        { type: 'sendGoodbye', params: ({ event }) => tokenRefusalOf(event.failure) },
        { type: 'recordFailure', params: ({ event }) => event.failure },
      ],
    },
    'session.adjust': {
      actions: [
        { type: 'rememberIntervals', params: itsEvent },
        { type: 'adjustLink', params: itsEvent },
      ],
    },
    // Only once both sides synchronize does it have a meaning.
    'session.relocate': {
      actions: [{ type: 'rememberPort', params: itsEvent }, 'oweRelocation'],
    },
    // The other side may admit us, and beat, before we admit it.
    'neighbours.changed': {
      guard: 'isLocal',
      actions: [
        { type: 'rememberNeighbours', params: itsEvent },
        { type: 'reportNeighbours', params: itsEvent },
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
          actions: [{ type: 'replaceToken', params: itsEvent }, 'oweRenewal'],
        },
        'credential.ended': {
          target: 'closed',
          actions: [
            { type: 'sendResponse', params: ({ event }) => ({ refusal: tokenRefusalOf(event.failure) }) },
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
          entry: 'sendRequest',
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
                actions: { type: 'recordFailure', params: ({ event }) => event.refusal as Refusal },
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
                  { type: 'sendResponse', params: { refusal: otherVersion() } },
                  { type: 'recordFailure', params: otherVersion },
                ],
              },
              {
                guard: { type: 'isWithoutToken', params: itsEvent },
                target: '#session.closed',
                actions: [
                  { type: 'sendResponse', params: { refusal: withoutToken } },
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
        /** We are a cloud node: who is there is nobody before its token was verified. */
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
              { target: '#session.comparing', actions: { type: 'sendResponse', params: {} } },
            ],
            'session.refuse': [
              {
                guard: 'isDialed',
                target: '#session.closed',
                actions: [
                  { type: 'sendGoodbye', params: ({ event }) => event.refusal },
                  { type: 'recordFailure', params: ({ event }) => event.refusal },
                ],
              },
              {
                target: '#session.closed',
                actions: [
                  { type: 'sendResponse', params: ({ event }) => ({ refusal: event.refusal }) },
                  { type: 'recordFailure', params: ({ event }) => event.refusal },
                ],
              },
            ],
          },
        },
      },
    },
    comparing: {
      // The dialer speaks first: the other side may still be weighing two connections against each other.
      entry: ['rememberAdmission', 'admitPeer', 'sendOwedRenewal'],
      on: {
        // A ping would end the session: the other side may not have admitted us yet.
        'session.probe': { actions: 'owePing' },
        'session.renew': { guard: 'showsToken', actions: { type: 'sendRenewal', params: itsEvent } },
        'frame.tokenRenewal': { guard: 'isGuarded', actions: sendTo('credential', ({ event }) => renewalOf(event)) },
      },
      initial: 'starting',
      states: {
        starting: { always: [{ guard: 'isDialed', target: 'asking' }, { target: 'answering' }] },
        asking: {
          entry: 'sendClock',
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
              actions: ['sendClock', { type: 'compareClocks', params: itsEvent }],
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
      entry: ['sendOwedPing', 'sendOwedRelocation', 'reportEarlyMatch'],
      invoke: [
        {
          id: 'sender',
          src: 'sender',
          input: ({ context, self }) => ({
            parent: mailboxOf<ReplicationReport>(self),
            link: context.link,
            store: context.store,
            peerId: context.access.kind === 'cluster' ? context.peer?.nodeId : undefined,
            origin: originOf(context),
            scopes: context.scopes,
            rate: context.rate,
            clock: context.theirClock,
            neighbours: context.neighbours,
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
            parent: mailboxOf<ReplicationReport>(self),
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
              { type: 'sendGoodbye', params: outOfScope },
              { type: 'recordFailure', params: outOfScope },
            ],
          },
          { actions: sendTo('receiver', itsEvent) },
        ],
        'frame.tokenRenewal': { guard: 'isGuarded', actions: sendTo('credential', ({ event }) => renewalOf(event)) },
        'session.renew': { guard: 'showsToken', actions: { type: 'sendRenewal', params: itsEvent } },
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
          actions: [{ type: 'rememberPort', params: itsEvent }, 'sendRelocation'],
        },
        'frame.relocated': { guard: 'isLocal', actions: { type: 'reportRelocated', params: itsEvent } },
        'frame.ping': { actions: [{ type: 'sendFrame', params: { type: 'frame.pong' } }, 'reportProbed'] },
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
        'neighbours.changed': {
          guard: 'isLocal',
          actions: [
            { type: 'rememberNeighbours', params: itsEvent },
            { type: 'reportNeighbours', params: itsEvent },
            sendTo('sender', itsEvent),
          ],
        },
        'session.probe': { actions: { type: 'sendFrame', params: { type: 'frame.ping' } } },
        'replication.failed': {
          target: 'closed',
          actions: [
            { type: 'sendGoodbye', params: ({ event }) => refusalOf(event.failure) },
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
/** The protocol over one connection, either side of it. */
export const sessionMachine: SessionMachine = machine;

/** One measure for both who write to the connection and who fill it. */
function linkOf<Link>(
  { connection, store, scopes, access, intervals }: SessionInput,
  parent: Mailbox<LinkReport>,
  spawn: (input: LinkInput) => Link,
): { readonly rate: LinkRate; readonly link: Link } {
  const rate = new LinkRate();
  const isLocal = access.kind === 'cluster';
  return { rate, link: spawn({ parent, connection, store, scopes, isLocal, intervals, rate }) };
}

/** The authors that were not reported yet, as many as may still be remembered. */
function newsOf(authors: readonly AuthorKey[], told: ReadonlySet<AuthorKey>): readonly AuthorKey[] {
  return authors.filter((author) => !told.has(author)).slice(0, limits.authorsOnTrustMax - told.size);
}

/** Failures that name files of ours. */
const privateCodes: readonly ErrorCode[] = [
  'databaseCorrupt',
  'databaseUnavailable',
  'diskFull',
  'storeClosed',
  'internal',
];

/** What the other side may know of a failure of ours: where our database lies is our own business. */
function refusalOf({ code, message }: Failure): Refusal {
  return { code, message: privateCodes.includes(code) ? errorCodes[code] : message };
}

/** What a stranger may know of its token: the class of what is wrong with it, and nothing of our authority's troubles. */
function tokenRefusalOf({ code, message }: Failure): Refusal {
  return toldOfTokens.includes(code) ? { code, message } : cannotVerify;
}

const toldOfTokens: readonly ErrorCode[] = ['tokenRefused', 'tokenExpired', 'unexpectedFrame'];
const cannotVerify = {
  code: 'authorityUnavailable',
  message: 'The cloud node cannot verify access tokens at present.',
} as const;

/** The other side as the origin of commits: its NodeId tells who it is on the local network only. */
function originOf({ access, subject, peer }: SessionContext): Origin {
  const nodeId = peer?.nodeId ?? '';
  return access.kind === 'cluster' ? nodeId : `${subject ?? ''}/${nodeId}`;
}

function renewalOf({ token }: { token: Secret }): CredentialCommand {
  return { type: 'credential.renew', token };
}

function otherVersion(): Refusal {
  return {
    code: 'protocolUnsupported',
    message: `This node speaks version ${protocolVersion} of the protocol: run the same version of statemesh on both sides.`,
  };
}
