import { describe, expect, it } from '@jest/globals';
import { createActor, fromCallback } from 'xstate';
import type { ApplierCommand, LinkCommand, ReplicationReport } from '../../src/actors/mailboxes.js';
import type { ApplierInput } from '../../src/actors/slots.js';
import type { AuthorKey } from '../../src/core/author.js';
import type { Failure } from '../../src/core/errors.js';
import { limits } from '../../src/core/limits.js';
import { receiverMachine } from '../../src/machines/receiver.machine.js';
import type { ApplyResult, Store } from '../../src/ports/store.js';
import { manualClock, recorder, settled } from './bench.js';

const author = 'a/i/shared' as AuthorKey;

/** A receiver whose store the test plays. */
function setup() {
  const time = manualClock();
  const link = recorder<LinkCommand>();
  const parent = recorder<ReplicationReport>();
  const applying: {
    answer: (result: Partial<ApplyResult>) => Promise<void>;
    fail: (failure: Failure) => Promise<void>;
  }[] = [];
  const machine = receiverMachine.provide({
    actors: {
      batchApplier: fromCallback<ApplierCommand, ApplierInput>(({ input, receive }) => {
        receive(() => {
          applying.push({
            answer: (result) => {
              const whole = { applied: 1, gaps: [], parked: [], diverged: [], ...result };
              input.parent.send({ type: 'batch.applied', result: whole });
              return settled();
            },
            fail: (failure) => {
              input.parent.send({ type: 'batch.failed', failure });
              return settled();
            },
          });
        });
      }),
    },
  });
  const actor = createActor(machine, {
    clock: time,
    input: {
      parent: parent.mailbox,
      link: link.mailbox,
      store: { clock: () => new Map() } as unknown as Store,
      origin: 'b',
      scopes: ['cluster', 'shared'],
      random: () => 1,
    },
  }).start();
  const batch = (sequence: number) => actor.send({ type: 'frame.batch', sequence, runs: [] });
  const frames = () => link.events.flatMap((command) => (command.type === 'link.send' ? [command.frame] : []));
  const state = () => actor.getSnapshot().value;
  return { actor, time, parent, applying, batch, frames, state };
}

