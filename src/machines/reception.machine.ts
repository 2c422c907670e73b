/**
 * The part of a cloud node that replaces membership, election and gateways: it only answers. Nodes of many clusters
 * open sessions with it. The sessions are children of its wards.
 *
 * The cost of one guest does not depend on the number of guests: only events that concern all sessions go through all
 * of them.
 *
 * A guest is identified by the subject of its token and its NodeId, because two clusters may use the same NodeId. Of
 * two sessions of one guest the later one stays: a node that dials again has lost the earlier one.
 */
import { assign, type ErrorActorEvent, enqueueActions, sendTo, setup } from 'xstate';
import { indexDelays } from '../actors/delays.js';
import type {
  Adjustment,
  Mailbox,
  Notice,
  ReceptionCommand,
  SessionCommand,
  SessionIdentified,
  SessionReport,
  WardCommand,
  WardReport,
} from '../actors/mailboxes.js';
import { itsEvent, mailboxOf, noticeOf } from '../actors/typed.js';
import type { Configuration } from '../configuration/schema.js';
import { BucketMap } from '../core/bucket-map.js';
import { type Failure, failureOf } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Connection } from '../ports/ports.js';
import type { Store } from '../ports/store.js';
import type { Identity, Refusal } from '../wire/messages.js';
import { wardMachine } from './ward.machine.js';

export interface ReceptionInput {
  readonly parent: Mailbox<Notice>;
  readonly identity: Identity;
  readonly store: Store;
  readonly configuration: Configuration;
  /** Authorities to trust instead of the system's when tokens are verified, in PEM format. */
  readonly ca: string | undefined;
  readonly random: () => number;
}

interface ReceptionContext extends ReceptionInput {
  /** Sessions by id. */
  readonly sessions: BucketMap<SessionRow>;
  /** The session of each guest; the latest if it has several. */
  readonly guests: BucketMap<string>;
  readonly wards: ReadonlyMap<string, WardRow>;
  /** Number of sessions so far. */
  readonly sessionCount: number;
  readonly wardCount: number;
}

interface SessionRow {
  readonly wardId: string;
  /** The number of the session; a later session has a larger one. */
  readonly opened: number;
  /** The guest; undefined before its token is verified and the reception has admitted it. */
  readonly guest: Guest | undefined;
}

interface Guest {
  readonly subject: string;
  readonly identity: Identity;
  readonly session: Mailbox<SessionCommand>;
}

interface WardRow {
  readonly ref: Mailbox<WardCommand>;
  readonly sessionCount: number;
}

const duplicateConnection = {
  code: 'duplicateConnection',
  message: 'This node has opened another connection since, which stays.',
} as const;
const leaving = { code: 'goodbye', message: 'The node is stopping.' } as const;

