import { describe, expect, it } from '@jest/globals';
import { createActor, fromCallback, fromPromise } from 'xstate';
import type { LinkCommand, ReplicationReport } from '../../src/actors/mailboxes.js';
import { type Author, authorKeyOf, type Incarnation } from '../../src/core/author.js';
import { chainRun, chainStart, endOf, type Position, type Run } from '../../src/core/entry.js';
import { StatemeshError } from '../../src/core/errors.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { LinkRate } from '../../src/core/link-rate.js';
import type { VectorClock } from '../../src/core/vector-clock.js';
import { senderMachine } from '../../src/machines/sender.machine.js';
import type { Commit, ReadOptions, ReadResult, Store } from '../../src/ports/store.js';
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

const large = 'x'.repeat(limits.windowBytesFirst + 1);

/** A link whose capacity grows. */
function fill(rate: LinkRate): void {
  for (let nowMs = 0; nowMs < 20; nowMs += 1) {
    while (rate.mayWrite()) rate.wrote(rate.partBytes, nowMs, 'asking');
    rate.answered(rate.written, nowMs + 1);
  }
}

/** A sender whose readings the test answers. */
function setup(clock: VectorClock = new Map()) {
  const time = manualClock();
  const link = recorder<LinkCommand>();
  const parent = recorder<ReplicationReport>();
  const readings: {
    options: ReadOptions;
    answer: (result: Partial<ReadResult>) => Promise<void>;
    fail: (error: unknown) => Promise<void>;
  }[] = [];
  const rate = new LinkRate();
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
      rate,
      clock,
      neighbors: new Set<NodeId>(),
      random: () => 1,
    },
  }).start();
  const frames = () => link.events.flatMap((command) => (command.type === 'link.send' ? [command.frame] : []));
  const batches = () => frames().flatMap((frame) => (frame.type === 'frame.batch' ? [frame] : []));
  const state = () => actor.getSnapshot().value;
  const carried = () => link.events.flatMap((command) => (command.type === 'link.carry' ? [command.entry] : []));
  return { actor, time, rate, link, parent, readings, frames, batches, carried, state };
}

