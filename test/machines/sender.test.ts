import { describe, expect, it } from '@jest/globals';
import { createActor, fromCallback, fromPromise } from 'xstate';
import { type Author, authorKeyOf, type Incarnation } from '../../src/core/author.js';
import { chainRun, chainStart, endOf, type Position, type Run } from '../../src/core/entry.js';
import { StatemeshError } from '../../src/core/errors.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import type { VectorClock } from '../../src/core/vector-clock.js';
import { senderMachine } from '../../src/machines/sender.machine.js';
import type { LinkCommand, ReplicationReport } from '../../src/protocol/events.js';
import type { Commit, ReadOptions, ReadResult, Store } from '../../src/protocol/store.js';
import { manualClock, recorder, settled } from './bench.js';

const author: Author = { nodeId: 'a' as NodeId, incarnation: 'i' as Incarnation, scope: 'shared' };
const key = authorKeyOf(author);

function runOf(after: Position, count: number, payload = '1'): Run {
  const entries = Array.from({ length: count }, (_, index) => ({
    hlc: (after.hlc + index + 1) as Hlc,
    collection: 'things' as CollectionName,
    key: `k${index}` as DocumentKey,
    operation: 'put' as const,
    payload,
  }));
  return chainRun(author, after, entries);
}

function commitOf(...runs: Run[]): Commit {
  return { runs, origin: undefined, collections: new Set(), cursor: 1 };
}

/** A sender whose readings are answered by hand. */
function setup(clock: VectorClock = new Map()) {
  const time = manualClock();
  const link = recorder<LinkCommand>();
  const parent = recorder<ReplicationReport>();
  const readings: {
    options: ReadOptions;
    answer: (result: Partial<ReadResult>) => Promise<void>;
    fail: (error: unknown) => Promise<void>;
  }[] = [];
  const machine = senderMachine.provide({
    actors: {
      oplogFeed: fromCallback(() => {}) as never,
      readBatch: fromPromise<ReadResult, ReadOptions>(
        ({ input }) =>
          new Promise((resolve, reject) => {
            const answer = (result: Partial<ReadResult>) => {
              resolve({ runs: [], complete: true, diverged: [], ...result });
              return settled();
            };
            const fail = (error: unknown) => {
              reject(error);
              return settled();
            };
            readings.push({ options: input, answer, fail });
          }),
      ) as never,
    },
  });
  const actor = createActor(machine, {
    clock: time,
    input: {
      parent: parent.mailbox,
      link: link.mailbox,
      store: { clock: () => new Map([[key, endOf(runOf(chainStart, 9))]]) } as unknown as Store,
      peerId: 'b' as NodeId,
      origin: 'b',
      scopes: ['cluster', 'shared'],
      clock,
      neighbours: new Set<NodeId>(),
      random: () => 1,
    },
  }).start();
  const frames = () => link.events.flatMap((command) => (command.type === 'link.send' ? [command.frame] : []));
  const batches = () => frames().flatMap((frame) => (frame.type === 'frame.batch' ? [frame] : []));
  const state = () => actor.getSnapshot().value;
  return { actor, time, parent, readings, frames, batches, state };
}

