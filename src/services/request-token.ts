/**
 * Gets access tokens for cloud peers: the client credentials grant (RFC 6749, section 4.4), at the endpoint that the authority's
 * metadata names, or at `{authority}/connect/token`, as the EntglDB peers do.
 *
 * Invariants: a secret leaves this file only in the body or the header of that one request; https only, but for loopback; what goes
 * wrong is told without secrets, and without texts of the authority that a terminal would obey.
 */
import * as oauth from 'oauth4webapi';
import { fromPromise } from 'xstate';
import { isLoopback } from '../core/address.js';
import { isStatemeshError, messageOf, StatemeshError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import { chooseEnvelope, isSealed, openSecret } from '../core/sealing.js';
import { Secret } from '../core/secret.js';
import type { Environment, Http, Time } from '../protocol/ports.js';
import type { CloudPeer } from '../protocol/remote-peer.js';
import type { AccessToken, RequestTokenInput } from '../protocol/services.js';

export interface RequestTokenPorts {
  readonly http: Http;
  readonly time: Time;
  readonly environment: Environment;
}

/** Metadata changes rarely, and a document less to ask for makes a fail-over faster. */
const metadataFreshMs = 600_000;
const authoritiesRememberedMax = 32;
const lifetimeDefaultSeconds = 300;
const lifetimeMaxSeconds = 24 * 3_600;

interface Metadata {
  readonly server: oauth.AuthorizationServer;
  /** Whether the authority has said where its token endpoint is. */
  readonly isKnown: boolean;
}

/**
 * @throws StatemeshError `authorityUnavailable`, `authorityInvalid`, `authorityRefused`, `certificateInvalid`, `plaintextRefused`,
 * `environmentMissing`, `secretUnsealable`, `cancelled`
 */
export function createRequestToken(ports: RequestTokenPorts) {
  const remembered = new Map<string, { readonly metadata: Metadata; readonly atMs: number }>();

  const metadataOf = async (authority: URL, options: Options): Promise<Metadata> => {
    const key = `${authority.href} ${options.ca ?? ''}`;
    const known = remembered.get(key);
    const nowMs = ports.time.monotonicMs();
    if (known !== undefined && nowMs - known.atMs < metadataFreshMs) return known.metadata;
    const metadata = await discover(authority, options);
    if (remembered.size >= authoritiesRememberedMax) remembered.clear();
    remembered.set(key, { metadata, atMs: nowMs });
    return metadata;
  };

  return fromPromise<AccessToken, RequestTokenInput>(async ({ input: { peer, keys, ca }, signal }) => {
    const authority = authorityOf(peer);
    const secret = secretOf(peer, keys, ports.environment);
    const options: Options = { http: ports.http, ca, signal, peer };
    try {
      const metadata = await metadataOf(authority, options);
      return grantOf(await requestGrant({ metadata, secret, ...options }), ports.time, peer);
    } catch (error) {
      // It may have moved, or been set up anew.
      remembered.delete(`${authority.href} ${ca ?? ''}`);
      if (signal.aborted) throw new StatemeshError('cancelled', 'The access token is not needed any more.');
      throw failureOf(error, peer, secret);
    }
  });
}

interface Options {
  readonly http: Http;
  readonly ca: string | undefined;
  readonly signal: AbortSignal;
  readonly peer: CloudPeer;
}

/** That of OpenID Connect, then that of RFC 8414; without either, the endpoint of the EntglDB peers' authorities. */
async function discover(authority: URL, options: Options): Promise<Metadata> {
  for (const algorithm of ['oidc', 'oauth2'] as const) {
    const response = await oauth.discoveryRequest(authority, { algorithm, ...requestOptions(authority, options) });
    const metadata = await jsonOf(response);
    if (metadata === undefined) continue;
    const issuer = issuerOf(metadata, authority, options.peer);
    return { server: await oauth.processDiscoveryResponse(issuer, Response.json(metadata)), isKnown: true };
  }
  const tokenEndpoint = `${withoutSlash(authority)}/connect/token`;
  return { server: { issuer: authority.href, token_endpoint: tokenEndpoint }, isKnown: false };
}

/** Whatever its content type says: the check of tokens on cloud nodes reads it so, too. */
async function jsonOf(response: Response): Promise<unknown> {
  if (response.status !== 200) return undefined;
  try {
    return await response.json();
  } catch {
    return undefined;
  }
}

/** What the authority calls itself: our own name for it, but for a slash at the end, which people add and forget. */
function issuerOf(metadata: unknown, authority: URL, peer: CloudPeer): URL {
  const { issuer } = Object(metadata) as { issuer?: unknown };
  if (typeof issuer !== 'string') throw invalid(peer, 'its metadata names no issuer');
  if (URL.canParse(issuer) && withoutSlash(new URL(issuer)) === withoutSlash(authority)) return new URL(issuer);
  throw invalid(peer, 'its metadata names another issuer, so configure the authority exactly as it calls itself');
}

function withoutSlash({ href }: URL): string {
  return href.replace(/\/$/, '');
}

async function requestGrant({
  metadata: { server, isKnown },
  secret,
  ...options
}: Options & {
  readonly metadata: Metadata;
  readonly secret: Secret | undefined;
}): Promise<oauth.TokenEndpointResponse> {
  const { clientId, scopes, audience } = options.peer.oAuth2;
  const { token_endpoint: endpointUrl } = server;
  if (typeof endpointUrl !== 'string' || !URL.canParse(endpointUrl)) {
    throw invalid(options.peer, 'its metadata names no token endpoint');
  }
  const endpoint = new URL(endpointUrl);
  assertSafe(endpoint, options.peer);
  const client = { client_id: clientId };
  const response = await oauth.clientCredentialsGrantRequest(
    server,
    client,
    authenticationOf(secret, isKnown ? server.token_endpoint_auth_methods_supported : ['client_secret_post']),
    {
      ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
      // Authorities differ in what they listen to; RFC 8707 has a URI.
      ...(audience === undefined ? {} : { audience }),
      ...(audience !== undefined && URL.canParse(audience) ? { resource: audience } : {}),
    },
    requestOptions(endpoint, options),
  );
  return oauth.processClientCredentialsResponse(server, client, response);
}

function authenticationOf(secret: Secret | undefined, methods: unknown): oauth.ClientAuth {
  if (secret === undefined) return oauth.None();
  // Without a word from the authority it is basic (RFC 8414, section 2).
  const listed: readonly unknown[] = Array.isArray(methods) ? methods : [];
  const isPost = listed.includes('client_secret_post') && !listed.includes('client_secret_basic');
  return isPost ? oauth.ClientSecretPost(secret.reveal()) : oauth.ClientSecretBasic(secret.reveal());
}

function requestOptions(url: URL, { http, ca, signal, peer }: Options) {
  return {
    signal,
    [oauth.allowInsecureRequests]: url.protocol === 'http:',
    [oauth.customFetch]: async (target: string, init: oauth.CustomFetchOptions<string, unknown>): Promise<Response> => {
      const body = init.body === undefined || init.body === null ? undefined : String(init.body);
      const method = init.method === 'POST' ? 'POST' : 'GET';
      const answer = await http.request({ method, url: target, headers: init.headers, body, ca, signal });
      if (answer.status >= 500 || answer.status === 429) {
        throw new StatemeshError(
          'authorityUnavailable',
          `The authority of "${peer.nodeId}" answers with status ${answer.status}.`,
        );
      }
      if (answer.status < 200) throw invalid(peer, `it answers with status ${answer.status}`);
      // A Response of such a status must not have a body.
      const isEmpty = [204, 205, 304].includes(answer.status);
      const headers = { 'content-type': answer.headers['content-type'] ?? '' };
      return new Response(isEmpty ? null : answer.body, { status: answer.status, headers });
    },
  };
}

function grantOf(grant: oauth.TokenEndpointResponse, time: Time, peer: CloudPeer): AccessToken {
  const { access_token: token, token_type: type, expires_in: seconds = lifetimeDefaultSeconds } = grant;
  if (type !== 'bearer') throw invalid(peer, 'its access token is no bearer token');
  if (token.length > limits.tokenLengthMax || !/^[\x21-\x7e]+$/.test(token)) {
    throw invalid(peer, `its access token is longer than ${limits.tokenLengthMax} characters, or no text of a header`);
  }
  const lifetimeMs = Math.min(Math.max(seconds, 1), lifetimeMaxSeconds) * 1_000;
  return { token: new Secret(token), lifetimeMs, expiresAtMs: time.now() + lifetimeMs };
}

function authorityOf(peer: CloudPeer): URL {
  const { authority } = peer.oAuth2;
  if (!URL.canParse(authority)) throw invalid(peer, 'it is no URL');
  const url = new URL(authority);
  assertSafe(url, peer);
  // Its metadata is looked for without the slash (RFC 8414, section 3.1).
  url.pathname = url.pathname.replace(/\/$/, '');
  return url;
}

function assertSafe({ protocol, hostname }: URL, peer: CloudPeer): void {
  if (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replace(/^\[|\]$/g, '')))) return;
  throw new StatemeshError(
    'plaintextRefused',
    `The authority of "${peer.nodeId}" is not asked without encryption, but on loopback: use https.`,
  );
}

