/**
 * What a cloud node runs in place of membership, election and gateways: it only answers. A flat parent of the sessions that nodes
 * of many clusters have opened with it.
 *
 * A node is known by the subject of its token and its NodeId: two clusters may have nodes of one NodeId. Of two sessions of one
 * node the one that was opened later stays: whoever dials again has lost the other.
 */
import { assign, type DoneActorEvent, type ErrorActorEvent, enqueueActions, sendTo, setup } from 'xstate';
import type { Scope } from '../core/author.js';
import { type Failure, failureOf } from '../core/errors.js';
import { limits } from '../core/limits.js';
import { own } from '../core/own.js';
import type { Configuration } from '../protocol/configuration.js';
import type {
  Adjustment,
  Happening,
  Mailbox,
  Notice,
  ReceptionCommand,
  SessionCommand,
  SessionIdentified,
  SessionOutput,
  SessionReport,
} from '../protocol/events.js';
import type { Identity, Refusal } from '../protocol/messages.js';
import type { Connection } from '../protocol/ports.js';
import type { Store } from '../protocol/store.js';
import { sessionMachine } from './session.machine.js';

export interface ReceptionInput {
  readonly parent: Mailbox<Notice>;
  readonly identity: Identity;
  readonly store: Store;
  readonly configuration: Configuration;
  /** Authorities to trust in place of the system's, when tokens are verified: PEM. */
  readonly ca: string | undefined;
  readonly random: () => number;
}

interface ReceptionContext extends ReceptionInput {
  /** In the order in which they were opened. */
  readonly sessions: Readonly<Record<string, SessionRow>>;
  readonly sessionCount: number;
}

interface SessionRow {
  readonly ref: Mailbox<SessionCommand>;
  /** Counts connections: the larger is the later. */
  readonly opened: number;
  /** Who is there, once its token was verified and we have admitted it. */
  readonly guest: Guest | undefined;
  /** Whether it has been told to end in favour of a later one. */
  readonly isReplaced: boolean;
}

interface Guest {
  readonly subject: string;
  readonly identity: Identity;
}

/** What is of a cluster stays there. */
const scopes: readonly Scope[] = ['shared'];
const leavingTimeoutMs = 2_000;

const duplicateConnection = {
  code: 'duplicateConnection',
  message: 'This node has opened another connection since, which stays.',
} as const;
const leaving = { code: 'goodbye', message: 'The node is stopping.' } as const;

