/** Sessions over a cloud link: their tokens, and the entries that must not leave the cluster. */
import { describe, expect, it } from '@jest/globals';
import type { ActorRefFrom } from 'xstate';
import type { LinkCommand } from '../../src/actors/mailboxes.js';
import type { Configuration } from '../../src/configuration/schema.js';
import type { Author, AuthorKey, Incarnation } from '../../src/core/author.js';
import { chainStart, type Run } from '../../src/core/entry.js';
import { StatemeshError } from '../../src/core/errors.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { Secret } from '../../src/core/secret.js';
import type { ReceiverMachine } from '../../src/machines/receiver.machine.js';
import type { SenderMachine } from '../../src/machines/sender.machine.js';
import { settled } from './bench.js';
import { clock, request, response, setup, them, version } from './session-bench.js';

const token = new Secret('first');
const shared = 'a/i/shared' as AuthorKey;
const cluster = 'a/i/cluster' as AuthorKey;
const position = { hlc: 7 as Hlc, hash: 'ours' };
const ours = new Map([
  [shared, position],
  [cluster, position],
]);
const grant = { subject: 'site-1', expiresAtMs: 0, lifetimeMs: 60_000 };
const refusal = { code: 'duplicateConnection', message: 'no' } as const;

const gateway = () => setup('dialed', ours, { access: { kind: 'token', token }, scopes: ['shared'] });
const cloudNode = () =>
  setup('accepted', ours, {
    access: { kind: 'guarded', configuration: {} as Configuration, ca: undefined },
    scopes: ['shared'],
  });

async function verified() {
  const bench = cloudNode();
  bench.hear({ ...request, token });
  bench.verifying[0]?.answer(grant);
  await settled();
  return bench;
}

async function synchronizing() {
  const bench = await verified();
  bench.actor.send({ type: 'session.admit' });
  bench.hear(clock);
  return bench;
}

/** The frames that a session has sent, with tokens revealed: matchers cannot tell two secrets apart. */
function frames(commands: readonly LinkCommand[]) {
  return commands.flatMap((command) => {
    if (command.type !== 'link.send') return [];
    const { frame } = command;
    return ['token' in frame ? { ...frame, token: frame.token?.reveal() } : frame];
  });
}

function batchOf(scope: Author['scope']): Run {
  return {
    author: { nodeId: 'x' as NodeId, incarnation: 'i' as Incarnation, scope },
    after: chainStart,
    entries: [],
  };
}

