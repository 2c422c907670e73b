/**
 * Applies what the other side sends, in order, and acknowledges it when it is on disk. Batches that have arrived while others
 * were being applied share a transaction, and so one wait for the disk.
 *
 * What could not be applied (entries missing before it, a stamp from the future) is left out, and the other side is told
 * where we really are: after a pause that grows, or two nodes would loop at full speed.
 *
 * When the own disk fails, the other side is not to blame: the batches at hand are kept and tried again, with pauses that grow, and
 * the other side hears that they are held. So a failed disk ends the receiving for a while, and no session.
 */
import { assign, enqueueActions, sendTo, setup } from 'xstate';
import type { ApplierReport, LinkCommand, LinkReport, Mailbox, ReplicationReport } from '../actors/mailboxes.js';
import { batchApplier } from '../actors/slots.js';
import { itsEvent } from '../actors/typed.js';
import type { Scope } from '../core/author.js';
import { backoffMs } from '../core/backoff.js';
import { type Failure, failureOf } from '../core/errors.js';
import { isImpairment } from '../core/impairment.js';
import { limits } from '../core/limits.js';
import type { Origin } from '../core/replication.js';
import { clockOfScopes } from '../core/vector-clock.js';
import type { ApplyResult, Store } from '../ports/store.js';
import type { BatchFrame } from '../wire/messages.js';

export interface ReceiverInput {
  readonly parent: Mailbox<ReplicationReport>;
  readonly link: Mailbox<LinkCommand>;
  readonly store: Store;
  /** What the other side is the origin of. */
  readonly origin: Origin;
  readonly scopes: readonly Scope[];
  readonly random: () => number;
}

interface ReceiverContext extends ReceiverInput {
  /** Batches that are being applied, in one transaction. */
  readonly current: readonly BatchFrame[];
  /** Batches that have arrived and wait their turn. */
  readonly queue: readonly BatchFrame[];
  /** The last batch that has arrived. */
  readonly arrived: number;
  /** The last batch that is on disk. */
  readonly applied: number;
  readonly entriesApplied: number;
  /** How often something had to be left out since both sides last had the same. */
  readonly gaps: number;
  /** How often in a row the batches at hand could not be written. */
  readonly attempts: number;
  /** The other side does not know yet that something was left out. */
  readonly owesClock: boolean;
}

export type ReceiverEvent =
  | BatchFrame
  | ApplierReport
  | Extract<LinkReport, { type: 'heartbeat.matched' | 'heartbeat.differed' }>
  /** The other side asks where we are. */
  | { readonly type: 'clock.announce' }
  /** Time to say where we are, since something had to be left out. */
  | { readonly type: 'gap.due' };

/** The delayed event that ends the pause after a gap. It outlives the states, or each batch would restart the pause. */
const gapDue = { id: 'gap.due', delay: 'gapBackoff' } as const;