const machine = setup({
  types: {
    context: {} as ReceptionContext,
    input: {} as ReceptionInput,
    events: {} as ReceptionCommand | SessionReport | WardReport | ErrorActorEvent<unknown, string>,
  },
  actors: { ward: wardMachine },
  delays: { leavingTimeout: limits.leavingTimeoutMs },
  guards: {
    isAlone: ({ context }) => context.sessions.size === 0,
    /** The listener makes unidentified connections give way. For a moment there may be two for each place. */
    isFull: ({ context }) => context.sessions.size >= limits.guestsMax + 2 * limits.unauthenticatedMax,
    /**
     * Whether a connection was accepted while the node was a member of a cluster. Guests of a cloud node have verified
     * its certificate.
     */
    isOfCluster: (_, { connection }: { connection: Connection }) => connection.protection.kind === 'psk',
    isUnwelcome: ({ context }, event: SessionIdentified) => refusalOf(context, event) !== undefined,
    isOutdated: ({ context }, event: SessionIdentified) => {
      const other = rowOfGuest(context, event);
      return other !== undefined && other.opened > (context.sessions.get(event.sessionId)?.opened ?? 0);
    },
  },
  actions: {
    /** Thousands of actors may have delays. Without an index, an actor that stops would search all of them. */
    indexDelays: ({ system }) => indexDelays(system),
    /** Adds a row for a session, in a ward with room or in a new one. */
    makeRoom: assign(({ context, spawn, self }) => {
      const opened = context.sessionCount + 1;
      const wards = new Map(context.wards);
      let [wardId, ward] = [...wards].find(([, { sessionCount }]) => sessionCount < limits.wardSessionsMax) ?? [];
      let { wardCount } = context;
      if (wardId === undefined || ward === undefined) {
        const { identity, store, configuration, ca, random } = context;
        const parent = mailboxOf<SessionReport | WardReport>(self);
        wardCount += 1;
        wardId = `ward-${wardCount}`;
        const input = { parent, identity, store, configuration, ca, random };
        ward = { ref: spawn('ward', { id: wardId, input }), sessionCount: 0 };
      }
      wards.set(wardId, { ...ward, sessionCount: ward.sessionCount + 1 });
      const sessions = context.sessions.with(sessionIdOf(opened), { wardId, opened, guest: undefined });
      return { sessionCount: opened, sessions, wards, wardCount };
    }),
    startSession: enqueueActions(({ context, enqueue }, { connection }: { connection: Connection }) => {
      const sessionId = sessionIdOf(context.sessionCount);
      const ward = context.wards.get(context.sessions.get(sessionId)?.wardId ?? '');
      if (ward !== undefined) enqueue.sendTo(ward.ref, { type: 'ward.open', sessionId, connection });
    }),
    /** Calls a port: closing a connection neither throws nor returns a result. */
    dropConnection: (_, { connection }: { connection: Connection }) => connection.destroy(),
    refuse: sendTo(
      (_, { event }: { event: SessionIdentified; refusal: Refusal }) => event.session,
      (_, { refusal }) => ({ type: 'session.refuse' as const, refusal }),
    ),
    refuseUnwelcome: enqueueActions(({ context, enqueue }, event: SessionIdentified) => {
      enqueue.sendTo(event.session, { type: 'session.refuse', refusal: refusalOf(context, event) ?? leaving });
    }),
    /** Admits a session. If it replaces an earlier one of the same guest, nothing has changed for observers. */
    admit: enqueueActions(({ context, enqueue }, event: SessionIdentified) => {
      const { session, sessionId, identity, remoteAddress } = event;
      const row = context.sessions.get(sessionId);
      if (row === undefined) return;
      const guest: Guest = { identity, subject: event.subject ?? '', session };
      const replaced = rowOfGuest(context, event)?.guest;
      if (replaced !== undefined) {
        enqueue.sendTo(replaced.session, { type: 'session.close', refusal: duplicateConnection });
      } else {
        const { nodeId } = identity;
        const { subject } = guest;
        enqueue.sendTo(context.parent, noticeOf({ type: 'peer.connected', nodeId, remoteAddress, subject }));
      }
      enqueue.assign({
        sessions: context.sessions.with(sessionId, { ...row, guest }),
        guests: context.guests.with(guestKeyOf(guest), sessionId),
      });
      enqueue.sendTo(session, { type: 'session.admit' });
    }),
    tellDiverged: enqueueActions(
      ({ context, enqueue }, event: Extract<SessionReport, { type: 'session.diverged' }>) => {
        const guest = context.sessions.get(event.sessionId)?.guest;
        if (guest === undefined) return;
        const { nodeId } = guest.identity;
        enqueue.sendTo(context.parent, noticeOf({ type: 'peer.diverged', nodeId, authors: event.authors }));
      },
    ),
    /** Forgets ended sessions, and their ward when it has no others. */
    forget: enqueueActions(
      ({ context, enqueue }, { sessionIds, failure }: { sessionIds: readonly string[]; failure: Failure }) => {
        let { sessions, guests } = context;
        const wards = new Map(context.wards);
        for (const sessionId of sessionIds) {
          const row = sessions.get(sessionId);
          if (row === undefined) continue;
          const { wardId, guest } = row;
          sessions = sessions.without(sessionId);
          const ward = wards.get(wardId);
          if (ward !== undefined && ward.sessionCount > 1) {
            wards.set(wardId, { ...ward, sessionCount: ward.sessionCount - 1 });
          } else {
            enqueue.stopChild(wardId);
            wards.delete(wardId);
          }
          // A later session of the guest is open.
          if (guest === undefined || guests.get(guestKeyOf(guest)) !== sessionId) continue;
          guests = guests.without(guestKeyOf(guest));
          const { subject, identity } = guest;
          const { nodeId } = identity;
          enqueue.sendTo(context.parent, noticeOf({ type: 'peer.disconnected', nodeId, failure, subject }));
        }
        enqueue.assign({ sessions, guests, wards });
      },
    ),
    /** A failure is a bug, but it concerns one session or one ward only. */
    tellFailed: sendTo(
      ({ context }) => context.parent,
      (_, { where, failure }: { where: string; failure: Failure }) => noticeOf({ type: 'failure', where, failure }),
    ),
    /** Sessions of a failed ward go on, and no other actor stops them. */
    closeSessions: enqueueActions(
      ({ context, enqueue }, { sessionIds, failure }: { sessionIds: readonly string[]; failure: Failure }) => {
        for (const sessionId of sessionIds) {
          const guest = context.sessions.get(sessionId)?.guest;
          if (guest !== undefined) enqueue.sendTo(guest.session, { type: 'session.close', refusal: failure });
        }
      },
    ),
    passOn: sendTo(
      ({ context }) => context.parent,
      (_, event: Notice) => event,
    ),
    adjust: enqueueActions(({ context, enqueue }, adjustment: Adjustment) => {
      const { configuration, ca } = adjustment.configured;
      enqueue.assign({ identity: adjustment.identity, configuration, ca });
      for (const { ref } of context.wards.values()) enqueue.sendTo(ref, adjustment);
    }),
    sayGoodbye: enqueueActions(({ context, enqueue }, { refusal }: { refusal: Refusal }) => {
      for (const { ref } of context.wards.values()) enqueue.sendTo(ref, { type: 'ward.leave', refusal });
    }),
  },
}).createMachine({
  id: 'reception',
  context: ({ input }) => ({
    ...input,
    sessions: BucketMap.empty(),
    guests: BucketMap.empty(),
    wards: new Map(),
    sessionCount: 0,
    wardCount: 0,
  }),
  initial: 'open',
  entry: 'indexDelays',
  on: {
    'session.diverged': { actions: { type: 'tellDiverged', params: itsEvent } },
    notice: { actions: { type: 'passOn', params: itsEvent } },
    // Only parents with a peer actor for each node, or gateways, need this event.
    'session.aligned': {},
    'session.answered': {},
    'session.matched': {},
    'session.neighbors': {},
    'session.advanced': {},
    'session.probed': {},
    'session.relocated': {},
    'session.closed': { actions: { type: 'forget', params: ({ event }) => overOf(event) } },
    'session.failed': {
      actions: [
        { type: 'tellFailed', params: ({ event }) => ({ where: event.sessionId, failure: event.failure }) },
        { type: 'forget', params: ({ event }) => overOf(event) },
      ],
    },
    'xstate.error.actor.*': {
      actions: [
        {
          type: 'tellFailed',
          params: ({ event }) => ({ where: event.actorId, failure: failureOf(event.error) }),
        },
        { type: 'closeSessions', params: ({ context, event }) => wardLost(context, event) },
        { type: 'forget', params: ({ context, event }) => wardLost(context, event) },
      ],
    },
  },
  states: {
    open: {
      on: {
        'connection.accepted': [
          {
            guard: { type: 'isOfCluster', params: itsEvent },
            actions: { type: 'dropConnection', params: itsEvent },
          },
          { guard: 'isFull', actions: { type: 'dropConnection', params: itsEvent } },
          { actions: ['makeRoom', { type: 'startSession', params: itsEvent }] },
        ],
        'session.identified': [
          {
            guard: { type: 'isUnwelcome', params: itsEvent },
            actions: { type: 'refuseUnwelcome', params: itsEvent },
          },
          {
            guard: { type: 'isOutdated', params: itsEvent },
            actions: { type: 'refuse', params: ({ event }) => ({ event, refusal: duplicateConnection }) },
          },
          { actions: { type: 'admit', params: itsEvent } },
        ],
        'configuration.adjusted': { actions: { type: 'adjust', params: itsEvent } },
        'reception.leave': { target: 'leaving', actions: { type: 'sayGoodbye', params: itsEvent } },
      },
    },
    leaving: {
      always: { guard: 'isAlone', target: 'left' },
      after: { leavingTimeout: 'left' },
      on: {
        'connection.accepted': { actions: { type: 'dropConnection', params: itsEvent } },
        'session.identified': { actions: { type: 'refuse', params: ({ event }) => ({ event, refusal: leaving }) } },
      },
    },
    left: { type: 'final' },
  },
});

