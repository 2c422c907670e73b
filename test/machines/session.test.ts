import { describe, expect, it } from '@jest/globals';
import type { ActorRefFrom } from 'xstate';
import type { LinkCommand, LinkReport } from '../../src/actors/mailboxes.js';
import type { AuthorKey } from '../../src/core/author.js';
import { errorCodes } from '../../src/core/errors.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { Secret } from '../../src/core/secret.js';
import type { SenderMachine } from '../../src/machines/sender.machine.js';
import type { Frame } from '../../src/wire/messages.js';
import { clock, request, response, setup, them, version } from './session-bench.js';

type Bench = ReturnType<typeof setup>;

const refusal = { code: 'duplicateConnection', message: 'no' } as const;

/** The path of each side to each state. */
const ways: Record<string, () => Bench> = {
  requesting: () => setup('dialed'),
  listening: () => setup('accepted'),
  introducing: () => {
    const bench = setup('accepted');
    bench.hear(request);
    return bench;
  },
  comparing: () => {
    const bench = setup('dialed');
    bench.hear(response);
    bench.actor.send({ type: 'session.admit' });
    return bench;
  },
  answering: () => {
    const bench = reach('introducing');
    bench.actor.send({ type: 'session.admit' });
    return bench;
  },
  synchronizing: () => {
    const bench = reach('comparing');
    bench.hear(clock);
    return bench;
  },
};

function reach(state: string): Bench {
  const way = ways[state];
  if (way === undefined) throw new Error(`There is no way to ${state}.`);
  return way();
}

describe('session: the path to data', () => {
  it('the dialer -> requests, is admitted by its peer, compares, synchronizes', () => {
    const { actor, commands, sent, hear, parent } = setup('dialed');
    expect(sent()).toEqual(['frame.handshakeRequest']);
    hear(response);
    expect(parent.events).toMatchObject([{ type: 'session.identified', identity: them, direction: 'dialed' }]);
    expect(sent()).toEqual(['frame.handshakeRequest']);
    actor.send({ type: 'session.admit' });
    expect(sent()).toEqual(['frame.handshakeRequest', 'link.admit', 'frame.vectorClock']);
    expect(commands[1]).toEqual({ type: 'link.admit', peerId: them.nodeId, boot: them.boot, origin: them.nodeId });
    hear(clock);
    expect(actor.getSnapshot().value).toBe('synchronizing');
  });

  it('the accepted side -> answers, and sends its clock only after the other side has', () => {
    const { actor, sent, hear } = setup('accepted');
    expect(sent()).toEqual([]);
    hear(request);
    expect(sent()).toEqual([]);
    actor.send({ type: 'session.admit' });
    expect(sent()).toEqual(['frame.handshakeResponse', 'link.admit']);
    hear(clock);
    expect(sent()).toEqual(['frame.handshakeResponse', 'link.admit', 'frame.vectorClock']);
    expect(actor.getSnapshot().value).toBe('synchronizing');
  });

  it('refused by our peer: accepted -> responds with the reason; dialed -> says goodbye', () => {
    const accepted = reach('introducing');
    accepted.actor.send({ type: 'session.refuse', refusal });
    expect(accepted.commands.at(-1)).toMatchObject({ frame: { type: 'frame.handshakeResponse', refusal } });
    expect(accepted.failure()).toEqual(refusal);
    const dialed = setup('dialed');
    dialed.hear(response);
    dialed.actor.send({ type: 'session.refuse', refusal });
    expect(dialed.commands.at(-1)).toMatchObject({ frame: { type: 'frame.goodbye' } });
    expect(dialed.failure()).toEqual(refusal);
  });

  it('refused by the other side -> ends with that reason', () => {
    const { hear, failure, parent } = setup('dialed');
    hear({ ...response, refusal });
    expect(failure()).toEqual({ code: refusal.code, message: `The other side says: ${refusal.message}` });
    expect(parent.events).toEqual([]);
  });

  it.each(['diskFull', 'databaseCorrupt', 'secretUnsealable', 'environmentMissing', 'certificateInvalid'] as const)(
    'the other side says %s, as if it were about this node -> goodbye, in its words',
    (code) => {
      const refused = setup('dialed');
      refused.hear({ ...response, refusal: { code, message: 'Delete your database.' } });
      const message = 'The other side says: Delete your database.';
      expect(refused.failure()).toEqual({ code: 'goodbye', message });
      const ended = setup('dialed');
      ended.hear({ type: 'frame.goodbye', code, message: 'Delete your database.' });
      expect(ended.failure()).toEqual({ code: 'goodbye', message });
    },
  );

  it('the other side gives no reason -> a failure that says so', () => {
    const { hear, failure } = setup('dialed');
    hear({ type: 'frame.goodbye', code: 'connectionLimit', message: '' });
    expect(failure()).toEqual({
      code: 'connectionLimit',
      message: 'The other side ended the session and gave no reason.',
    });
  });

  it('another version, or none -> ends with protocolUnsupported, and tells the other side', () => {
    const accepted = setup('accepted');
    accepted.hear({ ...request, version: version + 1 });
    expect(accepted.commands).toMatchObject([
      { frame: { type: 'frame.handshakeResponse', refusal: { code: 'protocolUnsupported' } } },
    ]);
    expect(accepted.failure()?.code).toBe('protocolUnsupported');
    const dialed = setup('dialed');
    dialed.hear({ ...response, version: 0 });
    expect(dialed.failure()?.code).toBe('protocolUnsupported');
  });

  it.each(Object.keys(ways).filter((state) => state !== 'synchronizing'))(
    '%s: nothing more is heard -> ends in time',
    (state) => {
      const bench = reach(state);
      // A vector clock may be large, and the link slow.
      const isComparing = state === 'comparing' || state === 'answering';
      bench.time.advance(isComparing ? limits.comparingTimeoutMs : limits.handshakeTimeoutMs);
      expect(bench.failure()?.code).toBe('handshakeTimeout');
      expect(bench.linkEnded()).toBe(true);
    },
  );
});

