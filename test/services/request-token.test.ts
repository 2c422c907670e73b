/** Access tokens, requested from a small authority over real sockets. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createActor, toPromise } from 'xstate';
import type { AccessToken, RequestTokenInput } from '../../src/actors/slots.js';
import { createHttp } from '../../src/adapters/http.js';
import { failureOf } from '../../src/core/errors.js';
import type { NodeId } from '../../src/core/ids.js';
import { ClusterKeys } from '../../src/core/keys.js';
import { limits } from '../../src/core/limits.js';
import { sealSecret } from '../../src/core/sealing.js';
import { Secret } from '../../src/core/secret.js';
import type { CloudPeer } from '../../src/remote-peers/remote-peer.js';
import { createRequestToken } from '../../src/services/request-token.js';
import { manualTime } from '../machines/bench.js';

const reference = '$' + '{SHOP_SECRET}';
const timeoutMs = 1_000;
const json = { 'content-type': 'application/json' };

interface Asked {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly form: Readonly<Record<string, string>>;
}

type Answer = 'hang' | { readonly status?: number; readonly body: unknown; readonly headers?: Record<string, string> };

let server: Server;
let url: string;
let asked: Asked[];
let metadata: Answer;
/** At the address of RFC 8414. */
let otherMetadata: Answer;
let grant: Answer;
let trust: RequestTokenInput['configuration'];

beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    void note(request).then(({ path }) => {
      const isMetadata = path.includes('/.well-known/');
      const answer = isMetadata ? (path.includes('openid') ? metadata : otherMetadata) : grant;
      if (answer === 'hang') return;
      const { status = 200, body, headers = json } = answer;
      response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  metadata = { body: { issuer: url, token_endpoint: `${url}/token` } };
  otherMetadata = { status: 404, body: '' };
  trust = { secretVariables: [{ name: 'SHOP_SECRET', origin: url }], authorityOrigins: [] };
  grant = { body: { access_token: 'a.b.c', token_type: 'Bearer', expires_in: 60 } };
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function note(request: IncomingMessage): Promise<Asked> {
  const form = Object.fromEntries(new URLSearchParams(await text(request)));
  const one = { path: request.url ?? '', authorization: request.headers.authorization, form };
  asked.push(one);
  return one;
}

const keys = new ClusterKeys(new Uint8Array(32).fill(1));
const time = manualTime();
const environment = { get: (name: string) => (name === 'SHOP_SECRET' ? 'open sesame' : undefined) };

function peerWith(oAuth2: Partial<CloudPeer['oAuth2']> = {}): CloudPeer {
  return {
    nodeId: 'cloud-1' as NodeId,
    address: 'cloud:9000',
    type: 2,
    isEnabled: true,
    oAuth2: { authority: url, clientId: 'shop', clientSecret: reference, scopes: ['entgldb:sync', 'x'], ...oAuth2 },
  };
}

function newService() {
  const service = createRequestToken({ http: createHttp(timeoutMs), time, environment });
  return (peer = peerWith()): Promise<AccessToken> => {
    const actor = createActor(service, { input: { peer, keys, ca: undefined, configuration: trust } });
    const outcome = toPromise(actor);
    actor.start();
    return outcome;
  };
}

async function refusal(peer = peerWith()): Promise<{ code: string; message: string }> {
  try {
    await newService()(peer);
  } catch (error) {
    return failureOf(error);
  }
  throw new Error('It was granted.');
}

const basic = `Basic ${Buffer.from('shop:open+sesame').toString('base64')}`;

describe('requestToken', () => {
  it('an authority with metadata -> asked at its endpoint, by HTTP Basic, for the scopes', async () => {
    const token = await newService()();
    expect(token.token.reveal()).toBe('a.b.c');
    expect(token).toMatchObject({ lifetimeMs: 60_000, expiresAtMs: time.now() + 60_000 });
    expect(asked.map(({ path }) => path)).toEqual(['/.well-known/openid-configuration', '/token']);
    expect(asked[1]).toMatchObject({
      authorization: basic,
      form: { grant_type: 'client_credentials', scope: 'entgldb:sync x' },
    });
  });

  it.each<[string, Partial<CloudPeer['oAuth2']>, object]>([
    ['Entra ID', { scopes: ['api://statemesh/.default'] }, { scope: 'api://statemesh/.default' }],
    ['Okta', { scopes: ['entgldb:sync'] }, { scope: 'entgldb:sync' }],
    ['Auth0', { scopes: [], audience: 'https://cloud.example.com' }, { audience: 'https://cloud.example.com' }],
    ['Keycloak', { scopes: ['entgldb:sync'] }, { scope: 'entgldb:sync' }],
    ['Amazon Cognito', { scopes: ['statemesh/sync'] }, { scope: 'statemesh/sync' }],
  ])('%s, as in operations.md -> receives what its documentation requires', async (_, oAuth2, expected) => {
    await newService()(peerWith(oAuth2));
    const { grant_type: type, client_id: __, resource, ...form } = asked[1]?.form ?? {};
    expect([type, form]).toEqual(['client_credentials', expected]);
    // Entra ID refuses it beside a scope.
    if (oAuth2.audience === undefined) expect(resource).toBeUndefined();
  });

  it('a second request -> uses the known metadata; after a failure, fetches it again', async () => {
    const request = newService();
    await request();
    await request();
    expect(asked.map(({ path }) => path).slice(2)).toEqual(['/token']);
    grant = { status: 503, body: '' };
    await expect(request()).rejects.toMatchObject({ code: 'authorityUnavailable' });
    grant = { body: { access_token: 'd.e.f', token_type: 'bearer' } };
    expect(await request()).toMatchObject({ lifetimeMs: 300_000 });
    expect(asked.slice(4).map(({ path }) => path)).toEqual(['/.well-known/openid-configuration', '/token']);
  });

  it('an authority that accepts only the form -> the secret is in the form', async () => {
    const methods = { token_endpoint_auth_methods_supported: ['client_secret_post'] };
    metadata = { body: { issuer: url, token_endpoint: `${url}/token`, ...methods } };
    await newService()();
    expect(asked[1]).toMatchObject({
      authorization: undefined,
      form: { client_id: 'shop', client_secret: 'open sesame' },
    });
  });

  it.each<[string, Answer]>([
    ['none', { status: 404, body: 'no' }],
    ['a page for people', { body: '<html>', headers: { 'content-type': 'text/html' } }],
    ['JSON that is cut off', { body: '{"issuer"' }],
  ])('metadata: %s -> /connect/token, by the form, as EntglDB does', async (_, answer) => {
    metadata = answer;
    await newService()();
    expect(asked.at(-1)).toMatchObject({ path: '/connect/token', form: { client_secret: 'open sesame' } });
  });

  it('metadata without a JSON content type -> accepted, as cloud nodes accept it', async () => {
    metadata = { ...(metadata as { body: unknown }), headers: { 'content-type': 'text/plain' } };
    await newService()();
    expect(asked.map(({ path }) => path)).toEqual(['/.well-known/openid-configuration', '/token']);
  });

  it.each([
    ['/realm/', '/realm'],
    ['/realm', '/realm/'],
    ['/', ''],
  ])('configured as %j, its own issuer %j -> the same authority', async (configured, own) => {
    metadata = { body: { issuer: `${url}${own}`, token_endpoint: `${url}/token` } };
    await newService()(peerWith({ authority: `${url}${configured}` }));
    const path = own === '' ? '' : '/realm';
    expect(asked.map((one) => one.path)).toEqual([`${path}/.well-known/openid-configuration`, '/token']);
  });

  it('metadata of authorityMetadataFreshMs -> fetched again; younger ones -> used', async () => {
    const request = newService();
    await request();
    time.advance(limits.authorityMetadataFreshMs - 1);
    await request();
    time.advance(1);
    await request();
    expect(asked.slice(2).map(({ path }) => path)).toEqual(['/token', '/.well-known/openid-configuration', '/token']);
  });

  it('more authorities than are remembered -> the first is asked again, and the last is not', async () => {
    const request = newService();
    const pathsOf = async (realm: number) => {
      metadata = { body: { issuer: `${url}/${realm}`, token_endpoint: `${url}/token` } };
      asked = [];
      await request(peerWith({ authority: `${url}/${realm}` }));
      return asked.length;
    };
    for (let realm = 0; realm <= 32; realm += 1) expect(await pathsOf(realm)).toBe(2);
    expect(await pathsOf(32)).toBe(1);
    expect(await pathsOf(0)).toBe(2);
  });

  it('no secret -> the client only sends its id', async () => {
    const { clientSecret: _, ...oAuth2 } = peerWith().oAuth2;
    await newService()({ ...peerWith(), oAuth2 });
    expect(asked[1]).toMatchObject({ authorization: undefined, form: { client_id: 'shop' } });
    expect(asked[1]?.form).not.toHaveProperty('client_secret');
  });

  it('an authority that lists no supported method -> HTTP Basic', async () => {
    for (const methods of [['private_key_jwt'], null]) {
      asked = [];
      const named = { token_endpoint_auth_methods_supported: methods };
      metadata = { body: { issuer: url, token_endpoint: `${url}/token`, ...named } };
      await newService()();
      expect(asked[1]?.authorization).toBe(basic);
    }
  });

  it('an authority that repeats the secret, or anything else -> is quoted with codes of RFC 6749 only', async () => {
    const refusals = [
      { error: 'invalid_client', error_description: 'no: open sesame', error_uri: 'https://x/?open+sesame' },
      { error: 'open sesame' },
      { error: 'b3BlbiBzZXNhbWU=', error_description: 'b3BlbiBzZXNhbWU=' },
      { error: 'constructor' },
      { error: 'not_of_the_list\u001b[31m' },
    ];
    const messages: string[] = [];
    for (const body of refusals) {
      grant = { status: 401, body };
      const { code, message } = await refusal();
      expect(code).toBe('authorityRefused');
      messages.push(message);
    }
    const [first, ...others] = messages;
    expect(first).toBe('The authority of "cloud-1" refuses the client (invalid_client).');
    for (const other of others) expect(other).toBe('The authority of "cloud-1" refuses the client (status 401).');
  });

  it('an authority with other wrong answers that repeat the secret -> neither message nor cause contains it', async () => {
    const answers: Answer[] = [
      { body: { token_type: 'open sesame', access_token: 'open sesame' } },
      { body: { token_type: 'Bearer', access_token: 'open sesame', expires_in: 'open sesame' } },
      { body: 'open sesame' },
      { status: 302, headers: { location: 'https://evil.example/?open+sesame' }, body: '' },
      { status: 401, headers: { 'www-authenticate': 'Basic realm="open sesame", error="open sesame"' }, body: '' },
    ];
    for (const answer of answers) {
      grant = answer;
      const error = await newService()().catch((thrown: unknown) => thrown);
      expect(inspect(error, { depth: 20 })).toMatch(/StatemeshError/);
      expect(inspect(error, { depth: 20 })).not.toMatch(/sesame/);
    }
    expect(asked.every(({ path }) => !path.includes('evil'))).toBe(true);
  });

  it.each<[string, RequestTokenInput['configuration']['secretVariables']]>([
    ['not listed', []],
    ['listed for another authority', [{ name: 'SHOP_SECRET', origin: 'https://identity.example.com' }]],
    ['listed at another port', [{ name: 'SHOP_SECRET', origin: 'http://127.0.0.1:1' }]],
    ['in place of one that is listed', [{ name: 'OTHER_SECRET', origin: 'http://127.0.0.1:1' }]],
  ])('a variable that is %s -> secretVariableUnlisted, and no request is sent', async (_, secretVariables) => {
    trust = { ...trust, secretVariables };
    const { code, message } = await refusal();
    expect(code).toBe('secretVariableUnlisted');
    expect(message).toContain('SHOP_SECRET');
    expect(asked).toEqual([]);
  });

  it.each([
    ['another origin', 'https://evil.example/token', 'authorityInvalid'],
    ['another port of this machine', 'http://127.0.0.1:1/token', 'authorityInvalid'],
    ['this machine by another name', 'http://localhost:1/token', 'authorityInvalid'],
    ['a user in the URL', 'https://a:b@evil.example/token', 'plaintextRefused'],
    ['another protocol', 'file:///etc/passwd', 'plaintextRefused'],
  ])('a token endpoint at %s -> refused, and the secret stays here', async (_, endpoint, code) => {
    metadata = { body: { issuer: url, token_endpoint: endpoint } };
    expect((await refusal()).code).toBe(code);
    expect(asked.filter(({ authorization, form }) => authorization !== undefined || form.client_id)).toEqual([]);
  });

  it('a token endpoint at another origin that the configuration lists -> asked there', async () => {
    const other = url.replace('127.0.0.1', 'localhost');
    metadata = { body: { issuer: url, token_endpoint: `${other}/token` } };
    expect((await refusal()).code).toBe('authorityInvalid');
    trust = { ...trust, authorityOrigins: [other] };
    await newService()();
    expect(asked.at(-1)).toMatchObject({ path: '/token', authorization: basic });
  });

  it.each<[string, Answer]>([
    ['403', { status: 403, body: '' }],
    ['500', { status: 500, body: '' }],
    ['a page for people', { body: '<html>', headers: { 'content-type': 'text/html' } }],
    ['a list', { body: [] }],
    [
      'metadata of somebody else',
      { body: { issuer: 'https://other.example', token_endpoint: 'https://other.example/t' } },
    ],
    ['metadata without a token endpoint', { body: { issuer: 'ours' } }],
    ['a redirect', { status: 302, headers: { location: 'https://evil.example' }, body: '' }],
  ])('OpenID discovery answers with %s, RFC 8414 has metadata -> found there', async (_, answer) => {
    metadata = answer;
    otherMetadata = { body: { issuer: url, token_endpoint: `${url}/token` } };
    await newService()();
    expect(asked.map(({ path }) => path)).toEqual([
      '/.well-known/openid-configuration',
      '/.well-known/oauth-authorization-server',
      '/token',
    ]);
  });

  it.each([429, 503])('status %d with Retry-After -> no request before it is over, from any caller', async (status) => {
    const request = newService();
    grant = { status, headers: { 'retry-after': '60' }, body: '' };
    await expect(request()).rejects.toMatchObject({ code: 'authorityUnavailable', retryAfterMs: 60_000 });
    const before = asked.length;
    time.advance(59_000);
    await expect(request(peerWith({ clientId: 'other' }))).rejects.toMatchObject({ retryAfterMs: 1_000 });
    expect(asked).toHaveLength(before);
    time.advance(1_000);
    grant = { body: { access_token: 'd.e.f', token_type: 'bearer' } };
    await request();
    // Its metadata is still known.
    expect(asked.slice(before).map(({ path }) => path)).toEqual(['/token']);
  });

  it('discovery answers 429 with Retry-After -> no request until then, to its other address neither', async () => {
    metadata = { status: 429, headers: { 'retry-after': '60' }, body: '' };
    const request = newService();
    await expect(request()).rejects.toMatchObject({ retryAfterMs: 60_000 });
    await expect(request()).rejects.toMatchObject({ code: 'authorityUnavailable' });
    expect(asked).toHaveLength(1);
  });

  it('the address of the authority itself: with user, password or no URL -> refused, and told apart from an endpoint', async () => {
    for (const authority of ['https://a:b@identity.example.com', 'ftp://127.0.0.1/', 'unix:/run/x.sock', 'x']) {
      const { code, message } = await refusal(peerWith({ authority }));
      expect(code).toMatch(/plaintextRefused|authorityInvalid|secretVariableUnlisted/);
      expect(message).not.toContain('a:b');
    }
    expect(asked).toEqual([]);
  });

  it.each([null, 7, {}, ''])('a refusal described by %j -> authorityRefused, by its code', async (description) => {
    grant = { status: 400, body: { error: 'invalid_scope', error_description: description } };
    const { code, message } = await refusal();
    expect(code).toBe('authorityRefused');
    expect(message).toContain('(invalid_scope)');
  });

  it('an audience -> sent, and as a resource when it is a URI', async () => {
    await newService()(peerWith({ audience: 'urn:cloud' }));
    expect(asked[1]?.form).toMatchObject({ audience: 'urn:cloud', resource: 'urn:cloud' });
    await newService()(peerWith({ audience: 'cloud' }));
    expect(asked[3]?.form).toMatchObject({ audience: 'cloud' });
    expect(asked[3]?.form).not.toHaveProperty('resource');
  });

  it('a sealed secret -> opened; one for another client, and a literal -> secretUnsealable', async () => {
    const nonce = Buffer.alloc(12, 1).toString('base64url');
    const owner = { nodeId: 'cloud-1', authority: url, clientId: 'shop' };
    const clientSecret = sealSecret({ keys, peer: owner, nonce, secret: new Secret('open sesame') });
    await newService()(peerWith({ clientSecret }));
    expect(asked[1]?.authorization).toBe(basic);
    expect((await refusal(peerWith({ clientSecret, clientId: 'other' }))).code).toBe('secretUnsealable');
    const literal = await refusal(peerWith({ clientSecret: 'open sesame' }));
    expect(literal.code).toBe('secretUnsealable');
    expect(literal.message).not.toContain('sesame');
  });

  it('a resealed secret -> the one of the two that this node can open; neither -> secretUnsealable', async () => {
    const owner = { nodeId: 'cloud-1', authority: url, clientId: 'shop' };
    const by = (byte: number) => {
      const ring = new ClusterKeys(new Uint8Array(32).fill(byte));
      const nonce = Buffer.alloc(12, byte).toString('base64url');
      return sealSecret({ keys: ring, peer: owner, nonce, secret: new Secret('open sesame') });
    };
    const resealed = (clientSecret: string, resealedSecret: string) => ({
      ...peerWith({ clientSecret }),
      resealedSecret,
    });
    await newService()(resealed(by(1), by(2)));
    await newService()(resealed(by(2), by(1)));
    expect([asked[1]?.authorization, asked[3]?.authorization]).toEqual([basic, basic]);
    expect((await refusal(resealed(by(2), by(3)))).code).toBe('secretUnsealable');
  });

  it('an unset variable -> environmentMissing, naming it and the peer', async () => {
    trust = { ...trust, secretVariables: [{ name: 'NOT_THERE', origin: url }] };
    const { code, message } = await refusal(peerWith({ clientSecret: '$' + '{NOT_THERE}' }));
    expect(code).toBe('environmentMissing');
    expect(message).toContain('NOT_THERE');
    expect(message).toContain('cloud-1');
    expect(asked).toEqual([]);
  });

  it.each<[string, string, () => void]>([
    [
      'invalid_client',
      'authorityRefused',
      () => {
        grant = { status: 401, body: { error: 'invalid_client', error_description: 'wrong\u001b[31m secret' } };
      },
    ],
    [
      'invalid_scope',
      'authorityRefused',
      () => {
        grant = { status: 400, body: { error: 'invalid_scope' } };
      },
    ],
    [
      'status 403 and nothing else',
      'authorityRefused',
      () => {
        grant = { status: 403, body: 'no' };
      },
    ],
    [
      'status 404 in the words of a web framework',
      'authorityInvalid',
      () => {
        grant = { status: 404, body: { status: 404, error: 'Not Found', path: '/connect/token' } };
      },
    ],
    [
      'status 503',
      'authorityUnavailable',
      () => {
        grant = { status: 503, body: '' };
      },
    ],
    [
      'status 429',
      'authorityUnavailable',
      () => {
        grant = { status: 429, body: '' };
      },
    ],
    [
      'silence',
      'authorityUnavailable',
      () => {
        grant = 'hang';
      },
    ],
    [
      'silence about its metadata',
      'authorityUnavailable',
      () => {
        metadata = 'hang';
      },
    ],
    [
      'rubbish',
      'authorityInvalid',
      () => {
        grant = { body: '{"access' };
      },
    ],
    [
      'no token',
      'authorityInvalid',
      () => {
        grant = { body: { token_type: 'bearer' } };
      },
    ],
    [
      'a token of another type',
      'authorityInvalid',
      () => {
        grant = { body: { access_token: 'x', token_type: 'mac' } };
      },
    ],
    [
      'a token too long',
      'authorityInvalid',
      () => {
        grant = { body: { access_token: 'x'.repeat(limits.tokenLengthMax + 1), token_type: 'bearer' } };
      },
    ],
    [
      'a token that is no text of a header',
      'authorityInvalid',
      () => {
        grant = { body: { access_token: 'x y', token_type: 'bearer' } };
      },
    ],
    [
      'another issuer',
      'authorityInvalid',
      () => {
        metadata = { body: { issuer: 'https://evil.example.com', token_endpoint: `${url}/token` } };
      },
    ],
    [
      'metadata without a token endpoint',
      'authorityInvalid',
      () => {
        metadata = { body: { issuer: url } };
      },
    ],
    [
      'an endpoint in the clear',
      'plaintextRefused',
      () => {
        metadata = { body: { issuer: url, token_endpoint: 'http://192.0.2.1/token' } };
      },
    ],
  ])('%s -> %s', async (_, code, prepare) => {
    prepare();
    const refused = await refusal();
    expect(refused.code).toBe(code);
    expect(refused.message).not.toMatch(/sesame|\p{Cc}/u);
  });

  it('an unencrypted authority beyond loopback -> plaintextRefused, and no request is sent', async () => {
    expect((await refusal(peerWith({ authority: 'http://192.0.2.1' }))).code).toBe('plaintextRefused');
  });

  it.each([
    [0, 1_000],
    [86_400 * 30, limits.tokenLifetimeMaxMs],
  ])('a lifetime of %d s -> %d ms', async (seconds, lifetimeMs) => {
    grant = { body: { access_token: 'a.b.c', token_type: 'Bearer', expires_in: seconds } };
    expect(await newService()()).toMatchObject({ lifetimeMs });
  });

  it('aborted -> the request is given up', async () => {
    grant = 'hang';
    const actor = createActor(createRequestToken({ http: createHttp(60_000), time, environment }), {
      input: { peer: peerWith(), keys, ca: undefined, configuration: trust },
    });
    actor.subscribe({ error: () => {} });
    actor.start();
    const isAsked = () => asked.some(({ path }) => path === '/token');
    while (!isAsked()) await new Promise((resolve) => setImmediate(resolve));
    const closed = new Promise((resolve) => server.once('request', resolve));
    actor.stop();
    const open = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
    while ((await open()) > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await Promise.race([closed, Promise.resolve('nothing more is asked')])).toBe('nothing more is asked');
  });
});