type ReceptionMachineType = typeof machine;
/** The type of {@link receptionMachine}. */
export interface ReceptionMachine extends ReceptionMachineType {}
/** Answers the leaders of many clusters on a cloud node. */
export const receptionMachine: ReceptionMachine = machine;

function sessionIdOf(opened: number): string {
  return `session-${opened}`;
}

/** The key is unambiguous, because a NodeId has no slash. */
function guestKeyOf({ subject, identity }: Pick<Guest, 'subject' | 'identity'>): string {
  return `${subject}/${identity.nodeId}`;
}

/** The row of an earlier session of the same guest. */
function rowOfGuest(
  { sessions, guests }: ReceptionContext,
  { sessionId, subject = '', identity }: SessionIdentified,
): SessionRow | undefined {
  const presentId = guests.get(guestKeyOf({ subject, identity }));
  return presentId === undefined || presentId === sessionId ? undefined : sessions.get(presentId);
}

function overOf({ sessionId, failure }: WardReport): { sessionIds: readonly string[]; failure: Failure } {
  return { sessionIds: [sessionId], failure };
}

/** The sessions of a failed ward: they count as ended, with its failure. */
function wardLost({ sessions }: ReceptionContext, { actorId, error }: ErrorActorEvent<unknown, string>) {
  const lost = [...sessions].filter(([, { wardId }]) => wardId === actorId);
  return { sessionIds: lost.map(([sessionId]) => sessionId), failure: failureOf(error) };
}

/** Refuses this node itself, and another process with its NodeId. */
function refusalOf({ identity: own }: ReceptionContext, { identity }: SessionIdentified): Failure | undefined {
  if (identity.boot === own.boot) return { code: 'selfConnection', message: 'The address is our own.' };
  if (identity.nodeId !== own.nodeId) return undefined;
  return {
    code: 'duplicateNodeId',
    message: `"${own.nodeId}" is the NodeId of the cloud node itself: give each node its own.`,
  };
}