describe('session: a cloud node', () => {
  it('no token -> tokenRefused, and other actors learn only of a refusal', () => {
    const { hear, commands, parent, failure, verifying } = cloudNode();
    hear(request);
    expect(frames(commands)).toMatchObject([{ type: 'frame.handshakeResponse', refusal: { code: 'tokenRefused' } }]);
    expect(failure()?.code).toBe('tokenRefused');
    expect(parent.events).toMatchObject([{ type: 'notice', nodeEvent: { type: 'guest.refused', failure: failure() } }]);
    expect(verifying).toEqual([]);
  });

  it('a token -> nothing is sent before it is verified, then the parent gets its subject', async () => {
    const { hear, sent, parent, verifying } = cloudNode();
    hear({ ...request, token });
    expect(verifying.map((each) => each.token)).toEqual(['first']);
    expect([sent(), parent.events]).toEqual([[], []]);
    verifying[0]?.answer(grant);
    await settled();
    expect(parent.events).toMatchObject([{ type: 'session.identified', identity: them, subject: 'site-1' }]);
    expect(sent()).toEqual([]);
  });

  it('another version -> refused, and its token is not read', () => {
    const { hear, failure, verifying } = cloudNode();
    hear({ ...request, version: version + 1, token });
    expect(failure()?.code).toBe('protocolUnsupported');
    expect(verifying).toEqual([]);
  });

  it.each([
    [new StatemeshError('tokenRefused', 'It has expired.'), 'tokenRefused', 'It has expired.'],
    [new StatemeshError('authorityUnavailable', 'No route to 10.0.0.9'), 'authorityUnavailable', 'cannot verify'],
    [new StatemeshError('authorityInvalid', 'at 10.0.0.9'), 'authorityUnavailable', 'cannot verify'],
    [new Error('a bug at line 7'), 'authorityUnavailable', 'cannot verify'],
  ])('%s -> refused as %s, without the troubles of our authority', async (error, code, text) => {
    const { hear, commands, verifying, parent, failure } = cloudNode();
    hear({ ...request, token });
    verifying[0]?.fail(error);
    await settled();
    expect(frames(commands)).toMatchObject([
      { type: 'frame.handshakeResponse', refusal: { code, message: expect.stringContaining(text) } },
    ]);
    expect(failure()?.message).toBe(error.message);
    expect(parent.events).toMatchObject([{ type: 'notice', nodeEvent: { type: 'guest.refused', failure: failure() } }]);
  });

  it('the authority does not answer -> refused before the handshake times out', () => {
    const { hear, time, commands } = cloudNode();
    hear({ ...request, token });
    time.advance(limits.tokenVerificationTimeoutMs);
    expect(frames(commands)).toMatchObject([{ refusal: { code: 'authorityUnavailable' } }]);
  });

  it('any frame while the token is being verified -> closes the session', () => {
    const { hear, failure } = cloudNode();
    hear({ ...request, token });
    hear(clock);
    expect(failure()?.code).toBe('unexpectedFrame');
  });

  it('the token expires: before admission, while comparing, while synchronizing -> tokenExpired, sent to the other side', async () => {
    const introducing = await verified();
    const comparing = await verified();
    comparing.actor.send({ type: 'session.admit' });
    const open = await synchronizing();
    introducing.time.advance(grant.lifetimeMs);
    // Its own timeout would have refused it, too: the token's comes sooner here.
    expect(['tokenExpired', 'handshakeTimeout']).toContain(introducing.failure()?.code);
    comparing.time.advance(grant.lifetimeMs);
    expect(['tokenExpired', 'handshakeTimeout']).toContain(comparing.failure()?.code);
    open.time.advance(grant.lifetimeMs);
    expect(frames(open.commands).at(-1)).toMatchObject({ type: 'frame.goodbye', code: 'tokenExpired' });
    expect(open.failure()?.code).toBe('tokenExpired');
    expect(open.linkEnded()).toBe(true);
  });

  it('renewed -> continues; renewed for another subject -> goodbye, tokenRefused', async () => {
    const { hear, time, verifying, failure, commands } = await synchronizing();
    time.advance(grant.lifetimeMs - 1);
    hear({ type: 'frame.tokenRenewal', token: new Secret('second') });
    expect(verifying.at(-1)?.token).toBe('second');
    verifying.at(-1)?.answer(grant);
    await settled();
    time.advance(grant.lifetimeMs - 1);
    expect(failure()).toBeUndefined();
    hear({ type: 'frame.tokenRenewal', token: new Secret('third') });
    verifying.at(-1)?.answer({ ...grant, subject: 'site-2' });
    await settled();
    expect(frames(commands).at(-1)).toMatchObject({ type: 'frame.goodbye', code: 'tokenRefused' });
    expect(failure()?.code).toBe('tokenRefused');
  });

  it('a renewal before the clocks have come -> verified', async () => {
    const { actor, hear, failure } = await verified();
    actor.send({ type: 'session.admit' });
    hear({ type: 'frame.tokenRenewal', token: new Secret('second') });
    expect(failure()).toBeUndefined();
  });

  it('endless renewals -> closes the session', async () => {
    const { hear, failure } = await synchronizing();
    hear({ type: 'frame.tokenRenewal', token });
    hear({ type: 'frame.tokenRenewal', token });
    expect(failure()?.code).toBe('unexpectedFrame');
  });

  it('two nodes of one NodeId, from two sites -> two origins, and neither counts as an author', async () => {
    const { actor } = await synchronizing();
    const sender = (actor.getSnapshot().children.sender as ActorRefFrom<SenderMachine>).getSnapshot().context;
    const receiver = (actor.getSnapshot().children.receiver as ActorRefFrom<ReceiverMachine>).getSnapshot().context;
    expect([sender.origin, receiver.origin, sender.peerId]).toEqual(['site-1/b', 'site-1/b', undefined]);
  });
});

describe('session: a gateway', () => {
  it('its token -> sent in the handshake; cluster sessions have none, and refuse renewals', () => {
    expect(frames(gateway().commands)).toMatchObject([{ type: 'frame.handshakeRequest', token: 'first' }]);
    const member = setup('dialed');
    expect(frames(member.commands)).toMatchObject([{ token: undefined }]);
    member.hear(response);
    member.actor.send({ type: 'session.admit' });
    member.hear({ type: 'frame.tokenRenewal', token });
    expect(member.failure()?.code).toBe('unexpectedFrame');
  });

  it('renewed during a session -> sent at once', () => {
    const { actor, hear, commands } = gateway();
    hear(response);
    actor.send({ type: 'session.admit' });
    actor.send({ type: 'session.renew', token: new Secret('second') });
    const renewals = () => frames(commands).filter(({ type }) => type === 'frame.tokenRenewal');
    // A clock of many authors can take minutes over a slow link.
    expect(renewals()).toMatchObject([{ token: 'second' }]);
    hear(clock);
    actor.send({ type: 'session.renew', token: new Secret('third') });
    expect(renewals()).toMatchObject([{ token: 'second' }, { token: 'third' }]);
  });

  it('renewed during the handshake -> sent once, as soon as the other side can take it', () => {
    const { actor, hear, commands, sent } = gateway();
    actor.send({ type: 'session.renew', token: new Secret('second') });
    hear(response);
    actor.send({ type: 'session.renew', token: new Secret('third') });
    expect(sent()).toEqual(['frame.handshakeRequest']);
    actor.send({ type: 'session.admit' });
    const renewals = () => frames(commands).filter(({ type }) => type === 'frame.tokenRenewal');
    expect(renewals()).toMatchObject([{ token: 'third' }]);
    hear(clock);
    expect(renewals()).toHaveLength(1);
  });

  it('a member or a cloud node gets a new token -> no effect', () => {
    const { actor, sent } = setup('dialed');
    actor.send({ type: 'session.renew', token });
    expect(sent()).toEqual(['frame.handshakeRequest']);
  });

  it('secrets -> appear neither in the context nor in sent frames', () => {
    const { actor, commands } = gateway();
    expect(JSON.stringify([actor.getSnapshot().context.access, commands])).not.toContain('first');
  });
});

