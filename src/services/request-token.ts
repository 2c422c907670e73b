/**
 * Gets access tokens for cloud peers: the client credentials grant (RFC 6749, section 4.4), at the endpoint that the
 * authority's metadata names, or at `{authority}/connect/token`, as the EntglDB peers do.
 *
 * Invariants: a secret leaves this file only in the body or the header of that one request. The request uses https,
 * except on loopback, and goes to the authority's own origin or one that the configuration lists. An environment
 * variable goes only to the authority for which the configuration lists it. Errors use statemesh's own words, never
 * those of the authority.
 */
import * as oauth from 'oauth4webapi';
import { fromPromise } from 'xstate';
import type { AccessToken, RequestTokenInput } from '../actors/slots.js';
import { isSafeUrl, originOf } from '../core/authority-target.js';
import { isStatemeshError, StatemeshError } from '../core/errors.js';
import { oAuth2ErrorOf } from '../core/foreign-text.js';
import { limits } from '../core/limits.js';
import { chooseEnvelope, isSealed, openSecret } from '../core/sealing.js';
import { Secret } from '../core/secret.js';
import type { Environment, Http, Time } from '../ports/ports.js';
import type { CloudPeer } from '../remote-peers/remote-peer.js';
import { AuthorityClient, type AuthorityMetadata, type AuthoritySource, endpointIn } from './authority-client.js';

export interface RequestTokenPorts {
  readonly http: Http;
  readonly time: Time;
  readonly environment: Environment;
}

/** With more authorities, all metadata are forgotten and requested again. */
const authoritiesRememberedMax = 32;
/** For a token whose authority states no lifetime. */
const lifetimeDefaultSeconds = 300;

interface Metadata {
  readonly server: oauth.AuthorizationServer;
  /** Whether the authority has named its token endpoint. */
  readonly isKnown: boolean;
}

/**
 * @throws StatemeshError `authorityUnavailable`, `authorityInvalid`, `authorityRefused`, `certificateInvalid`,
 * `plaintextRefused`, `secretVariableUnlisted`, `environmentMissing`, `secretUnsealable`, `cancelled`
 */
export function createRequestToken(ports: RequestTokenPorts) {
  const client = new AuthorityClient(ports);
  const remembered = new Map<string, { readonly metadata: Metadata; readonly atMs: number }>();

  const metadataOf = async (key: string, authority: URL, options: Options): Promise<Metadata> => {
    const known = remembered.get(key);
    const nowMs = ports.time.monotonicMs();
    if (known !== undefined && nowMs - known.atMs < limits.authorityMetadataFreshMs) return known.metadata;
    const metadata = await discover(authority, options);
    if (remembered.size >= authoritiesRememberedMax) remembered.clear();
    remembered.set(key, { metadata, atMs: nowMs });
    return metadata;
  };

  return fromPromise<AccessToken, RequestTokenInput>(async ({ input, signal }) => {
    const { peer, ca, configuration } = input;
    const authority = authorityOf(peer);
    const secret = secretOf(input, ports.environment);
    const source = { authority: authority.href, ca, origins: configuration.authorityOrigins };
    const options: Options = { client, source, signal, peer };
    const key = JSON.stringify([source.authority, ca ?? '', source.origins]);
    try {
      const metadata = await metadataOf(key, authority, options);
      return grantOf(await requestGrant({ metadata, secret, ...options }), ports.time, peer);
    } catch (error) {
      const failure = failureFrom(error, peer);
      // The endpoint may have moved, or the authority may have been reinstalled; an overloaded authority has not moved.
      if (failure.retryAfterMs === undefined) remembered.delete(key);
      if (signal.aborted) throw new StatemeshError('cancelled', 'The access token is not needed any more.');
      throw failure;
    }
  });
}

interface Options {
  readonly client: AuthorityClient;
  readonly source: AuthoritySource;
  readonly signal: AbortSignal;
  readonly peer: CloudPeer;
}