describe('receiver', () => {
  it('a batch -> acknowledged once it is on disk, not before', async () => {
    const { applying, batch, frames, state } = setup();
    batch(1);
    await settled();
    expect(frames()).toEqual([]);
    await applying[0]?.answer({});
    expect(frames()).toEqual([{ type: 'frame.acknowledgement', sequence: 1 }]);
    expect(state()).toBe('waiting');
  });

  it('batches while one is being applied -> wait, share transactions, and are acknowledged in order', async () => {
    const { applying, batch, frames } = setup();
    for (const sequence of [1, 2, 3, 4]) batch(sequence);
    for (const [index, acknowledged] of [1, 3, 4].entries()) {
      expect(applying).toHaveLength(index + 1);
      await applying[index]?.answer({});
      expect(frames().at(-1)).toEqual({ type: 'frame.acknowledgement', sequence: acknowledged });
    }
    expect(applying).toHaveLength(3);
    expect(limits.batchesPerTransactionMax).toBe(2);
  });

  it('more batches than the window allows, or out of order -> reported', () => {
    const { batch, parent } = setup();
    for (const sequence of [1, 2, 3, 4]) batch(sequence);
    expect(parent.events).toEqual([]);
    batch(5);
    expect(parent.events).toMatchObject([{ type: 'replication.failed', failure: { code: 'windowExceeded' } }]);
    const other = setup();
    other.batch(2);
    expect(other.parent.events).toMatchObject([{ failure: { code: 'windowExceeded' } }]);
  });

  it('a gap -> our clock is sent after a pause that grows until the digests match', async () => {
    const { actor, time, applying, batch, frames, state } = setup();
    for (const attempt of [1, 2, 3]) {
      batch(attempt);
      await applying[attempt - 1]?.answer({ applied: 0, gaps: [author] });
      expect(state()).toBe('recoveringGap');
      const clocks = () => frames().filter(({ type }) => type === 'frame.vectorClock').length;
      time.advance(limits.gapBackoffFirstMs * 2 ** attempt - 1);
      expect(clocks()).toBe(attempt - 1);
      time.advance(1);
      expect(clocks()).toBe(attempt);
      expect(state()).toBe('waiting');
    }
    batch(4);
    await applying[3]?.answer({ applied: 1 });
    expect(state()).toBe('waiting');
    actor.send({ type: 'heartbeat.matched' });
    batch(5);
    await applying[4]?.answer({ applied: 0, gaps: [author] });
    time.advance(limits.gapBackoffFirstMs * 2);
    expect(state()).toBe('waiting');
  });

  it('a gap under a steady stream of batches -> no batch restarts the pause', async () => {
    const { time, applying, batch, frames } = setup();
    batch(1);
    await applying[0]?.answer({ applied: 0, gaps: [author] });
    for (const sequence of [2, 3, 4]) {
      time.advance(limits.gapBackoffFirstMs / 2);
      batch(sequence);
      await applying[sequence - 1]?.answer({ applied: 1 });
    }
    time.advance(limits.gapBackoffFirstMs / 2);
    expect(frames().filter(({ type }) => type === 'frame.vectorClock')).toHaveLength(1);
  });

  it('the digests differ -> sends our clock; during the pause after a gap -> does not', async () => {
    const { actor, applying, batch, frames } = setup();
    const clocks = () => frames().filter(({ type }) => type === 'frame.vectorClock').length;
    actor.send({ type: 'heartbeat.differed' });
    expect(clocks()).toBe(1);
    batch(1);
    await applying[0]?.answer({ applied: 0, parked: [author] });
    actor.send({ type: 'heartbeat.differed' });
    expect(clocks()).toBe(1);
    actor.send({ type: 'clock.announce' });
    expect(clocks()).toBe(2);
  });

  it('a gap, then a batch without one -> our clock is sent nevertheless', async () => {
    const { time, applying, batch, frames, state } = setup();
    batch(1);
    await applying[0]?.answer({ applied: 0, gaps: [author] });
    batch(2);
    await applying[1]?.answer({ applied: 1 });
    expect(state()).toBe('recoveringGap');
    time.advance(limits.gapBackoffMaxMs);
    expect(frames().filter(({ type }) => type === 'frame.vectorClock')).toHaveLength(1);
  });

  it('asked for the clock -> sends it, with the last batch that it includes', async () => {
    const { actor, applying, batch, frames } = setup();
    batch(1);
    await applying[0]?.answer({});
    batch(2);
    actor.send({ type: 'clock.announce' });
    expect(frames().at(-1)).toMatchObject({ type: 'frame.vectorClock', received: 1 });
  });

  it('parked or diverged authors -> reported', async () => {
    const { applying, batch, parent } = setup();
    batch(1);
    await applying[0]?.answer({ parked: [author], diverged: [author] });
    expect(parent.events.map(({ type }) => type).sort()).toEqual([
      'replication.advanced',
      'replication.diverged',
      'replication.parked',
    ]);
  });

  it('the own disk fails -> retries with growing pauses, reports each, and acknowledges after the write', async () => {
    const { time, applying, batch, parent, frames, state } = setup();
    const { diskBackoffFirstMs, diskBackoffMaxMs } = limits;
    batch(1);
    for (let attempt = 0; attempt < 10; attempt += 1) {
      await applying[attempt]?.fail({ code: 'diskFull', message: 'full' });
      expect(state()).toEqual({ applying: 'held' });
      expect(frames()).toHaveLength(attempt + 1);
      expect(frames().at(-1)).toEqual({ type: 'frame.batchHeld', sequence: 1, code: 'diskFull' });
      const pauseMs = Math.min(diskBackoffFirstMs * 2 ** (attempt + 1), diskBackoffMaxMs);
      time.advance(pauseMs - 1);
      expect(applying).toHaveLength(attempt + 1);
      time.advance(1);
      expect(applying).toHaveLength(attempt + 2);
    }
    // The other side hears of each attempt before the receiver gives up.
    expect(2 * diskBackoffMaxMs).toBeLessThan(limits.applyPatienceMs);
    batch(2);
    await applying[10]?.answer({});
    await applying[11]?.answer({});
    expect(frames().slice(-2)).toEqual([1, 2].map((sequence) => ({ type: 'frame.acknowledgement', sequence })));
    expect([state(), parent.types()]).toEqual(['waiting', ['replication.advanced']]);
  });

  it('more than the window allows while the own disk fails -> reported as a fault of the other side', async () => {
    const { applying, batch, parent } = setup();
    batch(1);
    await applying[0]?.fail({ code: 'databaseUnavailable', message: 'I/O error' });
    for (const sequence of [2, 3, 4]) batch(sequence);
    expect(parent.events).toEqual([]);
    batch(5);
    expect(parent.events).toMatchObject([{ type: 'replication.failed', failure: { code: 'windowExceeded' } }]);
  });

  it('another failure of the store -> reported with its code; no acknowledgement, and the end', async () => {
    const { actor, applying, batch, parent, frames, state } = setup();
    batch(1);
    await applying[0]?.fail({ code: 'internal', message: 'It broke.' });
    expect(parent.events).toEqual([
      { type: 'replication.failed', failure: { code: 'internal', message: 'It broke.' } },
    ]);
    expect(frames()).toEqual([]);
    expect(state()).toBe('failed');
    expect(actor.getSnapshot().status).toBe('done');
  });
});