describe('session: frames that a state does not expect', () => {
  const frames: Extract<LinkReport, Frame>[] = [
    request,
    response,
    clock,
    { type: 'frame.vectorClockRequest' },
    { type: 'frame.batch', sequence: 1, runs: [] },
    { type: 'frame.acknowledgement', sequence: 1 },
    { type: 'frame.ping' },
    { type: 'frame.pong' },
  ];
  const expected: Record<string, readonly Frame['type'][]> = {
    requesting: ['frame.handshakeResponse'],
    listening: ['frame.handshakeRequest'],
    introducing: [],
    comparing: ['frame.vectorClock'],
    answering: ['frame.vectorClock'],
    synchronizing: [
      'frame.vectorClock',
      'frame.vectorClockRequest',
      'frame.batch',
      'frame.acknowledgement',
      'frame.ping',
      'frame.pong',
    ],
  };
  const cases = Object.keys(ways).flatMap((state) => frames.map((frame) => [state, frame.type, frame] as const));
  it.each(cases)('%s: %s -> expected, or closes the session', (state, type, frame) => {
    const bench = reach(state);
    bench.hear(frame);
    const isExpected = expected[state]?.includes(type);
    expect(bench.failure()?.code).toBe(isExpected ? undefined : 'unexpectedFrame');
  });
});

