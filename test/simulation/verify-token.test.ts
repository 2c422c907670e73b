/**
 * How simulated cloud nodes check tokens of a world's authority. The contract of the service covers what they refuse,
 * and why.
 */
import { describe, expect, it } from '@jest/globals';
import { createActor, toPromise } from 'xstate';
import type { VerifiedToken } from '../../src/actors/slots.js';
import { configurationSchema } from '../../src/configuration/schema.js';
import { limits } from '../../src/core/limits.js';
import { Secret } from '../../src/core/secret.js';
import { worldEpochMs } from '../../src/simulation/node-ports.js';
import { createSimulatedVerifyToken } from '../../src/simulation/verify-token.js';
import { AuthorityBench, ca, nodeAddress } from './authority-bench.js';

class Verifying extends AuthorityBench {
  readonly #verifyToken = createSimulatedVerifyToken(this);

  verify(token: string): Promise<VerifiedToken> {
    const { issuer: authority } = this.authority;
    const options = { nodeId: 'cloud-1', role: 'cloud', authority, audience: 'https://cloud.world' };
    const input = { token: new Secret(token), configuration: configurationSchema.parse(options), ca };
    const actor = createActor(this.#verifyToken, { input });
    actor.subscribe({ error: () => {} });
    actor.start();
    return toPromise(actor);
  }

  get fetches(): readonly string[] {
    return this.authority.requests.map(({ path }) => path);
  }
}

const discovery = '/.well-known/openid-configuration';

describe('verifyToken', () => {
  it('a token: of the authority -> its subject, and its expiry', async () => {
    const bench = new Verifying({ lifetime: '10min' });
    const verified = await bench.settle(bench.verify(bench.authority.issue({ subject: 'office' })));
    const expiresAtMs = worldEpochMs + 600_000 + limits.tokenClockToleranceMs;
    expect(verified).toEqual({ subject: 'office', expiresAtMs, lifetimeMs: expiresAtMs - bench.time.now() });
  });

  it('a token: of another authority, with the same key ids -> tokenRefused', async () => {
    const bench = new Verifying();
    const other = new Verifying({ issuer: 'https://other.world' });
    expect(await bench.codeOf(bench.verify(other.authority.issue({ subject: 'office' })))).toBe('tokenRefused');
  });

  it.each([
    ['-60s', 89_000, 'resolved'],
    ['-60s', 91_000, 'tokenRefused'],
    ['+29s', 0, 'resolved'],
    ['+31s', 0, 'tokenRefused'],
  ] as const)('the clock of the authority %s off, after %i ms -> %s', async (skew, afterMs, outcome) => {
    const bench = new Verifying({ lifetime: '2min' });
    bench.authority.skew(skew);
    const token = bench.authority.issue({ subject: 'office' });
    await bench.run(afterMs);
    expect(await bench.codeOf(bench.verify(token))).toBe(outcome);
  });

  it.each([
    ['down', 'authorityUnavailable'],
    ['hang', 'authorityUnavailable'],
    ['fail', 'authorityUnavailable'],
    ['rubbish', 'authorityInvalid'],
  ] as const)('the authority: %s -> %s; mended -> the token is accepted a moment later', async (fault, code) => {
    const bench = new Verifying();
    const token = bench.authority.issue({ subject: 'office' });
    bench.authority[fault]();
    expect(await bench.codeOf(bench.verify(token))).toBe(code);
    bench.authority.mend();
    await bench.run(limits.authorityBackoffFirstMs + 1);
    expect(await bench.codeOf(bench.verify(token))).toBe('resolved');
  });

  it('the keys: known and fresh -> not fetched again; old while nothing passes -> used, after a moment of patience', async () => {
    const bench = new Verifying({ lifetime: '2h' });
    const token = bench.authority.issue({ subject: 'office' });
    await bench.settle(Promise.all([bench.verify(token), bench.verify(token)]));
    await bench.settle(bench.verify(token));
    expect(bench.fetches).toEqual([discovery, '/jwks']);
    await bench.run(limits.authorityKeysFreshMs + 1);
    bench.hub.cut(nodeAddress, bench.authority.address);
    const beforeMs = bench.clock.nowMs;
    expect(await bench.codeOf(bench.verify(token))).toBe('resolved');
    expect(bench.clock.nowMs - beforeMs).toBe(2_000);
  });

  it('rotated keys: a token names a new one -> fetched, but not again soon', async () => {
    const bench = new Verifying();
    await bench.settle(bench.verify(bench.authority.issue({ subject: 'office' })));
    bench.authority.rotateKeys();
    const token = bench.authority.issue({ subject: 'office' });
    expect(await bench.codeOf(bench.verify(token))).toBe('tokenRefused');
    expect(bench.fetches).toHaveLength(2);
    await bench.run(limits.authorityKeysCooldownMs + 1);
    expect(await bench.codeOf(bench.verify(token))).toBe('resolved');
    expect(bench.fetches).toHaveLength(4);
  });

  it('a key: removed by the authority -> its tokens are refused, once that is known', async () => {
    const bench = new Verifying();
    const token = bench.authority.issue({ subject: 'office' });
    await bench.settle(bench.verify(token));
    bench.authority.rotateKeys({ keepsOld: false });
    await bench.run(limits.authorityKeysFreshMs + 1);
    expect(await bench.codeOf(bench.verify(token))).toBe('tokenRefused');
  });
});
