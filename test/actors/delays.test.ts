import { describe, expect, it } from '@jest/globals';
import { createActor, createMachine } from 'xstate';
import { delayIdsOf, indexDelays } from '../../src/actors/delays.js';
import { manualClock } from '../machines/bench.js';

const waiter = createMachine({
  initial: 'waiting',
  states: {
    waiting: { after: { 1000: 'waited' }, on: { hurry: 'hurried' } },
    hurried: { after: { 100: 'waited' } },
    waited: {},
  },
});

/** A parent of two actors with delays, and a count of scans through all delays. */
function setup() {
  const time = manualClock();
  const parent = createMachine({
    invoke: [
      { id: 'one', src: waiter },
      { id: 'two', src: waiter },
    ],
    on: { stop: '.alone' },
    initial: 'together',
    states: { together: { invoke: { id: 'three', src: waiter } }, alone: {} },
  });
  const actor = createActor(parent, { clock: time }).start();
  const inside = actor.system as unknown as { _snapshot: { _scheduledEvents: object } };
  let looks = 0;
  inside._snapshot._scheduledEvents = new Proxy(inside._snapshot._scheduledEvents, {
    ownKeys(target) {
      looks += 1;
      return Reflect.ownKeys(target);
    },
  });
  const waiting = () => Object.keys(inside._snapshot._scheduledEvents).length;
  const child = (id: string) => actor.getSnapshot().children[id] as NonNullable<typeof actor>;
  return { actor, time, child, waiting, looks: () => looks };
}

describe('an index of delays', () => {
  it('an actor stops -> its delays end, those of others go on, and all delays are never scanned', () => {
    const { actor, time, child, waiting, looks } = setup();
    indexDelays(actor.system);
    const looksBefore = looks();
    child('three').send({ type: 'hurry' } as never);
    actor.send({ type: 'stop' });
    expect(looks()).toBe(looksBefore);
    expect(waiting()).toBe(2);
    time.advance(1_000);
    expect(['one', 'two'].map((id) => child(id).getSnapshot().value)).toEqual(['waited', 'waited']);
    expect(waiting()).toBe(0);
  });

  it('an actor without an index -> scans all delays, which the previous test would notice', () => {
    const { actor, looks } = setup();
    actor.send({ type: 'stop' });
    expect(looks()).toBeGreaterThan(0);
  });

  it('delays -> include those older than the index, and no cancelled ones', () => {
    const { actor, child } = setup();
    expect(delayIdsOf(actor)).toBeUndefined();
    indexDelays(actor.system);
    indexDelays(actor.system);
    expect([...(delayIdsOf(child('one')) ?? [])]).toHaveLength(1);
    child('one').send({ type: 'hurry' } as never);
    expect([...(delayIdsOf(child('one')) ?? [])].map((id) => id.split('.')[2])).toEqual(['100']);
    expect([...(delayIdsOf(actor) ?? ['some'])]).toEqual([]);
  });

  it('a delay without an id -> ends with its actor, too', () => {
    const { actor, child, waiting } = setup();
    indexDelays(actor.system);
    const three = child('three');
    actor.system.scheduler.schedule(three, three, { type: 'hurry' }, 5, undefined);
    expect(waiting()).toBe(4);
    expect(delayIdsOf(three)).toBeUndefined();
    actor.send({ type: 'stop' });
    expect(waiting()).toBe(2);
  });
});
