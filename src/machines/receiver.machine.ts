/**
 * Applies the batches of the other side in order, and acknowledges them once they are on disk. Batches that arrive
 * while others are being applied share one transaction, and so one disk write.
 *
 * Entries that cannot be applied yet (earlier ones are missing, or a stamp is from the future) are skipped. The
 * receiver then sends its vector clock. It does so after a growing pause, because two nodes would otherwise loop at
 * full speed.
 *
 * A failure of the own disk is not the other side's fault. The receiver keeps the batches, retries with growing pauses,
 * and reports to the other side that they are held. So a failed disk interrupts receiving, and ends no session.
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
  /** Identifies the other side as the origin of commits. */
  readonly origin: Origin;
  readonly scopes: readonly Scope[];
  readonly random: () => number;
}

interface ReceiverContext extends ReceiverInput {
  /** The batches that are being applied, in one transaction. */
  readonly current: readonly BatchFrame[];
  /** The batches that have arrived and wait. */
  readonly queue: readonly BatchFrame[];
  /** The number of the last batch that has arrived. */
  readonly arrived: number;
  /** The number of the last batch on disk. */
  readonly applied: number;
  readonly entriesApplied: number;
  /** How often entries were skipped since both sides last had the same. */
  readonly gaps: number;
  /** Number of failed attempts in a row to write the current batches. */
  readonly attempts: number;
  /** Whether the other side does not know yet that entries were skipped. */
  readonly owesClock: boolean;
}

export type ReceiverEvent =
  | BatchFrame
  | ApplierReport
  | Extract<LinkReport, { type: 'heartbeat.matched' | 'heartbeat.differed' }>
  /** The other side asks for our vector clock. */
  | { readonly type: 'clock.announce' }
  /** Time to send our vector clock, after entries were skipped. */
  | { readonly type: 'gap.due' };

/**
 * The delayed event that ends the pause after a gap. It does not belong to a state: each batch would restart the pause.
 */
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
    /** The other side waits for the newest batch that has arrived, and so for all earlier ones. */
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
    /** A vector clock that was sent is not owed any more. */
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
    // During the pause after a gap, the missing entries are known. A vector clock would make the other side send
    // entries that would be skipped again.
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
    /** The session knows, and ends. */
    failed: { type: 'final' },
  },
});

type ReceiverMachineType = typeof machine;
/** The type of {@link receiverMachine}. */
export interface ReceiverMachine extends ReceiverMachineType {}
/** Applies the batches of the other side, and reports progress to it. */
export const receiverMachine: ReceiverMachine = machine;
