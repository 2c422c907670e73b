import { describe, expect, it } from '@jest/globals';
import { createActor, fromPromise } from 'xstate';
import type { GatewayReport, SessionCommand, SessionOutput } from '../../src/actors/mailboxes.js';
import type { AccessToken, DialCloudInput, RequestTokenInput } from '../../src/actors/slots.js';
import type { Configuration } from '../../src/configuration/schema.js';
import { StatemeshError } from '../../src/core/errors.js';
import type { Boot, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { Secret } from '../../src/core/secret.js';
import { gatewayMachine } from '../../src/machines/gateway.machine.js';
import type { SessionInput } from '../../src/machines/session.machine.js';
import type { Connection } from '../../src/ports/ports.js';
import type { Store } from '../../src/ports/store.js';
import { manualTime, recorder, settled } from './bench.js';
import { cloudPeer } from './walk/gateway.js';
import { adjusted, configured } from './walk/samples.js';

const us = { nodeId: 'b' as NodeId, boot: 'boot-b' as Boot, port: 1 };
const lost = { code: 'connectionLost', message: 'gone' } as const;
const lifetimeMs = 100_000;

/** A gateway whose authority, network and cloud node the test plays. */
function setup({ peer = cloudPeer, random = (): number => 0 } = {}) {
  const time = manualTime();
  const parent = recorder<GatewayReport>();
  let refusal: StatemeshError | undefined;
  const requested: string[] = [];
  const dialed: string[] = [];
  const sessions: { input: SessionInput; told: readonly SessionCommand[]; end(failure?: object): Promise<void> }[] = [];
  const machine = gatewayMachine.provide({
    actors: {
      requestToken: fromPromise<AccessToken, RequestTokenInput>(async () => {
        requested.push(`token-${requested.length + 1}`);
        if (refusal !== undefined) throw refusal;
        return { token: new Secret(requested.at(-1) as string), lifetimeMs, expiresAtMs: time.now() + lifetimeMs };
      }),
      dialCloud: fromPromise<Connection, DialCloudInput>(async ({ input }) => {
        dialed.push(input.address);
        return {} as Connection;
      }),
      session: fromPromise<SessionOutput, SessionInput>(
        ({ input }) =>
          new Promise((resolve) => {
            const end = (failure: object = lost) => {
              resolve({ ...input, peerId: undefined, failure: failure as typeof lost });
              return settled();
            };
            sessions.push({ input, told: [], end });
          }),
      ) as never,
    },
  });
  const actor = createActor(machine, {
    clock: {
      setTimeout: (f: () => void, ms: number) => time.after(ms, f),
      clearTimeout: (t: never) => (t as { cancel(): void } | undefined)?.cancel(),
    },
    input: {
      peer,
      parent: parent.mailbox,
      identity: us,
      store: {} as Store,
      configuration: {} as Configuration,
      keys: undefined,
      ca: undefined,
      random,
      now: time.now,
    },
  }).start();
  const identify = (nodeId = peer.nodeId) => {
    const session = sessions.at(-1) as (typeof sessions)[number];
    const mailbox = recorder<SessionCommand>();
    session.told = mailbox.events;
    actor.send({
      type: 'session.identified',
      sessionId: session.input.sessionId,
      session: mailbox.mailbox,
      direction: 'dialed',
      expected: peer.nodeId,
      remoteAddress: '',
      remoteHost: '',
      subject: undefined,
      identity: { nodeId, boot: 'boot-cloud' as Boot, port: 0 },
    });
    return session;
  };
  /** The gateway of the leader, until it is online. */
  const goOnline = async () => {
    actor.send({ type: 'gateway.open' });
    await settled();
    return identify();
  };
  const state = () => {
    const { value } = actor.getSnapshot();
    return typeof value === 'string' ? value : Object.keys(value)[0];
  };
  const told = () =>
    parent
      .take()
      .map((report) =>
        report.type === 'notice' ? report.nodeEvent.type : 'condition' in report ? report.condition : report.type,
      );
  return {
    actor,
    time,
    sessions,
    requested,
    dialed,
    identify,
    goOnline,
    state,
    told,
    refuseTokens: (code: StatemeshError['code'] | undefined, retryAfterMs?: number) => {
      refusal = code && new StatemeshError(code, 'no', { retryAfterMs });
    },
    advance: async (ms: number) => {
      time.advance(ms);
      await settled();
    },
    context: () => actor.getSnapshot().context,
  };
}

describe('gateway', () => {
  it('the node does not lead -> no requests', async () => {
    const { advance, state, requested, told } = setup();
    await advance(600_000);
    expect([state(), requested, told()]).toEqual(['idle', [], ['idle']]);
  });

  it('the node leads -> token, connection, session with the token for shared entries; then online', async () => {
    const { goOnline, state, told, dialed } = setup();
    const session = await goOnline();
    expect(state()).toBe('online');
    expect(session.told).toEqual([{ type: 'session.admit' }]);
    expect(session.input).toMatchObject({ scopes: ['shared'], direction: 'dialed', access: { kind: 'token' } });
    expect((session.input.access as { token: Secret }).token.reveal()).toBe('token-1');
    expect(dialed).toEqual([cloudPeer.address]);
    expect(told()).toEqual(['idle', 'trying', 'gateway.connected', 'online']);
  });

  it('leadership is lost, in any state -> goodbye, and idle', async () => {
    const { goOnline, actor, state, told } = setup();
    const session = await goOnline();
    told();
    actor.send({ type: 'gateway.idle' });
    expect(state()).toBe('idle');
    expect(told()).toEqual(['gateway.disconnected', 'idle']);
    expect(Object.keys(actor.getSnapshot().children)).toEqual([]);
    actor.send({ type: 'gateway.open' });
    actor.send({ type: 'gateway.idle' });
    await settled();
    expect([state(), session.told.map(({ type }) => type)]).toEqual(['idle', ['session.admit', 'session.close']]);
  });

  it('four fifths of the lifetime have passed -> a fresh token for the session', async () => {
    const { goOnline, advance, requested, state } = setup();
    const session = await goOnline();
    await advance(lifetimeMs * limits.tokenRefreshShare - 1);
    expect(requested).toHaveLength(1);
    await advance(2);
    expect(requested).toHaveLength(2);
    expect(session.input.sessionId).toBe('session-1');
    expect(state()).toBe('online');
  });

  it('many gateways with tokens of one age -> some refresh earlier, by a tenth of the lifetime at most', async () => {
    const { goOnline, advance, requested } = setup({ random: () => 1 });
    await goOnline();
    const earliestMs = lifetimeMs * (limits.tokenRefreshShare - limits.tokenRefreshJitter);
    await advance(Math.floor(earliestMs) - 1);
    expect(requested).toHaveLength(1);
    await advance(2);
    expect(requested).toHaveLength(2);
  });

  it('the authority is away when the token has to be renewed -> retried while the session continues', async () => {
    const { goOnline, advance, requested, state, refuseTokens, context } = setup();
    await goOnline();
    refuseTokens('authorityUnavailable');
    await advance(lifetimeMs * limits.tokenRefreshShare);
    expect([state(), context().lastFailure?.code]).toEqual(['online', 'authorityUnavailable']);
    refuseTokens(undefined);
    await advance(limits.backoffFirstMs);
    expect([state(), requested.length, context().refreshAttempt]).toEqual(['online', 3, 0]);
  });

  it('the authority asks for a pause of a minute -> kept, even if the backoff is shorter', async () => {
    const { actor, advance, requested, refuseTokens, state } = setup();
    refuseTokens('authorityUnavailable', 60_000);
    actor.send({ type: 'gateway.open' });
    await settled();
    expect([state(), requested.length]).toEqual(['backingOff', 1]);
    await advance(59_999);
    expect(requested).toHaveLength(1);
    await advance(1);
    expect(requested).toHaveLength(2);
    refuseTokens('authorityUnavailable');
    await advance(60_000);
    expect(requested).toHaveLength(3);
    await advance(limits.backoffFirstMs * 8);
    expect(requested).toHaveLength(4);
  });

  it('the authority asks for a pause while the token has to be renewed -> kept, and the session continues', async () => {
    const { goOnline, advance, requested, state, refuseTokens } = setup();
    await goOnline();
    refuseTokens('authorityUnavailable', 30_000);
    await advance(lifetimeMs * limits.tokenRefreshShare);
    await advance(29_999);
    expect([state(), requested.length]).toEqual(['online', 2]);
    await advance(1);
    expect(requested).toHaveLength(3);
  });

  it('the cloud node is down for ten minutes -> one token, renewed when it is due, and backoff between the dials', async () => {
    const { actor, advance, requested, sessions, state } = setup();
    actor.send({ type: 'gateway.open' });
    await settled();
    for (let elapsedMs = 0; elapsedMs < 600_000; elapsedMs += 1_000) {
      if (actor.getSnapshot().matches({ connecting: 'introducing' })) await sessions.at(-1)?.end();
      await advance(1_000);
    }
    expect(state()).not.toBe('online');
    expect(requested.length).toBeLessThanOrEqual(Math.ceil(600_000 / (lifetimeMs * limits.tokenRefreshShare)) + 1);
    expect(sessions.length).toBeLessThan((2 * 600_000) / limits.gatewayBackoffMaxMs + 30);
  });

  it('the cloud node refuses the token -> another one, once; then rejected, reported once, and retried rarely', async () => {
    const { actor, sessions, requested, state, told, advance } = setup();
    const refuse = () => sessions.at(-1)?.end({ code: 'tokenRefused', message: 'no' });
    actor.send({ type: 'gateway.open' });
    await settled();
    await refuse();
    expect([state(), requested]).toEqual(['connecting', ['token-1', 'token-2']]);
    await refuse();
    expect(state()).toBe('rejected');
    expect(told()).toEqual(['idle', 'trying', 'rejected', 'gateway.rejected']);
    await advance(limits.refusedBackoffFirstMs * 2);
    expect(requested).toHaveLength(3);
    await refuse();
    expect([state(), told()]).toEqual(['rejected', ['trying', 'rejected']]);
  });

  /** For a minute, sessions that are of use and end at once. */
  const flap = async ({ identify, advance, sessions, state, actor }: ReturnType<typeof setup>, failure: object) => {
    actor.send({ type: 'gateway.open' });
    await settled();
    for (let elapsedMs = 0; elapsedMs < 60_000; elapsedMs += 10) {
      if (state() === 'connecting') {
        const { input, end } = identify();
        actor.send({ type: 'session.advanced', sessionId: input.sessionId });
        await end(failure);
      }
      await advance(10);
    }
    return sessions.length;
  };

  it('each session exchanges data and breaks at once -> the waits grow nevertheless', async () => {
    const gateway = setup();
    expect(await flap(gateway, lost)).toBeLessThan(15);
    expect(gateway.requested).toHaveLength(1);
  });

  it('each session exchanges data, and then its token is refused -> one more token at once, then rare attempts', async () => {
    const gateway = setup();
    expect(await flap(gateway, { code: 'tokenRefused', message: 'no' })).toBeLessThan(8);
    expect(gateway.requested.length).toBeLessThan(8);
    expect(gateway.state()).toBe('rejected');
  });

  it('a session that exchanges data lasts for limits.gatewaySteadyMs -> earlier failures no longer count', async () => {
    const { goOnline, identify, advance, actor, context } = setup();
    const first = await goOnline();
    await first.end();
    await advance(limits.backoffFirstMs);
    const second = identify();
    await advance(limits.gatewaySteadyMs * 2);
    expect(context().attempt).toBe(1);
    actor.send({ type: 'session.advanced', sessionId: second.input.sessionId });
    await advance(limits.gatewaySteadyMs - 1);
    expect(context().attempt).toBe(1);
    await advance(1);
    expect([context().attempt, context().lastFailure]).toEqual([0, undefined]);
  });

  it.each(['authorityRefused', 'environmentMissing', 'secretUnsealable'] as const)('%s -> rejected', async (code) => {
    const { actor, state, refuseTokens, context } = setup();
    refuseTokens(code);
    actor.send({ type: 'gateway.open' });
    await settled();
    expect([state(), context().lastFailure?.code]).toEqual(['rejected', code]);
  });

  it('another node answers -> refused and rejected', async () => {
    const { actor, identify, state, context } = setup();
    actor.send({ type: 'gateway.open' });
    await settled();
    identify('intruder' as NodeId);
    expect([state(), context().lastFailure?.code]).toEqual(['rejected', 'nodeIdMismatch']);
  });

  it('a probe -> goodbye as soon as the cloud node has identified itself', async () => {
    const { actor, identify, state, told } = setup();
    actor.send({ type: 'gateway.probe' });
    await settled();
    identify();
    expect([state(), told()]).toEqual(['idle', ['idle', 'trying', 'gateway.probed', 'idle']]);
  });

  it('a probe that fails -> reported, and no further attempt', async () => {
    const { actor, state, refuseTokens, advance, requested, told } = setup();
    refuseTokens('authorityUnavailable');
    actor.send({ type: 'gateway.probe' });
    await settled();
    await advance(600_000);
    expect([state(), requested.length, told()]).toEqual(['idle', 1, ['idle', 'trying', 'gateway.probed', 'idle']]);
  });

  it('disabled, and enabled again -> disconnected, and connected again', async () => {
    const { actor, goOnline, state, identify } = setup();
    await goOnline();
    actor.send({ type: 'gateway.revise', peer: { ...cloudPeer, isEnabled: false } });
    expect(state()).toBe('disabled');
    actor.send({ type: 'gateway.revise', peer: cloudPeer });
    await settled();
    identify();
    expect(state()).toBe('online');
  });

  it('a session ends after a command to close -> not a failed attempt', async () => {
    const { actor, goOnline, state, context } = setup();
    const { input } = await goOnline();
    actor.send({ type: 'gateway.revise', peer: { ...cloudPeer, isEnabled: false } });
    const output = { sessionId: input.sessionId, peerId: undefined, expected: undefined, failure: lost };
    // It reported that before it was stopped.
    actor.send({ type: `xstate.done.actor.${input.sessionId}`, actorId: input.sessionId, output } as never);
    expect([state(), context().lastFailure]).toEqual(['disabled', undefined]);
  });

  it('the same configuration again -> no effect', async () => {
    const { actor, goOnline, state, told } = setup();
    await goOnline();
    told();
    actor.send({ type: 'gateway.revise', peer: { ...cloudPeer } });
    expect([state(), told()]).toEqual(['online', []]);
  });

  it('the session breaks -> reported, backoff, and connected again with the same token', async () => {
    const { goOnline, advance, requested, identify, state, told } = setup();
    const session = await goOnline();
    told();
    await session.end();
    expect([state(), told()]).toEqual(['backingOff', ['gateway.disconnected', 'trying', 'gateway.failed']]);
    await advance(limits.backoffFirstMs);
    identify();
    expect([state(), requested.length]).toEqual(['online', 1]);
  });

  it('intervals change -> the session gets them, and continues', async () => {
    const { actor, goOnline, state, context } = setup();
    const session = await goOnline();
    actor.send({ ...adjusted('intervals'), configured: { ...configured, configuration: context().configuration } });
    expect(state()).toBe('online');
    expect(session.told.map(({ type }) => type)).toEqual(['session.admit', 'session.adjust']);
  });

  it('other authorities are trusted -> says goodbye and verifies again', async () => {
    const { actor, goOnline, state, dialed } = setup();
    const session = await goOnline();
    actor.send({ ...adjusted('uplink'), configured: { ...configured, ca: 'another' } });
    await settled();
    expect(session.told.map(({ type }) => type)).toEqual(['session.admit', 'session.close']);
    expect(state()).toBe('connecting');
    expect(dialed).toHaveLength(2);
  });

  it('rejected, and the reason is corrected -> tries at once', async () => {
    const { actor, refuseTokens, state, requested } = setup();
    refuseTokens('secretUnsealable');
    actor.send({ type: 'gateway.open' });
    await settled();
    expect(state()).toBe('rejected');
    refuseTokens(undefined);
    actor.send({ ...adjusted('keys'), configured });
    await settled();
    expect(requested).toHaveLength(2);
    expect(state()).toBe('connecting');
  });
});
