/**
 * A group of sessions of a cloud node.
 *
 * XState copies the list of an actor's children whenever one of them starts or stops. To keep the cost of one guest
 * independent of the number of guests, the reception has wards, and each ward has a few dozen sessions. Sessions report
 * to the reception directly; a ward only starts them, and reports their end.
 */
import { assign, type DoneActorEvent, type ErrorActorEvent, enqueueActions, sendTo, setup } from 'xstate';
import type {
  Adjustment,
  Mailbox,
  SessionCommand,
  SessionOutput,
  SessionReport,
  WardCommand,
  WardReport,
} from '../actors/mailboxes.js';
import { itsEvent } from '../actors/typed.js';
import type { Configuration } from '../configuration/schema.js';
import type { Scope } from '../core/author.js';
import { failureOf } from '../core/errors.js';
import type { Connection } from '../ports/ports.js';
import type { Store } from '../ports/store.js';
import type { Identity, Refusal } from '../wire/messages.js';
import { sessionMachine } from './session.machine.js';

export interface WardInput {
  readonly parent: Mailbox<SessionReport | WardReport>;
  readonly identity: Identity;
  readonly store: Store;
  readonly configuration: Configuration;
  /** Authorities to trust instead of the system's when tokens are verified, in PEM format. */
  readonly ca: string | undefined;
  readonly random: () => number;
}

interface WardContext extends WardInput {
  /** At most `limits.wardSessionsMax`: the reception enforces it. */
  readonly sessions: ReadonlyMap<string, Mailbox<SessionCommand>>;
}

/** Entries of scope `cluster` never leave the cluster. */
const scopes: readonly Scope[] = ['shared'];

const machine = setup({
  types: {
    context: {} as WardContext,
    input: {} as WardInput,
    events: {} as WardCommand | DoneActorEvent<SessionOutput, string> | ErrorActorEvent<unknown, string>,
  },
  actors: { session: sessionMachine },
  actions: {
    startSession: assign(
      ({ context, spawn }, { sessionId, connection }: { sessionId: string; connection: Connection }) => {
        const { parent, identity, store, configuration, ca, random } = context;
        const ref = spawn('session', {
          id: sessionId,
          input: {
            sessionId,
            parent,
            connection,
            identity,
            store,
            scopes,
            random,
            direction: 'accepted',
            expected: undefined,
            access: { kind: 'guarded', configuration, ca },
            intervals: configuration,
          },
        });
        return { sessions: new Map(context.sessions).set(sessionId, ref) };
      },
    ),
    /** Stops an ended session. */
    reap: enqueueActions(({ context, enqueue }, { actorId }: { actorId: string }) => {
      enqueue.stopChild(actorId);
      const sessions = new Map(context.sessions);
      sessions.delete(actorId);
      enqueue.assign({ sessions });
    }),
    report: sendTo(
      ({ context }) => context.parent,
      (_, report: WardReport) => report,
    ),
    adjust: enqueueActions(({ context, enqueue }, { effects, identity, configured }: Adjustment) => {
      const { configuration, ca } = configured;
      enqueue.assign({ identity, configuration, ca });
      if (!effects.has('intervals')) return;
      for (const session of context.sessions.values()) {
        enqueue.sendTo(session, { type: 'session.adjust', intervals: configuration });
      }
    }),
    sayGoodbye: enqueueActions(({ context, enqueue }, { refusal }: { refusal: Refusal }) => {
      for (const session of context.sessions.values()) enqueue.sendTo(session, { type: 'session.close', refusal });
    }),
  },
}).createMachine({
  id: 'ward',
  context: ({ input }) => ({ ...input, sessions: new Map() }),
  initial: 'open',
  states: {
    open: {
      on: {
        'ward.open': { actions: { type: 'startSession', params: itsEvent } },
        'ward.leave': { actions: { type: 'sayGoodbye', params: itsEvent } },
        'configuration.adjusted': { actions: { type: 'adjust', params: itsEvent } },
        'xstate.done.actor.*': {
          actions: [
            { type: 'reap', params: itsEvent },
            {
              type: 'report',
              params: ({ event: { actorId, output } }) => ({
                type: 'session.closed',
                sessionId: actorId,
                failure: output.failure,
              }),
            },
          ],
        },
        'xstate.error.actor.*': {
          actions: [
            { type: 'reap', params: itsEvent },
            {
              type: 'report',
              params: ({ event: { actorId, error } }) => ({
                type: 'session.failed',
                sessionId: actorId,
                failure: failureOf(error),
              }),
            },
          ],
        },
      },
    },
  },
});

type WardMachineType = typeof machine;
/** The type of {@link wardMachine}. */
export interface WardMachine extends WardMachineType {}
/** Runs a group of sessions of a cloud node. */
export const wardMachine: WardMachine = machine;
