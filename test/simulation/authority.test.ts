/** The authority of a world: its answers over the simulated network are right and always the same. */
import { createPublicKey, verify } from 'node:crypto';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import * as oauth from 'oauth4webapi';
import { limits } from '../../src/core/limits.js';
import { authorityText } from '../../src/simulation/network/certificates.js';
import { worldEpochMs } from '../../src/simulation/node-ports.js';
import { AuthorityBench, nodeAddress } from './authority-bench.js';

const office = { clientId: 'office+1', clientSecret: 'open sesame: now & then' };
const form = { 'content-type': 'application/x-www-form-urlencoded' };

function askedBy(bench: AuthorityBench, fields: Record<string, string>, authorization?: string) {
  const body = new URLSearchParams({ grant_type: 'client_credentials', ...fields }).toString();
  const headers = authorization === undefined ? form : { ...form, authorization };
  return bench.ask({ method: 'POST', url: 'https://authority.world/token', headers, body });
}

const posted = { client_id: office.clientId, client_secret: office.clientSecret };

describe('the authority', () => {
  it('a token: requested in the form or by HTTP Basic -> signed, with its claims', async () => {
    const bench = new AuthorityBench({ lifetime: '10min' });
    bench.authority.register(office);
    const basic = Buffer.from(
      `${encodeURIComponent(office.clientId)}:${encodeURIComponent(office.clientSecret)}`,
    ).toString('base64');
    for (const asking of [askedBy(bench, posted), askedBy(bench, {}, `Basic ${basic}`)]) {
      const { status, body } = await asking;
      expect(status).toBe(200);
      const { access_token: token, ...rest } = JSON.parse(body);
      expect(rest).toEqual({ token_type: 'Bearer', expires_in: 600, scope: 'entgldb:sync' });
      const [header, claims, signature] = token.split('.');
      expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
        iss: 'https://authority.world',
        sub: 'office+1',
        aud: 'https://cloud.world',
        scope: 'entgldb:sync',
        iat: worldEpochMs / 1_000,
        nbf: worldEpochMs / 1_000,
        exp: worldEpochMs / 1_000 + 600,
      });
      const { keys } = JSON.parse((await bench.ask({ url: 'https://authority.world/jwks' })).body);
      const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString());
      const key = createPublicKey({ key: keys.find((each: { kid: string }) => each.kid === kid), format: 'jwk' });
      expect(verify(null, Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, 'base64url'))).toBe(true);
      expect(bench.authority.grantOf(token)).toMatchObject({ subject: 'office+1', scopes: ['entgldb:sync'] });
    }
  });

  it.each([
    ['another secret', { ...posted, client_secret: 'x' }, 401, 'invalid_client'],
    ['another client', { ...posted, client_id: 'x' }, 401, 'invalid_client'],
    ['no client', {}, 401, 'invalid_client'],
    ['another grant', { ...posted, grant_type: 'password' }, 400, 'unsupported_grant_type'],
    ['a scope that it has not', { ...posted, scope: 'entgldb:sync admin' }, 400, 'invalid_scope'],
    ['an audience that it has not', { ...posted, audience: 'https://bank.world' }, 400, 'invalid_target'],
  ])('a token: %s -> %j refused with %i %s', async (_, fields, status, error) => {
    const bench = new AuthorityBench();
    bench.authority.register(office);
    const answer = await askedBy(bench, fields);
    expect([answer.status, JSON.parse(answer.body).error]).toEqual([status, error]);
  });

  it('two authorities: one seed -> the same tokens; different seeds -> different tokens', async () => {
    const token = (seed: number) => new AuthorityBench({}, seed).authority.issue({ subject: 'office' });
    expect(token(1)).toBe(token(1));
    expect(token(2)).not.toBe(token(1));
  });

  it('rotated keys: the old ones kept -> both are published; not kept -> only the new one', async () => {
    const bench = new AuthorityBench();
    const kids = async () =>
      JSON.parse((await bench.ask({ url: 'https://authority.world/jwks' })).body).keys.map(
        ({ kid }: { kid: string }) => kid,
      );
    bench.authority.rotateKeys();
    expect(await kids()).toEqual(['key-1', 'key-2']);
    bench.authority.rotateKeys({ keepsOld: false });
    expect(await kids()).toEqual(['key-3']);
  });

  it('an issuer: with a path -> is found at both well-known places', async () => {
    const bench = new AuthorityBench({ issuer: 'https://login.world:8443/shops' });
    for (const url of [
      'https://login.world:8443/shops/.well-known/openid-configuration',
      'https://login.world:8443/.well-known/oauth-authorization-server/shops',
    ]) {
      const metadata = JSON.parse((await bench.ask({ url })).body);
      expect(metadata).toMatchObject({
        issuer: 'https://login.world:8443/shops',
        token_endpoint: 'https://login.world:8443/shops/token',
      });
    }
  });

  it('a fault: any -> is reported to the world', () => {
    const bench = new AuthorityBench();
    bench.authority.slow('2s');
    bench.authority.skew('-1min');
    bench.authority.mend();
    expect(bench.meddled).toEqual([
      'authority.world answers 2s later',
      'skew authority.world -1min',
      'authority.world is in order',
    ]);
  });
});

