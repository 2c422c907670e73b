/**
 * Sends the other side the entries that it lacks: first the stored ones, batch by batch, then each commit as it
 * happens, from memory.
 *
 * The size of a batch follows the measured capacity of the connection. An entry that would occupy the connection for
 * long travels in parts, one such entry at a time. Later entries of its author wait; entries of other authors,
 * heartbeats and the data of the other side continue.
 *
 * At most `batchesInFlightMax` batches wait for an acknowledgement, so memory is bounded for any backlog. If commits
 * happen while a batch is being read, the store is read again: no wake-up is lost.
 *
 * While the disk of the other side fails, that side reports it, and the window stays as it is. While the own disk
 * fails, the sender retries reading with growing pauses. Neither ends the session.
 */
import { assign, enqueueActions, sendTo, setup } from 'xstate';
import type { LinkCommand, LinkReport, Mailbox, OplogReport, ReplicationReport } from '../actors/mailboxes.js';
import { oplogFeed, readBatch } from '../actors/slots.js';
import { itsEvent } from '../actors/typed.js';
import { type AuthorKey, authorKeyOf, type Scope } from '../core/author.js';
import { backoffMs } from '../core/backoff.js';
import { type Entry, endOf, type Run } from '../core/entry.js';
import { type Failure, failureOf } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import { isImpairment } from '../core/impairment.js';
import { limits } from '../core/limits.js';
import type { LinkRate } from '../core/link-rate.js';
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
import { positionOf, type VectorClock } from '../core/vector-clock.js';
import type { Commit, Store } from '../ports/store.js';
import type { Acknowledgement, BatchHeld, VectorClockFrame } from '../wire/messages.js';

export interface SenderInput {
  readonly parent: Mailbox<ReplicationReport>;
  readonly link: Mailbox<LinkCommand>;
  readonly store: Store;
  /** Undefined over a cloud link, where a NodeId alone does not identify a node. */
  readonly peerId: NodeId | undefined;
  /** Identifies the other side as the origin of commits. */
  readonly origin: Origin;
  readonly scopes: readonly Scope[];
  /** The measured capacity of the connection. */
  readonly rate: LinkRate;
  /** The vector clock of the other side, as it sent it. */
  readonly clock: VectorClock;
  readonly neighbors: ReadonlySet<NodeId>;
  readonly random: () => number;
}

interface SenderContext extends Omit<SenderInput, 'clock'> {
  readonly progress: Progress;
  readonly sequence: number;
  readonly entriesSent: number;
  /** Whether a batch has been acknowledged. */
  readonly isAdvanced: boolean;
  /** The runs to send next. */
  readonly outbox: readonly Run[];
  /**
   * A large entry that is being sent in parts, without its payload, which the link has. A batch that names it follows.
   */
  readonly carried: Run | undefined;
  /** Authors whose next entry is the carried one, or another large one after it: their later entries wait. */
  readonly waiting: ReadonlySet<AuthorKey>;
  /** Whether something happened since reading began, so that the sender has to read again before it rests. */
  readonly stale: boolean;
  /** Whether the other side may lack skipped entries. Only its vector clock can tell. */
  readonly unsure: boolean;
  /** Authors of which the other side has a different history. */
  readonly diverged: ReadonlySet<AuthorKey>;
  /** Number of failed attempts in a row to read the database. */
  readonly attempts: number;
  /** The filter that the feed last received. */
  readonly narrowed: Pick<Progress, 'skipped'> & Pick<SenderInput, 'neighbors'>;
}