/** The endpoint that the metadata names; without metadata, the endpoint of the EntglDB peers' authorities. */
async function discover(authority: URL, { client, source, signal, peer }: Options): Promise<Metadata> {
  const server = await client.metadata(source, {
    name: nameOf(peer),
    signal,
    check: (metadata) => {
      const { token_endpoint_auth_methods_supported: methods } = metadata;
      return {
        issuer: issuerOf(metadata, authority, peer).href,
        token_endpoint: tokenEndpointOf(metadata, source, peer),
        ...(Array.isArray(methods) ? { token_endpoint_auth_methods_supported: methods.map(String) } : {}),
      };
    },
  });
  if (server !== undefined) return { server, isKnown: true };
  const tokenEndpoint = `${withoutSlash(authority)}/connect/token`;
  return { server: { issuer: authority.href, token_endpoint: tokenEndpoint }, isKnown: false };
}

/**
 * The issuer that the authority names: it must equal the configured one, except for a slash at the end, which users add
 * and forget.
 */
function issuerOf({ issuer }: AuthorityMetadata, authority: URL, peer: CloudPeer): URL {
  if (typeof issuer !== 'string') throw invalid(peer, 'its metadata names no issuer');
  if (URL.canParse(issuer) && withoutSlash(new URL(issuer)) === withoutSlash(authority)) return new URL(issuer);
  throw invalid(peer, 'its metadata names another issuer, so configure the authority exactly as it calls itself');
}

/** The client's secret goes there. */
function tokenEndpointOf(metadata: AuthorityMetadata, source: AuthoritySource, peer: CloudPeer): string {
  const endpoint = endpointIn(metadata, 'token_endpoint', source);
  if (endpoint === undefined) throw invalid(peer, 'its metadata names no token endpoint');
  if (endpoint !== 'foreign') return endpoint.url;
  if (!isSafeUrl(metadata.token_endpoint as string)) {
    throw new StatemeshError(
      'plaintextRefused',
      `${nameOf(peer)} has its token endpoint where secrets would not be encrypted: it must be https.`,
    );
  }
  throw invalid(
    peer,
    'the token endpoint in its metadata is at another origin; if that one is right, list it as `authorityOrigins`',
  );
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
  const client = { client_id: clientId };
  const response = await oauth.clientCredentialsGrantRequest(
    server,
    client,
    authenticationOf(secret, isKnown ? server.token_endpoint_auth_methods_supported : ['client_secret_post']),
    {
      ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
      // Authorities read different parameters; RFC 8707 takes a URI.
      ...(audience === undefined ? {} : { audience }),
      ...(audience !== undefined && URL.canParse(audience) ? { resource: audience } : {}),
    },
    requestOptions(options),
  );
  return oauth.processClientCredentialsResponse(server, client, response);
}

function authenticationOf(secret: Secret | undefined, methods: unknown): oauth.ClientAuth {
  if (secret === undefined) return oauth.None();
  // Without metadata about it, the method is basic (RFC 8414, section 2).
  const listed: readonly unknown[] = Array.isArray(methods) ? methods : [];
  const isPost = listed.includes('client_secret_post') && !listed.includes('client_secret_basic');
  return isPost ? oauth.ClientSecretPost(secret.reveal()) : oauth.ClientSecretBasic(secret.reveal());
}

function requestOptions({ client, source, signal, peer }: Options) {
  return {
    signal,
    // Unencrypted requests were checked before: loopback only.
    [oauth.allowInsecureRequests]: true,
    [oauth.customFetch]: async (url: string, init: oauth.CustomFetchOptions<string, unknown>): Promise<Response> => {
      if (!isSafeUrl(url)) throw invalid(peer, 'its token endpoint is not an https URL');
      const body = init.body === undefined || init.body === null ? undefined : String(init.body);
      const method = init.method === 'POST' ? 'POST' : 'GET';
      const request = { method, url, headers: init.headers, body, ca: source.ca, signal } as const;
      const answer = await client.ask(request, nameOf(peer));
      if (answer.status < 200 || answer.status > 599) throw invalid(peer, `it answers with status ${answer.status}`);
      // A Response with such a status must not have a body.
      const isEmpty = [204, 205, 304].includes(answer.status);
      const headers = { 'content-type': answer.headers['content-type'] ?? '' };
      return new Response(isEmpty ? null : answer.body, { status: answer.status, headers });
    },
  };
}