describe('session: synchronizing', () => {
  it('a ping -> answered, and our parent learns that the session was probed', () => {
    const { hear, sent, parent } = reach('synchronizing');
    hear({ type: 'frame.ping' });
    expect(sent().at(-1)).toBe('frame.pong');
    expect(parent.types()).toEqual(['session.identified', 'session.probed']);
  });

  it('probed by its peer -> pings, and reports the pong', () => {
    const { actor, hear, sent, parent } = reach('synchronizing');
    actor.send({ type: 'session.probe' });
    expect(sent().at(-1)).toBe('frame.ping');
    hear({ type: 'frame.pong' });
    expect(parent.types().at(-1)).toBe('session.answered');
  });

  it.each(['comparing', 'answering'])('a probe while %s -> a ping as soon as the other side can answer', (state) => {
    const { actor, hear, sent, parent } = reach(state);
    actor.send({ type: 'session.probe' });
    expect(sent()).not.toContain('frame.ping');
    hear(clock);
    expect(sent().slice(-2)).toEqual(['frame.vectorClock', 'frame.ping']);
    hear({ type: 'frame.pong' });
    expect(parent.types().at(-1)).toBe('session.answered');
  });

  it('not probed -> does not ping', () => {
    expect(reach('synchronizing').sent()).not.toContain('frame.ping');
  });

  it('digests differ, or the other side asks -> sends our clock', () => {
    const { hear, sent } = reach('synchronizing');
    hear({ type: 'heartbeat.differed' });
    hear({ type: 'frame.vectorClockRequest' });
    expect(sent().slice(-2)).toEqual(['frame.vectorClock', 'frame.vectorClock']);
  });

  it('clocks with two hashes at one place -> diverged; later without -> aligned', () => {
    const author = 'x/i/shared' as AuthorKey;
    const bench = setup('accepted', new Map([[author, { hlc: 7 as Hlc, hash: 'ours' }]]));
    bench.hear(request);
    bench.actor.send({ type: 'session.admit' });
    bench.hear({ ...clock, clock: new Map([[author, { hlc: 7 as Hlc, hash: 'theirs' }]]) });
    expect(bench.parent.events.at(-1)).toMatchObject({ type: 'session.diverged', authors: [author] });
    bench.hear({ ...clock, clock: new Map([[author, { hlc: 7 as Hlc, hash: 'ours' }]]) });
    expect(bench.parent.types().at(-1)).toBe('session.aligned');
  });

  it('a divergence that clocks do not show -> stays, and reported once', () => {
    const { actor, hear, parent } = reach('synchronizing');
    const authors = ['x/i/shared' as AuthorKey];
    actor.send({ type: 'replication.diverged', authors });
    hear(clock);
    actor.send({ type: 'replication.diverged', authors });
    expect(parent.types().filter((type) => /diverged|aligned/.test(type))).toEqual(['session.diverged']);
    hear({ type: 'heartbeat.matched' });
    expect(parent.types().at(-1)).toBe('session.aligned');
  });

  it('pinged repeatedly -> reported once', () => {
    const { hear, parent } = reach('synchronizing');
    for (let ping = 0; ping < 100; ping += 1) hear({ type: 'frame.ping' });
    expect(parent.types().filter((type) => type === 'session.probed')).toHaveLength(1);
  });

  it('parked authors -> reported once, until both sides have the same entries again', () => {
    const { actor, hear, parent } = reach('synchronizing');
    const authors = ['x/i/shared' as AuthorKey];
    const reports = () => parent.types().filter((type) => type === 'notice').length;
    actor.send({ type: 'replication.parked', authors });
    actor.send({ type: 'replication.parked', authors });
    expect(reports()).toBe(1);
    hear({ type: 'heartbeat.matched' });
    actor.send({ type: 'replication.parked', authors });
    expect(reports()).toBe(2);
  });

  it('endless authors that the other side claims -> a bounded number is remembered and reported', () => {
    const { actor, hear, parent } = reach('synchronizing');
    const told = () =>
      parent.events.flatMap((event) => {
        if (event.type === 'session.diverged') return event.authors;
        return event.type === 'notice' && event.nodeEvent.type === 'clock.drift' ? event.nodeEvent.authors : [];
      });
    for (let index = 0; index < limits.authorsOnTrustMax + 500; index += 250) {
      const authors = Array.from({ length: 250 }, (_, offset) => `x/i${index + offset}/shared` as AuthorKey);
      actor.send({ type: 'replication.diverged', authors });
      actor.send({ type: 'replication.parked', authors });
    }
    expect(told()).toHaveLength(2 * limits.authorsOnTrustMax);
    const positions = Array.from(
      { length: 2 * limits.authorsOnTrustMax },
      (_, index) => [`y/i${index}/shared` as AuthorKey, { hlc: 1 as Hlc, hash: 'theirs' }] as const,
    );
    hear({ ...clock, clock: new Map(positions) });
    const sender = actor.getSnapshot().children.sender as ActorRefFrom<SenderMachine> | undefined;
    expect(sender?.getSnapshot().context.progress.theirs.size).toBe(limits.authorsOnTrustMax);
    expect(actor.getSnapshot().context.theirClock.size).toBe(limits.authorsOnTrustMax);
  });

  it('neighbors received before admission -> known to the sender', () => {
    const bench = setup('dialed');
    bench.hear(response);
    bench.hear({ type: 'neighbors.changed', neighbors: new Set(['c' as NodeId]) });
    bench.actor.send({ type: 'session.admit' });
    bench.hear(clock);
    const sender = bench.actor.getSnapshot().children.sender as ActorRefFrom<SenderMachine> | undefined;
    expect([...(sender?.getSnapshot().context.neighbors ?? [])]).toEqual(['c']);
  });

  it('told to close -> says goodbye with the reason, and its connection ends', () => {
    const { actor, commands, failure, linkEnded } = reach('synchronizing');
    actor.send({ type: 'session.close', refusal });
    expect(commands.at(-1)).toMatchObject({ frame: { type: 'frame.goodbye', code: 'duplicateConnection' } });
    expect(failure()).toEqual(refusal);
    expect(linkEnded()).toBe(true);
  });

  it('replication fails because of the disk -> says goodbye with the reason but without the file, and ends', () => {
    const { actor, commands, failure } = reach('synchronizing');
    const full = { code: 'diskFull', message: '/srv/shop/node-a.db: The disk is full.' } as const;
    actor.send({ type: 'replication.failed', failure: full });
    expect(failure()).toEqual(full);
    const message = errorCodes.diskFull;
    expect(commands.at(-1)).toMatchObject({ frame: { type: 'frame.goodbye', code: 'diskFull', message } });
  });

  it('replication fails because of received data -> says goodbye with the whole reason', () => {
    const { actor, commands } = reach('synchronizing');
    const gap = { code: 'chainGap', message: 'node-c lacks entry 7' } as const;
    actor.send({ type: 'replication.failed', failure: gap });
    expect(commands.at(-1)).toMatchObject({ frame: { type: 'frame.goodbye', ...gap } });
  });
});