export type SenderEvent =
  | OplogReport
  | Acknowledgement
  | BatchHeld
  | VectorClockFrame
  | Extract<LinkReport, { type: 'heartbeat.matched' | 'neighbors.changed' | 'parcel.sent' }>;

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
    // The batch of a carried entry needs a place of its own.
    isWindowFull: ({ context: { progress, carried } }) =>
      progress.inFlight.length >= limits.batchesInFlightMax - (carried === undefined ? 0 : 1),
    isStale: ({ context }) => context.stale,
    isCarried: ({ context }, { hash }: { hash: string }) => context.carried?.entries[0]?.hash === hash,
    isFromPeer: ({ context }, { commit }: { commit: Commit }) => commit.origin === context.origin,
  },
  actions: {
    /**
     * Sends the runs that were read; those that do not fit are read next. A large entry travels in parts, beside
     * others.
     */
    planBatch: enqueueActions(({ context, enqueue }, read: { runs: readonly Run[]; complete: boolean }) => {
      enqueue.assign({ attempts: 0 });
      const large = largeRunOf(read.runs, context.rate.wholeBytesMax);
      if (large === undefined) {
        enqueue.assign({ outbox: read.runs, stale: context.stale || !read.complete });
        return;
      }
      enqueue.assign({ stale: true, waiting: new Set([...context.waiting, authorKeyOf(large.author)]) });
      if (context.carried !== undefined) return;
      enqueue.assign({ carried: withoutPayload(large) });
      enqueue.sendTo(context.link, { type: 'link.carry', entry: large.entries[0] as Entry });
    }),
    /** All parts are on their way: later frames on the connection may name the entry. */
    sendCarried: enqueueActions(({ context: { carried, link, progress, sequence, entriesSent }, enqueue }) => {
      const runs = [carried as Run];
      const frame = { type: 'frame.batch', sequence: sequence + 1, runs, isCarried: true } as const;
      enqueue.sendTo(link, { type: 'link.send', frame });
      enqueue.assign({
        sequence: sequence + 1,
        progress: sent(progress, sequence + 1, runs),
        entriesSent: entriesSent + 1,
        carried: undefined,
        waiting: new Set<AuthorKey>(),
        stale: true,
      });
    }),
    /** The other side has received the entry another way. */
    dropCarried: enqueueActions(({ context: { carried, link, progress }, enqueue }) => {
      if (carried === undefined) return;
      const theirs = positionOf(progress.theirs, authorKeyOf(carried.author));
      if (theirs.hlc < endOf(carried).hlc) return;
      enqueue.sendTo(link, { type: 'link.drop' });
      enqueue.assign({ carried: undefined, waiting: new Set<AuthorKey>(), stale: true });
    }),
    /** Sends a commit from memory if the other side has everything before it. Otherwise leaves it to a reading. */
    planPush: assign(({ context }, { commit }: { commit: Commit }) => {
      const { waiting, rate } = context;
      const news = inScope(commit.runs, context.scopes).filter(({ author }) => !waiting.has(authorKeyOf(author)));
      const { progress, runs, lagging, unsure } = push(context.progress, news, {
        selfId: context.store.nodeId,
        peerId: context.peerId,
        peerOrigin: context.origin,
        origin: commit.origin,
        neighbors: context.neighbors,
      });
      const fits = entriesIn(runs) <= rate.batchEntries && payloadIn(runs) <= rate.batchBytes;
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
    }),
    settleBatch: enqueueActions(({ context, enqueue }, { sequence }: { sequence: number }) => {
      const progress = acknowledged(context.progress, sequence);
      enqueue.assign({ progress });
      if (context.isAdvanced || progress.inFlight.length === context.progress.inFlight.length) return;
      enqueue.assign({ isAdvanced: true });
      enqueue.sendTo(context.parent, { type: 'replication.advanced' });
    }),
    countAttempt: assign(({ context }) => ({ attempts: context.attempts + 1 })),
    reconcile: assign(({ context }, { clock, received }: VectorClockFrame) => ({
      progress: reconciled(context.progress, clock, received),
      stale: true,
      unsure: false,
    })),
    /** Equal digests: the other side has the same entries. */
    recordMatch: assign(({ context }) => ({
      progress: matched(context.progress, new Map(context.store.clock())),
      diverged: new Set<AuthorKey>(),
      unsure: false,
    })),
    rememberNeighbors: assign(
      ({ context: { progress, store, peerId } }, { neighbors }: { neighbors: ReadonlySet<NodeId> }) => ({
        neighbors,
        // The other side may now lack entries that it used to get from other nodes.
        unsure: isCutOff(progress, { selfId: store.nodeId, peerId, neighbors }),
      }),
    ),
    askForClockIfUnsure: enqueueActions(({ context, enqueue }) => {
      if (!context.unsure) return;
      enqueue.sendTo(context.link, { type: 'link.send', frame: { type: 'frame.vectorClockRequest' } });
      enqueue.assign({ unsure: false });
    }),
    /** Commits that would only be skipped again need no wake-up. */
    narrowFeed: enqueueActions(({ context, enqueue }) => {
      const { progress, neighbors, store, peerId, narrowed } = context;
      if (narrowed.skipped === progress.skipped && narrowed.neighbors === neighbors) return;
      enqueue.assign({ narrowed: { skipped: progress.skipped, neighbors } });
      const authors = authorsLeftOut(progress, { selfId: store.nodeId, peerId, neighbors });
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
  },
}).createMachine({
  id: 'sender',
  context: ({ input: { clock, ...input } }) => ({
    ...input,
    progress: startProgress(clock),
    sequence: 0,
    entriesSent: 0,
    isAdvanced: false,
    outbox: [],
    carried: undefined,
    waiting: new Set(),
    stale: false,
    unsure: false,
    attempts: 0,
    diverged: new Set(),
    narrowed: { skipped: new Set(), neighbors: input.neighbors },
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
      // The other side sent this commit: a reading would only send it back.
      {
        guard: { type: 'isFromPeer', params: itsEvent },
        actions: [{ type: 'creditPeer', params: itsEvent }, 'dropCarried'],
      },
      { actions: 'markStale' },
    ],
    'frame.acknowledgement': { actions: { type: 'settleBatch', params: itsEvent } },
    // The link watches what the other side has not written to its disk.
    'frame.batchHeld': {},
    'parcel.sent': { guard: { type: 'isCarried', params: itsEvent }, actions: 'sendCarried' },
    'frame.vectorClock': {
      actions: [{ type: 'reconcile', params: itsEvent }, 'dropCarried', 'narrowFeed'],
    },
    'heartbeat.matched': { actions: ['recordMatch', 'dropCarried', 'narrowFeed'] },
    'neighbors.changed': {
      actions: [{ type: 'rememberNeighbors', params: itsEvent }, 'askForClockIfUnsure', 'narrowFeed'],
    },
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
          entriesMax: context.rate.batchEntries,
          bytesMax: context.rate.batchBytes,
          except: new Set([...context.progress.skipped, ...context.diverged, ...context.waiting]),
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
        // The reading under way started from an outdated position of the other side.
        'frame.vectorClock': {
          target: 'reading',
          reenter: true,
          actions: [{ type: 'reconcile', params: itsEvent }, 'dropCarried', 'narrowFeed'],
        },
      },
    },
    /** The own disk has failed. */
    unreadable: { after: { diskBackoff: 'reading' } },
    windowFull: {
      on: {
        // An acknowledgement may settle no batch: then the window is as full as before.
        'frame.acknowledgement': { target: 'caughtUp', actions: { type: 'settleBatch', params: itsEvent } },
      },
    },
    /** Everything is sent, unless the window is full or there is more to read. */
    caughtUp: {
      always: [
        { guard: 'isWindowFull', target: 'windowFull' },
        { guard: 'isStale', target: 'reading' },
      ],
      on: {
        'oplog.appended': {
          actions: [{ type: 'planPush', params: itsEvent }, 'askForClockIfUnsure', 'narrowFeed', 'sendOutbox'],
        },
      },
    },
    /** The session knows, and ends. */
    failed: { type: 'final' },
  },
});