describe('requests to it', () => {
  const url = 'https://authority.world/jwks';

  it('a request: in fair weather -> takes two round trips, and the authority records the caller', async () => {
    const bench = new AuthorityBench();
    await bench.ask({ url });
    expect(bench.clock.nowMs).toBeGreaterThan(4 * 8);
    expect(bench.authority.requests).toEqual([
      { atMs: expect.any(Number), from: nodeAddress, method: 'GET', path: '/jwks' },
    ]);
  });

  it.each(['hang', 'down'] as const)('%s -> authorityUnavailable, within the time', async (fault) => {
    const bench = new AuthorityBench();
    bench.authority[fault]();
    expect(await bench.codeOf(bench.request({ url }))).toBe('authorityUnavailable');
    expect(bench.clock.nowMs).toBeLessThanOrEqual(limits.httpTimeoutMs);
  });

  it('fail, rubbish, slow: switched on -> have their effect; mended -> all is as before', async () => {
    const bench = new AuthorityBench();
    bench.authority.fail();
    expect((await bench.ask({ url })).status).toBe(503);
    bench.authority.rubbish();
    expect((await bench.ask({ url })).body).toMatch(/It works/);
    bench.authority.slow('3s');
    const beforeMs = bench.clock.nowMs;
    expect((await bench.ask({ url })).status).toBe(200);
    expect(bench.clock.nowMs - beforeMs).toBeGreaterThan(3_000);
    bench.authority.slow('31s');
    expect(await bench.codeOf(bench.request({ url }))).toBe('authorityUnavailable');
    bench.authority.down();
    bench.authority.mend();
    expect((await bench.ask({ url })).status).toBe(200);
  });

  it('refuse: switched on -> every client is refused, and the keys are still published', async () => {
    const bench = new AuthorityBench();
    bench.authority.register(office);
    bench.authority.refuse();
    expect((await askedBy(bench, posted)).status).toBe(401);
    expect((await bench.ask({ url })).status).toBe(200);
  });

  it('a partition: cuts the way -> the request hangs until the timeout; after the heal -> is answered', async () => {
    const bench = new AuthorityBench();
    bench.hub.cut(nodeAddress, bench.authority.address);
    expect(await bench.codeOf(bench.request({ url }))).toBe('authorityUnavailable');
    expect(bench.clock.nowMs).toBe(limits.httpTimeoutMs);
    const asking = bench.ask({ url });
    bench.clock.schedule(3_000, () => bench.hub.heal());
    expect((await asking).status).toBe(200);
  });

  it('a reset: during a request -> authorityUnavailable', async () => {
    const bench = new AuthorityBench();
    bench.authority.slow('1s');
    const asking = bench.codeOf(bench.request({ url }));
    bench.clock.schedule(500, () => bench.hub.reset(nodeAddress, bench.authority.address));
    expect(await asking).toBe('authorityUnavailable');
  });

  it('a request: aborted -> cancelled at once, and nothing is left over', async () => {
    const bench = new AuthorityBench();
    bench.authority.hang();
    const controller = new AbortController();
    bench.clock.schedule(1_000, () => controller.abort());
    expect(await bench.codeOf(bench.request({ url, signal: controller.signal }))).toBe('cancelled');
    expect(bench.clock.nowMs).toBe(1_000);
    await bench.run(30_000);
    expect([bench.hub.openStreams, bench.clock.planned]).toEqual([0, 0]);
  });

  it('an untrusted authority, an unknown name, no valid address: asked -> each its code', async () => {
    const bench = new AuthorityBench();
    expect(await bench.codeOf(bench.request({ url, ca: authorityText('two') }))).toBe('certificateInvalid');
    expect(await bench.codeOf(bench.request({ url, ca: undefined }))).toBe('certificateInvalid');
    expect(await bench.codeOf(bench.request({ url: 'https://nowhere.world/' }))).toBe('authorityUnavailable');
    expect(await bench.codeOf(bench.request({ url: 'http://authority.world/' }))).toBe('authorityUnavailable');
    expect(await bench.codeOf(bench.request({ url: 'file:///etc' }))).toBe('authorityInvalid');
  });
});

describe('oauth4webapi over it', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  /** Requests as a service makes them: over the port. */
  async function tokenBy(bench: AuthorityBench, authentication: oauth.ClientAuth): Promise<unknown> {
    const customFetch = async (url: string, options: oauth.CustomFetchOptions<string, unknown>): Promise<Response> => {
      const { status, headers, body } = await bench.http.request({
        method: options.method as 'GET' | 'POST',
        url,
        headers: options.headers,
        body: options.body === undefined || options.body === null ? undefined : String(options.body),
        ca: 'world-ca world',
        signal: options.signal ?? new AbortController().signal,
      });
      return new Response(body, { status, headers });
    };
    const options = { [oauth.customFetch]: customFetch as never };
    const issuer = new URL(bench.authority.issuer);
    const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
    const client = { client_id: office.clientId };
    const response = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      authentication,
      { scope: 'entgldb:sync' },
      options,
    );
    return (await oauth.processClientCredentialsResponse(server, client, response)).access_token;
  }

  it.each([
    ['HTTP Basic', oauth.ClientSecretBasic],
    ['the form', oauth.ClientSecretPost],
  ])('a token: by %s, while only noted promises are waited for -> the same moment each time', async (_, by) => {
    // The world waits for promises, not for the event loop: no step may need a turn of it.
    const turns = jest.spyOn(globalThis, 'setImmediate');
    const moments = new Set<number>();
    for (let run = 0; run < 20; run += 1) {
      const bench = new AuthorityBench();
      bench.authority.register(office);
      const token = await bench.settle(tokenBy(bench, by(office.clientSecret)));
      expect(bench.authority.grantOf(token as string)).toMatchObject({ subject: office.clientId });
      moments.add(bench.clock.nowMs);
    }
    expect(moments.size).toBe(1);
    expect(turns).not.toHaveBeenCalled();
  });

  it('a refused client: asks -> the error of the library', async () => {
    const bench = new AuthorityBench();
    await expect(bench.settle(tokenBy(bench, oauth.ClientSecretPost('x')))).rejects.toMatchObject({ status: 401 });
  });
});