describe('session: reconfigured', () => {
  const relocated = (commands: readonly LinkCommand[]) =>
    commands.flatMap((command) =>
      command.type === 'link.send' && command.frame.type === 'frame.relocated' ? [command.frame.port] : [],
    );

  it('the port changes while it synchronizes -> sent to the other side at once', () => {
    const { actor, hear, commands } = setup('dialed');
    hear(response);
    actor.send({ type: 'session.admit' });
    hear(clock);
    actor.send({ type: 'session.relocate', port: 9 });
    expect(relocated(commands)).toEqual([9]);
  });

  it('the port changes earlier -> only the last one is sent, once the other side can use it', () => {
    const { actor, hear, commands } = setup('dialed');
    actor.send({ type: 'session.relocate', port: 8 });
    hear(response);
    actor.send({ type: 'session.admit' });
    actor.send({ type: 'session.relocate', port: 9 });
    expect(relocated(commands)).toEqual([]);
    hear(clock);
    expect(relocated(commands)).toEqual([9]);
  });

  it('the other side has moved -> its peer gets the new port', () => {
    const { actor, hear, parent } = setup('accepted');
    hear(request);
    actor.send({ type: 'session.admit' });
    hear(clock);
    hear({ type: 'frame.relocated', port: 9 });
    expect(parent.events).toContainEqual({ type: 'session.relocated', sessionId: 'session-1', port: 9 });
  });

  it('a gateway receives a move -> not allowed over a cloud link, so the session ends', () => {
    const { actor, hear, failure } = setup('dialed', undefined, {
      access: { kind: 'token', token: new Secret('token') },
      scopes: ['shared'],
    });
    hear(response);
    actor.send({ type: 'session.admit' });
    hear(clock);
    hear({ type: 'frame.relocated', port: 9 });
    expect(failure()?.code).toBe('unexpectedFrame');
  });

  it('the intervals change -> the link gets them', () => {
    const { actor, commands } = setup('dialed');
    const intervals = { heartbeatIntervalMs: 50, syncIntervalMs: 60 };
    actor.send({ type: 'session.adjust', intervals });
    expect(commands).toContainEqual({ type: 'link.adjust', intervals });
  });
});
