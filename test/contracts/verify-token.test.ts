/** The real service: the contract, and its requests to the authority. */
import { createHmac } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { CompactSign, type CryptoKey, exportJWK, exportSPKI, generateKeyPair } from 'jose';
import { createActor, toPromise } from 'xstate';
import type { Configuration } from '../../src/configuration/schema.js';
import { StatemeshError } from '../../src/core/errors.js';
import { limits } from '../../src/core/limits.js';
import { Secret } from '../../src/core/secret.js';
import type { Http, HttpResponse, Time } from '../../src/ports/ports.js';
import { createVerifyToken } from '../../src/services/verify-token.js';
import { manualTime } from '../machines/bench.js';
import {
  audience,
  describeVerifyToken,
  issuer,
  scope,
  type TokenAlgorithm,
  type VerifyTokenHarness,
} from './verify-token.contract.js';

const algorithms: readonly TokenAlgorithm[] = ['RS256', 'PS256', 'ES256', 'EdDSA', 'RS512', 'HS256'];
const signing = algorithms.filter((alg) => alg !== 'HS256');

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;
/** RSA keys are slow to make: two generations serve all tests. */
const generations: Promise<Map<string, KeyPair>>[] = [makeKeys(), makeKeys()];

async function makeKeys(): Promise<Map<string, KeyPair>> {
  const pairs = await Promise.all(
    signing.map(async (alg) => [alg, await generateKeyPair(alg, { extractable: true })] as const),
  );
  return new Map<string, KeyPair>(pairs);
}

interface RealHarness extends VerifyTokenHarness {
  readonly asked: string[];
  readonly time: Time & { advance(ms: number): void };
  /** What a URL answers in place of the authority; undefined: never. */
  answers: (url: string) => HttpResponse | undefined | 'as the authority';
  start(token: string, settings?: Partial<Configuration>): { ended: Promise<unknown>; stop(): void };
}

async function makeHarness(): Promise<RealHarness> {
  const time = manualTime();
  let generation = 0;
  let state: Parameters<VerifyTokenHarness['setAuthority']>[0] = 'well';
  const keys = async () => (await generations[generation]) as Map<string, KeyPair>;
  const json = (value: unknown): HttpResponse => ({ status: 200, headers: {}, body: JSON.stringify(value) });
  const kidOf = (alg: string) => `${alg}-${generation}`;
  const jwks = async () => ({
    keys: await Promise.all(
      [...(await keys())].map(async ([alg, { publicKey }]) => ({
        ...(await exportJWK(publicKey)),
        kid: kidOf(alg),
        alg,
      })),
    ),
  });
  const unreachable = () => new StatemeshError('authorityUnavailable', 'It cannot be reached.');
  const http: Http = {
    async request({ url, signal }) {
      harness.asked.push(url);
      const answer = harness.answers(url);
      if (answer === undefined) {
        return new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new StatemeshError('cancelled', 'Given up.')));
        });
      }
      if (answer !== 'as the authority') return answer;
      if (state === 'unreachable') throw unreachable();
      if (state === 'rubbish') return { status: 200, headers: {}, body: '<html>' };
      if (url === `${issuer}/.well-known/openid-configuration`) {
        return json({ issuer: state === 'other issuer' ? 'https://evil.example' : issuer, jwks_uri: `${issuer}/keys` });
      }
      return url === `${issuer}/keys` ? json(await jwks()) : { status: 404, headers: {}, body: '' };
    },
  };
  const verifyToken = createVerifyToken({ http, time });
  const configuration = {
    authority: issuer,
    audience,
    scope,
    authorityOrigins: [],
  } as unknown as Configuration;
  const start = (token: string, settings: Partial<Configuration> = {}) => {
    const input = { token: new Secret(token), configuration: { ...configuration, ...settings }, ca: undefined };
    const actor = createActor(verifyToken, { input });
    const ended = toPromise(actor);
    ended.catch(() => {});
    actor.start();
    return { ended, stop: () => actor.stop() };
  };
  const harness: RealHarness = {
    algorithms,
    asked: [],
    time,
    answers: () => 'as the authority',
    start,
    verify: (token, settings) => start(token, settings).ended as ReturnType<VerifyTokenHarness['verify']>,
    async issue(claims, { alg = 'RS256', kid = kidOf(alg), typ: named = 'at+jwt' } = {}) {
      const typ = named ?? undefined;
      const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
      if (alg === 'none') return `${encode({ alg, typ })}.${encode(claims)}.`;
      if (alg === 'HS256') {
        const { publicKey } = (await keys()).get('RS256') as KeyPair;
        const text = `${encode({ alg, typ, kid: kidOf('RS256') })}.${encode(claims)}`;
        return `${text}.${createHmac('sha256', await exportSPKI(publicKey))
          .update(text)
          .digest('base64url')}`;
      }
      const { privateKey } = (await keys()).get(alg) as KeyPair;
      return new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
        .setProtectedHeader({ alg, kid, ...(typ === undefined ? {} : { typ: typ as string }) })
        .sign(privateKey as CryptoKey);
    },
    async rotate() {
      generation += 1;
    },
    setAuthority(next) {
      state = next;
    },
    nowMs: () => time.now(),
    advance: (ms) => time.advance(ms),
  };
  return harness;
}