function grantOf(grant: oauth.TokenEndpointResponse, time: Time, peer: CloudPeer): AccessToken {
  const { access_token: token, token_type: type, expires_in: seconds = lifetimeDefaultSeconds } = grant;
  if (type !== 'bearer') throw invalid(peer, 'its access token is not a bearer token');
  if (token.length > limits.tokenLengthMax || !/^[\x21-\x7e]+$/.test(token)) {
    throw invalid(
      peer,
      `its access token is longer than ${limits.tokenLengthMax} characters, or not valid in a header`,
    );
  }
  const lifetimeMs = Math.min(Math.max(seconds, 1) * 1_000, limits.tokenLifetimeMaxMs);
  return { token: new Secret(token), lifetimeMs, expiresAtMs: time.now() + lifetimeMs };
}

function authorityOf(peer: CloudPeer): URL {
  const { authority } = peer.oAuth2;
  if (!URL.canParse(authority)) throw invalid(peer, 'it is not a URL');
  const url = new URL(authority);
  assertSafe(url, peer);
  // The metadata address is built without the slash (RFC 8414, section 3.1).
  url.pathname = url.pathname.replace(/\/$/, '');
  return url;
}

function assertSafe({ href }: URL, peer: CloudPeer): void {
  if (isSafeUrl(href)) return;
  throw new StatemeshError(
    'plaintextRefused',
    `The authority of "${peer.nodeId}" is not asked without encryption, except on loopback: use https.`,
  );
}

/**
 * `${NAME}`: a variable of this node's environment, if this node's configuration lists it. No other secret is ever
 * stored in the clear.
 */
const variable = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/;

function secretOf({ peer, keys, configuration }: RequestTokenInput, environment: Environment): Secret | undefined {
  const { clientSecret, authority, clientId } = peer.oAuth2;
  if (clientSecret === undefined) return undefined;
  const name = variable.exec(clientSecret)?.[1];
  if (name !== undefined) {
    assertListed(name, peer, configuration);
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
    `The client secret of "${peer.nodeId}" was not stored by statemesh. Add the peer again.`,
  );
}

/**
 * A node that may write a remote peer must not read this node's environment: a variable goes only to the authority for
 * which it was listed.
 */
function assertListed(name: string, peer: CloudPeer, { secretVariables }: RequestTokenInput['configuration']): void {
  const origin = originOf(peer.oAuth2.authority);
  if (secretVariables.some((listed) => listed.name === name && originOf(listed.origin) === origin)) return;
  throw new StatemeshError(
    'secretVariableUnlisted',
    `The cloud peer "${peer.nodeId}" asks for the environment variable ${name}, to be sent to ${origin}. If that is right, list both under secretVariables in the configuration of this node.`,
  );
}

/** The failure in statemesh's own words: of the authority's text, only the codes of RFC 6749 are used. */
function failureFrom(error: unknown, peer: CloudPeer): StatemeshError {
  if (isStatemeshError(error)) return error;
  const { code, error: said, status, cause } = Object(error) as Record<'code' | 'error' | 'status' | 'cause', unknown>;
  if (error instanceof oauth.ResponseBodyError) {
    // A web server's own error: an authority refuses with other status codes (RFC 6749, section 5.2).
    if (status === 404 || status === 405) {
      return invalid(peer, `its token endpoint answers with status ${status}, so check the authority's URL`);
    }
    return refused(peer, oAuth2ErrorOf(said) ?? `status ${status}`);
  }
  const { status: bare } = Object(cause) as { status?: unknown };
  if (bare === 400 || bare === 401 || bare === 403) return refused(peer, `status ${bare}`);
  const reason = typeof code === 'string' && /^OAUTH_[A-Z0-9_]{1,60}$/.test(code) ? ` (${code})` : '';
  return invalid(peer, `its answer does not follow RFC 6749${reason}`);
}

function refused(peer: CloudPeer, why: string): StatemeshError {
  return new StatemeshError('authorityRefused', `The authority of "${peer.nodeId}" refuses the client (${why}).`);
}

function invalid(peer: CloudPeer, reason: string): StatemeshError {
  return new StatemeshError('authorityInvalid', `${nameOf(peer)} is no OAuth2 authority: ${reason}.`);
}

function nameOf({ nodeId }: CloudPeer): string {
  return `The authority of "${nodeId}"`;
}
