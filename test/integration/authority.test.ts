/** Access tokens, requested from a real OAuth2 authority, and checked as a cloud node checks them. */
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createActor, toPromise } from 'xstate';
import { type Authority, type AuthorityOptions, startAuthority } from '../../demo/authority.js';
import { type Certificates, makeCertificates } from '../../demo/certificates.js';
import type { AccessToken, VerifiedToken } from '../../src/actors/slots.js';
import { createHttp } from '../../src/adapters/http.js';
import { systemTime } from '../../src/adapters/time.js';
import { configurationSchema } from '../../src/configuration/schema.js';
import type { NodeId } from '../../src/core/ids.js';
import type { CloudPeer } from '../../src/remote-peers/remote-peer.js';
import { createRequestToken } from '../../src/services/request-token.js';
import { createVerifyToken } from '../../src/services/verify-token.js';

const scope = 'entgldb:sync';
const audience = 'urn:statemesh:test';
/** With characters that HTTP Basic must encode (RFC 6749, section 2.3.1). */
const secret = 'open sesame: 100% & more+';
const clientSecret = '$' + '{SHOP_SECRET}';
const time = systemTime();

let authority: Authority | undefined;

beforeEach(() => {
  // The authority warns each time that it stores nothing; that is intended here.
  jest.spyOn(console, 'warn').mockImplementation(() => {});
});

afterEach(async () => {
  jest.restoreAllMocks();
  await authority?.close();
  authority = undefined;
});

async function start(options: Partial<AuthorityOptions> = {}): Promise<string> {
  const clients = [{ id: 'shop', secret }];
  authority = await startAuthority({ clients, scope, audience, lifetimeSeconds: 600, ...options });
  return authority.url;
}

function request(url: string, oAuth2: Partial<CloudPeer['oAuth2']> = {}, ca?: string, value = secret) {
  const environment = { get: (name: string) => (name === 'SHOP_SECRET' ? value : undefined) };
  const peer: CloudPeer = {
    nodeId: 'cloud-1' as NodeId,
    address: 'cloud:9000',
    type: 2,
    isEnabled: true,
    oAuth2: { authority: url, clientId: 'shop', clientSecret, scopes: [scope], audience, ...oAuth2 },
  };
  const service = createRequestToken({ http: createHttp(), time, environment });
  const secretVariables = [{ name: 'SHOP_SECRET', origin: new URL(url).origin }];
  const configuration = { secretVariables, authorityOrigins: [] };
  const actor = createActor(service, { input: { peer, keys: undefined, ca, configuration } });
  const outcome: Promise<AccessToken> = toPromise(actor);
  actor.start();
  return outcome;
}

function verify({ token }: AccessToken, url: string, ca?: string): Promise<VerifiedToken> {
  const configuration = configurationSchema.parse({
    nodeId: 'cloud-1',
    role: 'cloud',
    authority: url,
    audience,
    scope,
  });
  const service = createVerifyToken({ http: createHttp(), time });
  const actor = createActor(service, { input: { token, configuration, ca } });
  const outcome: Promise<VerifiedToken> = toPromise(actor);
  actor.start();
  return outcome;
}

async function refusal(outcome: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = await outcome.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  // Neither in the message nor in a cause, at any depth.
  expect(inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true })).not.toContain('sesame');
  return error as { code: string; message: string };
}

describe('an OAuth2 authority', () => {
  it('a client with its secret -> a token that a cloud node accepts', async () => {
    const url = await start();
    const granted = await request(url);
    expect(authority?.tokens).toEqual([granted.token.reveal()]);
    expect(granted.lifetimeMs).toBe(600_000);
    expect(await verify(granted, url)).toMatchObject({ subject: 'shop' });
  });

  it('configured with a slash at the end -> the same', async () => {
    const url = await start();
    expect(await verify(await request(`${url}/`), url)).toMatchObject({ subject: 'shop' });
  });

  it('over https, with a certificate of a trusted authority -> a token', async () => {
    const certificates: Certificates = await makeCertificates();
    const url = await start({ tls: certificates });
    const granted = await request(url, {}, certificates.ca);
    expect(await verify(granted, url, certificates.ca)).toMatchObject({ subject: 'shop' });
  });

  it('over https, with a certificate of an untrusted authority -> certificateInvalid', async () => {
    const url = await start({ tls: await makeCertificates() });
    const { ca } = await makeCertificates();
    expect((await refusal(request(url, {}, ca))).code).toBe('certificateInvalid');
    expect((await refusal(request(url))).code).toBe('certificateInvalid');
  });

  it.each<[string, Partial<CloudPeer['oAuth2']>, string, string]>([
    ['another secret', {}, 'sesame, not the right one', 'invalid_client'],
    ['a client that it does not know', { clientId: 'stranger' }, secret, 'invalid_client'],
  ])('%s -> authorityRefused, by its code', async (_, oAuth2, value, error) => {
    const url = await start();
    const { code, message } = await refusal(request(url, oAuth2, undefined, value));
    expect(code).toBe('authorityRefused');
    expect(message).toContain(error);
    expect(authority?.tokens).toEqual([]);
  });

  it('no scope that the client has -> a token for less than requested, which a cloud node refuses', async () => {
    const url = await start();
    const granted = await request(url, { scopes: ['admin'] });
    expect((await refusal(verify(granted, url))).code).toBe('tokenRefused');
  });

  it('no process at its address any more -> authorityUnavailable', async () => {
    const url = await start();
    await authority?.close();
    authority = undefined;
    expect((await refusal(request(url))).code).toBe('authorityUnavailable');
  });

  it('another name of its machine -> authorityInvalid, because its issuer differs', async () => {
    const url = await start();
    const { code, message } = await refusal(request(url.replace('127.0.0.1', 'localhost')));
    expect(code).toBe('authorityInvalid');
    expect(message).toContain('another issuer');
    expect(authority?.tokens).toEqual([]);
  });
});
