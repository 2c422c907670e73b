/**
 * The sender: commits that follow the sent entries, commits that do not, and commits that the other side gets
 * elsewhere.
 */

import type { OplogReport } from '../../../src/actors/mailboxes.js';
import { type Author, authorKeyOf, type Incarnation } from '../../../src/core/author.js';
import { chainRun, chainStart, type Position, type Run } from '../../../src/core/entry.js';
import { StatemeshError } from '../../../src/core/errors.js';
import type { Hlc } from '../../../src/core/hlc.js';
import type { CollectionName, DocumentKey, NodeId } from '../../../src/core/ids.js';
import { limits } from '../../../src/core/limits.js';
import { LinkRate } from '../../../src/core/link-rate.js';
import type { Progress } from '../../../src/core/replication.js';
import { positionOf } from '../../../src/core/vector-clock.js';
import { senderMachine } from '../../../src/machines/sender.machine.js';
import type { ReadResult } from '../../../src/ports/store.js';
import { defineWalk } from '../walk.js';
import { larger, mailbox, smaller, store, us } from './samples.js';

const ours: Author = { nodeId: us.nodeId, incarnation: 'i' as Incarnation, scope: 'shared' };
/** Neighbors that, at times, have a session with the other side. */
const third: Author = { ...ours, nodeId: larger.nodeId };

function runAfter(author: Author, after: Position): Run {
  const hlc = (after.hlc + 1) as Hlc;
  const entry = { hlc, collection: 'things' as CollectionName, key: 'k' as DocumentKey, payload: '1', hash: `${hlc}` };
  return { author, after, entries: [{ ...entry, operation: 'put' }] };
}

function appended(run: Run, origin?: typeof larger): OplogReport {
  return {
    type: 'oplog.appended',
    commit: { runs: [run], origin: origin?.nodeId, collections: new Set(), cursor: 1 },
  };
}

/** Entries that follow those that the other side has, or will have. */
function next(author: Author, { theirs }: Progress): Run {
  return runAfter(author, positionOf(theirs, authorKeyOf(author)));
}

const largeRun = chainRun(ours, chainStart, [
  {
    hlc: 1 as Hlc,
    collection: 'things' as CollectionName,
    key: 'k' as DocumentKey,
    operation: 'put',
    payload: 'x'.repeat(limits.windowBytesFirst + 1),
  },
]);

function hashOf(run: Run): string {
  return run.entries[0]?.hash ?? '';
}

const complete: ReadResult = { runs: [], complete: true, diverged: [] };

export const sender = defineWalk({
  machine: senderMachine,
  inputs: [
    {
      parent: mailbox(),
      link: mailbox(),
      store,
      peerId: smaller.nodeId,
      scopes: ['cluster', 'shared'],
      origin: smaller.nodeId,
      clock: new Map(),
      neighbors: new Set<NodeId>(),
      random: () => 0,
      rate: new LinkRate(),
    },
  ],
  facts: ({ progress, outbox, stale, unsure, neighbors, diverged, carried, waiting }) => [
    ...[
      Math.min(progress.inFlight.length, limits.batchesInFlightMax + 1),
      progress.skipped.size,
      outbox.length,
      stale,
      unsure,
      neighbors.size,
    ],
    ...[diverged.size, carried === undefined, waiting.size],
  ],
  samples: {
    'oplog.appended': {
      next: ({ progress }) => appended(next(ours, progress)),
      'behind a gap': ({ progress }) =>
        appended(runAfter(ours, { hlc: (next(ours, progress).after.hlc + 5) as Hlc, hash: '' })),
      'of the peer': ({ progress }) => appended(next(third, progress), smaller),
      'of a third': ({ progress }) => appended(next(third, progress), larger),
    },
    'frame.acknowledgement': {
      'of the oldest': ({ progress: { inFlight } }) =>
        inFlight[0] && ({ type: 'frame.acknowledgement', sequence: inFlight[0].sequence } as const),
      'of nothing': { type: 'frame.acknowledgement', sequence: 0 },
    },
    'frame.batchHeld': { '': { type: 'frame.batchHeld', sequence: 1, code: 'diskFull' } },
    'frame.vectorClock': {
      '': ({ sequence }) => ({ type: 'frame.vectorClock', clock: new Map(), received: sequence }) as const,
    },
    'heartbeat.matched': { '': { type: 'heartbeat.matched' } },
    'neighbors.changed': {
      none: { type: 'neighbors.changed', neighbors: new Set<NodeId>() },
      'a third': { type: 'neighbors.changed', neighbors: new Set([larger.nodeId]) },
    },
    'parcel.sent': {
      '': ({ carried }) => carried && ({ type: 'parcel.sent', hash: hashOf(carried) } as const),
      'of another': { type: 'parcel.sent', hash: '' },
    },
  },
  outputs: {
    readBatch: {
      nothing: complete,
      more: { ...complete, runs: [runAfter(ours, { hlc: 0 as Hlc, hash: '' })], complete: false },
      large: { ...complete, runs: [largeRun], complete: false },
      diverged: { ...complete, diverged: [authorKeyOf(ours)] },
    },
  },
  errors: {
    readBatch: {
      'of the disk': new StatemeshError('databaseUnavailable', 'I/O error'),
      'of ours': new StatemeshError('internal', 'It broke.'),
    },
  },
  resting: ['caughtUp', 'windowFull'],
  retrying: ['reading', 'unreadable'],
  goals: [['caughtUp'], ['reading'], ['windowFull']],
  laws: {
    'no more batches are in flight than the window allows': ({ progress }) =>
      progress.inFlight.length <= limits.batchesInFlightMax,
    'it does not rest while there is something to read': ({ stale }, [state]) => !stale || state !== 'caughtUp',
    'an entry on its way in parts has a place in the window': ({ carried, progress }) =>
      carried === undefined || progress.inFlight.length < limits.batchesInFlightMax,
    'what was planned has been sent': ({ outbox }) => outbox.length === 0,
  },
  ignored: [
    { states: ['*'], events: ['parcel.sent (of another)'], why: 'It was dropped when its last part had been sent.' },
  ],
});
