/**
 * Puts a configuration into force: on a starting node from nothing, on a running node in place of the present one.
 *
 * The machine makes the new parts before it breaks the old ones. It binds the new listener and opens the new database
 * beside those that serve. When all of them stand, it hands them to the node (`reconfiguration.switched`) and closes
 * the replaced ones. If a step fails before the switch, it closes the new parts, and the node continues unchanged.
 *
 * Invariant: until this machine ends, its context holds everything that it has opened or replaced and not yet handed to
 * the node. So a node that stops in the middle can close all of it ({@link openPartsOf}).
 */
import { assign, enqueueActions, sendTo, setup } from 'xstate';
import type {
  ListenerReport,
  Mailbox,
  Parts,
  ReconfigurationCommand,
  ReconfigurationReport,
} from '../actors/mailboxes.js';
import {
  type CloseInput,
  close,
  configure,
  copyStore,
  drainStore,
  listen,
  openStore,
  type SuccessionInput,
} from '../actors/slots.js';
import { itsFailure, mailboxOf, noticeOf } from '../actors/typed.js';
import type { Configured } from '../configuration/configured.js';
import {
  type Effect,
  type Plan,
  planReconfiguration,
  planStart,
  type Requested,
} from '../configuration/reconfiguration.js';
import type { Failure } from '../core/errors.js';
import { limits } from '../core/limits.js';
import { begun, ended, notYet, type Span } from '../core/span.js';
import type { Listening } from '../ports/ports.js';
import type { Store } from '../ports/store.js';

export interface ReconfigurationInput {
  /** Receives the reports, and the connections that a new listener accepts. */
  readonly parent: Mailbox<ReconfigurationReport | ListenerReport>;
  /** The configuration as its user wrote it. */
  readonly requested: Requested;
  /** The parts in force; undefined on a starting node. */
  readonly present: Parts | undefined;
  /** A clock that never goes back, ms. */
  readonly monotonicMs: () => number;
}

interface ReconfigurationContext extends ReconfigurationInput {
  readonly startedMs: number;
  readonly configured: Configured | undefined;
  readonly plan: Plan;
  /** The new listener; undefined while the present one stays. */
  readonly listening: Listening | undefined;
  /** The new database; undefined while the present one stays. */
  readonly store: Store | undefined;
  readonly writesHeld: Span;
  readonly connectionsRefused: Span;
  readonly failure: Failure | undefined;
  /** Whether no listener is left, so that the node cannot continue. */
  readonly isFatal: boolean;
}

/** The result of a reconfiguration. */
export interface ReconfigurationOutput {
  /** Undefined: the new configuration is in force. */
  readonly failure: Failure | undefined;
  readonly isFatal: boolean;
}

