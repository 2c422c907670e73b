import { describe, expect, it } from '@jest/globals';
import { createActor, fromPromise } from 'xstate';
import type { AuthorKey } from '../../src/core/author.js';
import type { Boot, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { receptionMachine } from '../../src/machines/reception.machine.js';
import type { SessionInput } from '../../src/machines/session.machine.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import type { Notice, SessionCommand, SessionOutput } from '../../src/protocol/events.js';
import type { Connection } from '../../src/protocol/ports.js';
import type { Store } from '../../src/protocol/store.js';
import { manualClock, recorder, settled } from './bench.js';

const us = { nodeId: 'cloud' as NodeId, boot: 'boot-cloud' as Boot, port: 1 };
const lost = { code: 'connectionLost', message: 'gone' } as const;

function setup() {
  const time = manualClock();
  const parent = recorder<Notice>();
  /** A session that is played by hand: what it was told, and how it ends. */
  const sessions: {
    input: SessionInput;
    told: SessionCommand[];
    end(failure?: object): Promise<void>;
    fail(): Promise<void>;
  }[] = [];
  const destroyed: number[] = [];
  const machine = receptionMachine.provide({
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
    // A session that is replaced hears of it by its own reference.
    actor.send({
      ...{ type: 'session.identified', sessionId: session.input.sessionId, session: mailbox.mailbox },
      ...{ direction: 'accepted', expected: undefined, remoteAddress: '127.0.0.1:5', remoteHost: '127.0.0.1', subject },
      identity: { nodeId: name as NodeId, boot: boot as Boot, port: 0 },
    });
  };
  const happenings = () => parent.take().map(({ happening }) => happening);
  return { actor, time, sessions, destroyed, connect, identify, happenings };
}

describe('reception', () => {
  it('a connection -> a session that is guarded, and exchanges what is shared', () => {
    const { connect } = setup();
    expect(connect().input).toMatchObject({
      ...{ direction: 'accepted', expected: undefined, scopes: ['shared'], identity: us },
      access: { kind: 'guarded', ca: 'pem' },
    });
  });

  it('a node that has shown its token -> is admitted, and told; when it goes, that is told too', async () => {
    const { connect, identify, happenings, actor } = setup();
    const session = connect();
    identify(session, 'a');
    expect(session.told).toEqual([{ type: 'session.admit' }]);
    expect(happenings()).toEqual([
      { type: 'peer.connected', nodeId: 'a', remoteAddress: '127.0.0.1:5', subject: 'site-1' },
    ]);
    await session.end();
    expect(happenings()).toEqual([{ type: 'peer.disconnected', nodeId: 'a', failure: lost, subject: 'site-1' }]);
    expect([actor.getSnapshot().context.sessions, actor.getSnapshot().children]).toEqual([{}, {}]);
  });

  it('a connection that comes to nothing -> nobody hears of it', async () => {
    const { connect, happenings, actor } = setup();
    await connect().end();
    expect(happenings()).toEqual([]);
    expect(actor.getSnapshot().context.sessions).toEqual({});
  });

  it('a node that dials again -> the later session stays, the earlier is told, and to others nothing has changed', async () => {
    const { connect, identify, happenings, actor } = setup();
    const [first, second] = [connect(), connect()];
    identify(first, 'a');
    happenings();
    identify(second, 'a', { boot: 'boot-later' });
    expect(second.told).toEqual([{ type: 'session.admit' }]);
    await first.end({ code: 'duplicateConnection', message: '' });
    expect(happenings()).toEqual([]);
    await second.end();
    expect(happenings()).toMatchObject([{ type: 'peer.disconnected', nodeId: 'a' }]);
    expect(actor.getSnapshot().context.sessions).toEqual({});
  });

  it('the earlier connection is verified after the later one -> is refused as the duplicate', () => {
    const { connect, identify } = setup();
    const [first, second] = [connect(), connect()];
    identify(second, 'a');
    identify(first, 'a');
    expect(first.told).toMatchObject([{ type: 'session.refuse', refusal: { code: 'duplicateConnection' } }]);
    expect(second.told).toEqual([{ type: 'session.admit' }]);
  });

  it('nodes of one NodeId from two sites -> are two nodes', () => {
    const { connect, identify, happenings } = setup();
    const [first, second] = [connect(), connect()];
    identify(first, 'a');
    identify(second, 'a', { subject: 'site-2' });
    expect([first.told, second.told]).toEqual([[{ type: 'session.admit' }], [{ type: 'session.admit' }]]);
    expect(happenings()).toHaveLength(2);
  });

  it.each([
    ['our own boot', { boot: us.boot }, 'selfConnection'],
    ['our own NodeId', { boot: 'other' }, 'duplicateNodeId'],
  ])('somebody with %s -> is refused', (_, identity, code) => {
    const { connect, identify, happenings } = setup();
    const session = connect();
    identify(session, us.nodeId, identity);
    expect(session.told).toMatchObject([{ type: 'session.refuse', refusal: { code } }]);
    expect(happenings()).toEqual([]);
  });

  it('a divergence -> is told; of a session that is over -> is not', () => {
    const { connect, identify, happenings, actor } = setup();
    const session = connect();
    identify(session, 'a');
    happenings();
    const authors = ['a/i/shared' as AuthorKey];
    actor.send({ type: 'session.diverged', sessionId: 'session-9', authors });
    actor.send({ type: 'session.diverged', sessionId: session.input.sessionId, authors });
    expect(happenings()).toEqual([{ type: 'peer.diverged', nodeId: 'a', authors }]);
  });

  it('a session that fails -> is told and reaped, and the others go on', async () => {
    const { connect, identify, happenings, actor } = setup();
    const [first, second] = [connect(), connect()];
    identify(first, 'a');
    happenings();
    await first.fail();
    expect(happenings()).toMatchObject([
      { type: 'failure', where: 'session-1', failure: { code: 'internal' } },
      { type: 'peer.disconnected', nodeId: 'a' },
    ]);
    identify(second, 'b');
    expect(second.told).toEqual([{ type: 'session.admit' }]);
    expect(Object.keys(actor.getSnapshot().context.sessions)).toEqual(['session-2']);
  });

  it('more connections than a listener hands over -> the last is dropped, and strangers keep no guests out', () => {
    const { connect, identify, destroyed, sessions } = setup();
    const { guestsMax, unauthenticatedMax } = limits;
    // Of thousands of sessions, each takes milliseconds to begin.
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

  it('told to leave -> ends when the last session has; drops and refuses what comes meanwhile', async () => {
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

  it('told to leave, and a session does not end -> ends within two seconds', () => {
    const { connect, time, actor } = setup();
    connect();
    actor.send({ type: 'reception.leave', refusal: { code: 'goodbye', message: 'The node is stopping.' } });
    time.advance(2_000);
    expect(actor.getSnapshot().status).toBe('done');
  });
});
