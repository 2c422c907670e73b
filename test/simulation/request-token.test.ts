/** How nodes of a world ask its authority for access tokens: the real service over the simulated network. */
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { createActor, toPromise } from 'xstate';
import type { AccessToken } from '../../src/actors/slots.js';
import type { NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import type { CloudPeer } from '../../src/remote-peers/remote-peer.js';
import { createRequestToken } from '../../src/services/request-token.js';
import type { AuthorityOptions } from '../../src/simulation/authority.js';
import { authorityText } from '../../src/simulation/network/certificates.js';
import { AuthorityBench, ca, nodeAddress } from './authority-bench.js';

const office = { clientId: 'office+1', clientSecret: 'open sesame: now & then' };
const metadataPath = '/.well-known/openid-configuration';

class Requesting extends AuthorityBench {
  readonly #service = createRequestToken({
    http: this.http,
    time: this.time,
    environment: { get: (name) => (name === 'OFFICE' ? office.clientSecret : undefined) },
  });

  constructor(options?: AuthorityOptions) {
    super(options);
    this.authority.register(office);
  }

  start(oAuth2: Partial<CloudPeer['oAuth2']> = {}, trusted: string | undefined = ca) {
    const peer: CloudPeer = {
      nodeId: 'cloud-1' as NodeId,
      address: 'cloud.world:9000',
      type: 2,
      isEnabled: true,
      oAuth2: {
        authority: this.authority.issuer,
        clientId: office.clientId,
        clientSecret: '$' + '{OFFICE}',
        scopes: ['entgldb:sync'],
        audience: 'https://cloud.world',
        ...oAuth2,
      },
    };
    const { origin } = new URL(peer.oAuth2.authority);
    const secretVariables = [{ name: 'OFFICE', origin }];
    const configuration = { secretVariables, authorityOrigins: [] };
    const actor = createActor(this.#service, { input: { peer, keys: undefined, ca: trusted, configuration } });
    actor.subscribe({ error: () => {} });
    actor.start();
    return actor;
  }

  token(...options: Parameters<Requesting['start']>): Promise<AccessToken> {
    return toPromise(this.start(...options));
  }

  get paths(): readonly string[] {
    return this.authority.requests.map(({ path }) => path);
  }
}

describe('requestToken in a world', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('the authority: works -> a token for the client, at the same moment in each run, without a turn of the loop', async () => {
    const turns = jest.spyOn(globalThis, 'setImmediate');
    const moments = new Set<number>();
    for (let run = 0; run < 20; run += 1) {
      const bench = new Requesting({ lifetime: '10min' });
      const { token, lifetimeMs, expiresAtMs } = await bench.settle(bench.token());
      expect(bench.authority.grantOf(token.reveal())).toMatchObject({
        subject: office.clientId,
        scopes: ['entgldb:sync'],
        audience: 'https://cloud.world',
      });
      expect(lifetimeMs).toBe(600_000);
      expect(expiresAtMs).toBe(bench.time.now() + 600_000);
      moments.add(bench.clock.nowMs);
    }
    expect(moments.size).toBe(1);
    expect(turns).not.toHaveBeenCalled();
  });

  it('an issuer: with a path -> a token', async () => {
    const bench = new Requesting({ issuer: 'https://login.world:8443/shops' });
    const { token } = await bench.settle(bench.token());
    expect(bench.authority.grantOf(token.reveal())).toMatchObject({ subject: office.clientId });
  });

  it.each([
    ['down', 'authorityUnavailable'],
    ['hang', 'authorityUnavailable'],
    ['fail', 'authorityUnavailable'],
    ['rubbish', 'authorityInvalid'],
    ['refuse', 'authorityRefused'],
  ] as const)('%s -> %s, in time; mended, a token', async (fault, code) => {
    const bench = new Requesting();
    bench.authority[fault]();
    expect(await bench.codeOf(bench.token())).toBe(code);
    expect(bench.clock.nowMs).toBeLessThanOrEqual(limits.httpTimeoutMs);
    bench.authority.mend();
    expect(await bench.codeOf(bench.token())).toBe('resolved');
  });

  it('an authority: known metadata, and then it fails -> its metadata is fetched again', async () => {
    const bench = new Requesting();
    await bench.settle(bench.token());
    await bench.settle(bench.token());
    expect(bench.paths).toEqual([metadataPath, '/token', '/token']);
    bench.authority.fail();
    expect(await bench.codeOf(bench.token())).toBe('authorityUnavailable');
    bench.authority.mend();
    await bench.settle(bench.token());
    expect(bench.paths.slice(3)).toEqual(['/token', metadataPath, '/token']);
  });

  it.each<[string, Partial<CloudPeer['oAuth2']>, string]>([
    ['a client that it does not know', { clientId: 'stranger' }, 'authorityRefused'],
    ['a scope that the client has not', { scopes: ['admin'] }, 'authorityRefused'],
    ['an audience that the client has not', { audience: 'https://bank.world' }, 'authorityRefused'],
    ['a name that nobody has', { authority: 'https://nowhere.world' }, 'authorityUnavailable'],
    ['another name for it', { authority: 'https://authority.world/other' }, 'authorityInvalid'],
    ['no encryption', { authority: 'http://authority.world' }, 'plaintextRefused'],
  ])('%s -> %s', async (_, oAuth2, code) => {
    const bench = new Requesting();
    expect(await bench.codeOf(bench.token(oAuth2))).toBe(code);
  });

  it('a certificate: untrusted -> certificateInvalid, and no request is sent', async () => {
    const bench = new Requesting();
    expect(await bench.codeOf(bench.token({}, authorityText('two')))).toBe('certificateInvalid');
    expect(bench.paths).toEqual([]);
  });

  it('a partition: during the request -> authorityUnavailable; after the heal, a token', async () => {
    const bench = new Requesting();
    bench.authority.slow('1s');
    bench.clock.schedule(1_500, () => bench.hub.cut(bench.authority.address, nodeAddress));
    expect(await bench.codeOf(bench.token())).toBe('authorityUnavailable');
    bench.hub.heal();
    expect(await bench.codeOf(bench.token())).toBe('resolved');
  });

  it('a request: aborted -> given up at once, and nothing is left over', async () => {
    const bench = new Requesting();
    bench.authority.hang();
    const actor = bench.start();
    bench.clock.schedule(1_000, () => actor.stop());
    await bench.run(1_001);
    expect(bench.paths).toEqual([metadataPath]);
    // Long before it would have timed out.
    await bench.run(1_000);
    expect([bench.hub.openStreams, bench.clock.planned]).toEqual([0, 0]);
    expect(bench.paths).toEqual([metadataPath]);
  });
});