/** `${NAME}`: a variable of this node's environment. Nothing else is ever stored in the clear. */
const variable = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/;

function secretOf(peer: CloudPeer, keys: RequestTokenInput['keys'], environment: Environment): Secret | undefined {
  const { clientSecret, authority, clientId } = peer.oAuth2;
  if (clientSecret === undefined) return undefined;
  const name = variable.exec(clientSecret)?.[1];
  if (name !== undefined) {
    const value = environment.get(name);
    if (value !== undefined && value !== '') return new Secret(value);
    throw new StatemeshError(
      'environmentMissing',
      `The client secret of "${peer.nodeId}" is in the environment variable ${name}, which is not set on this node.`,
    );
  }
  if (isSealed(clientSecret)) {
    const envelope = chooseEnvelope([clientSecret, peer.resealedSecret ?? clientSecret], keys);
    return openSecret({ keys, peer: { nodeId: peer.nodeId, authority, clientId }, envelope });
  }
  throw new StatemeshError(
    'secretUnsealable',
    `The client secret of "${peer.nodeId}" was stored by something else than statemesh. Add the peer again.`,
  );
}

/** What went wrong, in our words; an authority's own words are cut short, and cleaned. */
function failureOf(error: unknown, peer: CloudPeer, secret: Secret | undefined): StatemeshError {
  if (isStatemeshError(error)) return error as StatemeshError;
  if (error instanceof oauth.ResponseBodyError) {
    // A web server's own words: an authority refuses with other ones (RFC 6749, section 5.2).
    if (error.status === 404 || error.status === 405) {
      return invalid(peer, `its token endpoint answers with status ${error.status}, so check the authority's URL`);
    }
    const { error: code, error_description: description } = error as { error: string; error_description?: unknown };
    const texts = typeof description === 'string' && description !== '' ? [code, description] : [code];
    return refused(peer, texts.map((text) => clean(withoutSecret(text, secret))).join(': '));
  }
  const status = (error as { cause?: { status?: unknown } }).cause?.status;
  if (status === 400 || status === 401 || status === 403) return refused(peer, `status ${status}`);
  return invalid(peer, clean(messageOf(error)));
}

function refused(peer: CloudPeer, why: string): StatemeshError {
  return new StatemeshError('authorityRefused', `The authority of "${peer.nodeId}" refuses the client (${why}).`);
}

/** Some authorities say which secret was wrong. */
function withoutSecret(text: string, secret: Secret | undefined): string {
  if (secret === undefined) return text;
  const plain = secret.reveal();
  const inForm = new URLSearchParams({ '': plain }).toString().slice(1);
  return [plain, inForm, encodeURIComponent(plain)].reduce(
    (rest, form) => rest.replaceAll(form, secret.toString()),
    text,
  );
}

function invalid(peer: CloudPeer, reason: string): StatemeshError {
  return new StatemeshError('authorityInvalid', `The authority of "${peer.nodeId}" is no OAuth2 authority: ${reason}.`);
}

function clean(text: string): string {
  return text.slice(0, 200).replace(/\p{Cc}+/gu, ' ');
}