const machine = setup({
  types: {
    context: {} as ReconfigurationContext,
    input: {} as ReconfigurationInput,
    output: {} as ReconfigurationOutput,
    events: {} as ReconfigurationCommand,
  },
  actors: { configure, openStore, copyStore, drainStore, listen, close },
  delays: { rebindOverlap: limits.rebindOverlapMs },
  guards: {
    isStart: ({ context }) => context.present === undefined,
    isUnchanged: ({ context }) => context.present !== undefined && context.plan.changes.length === 0,
    hasEffect: ({ context }, { effect }: { effect: Effect }) => context.plan.effects.has(effect),
    bindsBeside: ({ context }) => context.plan.listener === 'beside',
    bindsInstead: ({ context }) => context.plan.listener === 'instead',
    hasReplacedStore: ({ context }) => replacedStoreOf(context) !== undefined,
    hasReplacedListener: ({ context: { present, listening } }) => present !== undefined && listening !== undefined,
  },
  actions: {
    plan: assign(({ context: { present } }, { configured }: { configured: Configured }) => ({
      configured,
      plan:
        present === undefined ? planStart() : planReconfiguration(present.configured, configured, present.listening),
    })),
    keepListening: assign((_, { listening }: { listening: Listening }) => ({ listening })),
    keepStore: assign((_, { store }: { store: Store }) => ({ store })),
    fail: assign(({ context }, { failure }: { failure: Failure }) => ({ failure: context.failure ?? failure })),
    failFatally: assign((_, { failure }: { failure: Failure }) => ({ failure, isFatal: true })),
    /** The parent handles the failure; the new configuration serves nevertheless. */
    report: sendTo(
      ({ context }) => context.parent,
      (_, { failure }: { failure: Failure }) => noticeOf({ type: 'failure', where: 'reconfiguration', failure }),
    ),
    holdWrites: enqueueActions(({ context, enqueue }) => {
      enqueue.assign({ writesHeld: begun(context.writesHeld, context.monotonicMs()) });
      enqueue.sendTo(context.parent, { type: 'writes.held' });
    }),
    releaseWrites: enqueueActions(({ context, enqueue }) => {
      if (context.writesHeld.sinceMs === undefined) return;
      enqueue.assign({ writesHeld: ended(context.writesHeld, context.monotonicMs()) });
      enqueue.sendTo(context.parent, { type: 'writes.released' });
    }),
    refuseConnections: assign(({ context: { connectionsRefused, monotonicMs } }) => ({
      connectionsRefused: begun(connectionsRefused, monotonicMs()),
    })),
    acceptConnections: assign(({ context: { connectionsRefused, monotonicMs } }) => ({
      connectionsRefused: ended(connectionsRefused, monotonicMs()),
    })),
    switch: sendTo(
      ({ context }) => context.parent,
      ({ context }) => ({ type: 'reconfiguration.switched', plan: context.plan, parts: newPartsOf(context) }),
    ),
    reportRebound: sendTo(
      ({ context }) => context.parent,
      (_, { listening }: { listening: Listening }) => ({ type: 'reconfiguration.rebound', listening }),
    ),
    reportCompleted: sendTo(
      ({ context }) => context.parent,
      ({ context: { plan, startedMs, writesHeld, connectionsRefused, monotonicMs } }) => ({
        type: 'reconfiguration.completed',
        effects: plan.effects,
        changes: plan.changes,
        tookMs: monotonicMs() - startedMs,
        writesHeldMs: writesHeld.lastedMs,
        connectionsRefusedMs: connectionsRefused.lastedMs,
      }),
    ),
  },
}).createMachine({
  id: 'reconfiguration',
  context: ({ input }) => ({
    ...input,
    startedMs: input.monotonicMs(),
    configured: undefined,
    plan: planStart(),
    listening: undefined,
    store: undefined,
    writesHeld: notYet,
    connectionsRefused: notYet,
    failure: undefined,
    isFatal: false,
  }),
  output: ({ context }) => ({ failure: context.failure, isFatal: context.isFatal }),
  initial: 'checking',
  states: {
    checking: {
      invoke: {
        src: 'configure',
        input: ({ context }) => ({ configuration: context.requested }),
        onDone: {
          target: 'deciding',
          actions: { type: 'plan', params: ({ event }) => ({ configured: event.output }) },
        },
        onError: { target: 'undoing', actions: { type: 'fail', params: itsFailure } },
      },
    },
    deciding: {
      always: [
        { guard: 'isUnchanged', target: 'done', actions: 'reportCompleted' },
        { guard: 'isStart', target: 'openingStore' },
        { guard: 'bindsBeside', target: 'binding' },
        { guard: { type: 'hasEffect', params: { effect: 'store' } }, target: 'openingStore' },
        { guard: 'bindsInstead', target: 'rebinding' },
        { target: 'switching' },
      ],
    },
    /** Binds the new listener, beside the one that serves. */
    binding: {
      invoke: {
        src: 'listen',
        input: ({ context }) => listenInputOf(context, context.configured),
        onDone: [
          {
            guard: 'isStart',
            target: 'switching',
            actions: { type: 'keepListening', params: ({ event }) => ({ listening: event.output }) },
          },
          {
            guard: { type: 'hasEffect', params: { effect: 'store' } },
            target: 'openingStore',
            actions: { type: 'keepListening', params: ({ event }) => ({ listening: event.output }) },
          },
          {
            target: 'switching',
            actions: { type: 'keepListening', params: ({ event }) => ({ listening: event.output }) },
          },
        ],
        onError: { target: 'undoing', actions: { type: 'fail', params: itsFailure } },
      },
    },
    /**
     * Opens the new database, beside the one that serves. A starting node has no other, and listens once the database
     * is open.
     */
    openingStore: {
      invoke: {
        src: 'openStore',
        input: ({ context }) => ({
          configuration: (context.configured as Configured).configuration,
          isStart: context.present === undefined,
        }),
        onDone: [
          {
            guard: 'isStart',
            target: 'binding',
            actions: { type: 'keepStore', params: ({ event }) => ({ store: event.output }) },
          },
          { target: 'copying', actions: { type: 'keepStore', params: ({ event }) => ({ store: event.output }) } },
        ],
        onError: { target: 'undoing', actions: { type: 'fail', params: itsFailure } },
      },
    },
    /** Copies most of the old database while it serves. This takes a while, and no write waits for it. */
    copying: {
      invoke: {
        src: 'copyStore',
        input: ({ context }) => succession(context.present?.store, context.store),
        onDone: 'draining',
        onError: { target: 'undoing', actions: { type: 'fail', params: itsFailure } },
      },
    },
    /** From here on writes wait: for the new database or, if the reconfiguration fails, for the old one. */
    draining: {
      entry: 'holdWrites',
      invoke: {
        src: 'drainStore',
        input: ({ context }) => succession(context.present?.store, context.store),
        onDone: [{ guard: 'bindsInstead', target: 'rebinding' }, { target: 'switching' }],
        onError: { target: 'undoing', actions: { type: 'fail', params: itsFailure } },
      },
    },
    /**
     * The old and the new listener exclude each other, so the old one closes first. This is the only step that breaks a
     * part before its replacement stands, so it is the last one.
     */
    rebinding: {
      entry: 'refuseConnections',
      exit: 'acceptConnections',
      initial: 'closing',
      states: {
        closing: {
          invoke: {
            src: 'close',
            input: ({ context }) => ({ listenings: defined([context.present?.listening]), stores: [] }),
            onDone: 'listening',
            onError: { target: 'restoring', actions: { type: 'fail', params: itsFailure } },
          },
        },
        listening: {
          invoke: {
            src: 'listen',
            input: ({ context }) => listenInputOf(context, context.configured),
            onDone: {
              target: '#reconfiguration.switching',
              actions: { type: 'keepListening', params: ({ event }) => ({ listening: event.output }) },
            },
            onError: { target: 'restoring', actions: { type: 'fail', params: itsFailure } },
          },
        },
        /**
         * Opens the listener of the old configuration again. If this fails, no peer can reach the node, and the node
         * ends.
         */
        restoring: {
          invoke: {
            src: 'listen',
            input: ({ context }) => listenInputOf(context, context.present?.configured),
            onDone: {
              target: '#reconfiguration.undoing',
              actions: { type: 'reportRebound', params: ({ event }) => ({ listening: event.output }) },
            },
            onError: { target: '#reconfiguration.undoing', actions: { type: 'failFatally', params: itsFailure } },
          },
        },
      },
    },
    /** Closes the new parts. The old configuration continues to serve; only `rebinding` has interrupted it. */
    undoing: {
      entry: 'releaseWrites',
      invoke: {
        src: 'close',
        input: ({ context }) => ({ listenings: defined([context.listening]), stores: defined([context.store]) }),
        onDone: 'done',
        onError: { target: 'done', actions: { type: 'report', params: itsFailure } },
      },
    },
    /** All new parts stand, and come into force. */
    switching: {
      entry: ['switch', 'releaseWrites'],
      always: [
        { guard: { type: 'hasEffect', params: { effect: 'service' } }, target: 'leaving' },
        { target: 'switched' },
      ],
    },
    /** The serving parts say goodbye; then the node starts them again. */
    leaving: {
      entry: 'refuseConnections',
      exit: 'acceptConnections',
      on: { 'service.left': 'switched' },
    },
    switched: { entry: 'reportCompleted', always: 'retiring' },
    /** Closes the replaced parts. */
    retiring: {
      initial: 'starting',
      states: {
        starting: { always: [{ guard: 'hasReplacedStore', target: 'gathering' }, { target: 'gathered' }] },
        /** Copies the entries that peers sent before the goodbye. */
        gathering: {
          invoke: {
            src: 'drainStore',
            input: ({ context }) => succession(context.present?.store, context.store),
            onDone: 'gathered',
            onError: { target: 'gathered', actions: { type: 'report', params: itsFailure } },
          },
        },
        gathered: { always: [{ guard: 'hasReplacedListener', target: 'overlapping' }, { target: 'closing' }] },
        /** A peer that is already dialing the old address still gets in. */
        overlapping: { after: { rebindOverlap: 'closing' } },
        closing: {
          invoke: {
            src: 'close',
            input: ({ context }) => replacedPartsOf(context),
            onDone: '#reconfiguration.done',
            onError: { target: '#reconfiguration.done', actions: { type: 'report', params: itsFailure } },
          },
        },
      },
    },
    done: { type: 'final' },
  },
});