const machine = setup({
  types: {
    context: {} as ReceptionContext,
    input: {} as ReceptionInput,
    events: {} as
      | ReceptionCommand
      | SessionReport
      | DoneActorEvent<SessionOutput, string>
      | ErrorActorEvent<unknown, string>,
  },
  actors: { session: sessionMachine },
  delays: { leavingTimeout: leavingTimeoutMs },
  guards: {
    isAlone: ({ context }) => Object.keys(context.sessions).length === 0,
    /** The listener sees to it that those who have not said who they are make way; two of them may be open for a moment. */
    isFull: ({ context }) => Object.keys(context.sessions).length >= limits.guestsMax + 2 * limits.unauthenticatedMax,
    /** Let in when the node was a member of a cluster: whoever dials a cloud node has verified its certificate. */
    isOfCluster: (_, { connection }: { connection: Connection }) => connection.protection.kind === 'psk',
    isUnwelcome: ({ context }, event: SessionIdentified) => refusalOf(context, event) !== undefined,
    isOutdated: ({ context }, event: SessionIdentified) => {
      const [, other] = sessionOf(context, event) ?? [];
      return other !== undefined && other.opened > (own(context.sessions, event.sessionId)?.opened ?? 0);
    },
  },
  actions: {
    startSession: assign(({ context, spawn, self }, { connection }: { connection: Connection }) => {
      const { identity, store, configuration, ca, random } = context;
      const opened = context.sessionCount + 1;
      const sessionId = `session-${opened}`;
      const parent = self as Mailbox<SessionReport>;
      const ref = spawn('session', {
        id: sessionId,
        input: {
          ...{ sessionId, parent, connection, identity, store, scopes, random },
          direction: 'accepted',
          expected: undefined,
          access: { kind: 'guarded', configuration, ca },
          intervals: configuration,
        },
      });
      const row: SessionRow = { ref, opened, guest: undefined, isReplaced: false };
      return { sessionCount: opened, sessions: { ...context.sessions, [sessionId]: row } };
    }),
    /** A port: closing a connection neither throws nor answers. */
    dropConnection: (_, { connection }: { connection: Connection }) => connection.destroy(),
    refuse: sendTo(
      (_, { event }: { event: SessionIdentified; refusal: Refusal }) => event.session,
      (_, { refusal }) => ({ type: 'session.refuse' as const, refusal }),
    ),
    refuseUnwelcome: enqueueActions(({ context, enqueue }, event: SessionIdentified) => {
      enqueue.sendTo(event.session, { type: 'session.refuse', refusal: refusalOf(context, event) ?? leaving });
    }),
    /** In place of an earlier session of the same node, if there is one: then nothing has changed for those who watch. */
    admit: enqueueActions(({ context, enqueue }, event: SessionIdentified) => {
      const { session, sessionId, identity, remoteAddress } = event;
      const row = own(context.sessions, sessionId);
      if (row === undefined) return;
      const guest: Guest = { identity, subject: event.subject ?? '' };
      let sessions = { ...context.sessions, [sessionId]: { ...row, guest } };
      const [replacedId, replaced] = sessionOf(context, event) ?? [];
      if (replacedId !== undefined && replaced !== undefined) {
        sessions = { ...sessions, [replacedId]: { ...replaced, isReplaced: true } };
        enqueue.sendTo(replaced.ref, { type: 'session.close', refusal: duplicateConnection });
      } else {
        const { nodeId } = identity;
        const { subject } = guest;
        enqueue.sendTo(context.parent, notice({ type: 'peer.connected', nodeId, remoteAddress, subject }));
      }
      enqueue.assign({ sessions });
      enqueue.sendTo(session, { type: 'session.admit' });
    }),
    tellDiverged: enqueueActions(
      ({ context, enqueue }, event: Extract<SessionReport, { type: 'session.diverged' }>) => {
        const guest = own(context.sessions, event.sessionId)?.guest;
        if (guest === undefined) return;
        const { nodeId } = guest.identity;
        enqueue.sendTo(context.parent, notice({ type: 'peer.diverged', nodeId, authors: event.authors }));
      },
    ),
    /** Reaps a session that is over. */
    reap: enqueueActions(({ context, enqueue }, { actorId, failure }: { actorId: string; failure: Failure }) => {
      enqueue.stopChild(actorId);
      const row = own(context.sessions, actorId);
      const others = Object.entries(context.sessions).filter(([sessionId]) => sessionId !== actorId);
      enqueue.assign({ sessions: Object.fromEntries(others) });
      if (row?.guest === undefined || row.isReplaced) return;
      const { subject } = row.guest;
      const { nodeId } = row.guest.identity;
      enqueue.sendTo(context.parent, notice({ type: 'peer.disconnected', nodeId, failure, subject }));
    }),
    /** A session that failed is a bug, but of that session only. */
    tellFailed: sendTo(
      ({ context }) => context.parent,
      (_, { actorId, error }: { actorId: string; error: unknown }) =>
        notice({ type: 'failure', where: actorId, failure: failureOf(error) }),
    ),
    passOn: sendTo(
      ({ context }) => context.parent,
      (_, event: Notice) => event,
    ),
    adjust: enqueueActions(({ context, enqueue }, { effects, identity, configured }: Adjustment) => {
      const { configuration, ca } = configured;
      enqueue.assign({ identity, configuration, ca });
      if (!effects.has('intervals')) return;
      for (const { ref } of Object.values(context.sessions)) {
        enqueue.sendTo(ref, { type: 'session.adjust', intervals: configuration });
      }
    }),
    sayGoodbye: enqueueActions(({ context, enqueue }, { refusal }: { refusal: Refusal }) => {
      for (const { ref } of Object.values(context.sessions)) enqueue.sendTo(ref, { type: 'session.close', refusal });
    }),
  },
}).createMachine({
  id: 'reception',
  context: ({ input }) => ({ ...input, sessions: {}, sessionCount: 0 }),
  initial: 'open',
  on: {
    'session.diverged': { actions: { type: 'tellDiverged', params: ({ event }) => event } },
    notice: { actions: { type: 'passOn', params: ({ event }) => event } },
    // Of interest to those who have a peer actor for each node, or a gateway.
    'session.aligned': {},
    'session.answered': {},
    'session.matched': {},
    'session.neighbours': {},
    'session.advanced': {},
    'session.probed': {},
    'session.relocated': {},
    'xstate.done.actor.*': {
      actions: {
        type: 'reap',
        params: ({ event }) => ({ actorId: event.actorId, failure: event.output.failure }),
      },
    },
    'xstate.error.actor.*': {
      actions: [
        { type: 'tellFailed', params: ({ event }) => event },
        { type: 'reap', params: ({ event }) => ({ actorId: event.actorId, failure: failureOf(event.error) }) },
      ],
    },
  },
  states: {
    open: {
      on: {
        'connection.accepted': [
          {
            guard: { type: 'isOfCluster', params: ({ event }) => event },
            actions: { type: 'dropConnection', params: ({ event }) => event },
          },
          { guard: 'isFull', actions: { type: 'dropConnection', params: ({ event }) => event } },
          { actions: { type: 'startSession', params: ({ event }) => event } },
        ],
        'session.identified': [
          {
            guard: { type: 'isUnwelcome', params: ({ event }) => event },
            actions: { type: 'refuseUnwelcome', params: ({ event }) => event },
          },
          {
            guard: { type: 'isOutdated', params: ({ event }) => event },
            actions: { type: 'refuse', params: ({ event }) => ({ event, refusal: duplicateConnection }) },
          },
          { actions: { type: 'admit', params: ({ event }) => event } },
        ],
        'configuration.adjusted': { actions: { type: 'adjust', params: ({ event }) => event } },
        'reception.leave': { target: 'leaving', actions: { type: 'sayGoodbye', params: ({ event }) => event } },
      },
    },
    leaving: {
      always: { guard: 'isAlone', target: 'left' },
      after: { leavingTimeout: 'left' },
      on: {
        'connection.accepted': { actions: { type: 'dropConnection', params: ({ event }) => event } },
        'session.identified': { actions: { type: 'refuse', params: ({ event }) => ({ event, refusal: leaving }) } },
      },
    },
    left: { type: 'final' },
  },
});

type ReceptionMachineType = typeof machine;
/** The type of {@link receptionMachine}. */
export interface ReceptionMachine extends ReceptionMachineType {}
/** What a cloud node runs: sessions of nodes of many clusters. */
export const receptionMachine: ReceptionMachine = machine;

/** The session of the same node that was admitted last and still is. */
function sessionOf({ sessions }: ReceptionContext, event: SessionIdentified): [string, SessionRow] | undefined {
  return Object.entries(sessions).find(
    ([sessionId, { guest, isReplaced }]) =>
      sessionId !== event.sessionId &&
      !isReplaced &&
      guest?.subject === event.subject &&
      guest?.identity.nodeId === event.identity.nodeId,
  );
}

/** Ourselves on the other side, or somebody under our name. */
function refusalOf({ identity: own }: ReceptionContext, { identity }: SessionIdentified): Failure | undefined {
  if (identity.boot === own.boot) return { code: 'selfConnection', message: 'The address is our own.' };
  if (identity.nodeId !== own.nodeId) return undefined;
  return {
    code: 'duplicateNodeId',
    message: `"${own.nodeId}" is the NodeId of the cloud node itself: give each node its own.`,
  };
}

function notice(happening: Happening): Notice {
  return { type: 'notice', happening };
}
