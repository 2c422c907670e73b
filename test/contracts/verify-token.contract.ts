/**
 * The contract of the service `verifyToken`. The real one, over an authority's key set, and a simulated one both pass
 * it.
 */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { VerifiedToken } from '../../src/actors/slots.js';
import type { Configuration } from '../../src/configuration/schema.js';
import { limits } from '../../src/core/limits.js';

export const issuer = 'https://login.example/realm';
export const audience = 'statemesh-cloud';
export const scope = 'entgldb:sync';

/** A way to sign: `none` has no signature, and `HS256` uses the public key as its secret. */
export type TokenAlgorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA' | 'RS512' | 'HS256' | 'none';

/** In place of the key's own id, and of `at+jwt`; null: the header names no type. */
export interface IssueOptions {
  readonly alg?: TokenAlgorithm;
  readonly kid?: string;
  readonly typ?: unknown;
}

export interface VerifyTokenHarness {
  /** The available ways to sign, besides `RS256` and `none`. */
  readonly algorithms: readonly TokenAlgorithm[];
  /**
   * Verifies as a cloud node does with {@link issuer}, {@link audience} and {@link scope}, and settings of its own.
   */
  verify(token: string, settings?: Partial<Configuration>): Promise<VerifiedToken>;
  /** Signs claims with the authority's present key, `RS256` by default; `kid` replaces that key's id. */
  issue(claims: object, options?: IssueOptions): Promise<string>;
  /** The authority signs with a new key from now on, and publishes only that one. */
  rotate(): Promise<void>;
  /** How the authority answers from now on. */
  setAuthority(state: 'well' | 'unreachable' | 'rubbish' | 'other issuer'): void;
  /** Wall clock, ms since 1970. */
  nowMs(): number;
  advance(ms: number): void;
}