type ReconfigurationMachineType = typeof machine;
/** The type of {@link reconfigurationMachine}. */
export interface ReconfigurationMachine extends ReconfigurationMachineType {}
/** Puts a configuration into force, on a starting node and on a running one. */
export const reconfigurationMachine: ReconfigurationMachine = machine;

/** All parts of a reconfiguration: those in force, the new ones, and the replaced ones. */
export function openPartsOf({ present, listening, store }: ReconfigurationContext): CloseInput {
  return { listenings: defined([present?.listening, listening]), stores: defined([present?.store, store]) };
}

/** The database that the switch has replaced or will replace; undefined when the present one stays. */
export function replacedStoreOf({ present, store }: ReconfigurationContext): Store | undefined {
  return store === undefined ? undefined : present?.store;
}

function replacedPartsOf(context: ReconfigurationContext): CloseInput {
  const { present, listening } = context;
  return {
    listenings: defined([listening && present?.listening]),
    stores: defined([replacedStoreOf(context)]),
  };
}

function newPartsOf({ configured, store, listening, present }: ReconfigurationContext): Parts {
  return {
    configured: configured as Configured,
    store: (store ?? present?.store) as Store,
    listening: (listening ?? present?.listening) as Listening,
  };
}

/** Called only in states in which both databases exist. */
function succession(store: Store | undefined, successor: Store | undefined): SuccessionInput {
  return { store: store as Store, successor: successor as Store };
}

function listenInputOf({ parent }: ReconfigurationContext, configured: Configured | undefined) {
  const { configuration, security } = configured as Configured;
  return { configuration, security, parent: mailboxOf<ListenerReport>(parent) };
}

function defined<T>(all: readonly (T | undefined)[]): T[] {
  return all.filter((each) => each !== undefined);
}