describeVerifyToken('jose', makeHarness);

describe('verifyToken and its authority', () => {
  let harness: RealHarness;
  let token: string;
  const claims = (changes: object = {}) => ({
    iss: issuer,
    aud: audience,
    sub: 'site-1',
    scope,
    exp: Math.floor(harness.nowMs() / 1_000) + 86_400,
    ...changes,
  });

  beforeEach(async () => {
    harness = await makeHarness();
    token = await harness.issue(claims());
  });

  it('authority: many tokens, at once and later -> gets one request', async () => {
    await Promise.all([harness.verify(token), harness.verify(token), harness.verify(token)]);
    await harness.verify(token);
    expect(harness.asked).toHaveLength(2);
  });

  it('authority: old keys -> are requested again', async () => {
    await harness.verify(token);
    harness.advance(limits.authorityKeysFreshMs - 1);
    await harness.verify(token);
    expect(harness.asked).toHaveLength(2);
    harness.advance(1);
    await harness.verify(token);
    expect(harness.asked).toHaveLength(4);
  });

  it('authority: tokens of unknown keys in a row -> gets no more requests than the cooldown allows', async () => {
    await harness.verify(token);
    const strange = await harness.issue(claims(), { kid: 'strange' });
    for (let count = 0; count < 10; count += 1) await expect(harness.verify(strange)).rejects.toThrow();
    expect(harness.asked).toHaveLength(2);
    harness.advance(limits.authorityKeysCooldownMs);
    for (let count = 0; count < 10; count += 1) await expect(harness.verify(strange)).rejects.toThrow();
    expect(harness.asked).toHaveLength(4);
  });

  it('authority: unreachable for too long -> old keys are no longer trusted', async () => {
    await harness.verify(token);
    harness.setAuthority('unreachable');
    harness.advance(limits.authorityKeysStaleMaxMs);
    await expect(harness.verify(token)).rejects.toMatchObject({ code: 'authorityUnavailable' });
  });

  it('authority: hangs while there are keys -> they are used after a moment', async () => {
    await harness.verify(token);
    harness.advance(limits.authorityKeysFreshMs);
    harness.answers = () => undefined;
    const verifying = harness.verify(token);
    await settled();
    harness.advance(limits.authorityKeysPatienceMs);
    await expect(verifying).resolves.toMatchObject({ subject: 'site-1' });
  });

  it('authority: fails -> gets no request for a moment, from any caller', async () => {
    harness.setAuthority('unreachable');
    for (let count = 0; count < 10; count += 1) await expect(harness.verify(token)).rejects.toThrow();
    expect(harness.asked).toHaveLength(1);
  });

  it('authority: fails again and again -> gets no request for longer each time, up to a bound', async () => {
    harness.setAuthority('unreachable');
    for (const waitMs of [
      ...[1, 2, 4, 8, 16].map((factor) => factor * limits.authorityBackoffFirstMs),
      limits.authorityBackoffMaxMs,
      limits.authorityBackoffMaxMs,
    ]) {
      const before = harness.asked.length;
      await expect(harness.verify(token)).rejects.toThrow();
      harness.advance(waitMs - 1);
      await expect(harness.verify(token)).rejects.toThrow();
      expect(harness.asked).toHaveLength(before + 1);
      harness.advance(1);
    }
    harness.setAuthority('well');
    await expect(harness.verify(token)).resolves.toMatchObject({ subject: 'site-1' });
  });

  it('authority: 429 with Retry-After -> gets no request for that long, and tokens wait', async () => {
    harness.answers = () => ({ status: 429, headers: { 'retry-after': '60' }, body: '' });
    await expect(harness.verify(token)).rejects.toMatchObject({ code: 'authorityUnavailable', retryAfterMs: 60_000 });
    harness.answers = () => 'as the authority';
    harness.advance(59_999);
    await expect(harness.verify(token)).rejects.toMatchObject({ code: 'authorityUnavailable' });
    expect(harness.asked).toHaveLength(1);
    harness.advance(1);
    await expect(harness.verify(token)).resolves.toMatchObject({ subject: 'site-1' });
  });

  it.each<[string, HttpResponse]>([
    ['403', { status: 403, headers: {}, body: '' }],
    ['500', { status: 500, headers: {}, body: '' }],
    ['a page for people', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }],
    ['metadata of somebody else', { status: 200, headers: {}, body: '{"issuer":"https://other.example"}' }],
  ])('authority: OpenID discovery answers with %s, RFC 8414 has metadata -> is found', async (_, answer) => {
    harness.answers = (url) => {
      if (url.includes('openid-configuration')) return answer;
      if (!url.includes('oauth-authorization-server')) return 'as the authority';
      return { status: 200, headers: {}, body: JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }) };
    };
    await expect(harness.verify(token)).resolves.toMatchObject({ subject: 'site-1' });
  });

  it('authority: keys at another origin, or on this machine -> authorityInvalid, without a request there', async () => {
    for (const keysUrl of ['https://evil.example/keys', 'http://127.0.0.1:1/keys', 'https://login.example:444/keys']) {
      harness = await makeHarness();
      harness.answers = () => ({ status: 200, headers: {}, body: JSON.stringify({ issuer, jwks_uri: keysUrl }) });
      await expect(harness.verify(token)).rejects.toMatchObject({ code: 'authorityInvalid' });
      expect(harness.asked.filter((url) => url === keysUrl)).toEqual([]);
    }
  });

  it('authority: hangs, and one of two callers gives up -> the other goes on; when both have -> the request is aborted', async () => {
    harness.answers = () => undefined;
    const [one, two] = [harness.start(token), harness.start(token)];
    await settled();
    expect(harness.asked).toHaveLength(1);
    one.stop();
    await settled();
    two.stop();
    await settled();
    harness.answers = () => 'as the authority';
    await expect(harness.verify(token)).resolves.toMatchObject({ subject: 'site-1' });
  });

  it('authority: metadata only where RFC 8414 has it -> is found', async () => {
    harness.answers = (url) => {
      if (url === 'https://login.example/.well-known/oauth-authorization-server/realm') {
        const body = JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` });
        return { status: 200, headers: {}, body };
      }
      return url.includes('openid-configuration') ? { status: 404, headers: {}, body: '' } : 'as the authority';
    };
    await expect(harness.verify(token)).resolves.toMatchObject({ subject: 'site-1' });
  });

  it.each([
    ['keys in the clear', JSON.stringify({ issuer, jwks_uri: 'http://login.example/keys' })],
    ['no place of keys', JSON.stringify({ issuer })],
    ['no object', '7'],
  ])('authority: metadata with %s -> authorityInvalid', async (_, body) => {
    harness.answers = () => ({ status: 200, headers: {}, body });
    await expect(harness.verify(token)).rejects.toMatchObject({ code: 'authorityInvalid' });
  });

  it.each([[{}], [{ keys: 7 }], [{ keys: [7] }], [null]])(
    'authority: %j for keys -> authorityInvalid',
    async (keys) => {
      harness.answers = (url) =>
        url.endsWith('/keys') ? { status: 200, headers: {}, body: JSON.stringify(keys) } : 'as the authority';
      await expect(harness.verify(token)).rejects.toMatchObject({ code: 'authorityInvalid' });
    },
  );

  it('authority: status 503 -> authorityUnavailable', async () => {
    harness.answers = () => ({ status: 503, headers: {}, body: '' });
    await expect(harness.verify(token)).rejects.toMatchObject({ code: 'authorityUnavailable' });
  });

  it('authority: keys without names, several of a kind -> each is tried', async () => {
    const { publicKey: right, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const { publicKey: wrong } = await generateKeyPair('ES256', { extractable: true });
    const body = JSON.stringify({ keys: [await exportJWK(wrong), await exportJWK(right)] });
    harness.answers = (url) => (url.endsWith('/keys') ? { status: 200, headers: {}, body } : 'as the authority');
    const sign = (key: CryptoKey) =>
      new CompactSign(new TextEncoder().encode(JSON.stringify(claims())))
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
        .sign(key);
    await expect(harness.verify(await sign(privateKey))).resolves.toMatchObject({ subject: 'site-1' });
    const stranger = await generateKeyPair('ES256', { extractable: true });
    await expect(harness.verify(await sign(stranger.privateKey))).rejects.toMatchObject({ code: 'tokenRefused' });
  });
});

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
