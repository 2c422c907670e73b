/**
 * Sends the other side what it lacks: first what is stored, batch by batch, then each commit as it happens, from memory.
 *
 * At most `batchesInFlightMax` batches wait for an acknowledgement, so memory is bounded whatever the backlog. A commit
 * that happens while a batch is being read is counted, and the store is read again: no wake-up is lost.
 *
 * While the disk of the other side fails, it says so, and the window stays as it is. While our own does, reading is tried again, with pauses
 * that grow. Neither ends the session.
 */
import { assign, enqueueActions, sendTo, setup } from 'xstate';
import type { AuthorKey, Scope } from '../core/author.js';
import { backoffMs } from '../core/backoff.js';
import type { Run } from '../core/entry.js';
import { type Failure, failureOf } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import { isImpairment } from '../core/impairment.js';
import { limits } from '../core/limits.js';
import {
  acknowledged,
  authorsLeftOut,
  credited,
  isCutOff,
  matched,
  type Origin,
  type Progress,
  push,
  reconciled,
  sent,
  startProgress,
} from '../core/replication.js';
import type { VectorClock } from '../core/vector-clock.js';
import type { LinkCommand, LinkReport, Mailbox, OplogReport, ReplicationReport } from '../protocol/events.js';
import type { Acknowledgement, BatchHeld, VectorClockFrame } from '../protocol/messages.js';
import { oplogFeed, readBatch } from '../protocol/services.js';
import type { Commit, Store } from '../protocol/store.js';

export interface SenderInput {
  readonly parent: Mailbox<ReplicationReport>;
  readonly link: Mailbox<LinkCommand>;
  readonly store: Store;
  /** Undefined over a cloud link, where a NodeId does not tell who it is. */
  readonly peerId: NodeId | undefined;
  /** What the other side is the origin of. */
  readonly origin: Origin;
  readonly scopes: readonly Scope[];
  /** What the other side said it has. */
  readonly clock: VectorClock;
  readonly neighbours: ReadonlySet<NodeId>;
  readonly random: () => number;
}

interface SenderContext extends Omit<SenderInput, 'clock'> {
  readonly progress: Progress;
  readonly sequence: number;
  readonly entriesSent: number;
  /** To be sent next. */
  readonly outbox: readonly Run[];
  /** Something happened since the reading began: read again before resting. */
  readonly stale: boolean;
  /** The other side may lack what was skipped: only its vector clock can tell. */
  readonly unsure: boolean;
  /** Authors that the other side has in another version. */
  readonly diverged: ReadonlySet<AuthorKey>;
  /** How often in a row the database could not be read. */
  readonly attempts: number;
  /** What the feed was last narrowed by. */
  readonly narrowed: Pick<Progress, 'skipped'> & Pick<SenderInput, 'neighbours'>;
}

export type SenderEvent =
  | OplogReport
  | Acknowledgement
  | BatchHeld
  | VectorClockFrame
  | Extract<LinkReport, { type: 'heartbeat.matched' | 'neighbours.changed' }>
  | { readonly type: 'acknowledgement.overdue' };

/** The delayed event that watches the oldest batch in flight. */
const overdue = { id: 'acknowledgement.overdue', delay: limits.acknowledgementTimeoutMs };

