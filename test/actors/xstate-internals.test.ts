import { describe, expect, it } from '@jest/globals';
import { createActor, createMachine, type InspectionEvent } from 'xstate';
import {
  latestSnapshotOf,
  parentOf,
  rootOf,
  scheduledEventsOf,
  transitionsOf,
} from '../../src/actors/xstate-internals.js';

const child = createMachine({ initial: 'waiting', states: { waiting: { after: { 1000: 'done' } }, done: {} } });
const root = createMachine({
  invoke: { id: 'child', src: child },
  initial: 'one',
  states: { one: { on: { go: 'two' } }, two: {} },
});

function started() {
  const steps: InspectionEvent[] = [];
  const actor = createActor(root, { inspect: (event) => steps.push(event) });
  const before = latestSnapshotOf(actor);
  actor.start();
  const below = actor.getSnapshot().children.child;
  if (below === undefined) throw new Error('The child did not start.');
  return { actor, below, steps, before };
}

describe('private fields of XState', () => {
  it('an actor and its child -> the parent, the root, and the snapshot before the start', () => {
    const { actor, below, before } = started();
    expect([parentOf(actor), parentOf(below), rootOf(below), rootOf(actor)]).toEqual([undefined, actor, actor, actor]);
    expect(before).toMatchObject({ value: 'one' });
    actor.stop();
  });

  it('a delay -> is among those of the system, with its actor', () => {
    const { actor, below } = started();
    expect(Object.values(scheduledEventsOf(actor.system))).toMatchObject([{ source: below, delay: 1000 }]);
    actor.stop();
  });

  it('a microstep -> its transitions', () => {
    const { actor, steps } = started();
    actor.send({ type: 'go' });
    const taken = steps.filter(({ type }) => type === '@xstate.microstep').flatMap(transitionsOf);
    expect(taken.map(({ eventType }) => eventType)).toContain('go');
    actor.stop();
  });
});