describe('session: over a cloud link, entries of the cluster', () => {
  const open = () => {
    const bench = gateway();
    bench.hear(response);
    bench.actor.send({ type: 'session.admit' });
    bench.hear(clock);
    return bench;
  };

  it('clocks: each one sent -> names shared authors only', () => {
    const { hear, commands } = open();
    hear({ type: 'frame.vectorClockRequest' });
    hear({ type: 'heartbeat.differed' });
    const clocks = frames(commands).flatMap((frame) =>
      frame.type === 'frame.vectorClock' ? [new Map(frame.clock)] : [],
    );
    expect(clocks.map((each) => [...each.keys()])).toEqual([[shared], [shared], [shared]]);
  });

  it('clocks: cluster authors in a received one -> ignored', () => {
    const { hear, parent, actor } = open();
    const forked = { hlc: position.hlc, hash: 'theirs' };
    hear({ ...clock, clock: new Map([[cluster, forked]]) });
    expect(parent.types()).not.toContain('session.diverged');
    const sender = (actor.getSnapshot().children.sender as ActorRefFrom<SenderMachine>).getSnapshot().context;
    expect([...sender.progress.theirs.keys()]).toEqual([]);
    hear({ ...clock, clock: new Map([[shared, forked]]) });
    expect(parent.types()).toContain('session.diverged');
  });

  it('a batch with a run of the cluster -> goodbye, unexpectedFrame; in the cluster -> accepted', () => {
    const { hear, commands, failure } = open();
    hear({ type: 'frame.batch', sequence: 1, runs: [batchOf('shared')] });
    expect(failure()).toBeUndefined();
    hear({ type: 'frame.batch', sequence: 2, runs: [batchOf('shared'), batchOf('cluster')] });
    expect(failure()?.code).toBe('unexpectedFrame');
    expect(frames(commands).at(-1)).toMatchObject({ type: 'frame.goodbye', code: 'unexpectedFrame' });
    const member = setup('dialed');
    member.hear(response);
    member.actor.send({ type: 'session.admit' });
    member.hear(clock);
    member.hear({ type: 'frame.batch', sequence: 1, runs: [batchOf('cluster')] });
    expect(member.failure()).toBeUndefined();
  });

  it('neighbors: any that the other side claims -> nothing is held back', () => {
    const { hear, actor } = open();
    hear({ type: 'neighbors.changed', neighbors: new Set(['a' as NodeId]) });
    const sender = (actor.getSnapshot().children.sender as ActorRefFrom<SenderMachine>).getSnapshot().context;
    expect(sender.neighbors.size).toBe(0);
  });
});

describe('session: both sides have the same entries', () => {
  it('matched while synchronizing -> reported each time', () => {
    const { hear, parent, actor } = gateway();
    hear(response);
    actor.send({ type: 'session.admit' });
    hear(clock);
    hear({ type: 'heartbeat.matched' });
    hear({ type: 'heartbeat.matched' });
    expect(parent.types().filter((type) => type === 'session.matched')).toHaveLength(2);
  });

  it('matched before the clocks were exchanged -> reported with them; differed since -> not reported', () => {
    for (const [last, count] of [
      ['heartbeat.matched', 1],
      ['heartbeat.differed', 0],
    ] as const) {
      const { hear, parent, actor } = gateway();
      hear(response);
      hear({ type: 'heartbeat.matched' });
      actor.send({ type: 'session.admit' });
      hear({ type: last });
      expect(parent.types()).not.toContain('session.matched');
      hear(clock);
      expect(parent.types().filter((type) => type === 'session.matched')).toHaveLength(count);
    }
  });

  it('refused by its parent -> the other side gets the reason', async () => {
    const { actor, commands } = await verified();
    actor.send({ type: 'session.refuse', refusal });
    expect(frames(commands)).toMatchObject([{ type: 'frame.handshakeResponse', refusal }]);
  });
});