const machine = setup({
  types: {
    context: {} as SenderContext,
    input: {} as SenderInput,
    events: {} as SenderEvent,
  },
  actors: { readBatch, oplogFeed },
  delays: {
    diskBackoff: ({ context }) =>
      backoffMs({
        firstMs: limits.diskBackoffFirstMs,
        maxMs: limits.diskBackoffMaxMs,
        attempt: context.attempts,
        random: context.random(),
      }),
  },
  guards: {
    isOfDisk: (_, { failure }: { failure: Failure }) => isImpairment(failure.code),
    isWindowFull: ({ context }) => context.progress.inFlight.length >= limits.batchesInFlightMax,
    isStale: ({ context }) => context.stale,
    isFromPeer: ({ context }, { commit }: { commit: Commit }) => commit.origin === context.origin,
  },
  actions: {
    /** What was read is next to send; what did not fit is read next. */
    planBatch: assign(({ context }, { runs, complete }: { runs: readonly Run[]; complete: boolean }) => ({
      outbox: runs,
      attempts: 0,
      stale: context.stale || !complete,
    })),
    /** Passes a commit on from memory if the other side has everything before it, else leaves it to a reading. */
    planPush: assign(({ context }, { commit }: { commit: Commit }) => {
      const { progress, runs, lagging, unsure } = push(context.progress, inScope(commit.runs, context.scopes), {
        selfId: context.store.nodeId,
        peerId: context.peerId,
        peerOrigin: context.origin,
        origin: commit.origin,
        neighbours: context.neighbours,
      });
      const fits = entriesIn(runs) <= limits.batchEntriesMax && payloadIn(runs) <= limits.batchBytesMax;
      return { progress, outbox: fits ? runs : [], stale: lagging || !fits, unsure };
    }),
    creditPeer: assign(({ context }, { commit }: { commit: Commit }) => ({
      progress: credited(context.progress, inScope(commit.runs, context.scopes)),
    })),
    sendOutbox: enqueueActions(({ context, enqueue }) => {
      const { outbox: runs, progress } = context;
      if (runs.length === 0) return;
      const sequence = context.sequence + 1;
      enqueue.sendTo(context.link, { type: 'link.send', frame: { type: 'frame.batch', sequence, runs } });
      enqueue.assign({
        sequence,
        outbox: [],
        progress: sent(progress, sequence, runs),
        entriesSent: context.entriesSent + entriesIn(runs),
      });
      // The watchdog runs from the oldest batch without an answer.
      if (progress.inFlight.length === 0) enqueue.raise({ type: 'acknowledgement.overdue' }, overdue);
    }),
    settleBatch: enqueueActions(({ context, enqueue }, { sequence }: { sequence: number }) => {
      const progress = acknowledged(context.progress, sequence);
      enqueue.assign({ progress });
      enqueue.cancel(overdue.id);
      if (progress.inFlight.length > 0) enqueue.raise({ type: 'acknowledgement.overdue' }, overdue);
    }),
    /** The other side is there, and cannot write at present: the watch begins anew. */
    waitOn: enqueueActions(({ context, enqueue }) => {
      if (context.progress.inFlight.length === 0) return;
      enqueue.cancel(overdue.id);
      enqueue.raise({ type: 'acknowledgement.overdue' }, overdue);
    }),
    countAttempt: assign(({ context }) => ({ attempts: context.attempts + 1 })),
    reconcile: assign(({ context }, { clock, received }: { clock: VectorClock; received: number }) => ({
      progress: reconciled(context.progress, clock, received),
      stale: true,
      unsure: false,
    })),
    /** Equal digests: the other side has what we have. */
    recordMatch: assign(({ context }) => ({
      progress: matched(context.progress, new Map(context.store.clock())),
      diverged: new Set<AuthorKey>(),
      unsure: false,
    })),
    rememberNeighbours: assign(
      ({ context: { progress, store, peerId } }, { neighbours }: { neighbours: ReadonlySet<NodeId> }) => ({
        neighbours,
        // It may now lack what it used to get elsewhere.
        unsure: isCutOff(progress, { selfId: store.nodeId, peerId, neighbours }),
      }),
    ),
    askForClockIfUnsure: enqueueActions(({ context, enqueue }) => {
      if (!context.unsure) return;
      enqueue.sendTo(context.link, { type: 'link.send', frame: { type: 'frame.vectorClockRequest' } });
      enqueue.assign({ unsure: false });
    }),
    /** What would only be skipped again need not be heard. */
    narrowFeed: enqueueActions(({ context, enqueue }) => {
      const { progress, neighbours, store, peerId, narrowed } = context;
      if (narrowed.skipped === progress.skipped && narrowed.neighbours === neighbours) return;
      enqueue.assign({ narrowed: { skipped: progress.skipped, neighbours } });
      const authors = authorsLeftOut(progress, { selfId: store.nodeId, peerId, neighbours });
      enqueue.sendTo('feed', { type: 'feed.leaveOut', authors });
    }),
    markStale: assign({ stale: true }),
    markFresh: assign({ stale: false }),
    recordDiverged: enqueueActions(({ context, enqueue }, { diverged }: { diverged: readonly AuthorKey[] }) => {
      if (diverged.length === 0) return;
      enqueue.assign({ diverged: new Set([...context.diverged, ...diverged]) });
      enqueue.sendTo(context.parent, { type: 'replication.diverged', authors: diverged });
    }),
    reportFailure: sendTo(
      ({ context }) => context.parent,
      (_, { failure }: { failure: Failure }) => ({ type: 'replication.failed' as const, failure }),
    ),
    reportOverdue: sendTo(({ context }) => context.parent, {
      type: 'replication.failed',
      failure: {
        code: 'connectionTimeout',
        message: `A batch was not acknowledged within ${limits.acknowledgementTimeoutMs} ms.`,
      },
    }),
  },
}).createMachine({
  id: 'sender',
  context: ({ input: { clock, ...input } }) => ({
    ...input,
    progress: startProgress(clock),
    sequence: 0,
    entriesSent: 0,
    outbox: [],
    stale: false,
    unsure: false,
    attempts: 0,
    diverged: new Set(),
    narrowed: { skipped: new Set(), neighbours: input.neighbours },
  }),
  invoke: {
    id: 'feed',
    src: 'oplogFeed',
    input: ({ context, self }) => ({ store: context.store, origin: context.origin, parent: self }),
    onError: {
      target: '.failed',
      actions: { type: 'reportFailure', params: ({ event }) => ({ failure: failureOf(event.error) }) },
    },
  },
  on: {
    'oplog.appended': [
      // Nothing to send, so nothing to read again: it would only be sent back.
      {
        guard: { type: 'isFromPeer', params: ({ event }) => event },
        actions: { type: 'creditPeer', params: ({ event }) => event },
      },
      { actions: 'markStale' },
    ],
    'frame.acknowledgement': { actions: { type: 'settleBatch', params: ({ event }) => event } },
    'frame.batchHeld': { actions: 'waitOn' },
    'frame.vectorClock': { actions: [{ type: 'reconcile', params: ({ event }) => event }, 'narrowFeed'] },
    'heartbeat.matched': { actions: ['recordMatch', 'narrowFeed'] },
    'neighbours.changed': {
      actions: [{ type: 'rememberNeighbours', params: ({ event }) => event }, 'askForClockIfUnsure', 'narrowFeed'],
    },
    'acknowledgement.overdue': { target: '.failed', actions: 'reportOverdue' },
  },
  initial: 'reading',
  states: {
    reading: {
      entry: 'markFresh',
      invoke: {
        src: 'readBatch',
        input: ({ context }) => ({
          store: context.store,
          after: context.progress.theirs,
          scopes: context.scopes,
          entriesMax: limits.batchEntriesMax,
          bytesMax: limits.batchBytesMax,
          except: new Set([...context.progress.skipped, ...context.diverged]),
        }),
        onDone: {
          target: 'caughtUp',
          actions: [
            { type: 'recordDiverged', params: ({ event }) => event.output },
            { type: 'planBatch', params: ({ event }) => event.output },
            'sendOutbox',
          ],
        },
        onError: [
          {
            guard: { type: 'isOfDisk', params: ({ event }) => ({ failure: failureOf(event.error) }) },
            target: 'unreadable',
            actions: 'countAttempt',
          },
          {
            target: 'failed',
            actions: { type: 'reportFailure', params: ({ event }) => ({ failure: failureOf(event.error) }) },
          },
        ],
      },
      on: {
        // What is being read follows a position that is no longer theirs.
        'frame.vectorClock': {
          target: 'reading',
          reenter: true,
          actions: [{ type: 'reconcile', params: ({ event }) => event }, 'narrowFeed'],
        },
      },
    },
    /** The own disk has failed. */
    unreadable: { after: { diskBackoff: 'reading' } },
    windowFull: {
      on: {
        // It may be an answer to nothing: then the window is as full as before.
        'frame.acknowledgement': { target: 'caughtUp', actions: { type: 'settleBatch', params: ({ event }) => event } },
      },
    },
    /** Everything is there or on its way, unless the window is full or there is more to read. */
    caughtUp: {
      always: [
        { guard: 'isWindowFull', target: 'windowFull' },
        { guard: 'isStale', target: 'reading' },
      ],
      on: {
        'oplog.appended': {
          actions: [
            { type: 'planPush', params: ({ event }) => event },
            'askForClockIfUnsure',
            'narrowFeed',
            'sendOutbox',
          ],
        },
      },
    },
    /** Its session has been told, and ends. */
    failed: { type: 'final' },
  },
});

type SenderMachineType = typeof machine;
/** The type of {@link senderMachine}. */
export interface SenderMachine extends SenderMachineType {}
/** Sends the other side what it lacks, then each change as it happens. */
export const senderMachine: SenderMachine = machine;

function inScope(runs: readonly Run[], scopes: readonly Scope[]): readonly Run[] {
  return runs.filter(({ author }) => scopes.includes(author.scope));
}

function entriesIn(runs: readonly Run[]): number {
  return runs.reduce((total, { entries }) => total + entries.length, 0);
}

function payloadIn(runs: readonly Run[]): number {
  return runs.reduce((total, { entries }) => entries.reduce((sum, { payload }) => sum + payload.length, total), 0);
}