describe('sender', () => {
  it('nothing to send -> rests', async () => {
    const { readings, batches, state } = setup();
    await readings[0]?.answer({});
    expect(state()).toBe('caughtUp');
    expect(batches()).toEqual([]);
  });

  it('the disk cannot be read -> it tries again with pauses that grow, and goes on when it can; nobody is told', async () => {
    const { time, parent, readings, batches, state } = setup();
    const { diskBackoffFirstMs, diskBackoffMaxMs } = limits;
    for (let attempt = 0; attempt < 10; attempt += 1) {
      await readings[attempt]?.fail(new StatemeshError('databaseUnavailable', 'I/O error'));
      expect(state()).toBe('unreadable');
      const pauseMs = Math.min(diskBackoffFirstMs * 2 ** (attempt + 1), diskBackoffMaxMs);
      time.advance(pauseMs - 1);
      expect(readings).toHaveLength(attempt + 1);
      time.advance(1);
      expect(readings).toHaveLength(attempt + 2);
    }
    await readings[10]?.answer({ runs: [runOf(chainStart, 1)] });
    expect([state(), batches().length, parent.events]).toEqual(['caughtUp', 1, []]);
  });

  it('the other side cannot write -> waits for as long as it says so, with its window; in silence -> is reported', async () => {
    const { actor, time, parent, readings, batches } = setup();
    await readings[0]?.answer({ runs: [runOf(chainStart, 1)] });
    for (let round = 0; round < 20; round += 1) {
      time.advance(limits.acknowledgementTimeoutMs - 1);
      actor.send({ type: 'frame.batchHeld', sequence: 1, code: 'diskFull' });
    }
    expect([parent.events, batches().length]).toEqual([[], 1]);
    time.advance(limits.acknowledgementTimeoutMs);
    expect(parent.events).toMatchObject([{ type: 'replication.failed', failure: { code: 'connectionTimeout' } }]);
  });

  it('the store fails for a reason of its own -> is reported with its code, and it is over', async () => {
    const { actor, parent, readings, state } = setup();
    await readings[0]?.fail(new StatemeshError('storeClosed', 'closed'));
    expect(parent.events).toEqual([
      { type: 'replication.failed', failure: { code: 'storeClosed', message: 'closed' } },
    ]);
    expect(state()).toBe('failed');
    expect(actor.getSnapshot().status).toBe('done');
  });

  it('a backlog -> is sent batch by batch, each behind the last, until the window is full', async () => {
    const { actor, readings, batches, state } = setup();
    let after: Position = chainStart;
    for (let index = 0; index < limits.batchesInFlightMax; index += 1) {
      const run = runOf(after, 3);
      expect(readings[index]?.options.after.get(key) ?? chainStart).toEqual(after);
      await readings[index]?.answer({ runs: [run], complete: false });
      after = endOf(run);
    }
    expect(state()).toBe('windowFull');
    expect(batches().map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
    expect(readings).toHaveLength(limits.batchesInFlightMax);
    actor.send({ type: 'frame.acknowledgement', sequence: 1 });
    expect(state()).toBe('reading');
    expect(readings).toHaveLength(limits.batchesInFlightMax + 1);
  });

  it('a commit while reading -> reads again before it rests', async () => {
    const { actor, readings, state } = setup();
    actor.send({ type: 'oplog.appended', commit: commitOf(runOf(chainStart, 1)) });
    await readings[0]?.answer({});
    expect(state()).toBe('reading');
    await readings[1]?.answer({ runs: [runOf(chainStart, 1)] });
    expect(state()).toBe('caughtUp');
  });

  it('what the other side has sent is committed while reading -> is not read to be sent back', async () => {
    const { actor, readings, batches, state } = setup();
    const run = runOf(chainStart, 2);
    actor.send({ type: 'oplog.appended', commit: { ...commitOf(run), origin: 'b' as NodeId } });
    await readings[0]?.answer({});
    expect(state()).toBe('caughtUp');
    expect(readings).toHaveLength(1);
    actor.send({ type: 'oplog.appended', commit: commitOf(runOf(endOf(run), 1)) });
    expect(batches().map(({ runs }) => runs[0]?.after)).toEqual([endOf(run)]);
  });

  it('a commit at rest -> is sent at once, from memory', async () => {
    const { actor, readings, batches, state } = setup();
    await readings[0]?.answer({});
    const run = runOf(chainStart, 2);
    actor.send({ type: 'oplog.appended', commit: commitOf(run) });
    expect(batches()).toEqual([{ type: 'frame.batch', sequence: 1, runs: [run] }]);
    expect(state()).toBe('caughtUp');
    expect(readings).toHaveLength(1);
  });

  it.each([
    ['too many entries', runOf(chainStart, limits.batchEntriesMax + 1)],
    ['too many bytes', runOf(chainStart, 2, 'x'.repeat(limits.batchBytesMax / 2 + 1))],
    ['entries before it are missing', runOf(endOf(runOf(chainStart, 1)), 1)],
  ])('a commit at rest: %s -> is left to a reading', async (_, run) => {
    const { actor, readings, batches, state } = setup();
    await readings[0]?.answer({});
    actor.send({ type: 'oplog.appended', commit: commitOf(run) });
    expect(batches()).toEqual([]);
    expect(state()).toBe('reading');
  });

  it('commits at rest without an answer -> stop at the window', async () => {
    const { actor, readings, batches, state } = setup();
    await readings[0]?.answer({});
    let after: Position = chainStart;
    for (let index = 0; index < 6; index += 1) {
      const run = runOf(after, 1);
      actor.send({ type: 'oplog.appended', commit: commitOf(run) });
      after = endOf(run);
    }
    expect(batches()).toHaveLength(limits.batchesInFlightMax);
    expect(state()).toBe('windowFull');
  });

  it('the window is full, and an answer comes twice -> nothing more is sent', async () => {
    const { actor, readings, batches, state } = setup();
    let after: Position = chainStart;
    for (let index = 0; index < limits.batchesInFlightMax + 1; index += 1) {
      const run = runOf(after, 1);
      await readings[index]?.answer({ runs: [run], complete: false });
      after = endOf(run);
      if (index === 0) actor.send({ type: 'frame.acknowledgement', sequence: 1 });
    }
    expect(state()).toBe('windowFull');
    actor.send({ type: 'frame.acknowledgement', sequence: 1 });
    expect(state()).toBe('windowFull');
    expect(readings).toHaveLength(limits.batchesInFlightMax + 1);
    actor.send({ type: 'frame.acknowledgement', sequence: 2 });
    expect(state()).toBe('reading');
    expect(batches()).toHaveLength(limits.batchesInFlightMax + 1);
  });

  it('the window was full and everything is on its way -> an answer brings no reading', async () => {
    const { actor, readings, state } = setup();
    await readings[0]?.answer({});
    let after: Position = chainStart;
    for (let index = 0; index < limits.batchesInFlightMax; index += 1) {
      const run = runOf(after, 1);
      actor.send({ type: 'oplog.appended', commit: commitOf(run) });
      after = endOf(run);
    }
    expect(state()).toBe('windowFull');
    actor.send({ type: 'frame.acknowledgement', sequence: 1 });
    expect(state()).toBe('caughtUp');
    expect(readings).toHaveLength(1);
  });

  it('no answer to a batch for too long -> reports it; answers in time -> does not', async () => {
    const { actor, time, parent, readings } = setup();
    await readings[0]?.answer({ runs: [runOf(chainStart, 1)] });
    time.advance(limits.acknowledgementTimeoutMs - 1);
    actor.send({ type: 'frame.acknowledgement', sequence: 1 });
    time.advance(limits.acknowledgementTimeoutMs);
    expect(parent.events).toEqual([]);
    actor.send({ type: 'oplog.appended', commit: commitOf(runOf(endOf(runOf(chainStart, 1)), 1)) });
    time.advance(limits.acknowledgementTimeoutMs);
    expect(parent.events).toMatchObject([{ type: 'replication.failed', failure: { code: 'connectionTimeout' } }]);
  });

  it('a vector clock at rest -> what they lack is read from where they are', async () => {
    const { actor, readings, state } = setup();
    const run = runOf(chainStart, 3);
    await readings[0]?.answer({ runs: [run] });
    actor.send({ type: 'frame.vectorClock', clock: new Map(), received: 1 });
    expect(state()).toBe('reading');
    expect(readings[1]?.options.after.get(key)).toBeUndefined();
  });

  it('a vector clock while reading -> the reading starts again, and the old one counts for nothing', async () => {
    const { actor, readings, batches, state } = setup(new Map([[key, endOf(runOf(chainStart, 5))]]));
    actor.send({ type: 'frame.vectorClock', clock: new Map(), received: 0 });
    expect(readings).toHaveLength(2);
    await readings[0]?.answer({ runs: [runOf(endOf(runOf(chainStart, 5)), 1)] });
    expect(batches()).toEqual([]);
    expect(state()).toBe('reading');
    await readings[1]?.answer({ runs: [runOf(chainStart, 6)] });
    expect(batches()).toHaveLength(1);
  });

  it('an author with another history there -> is reported once, and left out from then on', async () => {
    const { actor, parent, readings } = setup();
    await readings[0]?.answer({ diverged: [key] });
    expect(parent.events).toEqual([{ type: 'replication.diverged', authors: [key] }]);
    actor.send({ type: 'frame.vectorClock', clock: new Map(), received: 0 });
    expect(readings[1]?.options.except.has(key)).toBe(true);
  });

  it('equal digests -> the other side has what we have, and nothing is read', async () => {
    const { actor, readings, state } = setup();
    await readings[0]?.answer({});
    actor.send({ type: 'heartbeat.matched' });
    expect(actor.getSnapshot().context.progress.theirs.get(key)).toEqual(endOf(runOf(chainStart, 9)));
    expect(state()).toBe('caughtUp');
  });

  it('the other side loses an author whose entries were left out -> its clock is asked for', async () => {
    const { actor, readings, frames } = setup();
    await readings[0]?.answer({});
    actor.send({ type: 'neighbours.changed', neighbours: new Set(['a' as NodeId]) });
    const relayed = { ...commitOf(runOf(chainStart, 1)), origin: 'a' as NodeId };
    actor.send({ type: 'oplog.appended', commit: relayed });
    expect(frames()).toEqual([]);
    actor.send({ type: 'neighbours.changed', neighbours: new Set() });
    expect(frames()).toEqual([{ type: 'frame.vectorClockRequest' }]);
  });
});
