/** How simulated cloud nodes check tokens: what the production service refuses, they refuse, with the same code. */
import { describe, expect, it } from '@jest/globals';
import { createActor, toPromise } from 'xstate';
import { Secret } from '../../src/core/secret.js';
import { type Configuration, configurationSchema } from '../../src/protocol/configuration.js';
import type { VerifiedToken } from '../../src/protocol/services.js';
import { worldEpochMs } from '../../src/simulation/node-ports.js';
import { createSimulatedVerifyToken } from '../../src/simulation/verify-token.js';
import { AuthorityBench, ca, nodeAddress } from './authority-bench.js';

class Verifying extends AuthorityBench {
  readonly #verifyToken = createSimulatedVerifyToken(this);

  verify(token: string, options: Partial<Configuration> = {}): Promise<VerifiedToken> {
    const configuration = configurationSchema.parse({
      ...{ nodeId: 'cloud-1', role: 'cloud', authority: this.authority.issuer, audience: 'https://cloud.world' },
      ...options,
    });
    const actor = createActor(this.#verifyToken, { input: { token: new Secret(token), configuration, ca } });
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
  it('a token of the authority -> whom it names, and until when', async () => {
    const bench = new Verifying({ lifetime: '10min' });
    const verified = await bench.settle(bench.verify(bench.authority.issue({ subject: 'office' })));
    expect(verified).toEqual({
      subject: 'office',
      expiresAtMs: worldEpochMs + 600_000,
      lifetimeMs: expect.any(Number),
    });
    expect(verified.lifetimeMs).toBe(verified.expiresAtMs - bench.time.now());
  });

  it('one of several audiences and scopes -> taken; no audience configured -> any is', async () => {
    const bench = new Verifying();
    const token = bench.authority.issue({
      subject: 'office',
      scopes: ['other', 'entgldb:sync'],
      audience: 'elsewhere',
    });
    expect(await bench.codeOf(bench.verify(token))).toBe('tokenRefused');
    expect(await bench.codeOf(bench.verify(token, { audience: undefined }))).toBe('resolved');
    expect(await bench.codeOf(bench.verify(token, { audience: undefined, scope: 'admin' }))).toBe('tokenRefused');
  });

  it.each([
    ['no token at all', () => 'nonsense'],
    ['claims that were changed', (token: string) => replaced(token, 1, (claims) => ({ ...claims, sub: 'shop' }))],
    ['an algorithm that needs no key', (token: string) => replaced(token, 0, (header) => ({ ...header, alg: 'none' }))],
    ['a key that nobody knows', (token: string) => replaced(token, 0, (header) => ({ ...header, kid: 'key-9' }))],
    ['no subject', (token: string) => replaced(token, 1, ({ sub: _, ...claims }) => claims)],
    ['no signature', (token: string) => token.slice(0, token.lastIndexOf('.'))],
    ['another signature', (token: string) => `${token.slice(0, -4)}AAAA`],
  ])('%s -> tokenRefused', async (_, change) => {
    const bench = new Verifying();
    expect(await bench.codeOf(bench.verify(change(bench.authority.issue({ subject: 'office' }))))).toBe('tokenRefused');
  });

  it('a token of another authority, with the same key ids -> tokenRefused', async () => {
    const bench = new Verifying();
    const other = new Verifying({ issuer: 'https://other.world' });
    expect(await bench.codeOf(bench.verify(other.authority.issue({ subject: 'office' })))).toBe('tokenRefused');
  });

  it.each([
    ['expired, within the tolerance', '-60s', 89_000, 'resolved'],
    ['expired, beyond it', '-60s', 91_000, 'tokenRefused'],
    ['not valid yet, within the tolerance', '+29s', 0, 'resolved'],
    ['not valid yet, beyond it', '+31s', 0, 'tokenRefused'],
  ] as const)('%s -> %s after %i ms: %s', async (_, skew, afterMs, outcome) => {
    const bench = new Verifying({ lifetime: skew === '-60s' ? '2min' : '1h' });
    bench.authority.skew(skew);
    const token = bench.authority.issue({ subject: 'office' });
    await bench.run(afterMs);
    expect(await bench.codeOf(bench.verify(token))).toBe(outcome);
  });

  it.each(['down', 'hang', 'fail', 'rubbish'] as const)('the authority: %s -> authorityUnavailable', async (fault) => {
    const bench = new Verifying();
    const token = bench.authority.issue({ subject: 'office' });
    bench.authority[fault]();
    expect(await bench.codeOf(bench.verify(token))).toBe('authorityUnavailable');
    bench.authority.mend();
    expect(await bench.codeOf(bench.verify(token))).toBe('resolved');
  });

  it('the keys: known and fresh -> not asked for again; the authority cannot be reached -> tokens verify', async () => {
    const bench = new Verifying({ lifetime: '2h' });
    const token = bench.authority.issue({ subject: 'office' });
    await bench.settle(Promise.all([bench.verify(token), bench.verify(token)]));
    expect(bench.fetches).toEqual([discovery, '/jwks']);
    bench.hub.cut(nodeAddress, bench.authority.address);
    expect(await bench.codeOf(bench.verify(token))).toBe('resolved');
    bench.hub.heal();
    await bench.run(601_000);
    await bench.settle(bench.verify(token));
    expect(bench.fetches).toEqual([discovery, '/jwks', discovery, '/jwks']);
  });

  it('rotated keys -> fetched when a token names a new one, but not more often than every 30 s', async () => {
    const bench = new Verifying();
    await bench.settle(bench.verify(bench.authority.issue({ subject: 'office' })));
    bench.authority.rotateKeys();
    const token = bench.authority.issue({ subject: 'office' });
    expect(await bench.codeOf(bench.verify(token))).toBe('tokenRefused');
    expect(bench.fetches).toHaveLength(2);
    await bench.run(30_001);
    expect(await bench.codeOf(bench.verify(token))).toBe('resolved');
    expect(bench.fetches).toHaveLength(4);
  });

  it('a key that the authority has forgotten -> its tokens are refused, once that is known', async () => {
    const bench = new Verifying();
    const token = bench.authority.issue({ subject: 'office' });
    await bench.settle(bench.verify(token));
    bench.authority.rotateKeys({ keepsOld: false });
    await bench.run(601_000);
    expect(await bench.codeOf(bench.verify(token))).toBe('tokenRefused');
  });
});

type Part = Record<string, unknown>;

function replaced(token: string, index: number, change: (part: Part) => Part): string {
  const parts = token.split('.');
  const part = JSON.parse(Buffer.from(parts[index] ?? '', 'base64url').toString()) as Part;
  parts[index] = Buffer.from(JSON.stringify(change(part))).toString('base64url');
  return parts.join('.');
}