const machine = setup({
  types: { context: {} as ReceiverContext, input: {} as ReceiverInput, events: {} as ReceiverEvent },
  actors: { batchApplier },
  delays: {
    diskBackoff: ({ context }) =>
      backoffMs({
        firstMs: limits.diskBackoffFirstMs,
        maxMs: limits.diskBackoffMaxMs,
        attempt: context.attempts,
        random: context.random(),
      }),
    gapBackoff: ({ context }) =>
      backoffMs({
        firstMs: limits.gapBackoffFirstMs,
        maxMs: limits.gapBackoffMaxMs,
        attempt: context.gaps,
        random: context.random(),
      }),
  },
  guards: {
    isUnexpected: ({ context }, { sequence }: { sequence: number }) =>
      sequence !== context.arrived + 1 || context.current.length + context.queue.length >= limits.batchesInFlightMax,
    isOfDisk: (_, { failure }: { failure: Failure }) => isImpairment(failure.code),
    isMoreWaiting: ({ context }) => context.queue.length > 0,
    owesClock: ({ context }) => context.owesClock,
  },
  actions: {
    enqueueBatch: assign(({ context }, batch: BatchFrame) => ({
      queue: [...context.queue, batch],
      arrived: batch.sequence,
    })),
    refuseBatch: sendTo(
      ({ context }) => context.parent,
      (_, { sequence }: { sequence: number }) => ({
        type: 'replication.failed' as const,
        failure: {
          code: 'windowExceeded' as const,
          message: `Batch ${sequence} came out of order, or before the ${limits.batchesInFlightMax} allowed were acknowledged.`,
        },
      }),
    ),
    takeBatches: assign(({ context }) => ({
      current: context.queue.slice(0, limits.batchesPerTransactionMax),
      queue: context.queue.slice(limits.batchesPerTransactionMax),
    })),
    applyBatches: sendTo('applier', ({ context }) => ({
      type: 'batch.apply',
      runs: context.current.flatMap(({ runs }) => runs),
    })),
    /** The other side waits for the newest batch that has arrived, and so for all before it. */
    reportHeld: enqueueActions(({ context, enqueue }, { failure }: { failure: Failure }) => {
      const { arrived: sequence, attempts } = context;
      enqueue.assign({ attempts: attempts + 1 });
      enqueue.sendTo(context.link, {
        type: 'link.send',
        frame: { type: 'frame.batchHeld', sequence, code: failure.code },
      });
    }),
    settleBatches: enqueueActions(({ context, enqueue }, result: ApplyResult) => {
      const applied = context.current.at(-1)?.sequence ?? context.applied;
      const incomplete = result.gaps.length > 0 || result.parked.length > 0;
      enqueue.sendTo(context.link, {
        type: 'link.send',
        frame: { type: 'frame.acknowledgement', sequence: applied },
      });
      if (context.applied === 0) enqueue.sendTo(context.parent, { type: 'replication.advanced' });
      enqueue.assign({
        current: [],
        attempts: 0,
        applied,
        entriesApplied: context.entriesApplied + result.applied,
        gaps: incomplete ? context.gaps + 1 : context.gaps,
        owesClock: context.owesClock || incomplete,
      });
      if (incomplete && !context.owesClock) enqueue.raise({ type: 'gap.due' }, gapDue);
      const { diverged, parked } = result;
      if (diverged.length > 0) enqueue.sendTo(context.parent, { type: 'replication.diverged', authors: diverged });
      if (parked.length > 0) enqueue.sendTo(context.parent, { type: 'replication.parked', authors: parked });
    }),
    /** What the other side has been told is not owed any more. */
    forgetDebt: enqueueActions(({ enqueue }) => {
      enqueue.cancel(gapDue.id);
      enqueue.assign({ owesClock: false });
    }),
    forgetGaps: assign({ gaps: 0 }),
    announceClock: sendTo(
      ({ context }) => context.link,
      ({ context }) => ({
        type: 'link.send' as const,
        frame: {
          type: 'frame.vectorClock' as const,
          clock: new Map(clockOfScopes(context.store.clock(), context.scopes)),
          received: context.applied,
        },
      }),
    ),
    reportFailure: sendTo(
      ({ context }) => context.parent,
      (_, { failure }: { failure: Failure }) => ({ type: 'replication.failed' as const, failure }),
    ),
  },
}).createMachine({
  id: 'receiver',
  context: ({ input }) => ({
    ...input,
    current: [],
    queue: [],
    arrived: 0,
    applied: 0,
    entriesApplied: 0,
    gaps: 0,
    attempts: 0,
    owesClock: false,
  }),
  invoke: {
    id: 'applier',
    src: 'batchApplier',
    input: ({ context, self }) => ({ parent: self, store: context.store, origin: context.origin }),
    onError: {
      target: '.failed',
      actions: { type: 'reportFailure', params: ({ event }) => ({ failure: failureOf(event.error) }) },
    },
  },
  initial: 'waiting',
  on: {
    'frame.batch': [
      {
        guard: { type: 'isUnexpected', params: itsEvent },
        target: '.failed',
        actions: { type: 'refuseBatch', params: itsEvent },
      },
      { target: '.applying', actions: { type: 'enqueueBatch', params: itsEvent } },
    ],
    'clock.announce': { actions: ['announceClock', 'forgetDebt'] },
    'gap.due': { actions: ['announceClock', 'forgetDebt'] },
    // While the pause after a gap lasts, what is missing is known, and would only be sent again and left out again.
    'heartbeat.differed': [{ guard: 'owesClock' }, { actions: 'announceClock' }],
    'heartbeat.matched': { actions: 'forgetGaps' },
  },
  states: {
    waiting: {},
    applying: {
      initial: 'writing',
      entry: 'takeBatches',
      states: {
        writing: {
          entry: 'applyBatches',
          on: {
            'batch.applied': {
              target: '#receiver.settling',
              actions: { type: 'settleBatches', params: ({ event }) => event.result },
            },
            'batch.failed': [
              {
                guard: { type: 'isOfDisk', params: itsEvent },
                target: 'held',
                actions: { type: 'reportHeld', params: itsEvent },
              },
              {
                target: '#receiver.failed',
                actions: { type: 'reportFailure', params: itsEvent },
              },
            ],
          },
        },
        /** The own disk has failed. */
        held: { after: { diskBackoff: 'writing' } },
      },
      on: {
        'frame.batch': [
          {
            guard: { type: 'isUnexpected', params: itsEvent },
            target: 'failed',
            actions: { type: 'refuseBatch', params: itsEvent },
          },
          { actions: { type: 'enqueueBatch', params: itsEvent } },
        ],
      },
    },
    settling: {
      always: [
        { guard: 'isMoreWaiting', target: 'applying' },
        { guard: 'owesClock', target: 'recoveringGap' },
        { target: 'waiting' },
      ],
    },
    recoveringGap: {
      on: {
        'clock.announce': { target: 'waiting', actions: ['announceClock', 'forgetDebt'] },
        'gap.due': { target: 'waiting', actions: ['announceClock', 'forgetDebt'] },
      },
    },
    /** Its session has been told, and ends. */
    failed: { type: 'final' },
  },
});

type ReceiverMachineType = typeof machine;
/** The type of {@link receiverMachine}. */
export interface ReceiverMachine extends ReceiverMachineType {}
/** Applies what the other side sends, and says how far it has come. */
export const receiverMachine: ReceiverMachine = machine;
