import { describe, expect, it } from '@jest/globals';
import { createActor, fromPromise } from 'xstate';
import type { CredentialReport } from '../../src/actors/mailboxes.js';
import type { VerifiedToken } from '../../src/actors/slots.js';
import type { Configuration } from '../../src/configuration/schema.js';
import { StatemeshError } from '../../src/core/errors.js';
import { limits } from '../../src/core/limits.js';
import { Secret } from '../../src/core/secret.js';
import { credentialMachine } from '../../src/machines/credential.machine.js';
import { manualClock, recorder, settled } from './bench.js';

const lifetimeMs = 60_000;
const grant = (subject = 'site-1'): VerifiedToken => ({ subject, expiresAtMs: 0, lifetimeMs });

function setup() {
  const time = manualClock();
  const parent = recorder<CredentialReport>();
  const verifying: { token: string; answer(token: VerifiedToken): void; fail(error: unknown): void }[] = [];
  const machine = credentialMachine.provide({
    actors: {
      verifyToken: fromPromise<VerifiedToken, { token: Secret }>(
        ({ input }) =>
          new Promise((answer, fail) => {
            verifying.push({ token: input.token.reveal(), answer, fail });
          }),
      ) as never,
    },
  });
  const input = {
    parent: parent.mailbox,
    token: new Secret('first'),
    configuration: {} as Configuration,
    ca: undefined,
  };
  const actor = createActor(machine, { clock: time, input }).start();
  const renew = (text: string) => actor.send({ type: 'credential.renew', token: new Secret(text) });
  const answer = (token: VerifiedToken) => {
    verifying.at(-1)?.answer(token);
    return settled();
  };
  const fail = (code: 'tokenRefused' | 'authorityUnavailable') => {
    verifying.at(-1)?.fail(new StatemeshError(code, 'No.'));
    return settled();
  };
  return { actor, time, parent, verifying, renew, answer, fail, state: () => actor.getSnapshot().value };
}

async function holding() {
  const bench = setup();
  await bench.answer(grant());
  bench.parent.take();
  return bench;
}

describe('credential: the first token', () => {
  it('valid -> its subject is reported', async () => {
    const { answer, parent, verifying } = setup();
    expect(verifying.map(({ token }) => token)).toEqual(['first']);
    expect(parent.events).toEqual([]);
    await answer(grant());
    expect(parent.events).toEqual([{ type: 'credential.verified', subject: 'site-1' }]);
  });

  it.each(['tokenRefused', 'authorityUnavailable'] as const)(
    'invalid: %s -> reported, and the credential ends',
    async (code) => {
      const { fail, parent, state } = setup();
      await fail(code);
      expect(parent.events).toMatchObject([{ type: 'credential.ended', failure: { code } }]);
      expect(state()).toBe('refused');
    },
  );

  it('no answer -> authorityUnavailable, before the handshake times out', () => {
    const { time, parent } = setup();
    expect(limits.tokenVerificationTimeoutMs).toBeLessThan(limits.handshakeTimeoutMs);
    time.advance(limits.tokenVerificationTimeoutMs);
    expect(parent.events).toMatchObject([{ failure: { code: 'authorityUnavailable' } }]);
  });

  it('renewed before it was verified -> a flood', () => {
    const { renew, parent } = setup();
    renew('second');
    expect(parent.events).toMatchObject([{ type: 'credential.ended', failure: { code: 'unexpectedFrame' } }]);
  });
});

describe('credential: time and renewals', () => {
  it('no renewal -> tokenExpired at its end, not before', async () => {
    const { time, parent } = await holding();
    time.advance(lifetimeMs - 1);
    expect(parent.events).toHaveLength(1);
    time.advance(1);
    expect(parent.take()).toMatchObject([{ type: 'credential.ended', failure: { code: 'tokenExpired' } }]);
  });

  it('renewed in time, repeatedly -> continues, each time for the lifetime of the new token', async () => {
    const { time, parent, renew, answer, verifying } = await holding();
    for (let round = 0; round < 5; round += 1) {
      time.advance(lifetimeMs - 1);
      renew(`token ${round}`);
      await answer(grant());
    }
    expect(verifying.at(-1)?.token).toBe('token 4');
    expect(parent.take()).toEqual([]);
    time.advance(lifetimeMs);
    expect(parent.take()).toMatchObject([{ failure: { code: 'tokenExpired' } }]);
  });

  it('renewed with a token that is refused, or of another subject -> tokenRefused', async () => {
    const one = await holding();
    one.renew('bad');
    await one.fail('tokenRefused');
    expect(one.parent.take()).toMatchObject([{ failure: { code: 'tokenRefused' } }]);
    const two = await holding();
    two.renew('of another');
    await two.answer(grant('site-2'));
    expect(two.parent.take()).toMatchObject([{ failure: { code: 'tokenRefused' } }]);
  });

  it('renewed while a renewal is being verified, or waits -> a flood', async () => {
    const one = await holding();
    one.renew('second');
    one.renew('third');
    expect(one.parent.take()).toMatchObject([{ failure: { code: 'unexpectedFrame' } }]);
    const two = await holding();
    two.renew('second');
    await two.fail('authorityUnavailable');
    two.renew('third');
    expect(two.parent.take()).toMatchObject([{ failure: { code: 'unexpectedFrame' } }]);
  });

  it('the authority is away, or hangs -> the renewal is retried while the present token is valid', async () => {
    const { time, parent, renew, fail, answer, verifying } = await holding();
    renew('second');
    await fail('authorityUnavailable');
    time.advance(limits.tokenRenewalRetryMs);
    expect(verifying).toHaveLength(3);
    time.advance(limits.tokenVerificationTimeoutMs + limits.tokenRenewalRetryMs);
    expect(verifying.map(({ token }) => token)).toEqual(['first', 'second', 'second', 'second']);
    await answer(grant());
    time.advance(lifetimeMs - 1);
    expect(parent.take()).toEqual([]);
  });

  it('the authority stays away -> tokenExpired when the present token ends', async () => {
    const { time, parent, renew, fail } = await holding();
    renew('second');
    await fail('authorityUnavailable');
    time.advance(lifetimeMs);
    expect(parent.take()).toMatchObject([{ failure: { code: 'tokenExpired' } }]);
  });
});
