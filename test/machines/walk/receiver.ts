/** The receiver: batches in and out of order, up to the window, and every result of applying them. */
import type { AuthorKey } from '../../../src/core/author.js';
import { limits } from '../../../src/core/limits.js';
import { receiverMachine } from '../../../src/machines/receiver.machine.js';
import type { ApplyResult } from '../../../src/ports/store.js';
import { defineWalk } from '../walk.js';
import { lost, mailbox, store } from './samples.js';

const authors = ['a/i/shared' as AuthorKey];
const complete: ApplyResult = { applied: 1, gaps: [], parked: [], diverged: [] };

export const receiver = defineWalk({
  machine: receiverMachine,
  inputs: [{ parent: mailbox(), link: mailbox(), store, origin: 'a', scopes: ['cluster', 'shared'], random: () => 0 }],
  facts: ({ current, queue, owesClock }) => [current.length, queue.length, owesClock],
  samples: {
    'frame.batch': {
      '': ({ arrived }) => ({ type: 'frame.batch', sequence: arrived + 1, runs: [] }) as const,
      'out of order': ({ arrived }) => ({ type: 'frame.batch', sequence: arrived + 2, runs: [] }) as const,
    },
    'batch.applied': {
      '': { type: 'batch.applied', result: complete },
      'with a gap': { type: 'batch.applied', result: { ...complete, gaps: authors } },
      parked: { type: 'batch.applied', result: { ...complete, parked: authors } },
      diverged: { type: 'batch.applied', result: { ...complete, applied: 0, diverged: authors } },
    },
    'batch.failed': {
      '': { type: 'batch.failed', failure: lost },
      'of the disk': { type: 'batch.failed', failure: { code: 'diskFull', message: 'full' } },
    },
    'clock.announce': { '': { type: 'clock.announce' } },
    'gap.due': { '': { type: 'gap.due' } },
    'heartbeat.matched': { '': { type: 'heartbeat.matched' } },
    'heartbeat.differed': { '': { type: 'heartbeat.differed' } },
  },
  outputs: {},
  reports: { batchApplier: ['batch.applied', 'batch.failed'] },
  // A raised event with a delay ends the pause after a gap.
  resting: ['waiting', 'recoveringGap'],
  retrying: ['applying'],
  goals: [['waiting'], ['applying'], ['failed']],
  laws: {
    'it pauses after a gap only while the other side is owed a clock': ({ owesClock }, [state]) =>
      state !== 'recoveringGap' || owesClock,
    'no more batches wait than the window allows': ({ current, queue }) =>
      current.length + queue.length <= limits.batchesInFlightMax,
    'nothing is being applied, or waits, but while applying': ({ current, queue }, [state]) =>
      state?.startsWith('applying') || state === 'failed' || current.length + queue.length === 0,
  },
  ignored: [
    {
      states: ['waiting', 'recoveringGap', 'applying.held'],
      events: ['batch.applied', 'batch.failed'],
      why: 'The applier answers what it was asked, once, and nothing was asked.',
    },
  ],
});
