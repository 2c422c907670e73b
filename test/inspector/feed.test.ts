import { beforeEach, describe, expect, it } from '@jest/globals';
import { assign, createActor, fromCallback, fromPromise, sendTo, setup } from 'xstate';
import { indexDelays } from '../../src/actors/delays.js';
import { Feed } from '../../src/inspector/feed.js';
import { Fold } from '../../src/inspector/fold.js';
import type { EventRecord, InspectorRecord, SnapshotRecord } from '../../src/inspector/records.js';
import { VirtualClock } from '../../src/simulation/clock.js';

type LampEvent = { type: 'press' } | { type: 'break' } | { type: 'lit' };

const bulb = fromCallback<{ type: 'shine' }, { parent: { send(event: { type: 'lit' }): void } }>(
  ({ receive, input }) => {
    receive(() => input.parent.send({ type: 'lit' }));
  },
);

const lamp = setup({
  types: { events: {} as LampEvent, context: {} as { presses: number; glass: string } },
  actors: { bulb, warmUp: fromPromise(async () => 'warm') },
  delays: { patience: 500 },
}).createMachine({
  id: 'lamp',
  context: { presses: 0, glass: 'clear' },
  invoke: { id: 'bulb', src: 'bulb', input: ({ self }) => ({ parent: self }) },
  initial: 'off',
  states: {
    off: { on: { press: { target: 'on', actions: assign({ presses: ({ context }) => context.presses + 1 }) } } },
    on: {
      entry: sendTo('bulb', { type: 'shine' }),
      on: { press: 'off', lit: {} },
      after: { patience: 'off' },
    },
  },
});

let clock: VirtualClock;
let records: InspectorRecord[];
let feed: Feed;

beforeEach(() => {
  clock = new VirtualClock();
  records = [];
  feed = new Feed({ node: 'n', origin: 'n:1', now: () => clock.nowMs, sink: (record) => records.push(record) });
});

function events(type: string): EventRecord[] {
  return records.filter(
    (record): record is EventRecord => record.type === '@xstate.event' && record.event.type === type,
  );
}

function snapshots(): SnapshotRecord[] {
  return records.filter((record): record is SnapshotRecord => record.type === '@xstate.snapshot');
}

describe('feed', () => {
  it('an actor that starts -> its chart, itself and its children are reported before anything that happens to them', () => {
    createActor(lamp, { inspect: feed.inspect }).start();
    expect(records.map(({ type }) => type)).toEqual([
      ...['statemesh.chart', '@xstate.actor', '@xstate.event'],
      ...['@xstate.actor', '@xstate.event', '@xstate.snapshot', '@xstate.snapshot'],
    ]);
    expect(records[1]).toMatchObject({ name: 'lamp', logic: 'lamp', isMachine: true, snapshot: { value: 'off' } });
    expect(records[3]).toMatchObject({ name: 'bulb', logic: 'bulb', isMachine: false, parentId: 'n:1.1' });
    expect(records.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('an event that leads to another, and that to a third -> each names its cause', () => {
    const actor = createActor(lamp, { inspect: feed.inspect }).start();
    actor.send({ type: 'press' });
    const [[press], [shine], [lit]] = [events('press'), events('shine'), events('lit')];
    expect(press?.cause).toBeUndefined();
    expect(press?.sourceId).toBeUndefined();
    expect(shine?.cause).toBe(press?.id);
    expect(lit?.cause).toBe(shine?.id);
    expect(lit?.sourceId).toBe(shine?.sessionId);
    expect(snapshots().find(({ cause }) => cause === press?.id)?.transitions).toEqual(['lamp.off 0']);
  });

  it('a snapshot -> only changed fields are reported', () => {
    const actor = createActor(lamp, { inspect: feed.inspect }).start();
    records.length = 0;
    actor.send({ type: 'press' });
    const [snapshot] = snapshots().filter(({ sessionId }) => sessionId === 'n:1.1');
    expect(snapshot?.snapshot).toEqual({ value: 'on', context: { presses: 1 } });
    records.length = 0;
    actor.send({ type: 'lit' });
    expect(snapshots()[0]?.snapshot).toEqual({});
  });

  it.each([
    ['', () => {}],
    [', with an index', indexDelays],
  ])('delays%s -> when they are due; none once they are over, and the timer is the sender', (_, index) => {
    const actor = createActor(lamp, {
      inspect: feed.inspect,
      clock: { setTimeout: schedule, clearTimeout: () => {} },
    });
    index(actor.system);
    actor.start();
    actor.send({ type: 'press' });
    const type = 'xstate.after.patience.lamp.on';
    expect(snapshots().find(({ delays }) => delays !== undefined)?.delays).toEqual({ [type]: 500 });
    clock.step();
    expect(events(type)[0]).toMatchObject({ atMs: 500, sourceId: 'n:1.1', sessionId: 'n:1.1' });
    expect(snapshots().at(-1)).toMatchObject({ delays: {}, snapshot: { value: 'off' } });
  });

  it('an actor met late -> its present state is reported, and everything from then on', () => {
    const actor = createActor(lamp).start();
    actor.send({ type: 'press' });
    const subscription = actor.system.inspect(feed.inspect);
    feed.meet(actor);
    expect(records.filter(({ type }) => type === '@xstate.actor')).toHaveLength(2);
    actor.send({ type: 'press' });
    const fold = new Fold();
    for (const record of records) fold.add(record);
    expect(fold.actors.get('n:1.1')).toMatchObject({ value: 'off', context: { presses: 1, glass: 'clear' } });
    subscription.unsubscribe();
  });

  it('a value that throws when it is read -> is reported as one that cannot be shown, and the actors continue', () => {
    const actor = createActor(lamp, { inspect: feed.inspect }).start();
    const trap = { type: 'press' as const };
    Object.defineProperty(trap, 'trap', {
      enumerable: true,
      get: () => {
        throw new Error('Do not look.');
      },
    });
    actor.send(trap);
    expect(actor.getSnapshot().value).toBe('on');
  });

  it('children that end -> are gone from the fold, and the root stays with its last state', () => {
    const actor = createActor(lamp, { inspect: feed.inspect }).start();
    actor.stop();
    const fold = new Fold();
    for (const record of records) fold.add(record);
    expect([...fold.actors.values()].map(({ name, status }) => [name, status])).toEqual([['lamp', 'stopped']]);
  });

  function schedule(callback: () => void, delayMs: number): number {
    clock.schedule(delayMs, callback);
    return 1;
  }
});