describe('sender', () => {
  it('nothing to send -> rests', async () => {
    const { readings, batches, state } = setup();
    await readings[0]?.answer({});
    expect(state()).toBe('caughtUp');
    expect(batches()).toEqual([]);
  });

  it('the disk is unreadable -> retries with growing pauses, continues when it can, and reports no failure', async () => {
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

  it('another failure of the store -> reported with its code, and the end', async () => {
    const { actor, parent, readings, state } = setup();
    await readings[0]?.fail(new StatemeshError('storeClosed', 'closed'));
    expect(parent.events).toEqual([
      { type: 'replication.failed', failure: { code: 'storeClosed', message: 'closed' } },
    ]);
    expect(state()).toBe('failed');
    expect(actor.getSnapshot().status).toBe('done');
  });

  it('a backlog -> sent batch by batch, without waiting, until the window is full', async () => {
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

  it('a commit while reading -> reads again before resting', async () => {
    const { actor, readings, state } = setup();
    actor.send({ type: 'oplog.appended', commit: commitOf(runOf(chainStart, 1)) });
    await readings[0]?.answer({});
    expect(state()).toBe('reading');
    await readings[1]?.answer({ runs: [runOf(chainStart, 1)] });
    expect(state()).toBe('caughtUp');
  });

  it('a commit from the other side while reading -> not read, and not sent back', async () => {
    const { actor, readings, batches, state } = setup();
    const run = runOf(chainStart, 2);
    actor.send({ type: 'oplog.appended', commit: { ...commitOf(run), origin: 'b' as NodeId } });
    await readings[0]?.answer({});
    expect(state()).toBe('caughtUp');
    expect(readings).toHaveLength(1);
    actor.send({ type: 'oplog.appended', commit: commitOf(runOf(endOf(run), 1)) });
    expect(batches().map(({ runs }) => runs[0]?.after)).toEqual([endOf(run)]);
  });

  it('a commit at rest -> sent at once, from memory', async () => {
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

  it('the window was full and everything is sent -> an answer causes no reading', async () => {
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

  it('a large entry -> sent in parts, then the batch that names it', async () => {
    const { actor, readings, batches, carried, state } = setup();
    const run = runOf(chainStart, 1, large);
    await readings[0]?.answer({ runs: [run], complete: false });
    expect(carried()).toEqual(run.entries);
    expect(batches()).toEqual([]);
    expect(readings[1]?.options.except.has(key)).toBe(true);
    await readings[1]?.answer({});
    expect(state()).toBe('caughtUp');
    actor.send({ type: 'parcel.sent', hash: 'of another' });
    expect(batches()).toEqual([]);
    actor.send({ type: 'parcel.sent', hash: endOf(run).hash });
    // Only the link keeps the payload in the meantime.
    const runs = [{ ...run, entries: run.entries.map((entry) => ({ ...entry, payload: '' })) }];
    expect(batches()).toEqual([{ type: 'frame.batch', sequence: 1, runs, isCarried: true }]);
    // Later entries of its author may follow.
    expect(readings[2]?.options.except.has(key)).toBe(false);
    expect(readings[2]?.options.after.get(key)).toEqual(endOf(run));
  });

  it('a large entry is being sent -> entries of others continue, those of its author wait', async () => {
    const { actor, readings, batches } = setup();
    const run = runOf(chainStart, 1, large);
    await readings[0]?.answer({ runs: [run], complete: false });
    await readings[1]?.answer({});
    const another = { ...runOf(chainStart, 1), author: { ...author, nodeId: 'c' as NodeId } };
    actor.send({ type: 'oplog.appended', commit: commitOf(runOf(endOf(run), 1), another) });
    expect(batches()).toEqual([{ type: 'frame.batch', sequence: 1, runs: [another] }]);
    expect(readings).toHaveLength(2);
  });

  it('two large entries -> one after the other, with one place in the window', async () => {
    const { actor, readings, batches, carried, state } = setup();
    const first = runOf(chainStart, 1, large);
    const others = { ...author, nodeId: 'c' as NodeId };
    const second = chainRun(others, chainStart, first.entries);
    await readings[0]?.answer({ runs: [first], complete: false });
    await readings[1]?.answer({ runs: [second], complete: false });
    expect(carried()).toEqual(first.entries);
    expect([...(readings[2]?.options.except ?? [])]).toEqual([key, authorKeyOf(others)]);
    let after: Position = chainStart;
    const third = { ...author, nodeId: 'd' as NodeId };
    for (let index = 2; state() === 'reading'; index += 1) {
      const run = { ...runOf(after, 1), author: third };
      await readings[index]?.answer({ runs: [run], complete: false });
      after = endOf(run);
    }
    expect(batches()).toHaveLength(limits.batchesInFlightMax - 1);
    actor.send({ type: 'parcel.sent', hash: endOf(first).hash });
    expect(batches()).toHaveLength(limits.batchesInFlightMax);
    actor.send({ type: 'frame.acknowledgement', sequence: 1 });
    await readings.at(-1)?.answer({ runs: [second], complete: false });
    expect(carried()).toEqual([...first.entries, ...second.entries]);
  });

  it('the other side gets a large entry another way -> the rest is not sent', async () => {
    const { actor, readings, batches, link } = setup();
    const run = runOf(chainStart, 1, large);
    await readings[0]?.answer({ runs: [run], complete: false });
    await readings[1]?.answer({});
    actor.send({ type: 'frame.vectorClock', clock: new Map([[key, endOf(run)]]), received: 0 });
    expect(link.types()).toEqual(['link.carry', 'link.drop']);
    actor.send({ type: 'parcel.sent', hash: endOf(run).hash });
    expect(batches()).toEqual([]);
    expect(readings.at(-1)?.options.except.has(key)).toBe(false);
  });

  it('a link with more capacity -> larger batches', async () => {
    const { readings, rate } = setup();
    expect(readings[0]?.options.bytesMax).toBe(rate.batchBytes);
    fill(rate);
    expect(rate.batchBytes).toBe(limits.batchBytesMax);
    await readings[0]?.answer({ runs: [runOf(chainStart, 1)], complete: false });
    expect(readings[1]?.options.bytesMax).toBe(limits.batchBytesMax);
  });

  it('a vector clock at rest -> reads the missing entries from its positions', async () => {
    const { actor, readings, state } = setup();
    const run = runOf(chainStart, 3);
    await readings[0]?.answer({ runs: [run] });
    actor.send({ type: 'frame.vectorClock', clock: new Map(), received: 1 });
    expect(state()).toBe('reading');
    expect(readings[1]?.options.after.get(key)).toBeUndefined();
  });

  it('a vector clock while reading -> reading starts again, and the old result is dropped', async () => {
    const { actor, readings, batches, state } = setup(new Map([[key, endOf(runOf(chainStart, 5))]]));
    actor.send({ type: 'frame.vectorClock', clock: new Map(), received: 0 });
    expect(readings).toHaveLength(2);
    await readings[0]?.answer({ runs: [runOf(endOf(runOf(chainStart, 5)), 1)] });
    expect(batches()).toEqual([]);
    expect(state()).toBe('reading');
    await readings[1]?.answer({ runs: [runOf(chainStart, 6)] });
    expect(batches()).toHaveLength(1);
  });

  it('an author with a different history there -> reported once, and skipped from then on', async () => {
    const { actor, parent, readings } = setup();
    await readings[0]?.answer({ diverged: [key] });
    expect(parent.events).toEqual([{ type: 'replication.diverged', authors: [key] }]);
    actor.send({ type: 'frame.vectorClock', clock: new Map(), received: 0 });
    expect(readings[1]?.options.except.has(key)).toBe(true);
  });

  it('equal digests -> the other side has the same entries, and no reading', async () => {
    const { actor, readings, state } = setup();
    await readings[0]?.answer({});
    actor.send({ type: 'heartbeat.matched' });
    expect(actor.getSnapshot().context.progress.theirs.get(key)).toEqual(endOf(runOf(chainStart, 9)));
    expect(state()).toBe('caughtUp');
  });

  it('the other side loses an author whose entries were skipped -> requests its clock', async () => {
    const { actor, readings, frames } = setup();
    await readings[0]?.answer({});
    actor.send({ type: 'neighbors.changed', neighbors: new Set(['a' as NodeId]) });
    const relayed = { ...commitOf(runOf(chainStart, 1)), origin: 'a' as NodeId };
    actor.send({ type: 'oplog.appended', commit: relayed });
    expect(frames()).toEqual([]);
    actor.send({ type: 'neighbors.changed', neighbors: new Set() });
    expect(frames()).toEqual([{ type: 'frame.vectorClockRequest' }]);
  });
});
