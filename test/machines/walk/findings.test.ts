/** The walker itself: it finds every defect in a machine that has each of them once, and none in a correct machine. */
import { describe, expect, it } from '@jest/globals';
import { assign, type ErrorActorEvent, fromPromise, setup } from 'xstate';
import { defineWalk, type Ignored, walkMachine } from '../walk.js';
import {
  deadEnds,
  eventsLost,
  eventsNotOffered,
  eventsUndecided,
  failuresMishandled,
  ignoredInVain,
  lawsBroken,
  statesNotReached,
  strandings,
  transitionsNotTaken,
} from './findings.js';

type Event = { type: 'go' } | { type: 'work' } | { type: 'count'; by: number } | { type: 'mute' };

const types = { context: {} as { count: number }, events: {} as Event | ErrorActorEvent<unknown, string> };
const actors = { worker: fromPromise(async () => 1), mute: fromPromise(async () => 1) };
const defective = setup({ types, actors, guards: { isNever: () => false } }).createMachine({
  id: 'defective',
  context: { count: 0 },
  initial: 'idle',
  states: {
    idle: {
      on: {
        go: [{ guard: 'isNever', target: 'island' }, { target: 'pit' }],
        work: 'working',
        mute: 'muted',
      },
    },
    island: {},
    pit: {},
    /** This machine dies when its worker fails, and waits forever when its worker ends. */
    working: { invoke: { src: 'worker' } },
    muted: { invoke: { src: 'mute', onDone: 'idle' }, on: { 'xstate.error.actor.*': {} } },
    finished: { type: 'final' },
  },
});

const ignored: Ignored[] = [
  { states: ['idle'], events: ['go', 'vanished'], why: 'Wrong: the one is handled, the other never comes.' },
  { states: ['pit', 'working', 'muted'], events: ['go', 'count', 'work', 'mute'], why: 'For the test.' },
];

const walked = walkMachine(
  defineWalk({
    machine: defective,
    inputs: [undefined],
    facts: () => [],
    samples: {
      go: { '': { type: 'go' } },
      work: { '': { type: 'work' } },
      mute: { '': { type: 'mute' } },
      count: { one: { type: 'count', by: 1 } },
    },
    outputs: { worker: { '': 1 }, mute: { '': 1 } },
    resting: ['idle', 'pit'],
    goals: [['idle']],
    laws: { 'it is never muted': (_, leaves) => !leaves.includes('muted') },
    ignored,
    nets: { 'idle: go -> pit': 'Wrong: it is taken.' },
  }),
);

describe('walker: a machine with defects', () => {
  it('unreachable states -> named', () => {
    expect(statesNotReached(walked)).toEqual(['island', 'finished']);
  });

  it('transitions whose guards never hold, and safety nets that are used -> named', () => {
    expect(transitionsNotTaken(walked)).toEqual(['idle: go if isNever -> island', 'idle: go -> pit is taken']);
  });

  it('failures of children -> one kills the machine, another is swallowed', () => {
    expect(failuresMishandled(walked)).toEqual([
      'working: failed worker ends the machine',
      'muted: failed mute is swallowed',
    ]);
  });

  it('states without a way back -> dead ends', () => {
    const states = deadEnds(walked).map((problem) => /"active","(\w+)"/.exec(problem)?.[1]);
    expect(new Set(states)).toEqual(new Set(['pit', 'working', 'muted']));
  });

  it('all services have ended, and no event can come -> stranded', () => {
    expect(strandings(walked)).toEqual([
      'nothing more happens in ["active","working",[],["worker"]]',
      'nothing more happens in ["active","working",[],[""]]',
      'nothing more happens in ["active","muted",[],[""]]',
    ]);
  });

  it('an invariant that does not hold everywhere -> named', () => {
    expect(lawsBroken(walked)).not.toEqual([]);
  });

  it('events without a handler and without a reason -> lost', () => {
    expect(eventsLost(walked)).toEqual([
      'idle: count (one) is lost',
      'working: done worker is lost',
      'working: failed worker is lost',
    ]);
  });

  it('reasons for events that are handled or never occur -> reported as unused', () => {
    expect(ignoredInVain(walked)).toEqual(['go is handled in idle', 'vanished in idle never occurs']);
  });
});

describe('walker: an alphabet with gaps', () => {
  const child = setup({}).createMachine({ initial: 'done', states: { done: { type: 'final' } } });
  const machine = setup({ types, actors: { child } }).createMachine({
    id: 'incomplete',
    context: { count: 0 },
    initial: 'idle',
    invoke: { src: 'child', onDone: '.over', onError: '.over' },
    states: { idle: { on: { go: 'over', 'count.*': 'over' } }, over: {} },
  });

  it('handlers without a sample, ends without an output -> named', () => {
    const samples = { go: {}, work: {}, mute: {}, count: {} };
    const walk = { machine, inputs: [undefined], facts: () => [], samples, outputs: {} };
    const partial = walkMachine(defineWalk({ ...walk, resting: [], goals: [], ignored: [] }));
    expect(eventsNotOffered(partial).sort()).toEqual(['count.*', 'done child', 'go', 'xstate.done.actor.0.incomplete']);
  });
});

describe('walker: a sample that is too coarse', () => {
  const machine = setup({ types, guards: { isFew: ({ context }) => context.count < 2 } }).createMachine({
    id: 'counter',
    context: { count: 0 },
    on: { count: { guard: 'isFew', actions: assign(({ context }) => ({ count: context.count + 1 })) } },
  });

  it('handled in one context and not in another -> undecided', () => {
    const samples = { go: {}, work: {}, mute: {}, count: { one: { type: 'count' as const, by: 1 } } };
    const walk = { machine, inputs: [undefined], facts: ({ count }: { count: number }) => count, samples, outputs: {} };
    const counted = walkMachine(defineWalk({ ...walk, resting: [], goals: [], ignored: [] }));
    expect(counted.configurations).toHaveLength(3);
    expect(eventsUndecided(counted)).toEqual(['(root): count (one) is handled at times: make a sample of each case']);
  });
});
