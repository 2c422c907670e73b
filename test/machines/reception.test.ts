import { describe, expect, it } from '@jest/globals';
import { type AnyActorRef, createActor, fromPromise } from 'xstate';
import { delayIdsOf } from '../../src/actors/delays.js';
import type { Notice, SessionCommand, SessionOutput } from '../../src/actors/mailboxes.js';
import type { Configuration } from '../../src/configuration/schema.js';
import type { AuthorKey } from '../../src/core/author.js';
import type { Boot, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { receptionMachine } from '../../src/machines/reception.machine.js';
import type { SessionInput } from '../../src/machines/session.machine.js';
import { wardMachine } from '../../src/machines/ward.machine.js';
import type { Connection } from '../../src/ports/ports.js';
import type { Store } from '../../src/ports/store.js';
import { manualClock, recorder, settled } from './bench.js';

const us = { nodeId: 'cloud' as NodeId, boot: 'boot-cloud' as Boot, port: 1 };
const lost = { code: 'connectionLost', message: 'gone' } as const;

function setup() {
  const time = manualClock();
  const parent = recorder<Notice>();
  /** A session that the test plays: it records its commands, and ends as the test says. */
  const sessions: {
    input: SessionInput;
    told: SessionCommand[];
    end(failure?: object): Promise<void>;
    fail(): Promise<void>;
  }[] = [];
  const destroyed: number[] = [];
  const ward = wardMachine.provide({
    actors: {
      session: fromPromise<SessionOutput, SessionInput>(
        ({ input }) =>
          new Promise((resolve, reject) => {
            const { sessionId, expected } = input;
            sessions.push({
              input,
              told: [],
              end: (failure = lost) => {
                resolve({ sessionId, peerId: undefined, expected, failure: failure as typeof lost });
                return settled();
              },
              fail: () => {
                reject(new Error('a bug'));
                return settled();
              },
            });
          }),
      ) as never,
    },
  });
  const machine = receptionMachine.provide({ actors: { ward } });
  const input = { identity: us, store: {} as Store, configuration: {} as Configuration, ca: 'pem', random: () => 0 };
  const actor = createActor(machine, { clock: time, input: { parent: parent.mailbox, ...input } }).start();
  let connections = 0;
  const connect = (remoteHost = `10.0.0.${connections}`) => {
    connections += 1;
    const number = connections;
    const protection = { kind: 'server' };
    const connection = { protection, remoteHost, destroy: () => void destroyed.push(number) } as unknown as Connection;
    actor.send({ type: 'connection.accepted', connection });
    return sessions.at(-1) as (typeof sessions)[number];
  };
  const identify = (
    session: (typeof sessions)[number],
    name: string,
    { subject = 'site-1', boot = `boot-${name}` } = {},
  ) => {
    const mailbox = recorder<SessionCommand>();
    Object.assign(session, { told: mailbox.events });
    // A replaced session is told through its own reference.
    actor.send({
      type: 'session.identified',
      sessionId: session.input.sessionId,
      session: mailbox.mailbox,
      direction: 'accepted',
      expected: undefined,
      remoteAddress: '127.0.0.1:5',
      remoteHost: '127.0.0.1',
      subject,
      identity: { nodeId: name as NodeId, boot: boot as Boot, port: 0 },
    });
  };
  const nodeEvents = () => parent.take().map(({ nodeEvent }) => nodeEvent);
  /** The ids of the current sessions. */
  const present = () => [...actor.getSnapshot().context.sessions].map(([sessionId]) => sessionId);
  return { actor, time, sessions, destroyed, connect, identify, nodeEvents, present };
}

/** The number of children of an actor and of each actor below it. */
function familySizes(actor: AnyActorRef): number[] {
  const { children = {} } = actor.getSnapshot() as { children?: Readonly<Record<string, AnyActorRef>> };
  const sizes = Object.values(children).flatMap(familySizes);
  return [Object.keys(children).length, ...sizes];
}

/** The number of entries of Maps, and fields of objects, that an action visits. */
async function entriesVisited(work: () => unknown): Promise<number> {
  let visited = 0;
  const iterator = Object.getPrototypeOf(new Map().entries()) as Iterator<unknown>;
  const { next } = iterator;
  const { keys, values, entries } = Object;
  const counting = <F extends (value: object) => unknown[]>(list: F) =>
    ((value: object) => {
      const listed = list(value);
      visited += listed.length;
      return listed;
    }) as F;
  iterator.next = function count(this: Iterator<unknown>) {
    visited += 1;
    return next.call(this);
  };
  Object.assign(Object, { keys: counting(keys), values: counting(values), entries: counting(entries) });
  try {
    await work();
  } finally {
    iterator.next = next;
    Object.assign(Object, { keys, values, entries });
  }
  return visited;
}

describe('reception', () => {
  it('a connection -> a guarded session that exchanges shared entries', () => {
    const { connect } = setup();
    expect(connect().input).toMatchObject({
      direction: 'accepted',
      expected: undefined,
      scopes: ['shared'],
      identity: us,
      access: { kind: 'guarded', ca: 'pem' },
    });
  });

  it('a node that has shown its token -> admitted and reported; its end is reported, too', async () => {
    const { connect, identify, nodeEvents, actor, present } = setup();
    const session = connect();
    identify(session, 'a');
    expect(session.told).toEqual([{ type: 'session.admit' }]);
    expect(nodeEvents()).toEqual([
      { type: 'peer.connected', nodeId: 'a', remoteAddress: '127.0.0.1:5', subject: 'site-1' },
    ]);
    await session.end();
    expect(nodeEvents()).toEqual([{ type: 'peer.disconnected', nodeId: 'a', failure: lost, subject: 'site-1' }]);
    expect(present()).toEqual([]);
    expect(actor.getSnapshot().children).toEqual({});
  });

  it('a connection that fails -> not reported', async () => {
    const { connect, nodeEvents, present } = setup();
    await connect().end();
    expect(nodeEvents()).toEqual([]);
    expect(present()).toEqual([]);
  });

  it('a node that dials again -> the later session stays, the earlier one is closed, and no change is reported', async () => {
    const { connect, identify, nodeEvents, present } = setup();
    const [first, second] = [connect(), connect()];
    identify(first, 'a');
    nodeEvents();
    identify(second, 'a', { boot: 'boot-later' });
    expect(second.told).toEqual([{ type: 'session.admit' }]);
    await first.end({ code: 'duplicateConnection', message: '' });
    expect(nodeEvents()).toEqual([]);
    await second.end();
    expect(nodeEvents()).toMatchObject([{ type: 'peer.disconnected', nodeId: 'a' }]);
    expect(present()).toEqual([]);
  });

  it('the earlier connection is verified after the later one -> refused as the duplicate', () => {
    const { connect, identify } = setup();
    const [first, second] = [connect(), connect()];
    identify(second, 'a');
    identify(first, 'a');
    expect(first.told).toMatchObject([{ type: 'session.refuse', refusal: { code: 'duplicateConnection' } }]);
    expect(second.told).toEqual([{ type: 'session.admit' }]);
  });

  it('nodes of one NodeId from two sites -> two nodes', () => {
    const { connect, identify, nodeEvents } = setup();
    const [first, second] = [connect(), connect()];
    identify(first, 'a');
    identify(second, 'a', { subject: 'site-2' });
    expect([first.told, second.told]).toEqual([[{ type: 'session.admit' }], [{ type: 'session.admit' }]]);
    expect(nodeEvents()).toHaveLength(2);
  });

  it.each([
    ['our own boot', { boot: us.boot }, 'selfConnection'],
    ['our own NodeId', { boot: 'other' }, 'duplicateNodeId'],
  ])('somebody with %s -> is refused', (_, identity, code) => {
    const { connect, identify, nodeEvents } = setup();
    const session = connect();
    identify(session, us.nodeId, identity);
    expect(session.told).toMatchObject([{ type: 'session.refuse', refusal: { code } }]);
    expect(nodeEvents()).toEqual([]);
  });

  it('a divergence -> reported; of an ended session -> not reported', () => {
    const { connect, identify, nodeEvents, actor } = setup();
    const session = connect();
    identify(session, 'a');
    nodeEvents();
    const authors = ['a/i/shared' as AuthorKey];
    actor.send({ type: 'session.diverged', sessionId: 'session-9', authors });
    actor.send({ type: 'session.diverged', sessionId: session.input.sessionId, authors });
    expect(nodeEvents()).toEqual([{ type: 'peer.diverged', nodeId: 'a', authors }]);
  });

  it('a session that fails -> reported and reaped, and the others continue', async () => {
    const { connect, identify, nodeEvents, present } = setup();
    const [first, second] = [connect(), connect()];
    identify(first, 'a');
    nodeEvents();
    await first.fail();
    expect(nodeEvents()).toMatchObject([
      { type: 'failure', where: 'session-1', failure: { code: 'internal' } },
      { type: 'peer.disconnected', nodeId: 'a' },
    ]);
    identify(second, 'b');
    expect(second.told).toEqual([{ type: 'session.admit' }]);
    expect(present()).toEqual(['session-2']);
  });

  it('a ward that fails -> reported; its guests get goodbye and are gone, and those of others stay', () => {
    const { connect, identify, nodeEvents, actor, present } = setup();
    const { wardSessionsMax } = limits;
    Object.assign(limits, { wardSessionsMax: 1 });
    const [first, second] = [connect(), connect()];
    Object.assign(limits, { wardSessionsMax });
    identify(first, 'a');
    identify(second, 'b');
    nodeEvents();
    actor.send({ type: 'xstate.error.actor.ward-1', actorId: 'ward-1', error: new Error('a bug') } as never);
    expect(nodeEvents()).toMatchObject([
      { type: 'failure', where: 'ward-1', failure: { code: 'internal' } },
      { type: 'peer.disconnected', nodeId: 'a' },
    ]);
    expect(first.told.at(-1)).toMatchObject({ type: 'session.close', refusal: { code: 'internal' } });
    expect(second.told).toEqual([{ type: 'session.admit' }]);
    expect([present(), Object.keys(actor.getSnapshot().children)]).toEqual([['session-2'], ['ward-2']]);
  });

  it('more sessions than fit in a ward -> another ward; freed places are used again, and no ward stays empty', async () => {
    const { connect, actor, sessions } = setup();
    const { wardSessionsMax } = limits;
    Object.assign(limits, { wardSessionsMax: 2 });
    const wards = () =>
      Object.entries(actor.getSnapshot().children).map(([id, ward]) => [id, familySizes(ward as AnyActorRef)[0]]);
    for (let count = 0; count < 5; count += 1) connect();
    expect(wards()).toEqual([
      ['ward-1', 2],
      ['ward-2', 2],
      ['ward-3', 1],
    ]);
    await sessions[2]?.end();
    connect();
    expect(wards()).toEqual([
      ['ward-1', 2],
      ['ward-2', 2],
      ['ward-3', 1],
    ]);
    await sessions[4]?.end();
    expect(wards()).toEqual([
      ['ward-1', 2],
      ['ward-2', 2],
    ]);
    Object.assign(limits, { wardSessionsMax });
  });

  it('ten times as many guests -> one more visits no more entries, and no actor has more children than a ward', async () => {
    const { connect, identify, actor } = setup();
    let count = 0;
    const arrive = () => {
      count += 1;
      const session = connect();
      identify(session, `guest-${count}`);
      return session;
    };
    const visit = async () => {
      const session = arrive();
      const again = connect();
      identify(again, `guest-${count}`, { boot: 'later' });
      await session.end();
      await again.end();
    };
    for (const present of [200, 2_000]) {
      while (count < present) arrive();
      expect(await entriesVisited(visit)).toBeLessThan(8 * limits.wardSessionsMax);
      count = present;
    }
    expect(Math.max(...familySizes(actor))).toBe(limits.wardSessionsMax);
  });

  it('a reception -> an actor that stops searches only its own delays', () => {
    expect(delayIdsOf(setup().actor)).toBeDefined();
  });

  it('more connections than a listener hands over -> the last is dropped, and strangers keep no guests out', () => {
    const { connect, identify, destroyed, sessions } = setup();
    const { guestsMax, unauthenticatedMax } = limits;
    // Starting a session takes milliseconds when there are thousands.
    Object.assign(limits, { guestsMax: 30, unauthenticatedMax: 10 });
    const connectionsMax = limits.guestsMax + 2 * limits.unauthenticatedMax;
    for (let count = 0; count < connectionsMax; count += 1) connect();
    expect(destroyed).toEqual([]);
    connect();
    expect(destroyed).toEqual([connectionsMax + 1]);
    const last = sessions.at(-1) as (typeof sessions)[number];
    identify(last, 'guest');
    expect(last.told).toEqual([{ type: 'session.admit' }]);
    Object.assign(limits, { guestsMax, unauthenticatedMax });
  });

  it('told to leave -> ends after the last session; drops and refuses newcomers', async () => {
    const { connect, identify, destroyed, actor } = setup();
    const [first, second] = [connect(), connect()];
    actor.send({ type: 'reception.leave', refusal: { code: 'goodbye', message: 'The node is stopping.' } });
    connect();
    expect(destroyed).toEqual([3]);
    identify(second, 'b');
    expect(second.told).toMatchObject([{ type: 'session.refuse', refusal: { code: 'goodbye' } }]);
    await first.end();
    expect(actor.getSnapshot().value).toBe('leaving');
    await second.end();
    expect(actor.getSnapshot().status).toBe('done');
  });

  it('told to leave, and a session hangs -> ends within two seconds', () => {
    const { connect, time, actor } = setup();
    connect();
    actor.send({ type: 'reception.leave', refusal: { code: 'goodbye', message: 'The node is stopping.' } });
    time.advance(limits.leavingTimeoutMs);
    expect(actor.getSnapshot().status).toBe('done');
  });
});