type SenderMachineType = typeof machine;
/** The type of {@link senderMachine}. */
export interface SenderMachine extends SenderMachineType {}
/** Sends the other side the entries that it lacks, then each commit as it happens. */
export const senderMachine: SenderMachine = machine;

function inScope(runs: readonly Run[], scopes: readonly Scope[]): readonly Run[] {
  return runs.filter(({ author }) => scopes.includes(author.scope));
}

/** The run, if it holds a single entry that would keep everything else waiting: such an entry is read alone. */
function largeRunOf(runs: readonly Run[], wholeBytesMax: number): Run | undefined {
  const [run] = runs;
  if (runs.length !== 1 || run?.entries.length !== 1) return undefined;
  return (run.entries[0] as Entry).payload.length > wholeBytesMax ? run : undefined;
}

/** Saves memory: many sessions may each carry a large entry, for as long as the other side takes to receive it. */
function withoutPayload(run: Run): Run {
  return { ...run, entries: run.entries.map((entry) => ({ ...entry, payload: '' })) };
}

function entriesIn(runs: readonly Run[]): number {
  return runs.reduce((total, { entries }) => total + entries.length, 0);
}

function payloadIn(runs: readonly Run[]): number {
  return runs.reduce((total, { entries }) => entries.reduce((sum, { payload }) => sum + payload.length, total), 0);
}