export function describeVerifyToken(name: string, makeHarness: () => Promise<VerifyTokenHarness>): void {
  describe(`token contract: ${name}`, () => {
    let harness: VerifyTokenHarness;

    beforeEach(async () => {
      harness = await makeHarness();
    });

    const seconds = (ms: number) => Math.floor(ms / 1_000);
    const claims = (changes: object = {}) => ({
      iss: issuer,
      aud: audience,
      sub: 'site-1',
      scope,
      exp: seconds(harness.nowMs()) + 600,
      ...changes,
    });
    const verify = async (changes: object = {}, options?: IssueOptions) =>
      harness.verify(await harness.issue(claims(changes), options));
    const refused = async (verifying: Promise<unknown>, reason: RegExp) =>
      expect(verifying).rejects.toMatchObject({ code: 'tokenRefused', message: expect.stringMatching(reason) });

    test('token: valid -> its subject, and how long it is valid', async () => {
      const exp = seconds(harness.nowMs()) + 600;
      const expiresAtMs = exp * 1_000 + limits.tokenClockToleranceMs;
      const lifetimeMs = expiresAtMs - harness.nowMs();
      expect(await verify({ exp })).toEqual({ subject: 'site-1', expiresAtMs, lifetimeMs });
    });

    test('token: audience and scope among others, as text or list; client_id in place of sub -> accepted', async () => {
      const several = { aud: ['other', audience], scope: `other ${scope} more` };
      expect(await verify({ ...several, sub: undefined, client_id: 'client-1' })).toMatchObject({
        subject: 'client-1',
      });
      expect(await verify({ scope: ['other', scope] })).toMatchObject({ subject: 'site-1' });
    });

    test('token: of an authority with a preset, and of one with named claims -> accepted; without these settings -> tokenRefused', async () => {
      const cognito = await harness.issue(
        claims({ aud: undefined, client_id: audience, token_use: 'access', scope: `openid ${scope}` }),
        { typ: null },
      );
      expect(await harness.verify(cognito, { authorityPreset: 'cognito' })).toMatchObject({ subject: 'site-1' });
      await refused(harness.verify(cognito), /type/);
      const named = await harness.issue(claims({ scope: undefined, realm_access: { roles: [scope] } }));
      expect(await harness.verify(named, { scopeClaim: 'realm_access.roles' })).toMatchObject({ subject: 'site-1' });
      await refused(harness.verify(named), /scope/);
    });

    test('token: for one of several audiences -> accepted; for none of them -> tokenRefused', async () => {
      const token = await harness.issue(claims());
      expect(await harness.verify(token, { audience: ['other', audience] })).toMatchObject({ subject: 'site-1' });
      await refused(harness.verify(token, { audience: ['other', `${audience}-2`] }), /another audience/);
    });

    test('token: signed with each allowed algorithm -> accepted', async () => {
      for (const alg of harness.algorithms.filter((each) => /^(RS256|PS256|ES256|EdDSA)$/.test(each))) {
        expect(await verify({}, { alg })).toMatchObject({ subject: 'site-1' });
      }
    });

    test('token: signed in a forbidden way, such as HS256 with the public key -> tokenRefused', async () => {
      for (const alg of harness.algorithms.filter((each) => !/^(RS256|PS256|ES256|EdDSA)$/.test(each))) {
        await refused(verify({}, { alg }), /an algorithm that is not allowed/);
      }
      await refused(verify({}, { alg: 'none' }), /an algorithm that is not allowed|not a token/);
    });

    test.each(['at+jwt', 'AT+JWT', 'application/at+jwt'])('token: typ %j, an access token -> accepted', async (typ) => {
      expect(await verify({}, { typ })).toMatchObject({ subject: 'site-1' });
    });

    test.each([
      'logout+jwt',
      'JWT',
      'secevent+jwt',
      'dpop+jwt',
      'at+jwt ',
      'absent',
      '',
      'constructor',
      7,
      ['at+jwt'],
      {},
      null,
    ])('token: typ %j, something else -> tokenRefused', async (typ) => {
      await refused(verify({}, { typ }), /type|not a token/);
    });

    test('token: an invalid signature -> tokenRefused', async () => {
      const [header, payload, signature] = (await harness.issue(claims())).split('.');
      const [, other] = (await harness.issue(claims({ sub: 'site-2' }))).split('.');
      await refused(harness.verify(`${header}.${other}.${signature}`), /signature/);
      await refused(harness.verify(`${header}.${payload}.${'A'.repeat(signature?.length ?? 0)}`), /signature/);
    });

    test.each(['', 'x', 'a.b.c', '..', 'x'.repeat(limits.tokenLengthMax + 1)])(
      'token: not a token -> tokenRefused',
      async (text) => {
        await refused(harness.verify(text), /./);
      },
    );

    test.each<[string, object, RegExp]>([
      ['another issuer', { iss: 'https://evil.example' }, /another issuer/],
      ['no issuer', { iss: undefined }, /another issuer/],
      ['another audience', { aud: 'else' }, /another audience/],
      ['no audience', { aud: undefined }, /another audience/],
      ['another scope', { scope: 'entgldb:syncing' }, /scope/],
      ['no scope', { scope: undefined }, /scope/],
      ['no expiry', { exp: undefined }, /expires/],
      ['an expiry that is no time', { exp: 'tomorrow' }, /expires/],
      ['a beginning that is no time', { nbf: 'tomorrow' }, /not valid yet/],
      ['no subject', { sub: undefined }, /subject/],
      ['an empty subject', { sub: '' }, /subject/],
      ['an endless subject', { sub: 'x'.repeat(limits.tokenSubjectLengthMax + 1) }, /subject|too long/],
    ])('token: %s -> tokenRefused', async (_, changes, reason) => {
      await refused(verify(changes), reason);
    });

    test('token: expired or not valid yet, within the tolerance for clocks -> accepted; beyond -> tokenRefused', async () => {
      const now = seconds(harness.nowMs());
      const tolerance = limits.tokenClockToleranceMs / 1_000;
      expect(await verify({ exp: now - tolerance + 2 })).toMatchObject({ subject: 'site-1' });
      await refused(verify({ exp: now - tolerance - 2 }), /expired/);
      expect(await verify({ nbf: now + tolerance - 2 })).toMatchObject({ subject: 'site-1' });
      await refused(verify({ nbf: now + tolerance + 2 }), /not valid yet/);
    });

    test('token: a refusal -> reveals neither the expected values nor the token', async () => {
      const refusals = await Promise.allSettled([verify({ iss: 'x' }), verify({ aud: 'x' }), verify({ scope: 'x' })]);
      for (const refusal of refusals) {
        const message = String((refusal as PromiseRejectedResult).reason.message);
        for (const secret of [issuer, audience, scope]) expect(message).not.toContain(secret);
      }
    });

    test('keys: rotated -> tokens signed with the new one are accepted, those with the old one refused', async () => {
      const old = await harness.issue(claims());
      await harness.verify(old);
      await harness.rotate();
      harness.advance(60_000);
      // Whichever is shown first: a withdrawn key is not trusted for longer than a minute.
      await refused(harness.verify(old), /unknown key|signature/);
      const exp = seconds(harness.nowMs()) + 600;
      expect(await verify({ exp })).toMatchObject({ subject: 'site-1' });
    });

    test('keys: one that the authority never had -> tokenRefused', async () => {
      await verify();
      harness.advance(60_000);
      await refused(verify({ exp: seconds(harness.nowMs()) + 600 }, { kid: 'never-heard-of' }), /unknown key/);
    });

    test('authority: unreachable -> authorityUnavailable; when it is back -> accepted', async () => {
      harness.setAuthority('unreachable');
      await expect(verify()).rejects.toMatchObject({ code: 'authorityUnavailable' });
      harness.setAuthority('well');
      harness.advance(60_000);
      expect(await verify()).toMatchObject({ subject: 'site-1' });
    });

    test.each(['rubbish', 'other issuer'] as const)('authority: answers with %s -> authorityInvalid', async (state) => {
      harness.setAuthority(state);
      await expect(verify()).rejects.toMatchObject({ code: 'authorityInvalid' });
    });

    test.each(['unreachable', 'rubbish', 'other issuer'] as const)(
      'authority: %s after its keys were read -> tokens are still accepted, for an hour',
      async (state) => {
        await verify();
        harness.setAuthority(state);
        harness.advance(20 * 60_000);
        expect(await verify({ exp: seconds(harness.nowMs()) + 600 })).toMatchObject({ subject: 'site-1' });
        harness.advance(60 * 60_000);
        await expect(verify({ exp: seconds(harness.nowMs()) + 600 })).rejects.toMatchObject({
          code: expect.stringMatching(/^authority/),
        });
      },
    );
  });
}
