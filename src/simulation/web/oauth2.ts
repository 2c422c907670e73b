/**
 * An OAuth2 authority without a network: discovery (RFC 8414, OpenID Connect Discovery), access tokens by client
 * credentials (RFC 6749, section 4.4) and the keys by which they are verified (RFC 7517).
 *
 * Deterministic: its keys come from a label, Ed25519 draws nothing to sign, and everything settles at once, because no
 * virtual clock can order work that settles on another thread.
 */
import { createPrivateKey, createPublicKey, hash, type KeyObject, sign } from 'node:crypto';
import type { HttpResponse } from '../../ports/ports.js';
import type { WebRequest } from './message.js';

/** A client that may request tokens, and for which scopes and audiences. */
export interface OAuth2Client {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scopes: readonly string[];
  /** The first one is used when a request names none. */
  readonly audiences: readonly string[];
}

/** What a token was issued for. */
export interface Grant {
  readonly issuer: string;
  readonly subject: string;
  readonly audience: string | undefined;
  readonly scopes: readonly string[];
  /** By the clock of the authority, ms since 1970. */
  readonly expiresAtMs: number;
}

export interface OAuth2Options {
  readonly issuer: string;
  /** The seed of its keys. */
  readonly seed: string;
  readonly lifetimeMs: number;
  /** The clock of the authority, ms since 1970. */
  now(): number;
}

interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
}

export class OAuth2 {
  /** Lifetime of the tokens that it issues from now on. */
  lifetimeMs: number;
  readonly #options: OAuth2Options;
  readonly #clients = new Map<string, OAuth2Client>();
  readonly #grants = new Map<string, Grant>();
  /** The published keys; the last one signs. */
  readonly #keys: SigningKey[] = [];
  #keysDrawn = 0;

  constructor(options: OAuth2Options) {
    this.#options = options;
    this.lifetimeMs = options.lifetimeMs;
    this.rotateKeys();
  }

  /** Adds a client, or replaces the one with the same id. */
  register(client: OAuth2Client): void {
    this.#clients.set(client.clientId, client);
  }

  /** The client gets no more tokens; those that it has stay valid, as tokens do. */
  forget(clientId: string): void {
    this.#clients.delete(clientId);
  }

  /**
   * Signs with a new key from now on. Tokens signed with the earlier keys verify for as long as those are published.
   */
  rotateKeys({ keepsOld = true } = {}): void {
    if (!keepsOld) this.#keys.length = 0;
    this.#keysDrawn += 1;
    const kid = `key-${this.#keysDrawn}`;
    this.#keys.push({ kid, privateKey: privateKeyOf(`${this.#options.seed}/${this.#options.issuer}/${kid}`) });
  }

  /** What a token was issued for; undefined when this authority did not issue it. */
  grantOf(token: string): Grant | undefined {
    return this.#grants.get(token);
  }

  answer({ method, url, headers, body }: WebRequest): HttpResponse {
    const { issuer } = this.#options;
    const { origin, pathname } = new URL(url);
    const { pathname: base } = new URL(issuer);
    const root = base.replace(/\/$/, '');
    if (origin !== new URL(issuer).origin) return json(404, { error: 'not_found' });
    switch (`${method} ${pathname}`) {
      case `GET ${root}/.well-known/openid-configuration`:
      case `GET /.well-known/oauth-authorization-server${root}`:
        return json(200, this.#metadata());
      case `GET ${root}/jwks`:
        return json(200, { keys: this.#keys.map(publicKeyOf) });
      case `POST ${root}/token`:
        return this.#issue(headers, new URLSearchParams(body ?? ''));
      default:
        return json(404, { error: 'not_found' });
    }
  }

  #metadata(): object {
    const { issuer } = this.#options;
    const base = issuer.replace(/\/$/, '');
    return {
      issuer,
      token_endpoint: `${base}/token`,
      jwks_uri: `${base}/jwks`,
      response_types_supported: [],
      grant_types_supported: ['client_credentials'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    };
  }

  #issue(headers: Readonly<Record<string, string>>, form: URLSearchParams): HttpResponse {
    const client = this.#authenticate(headers, form);
    if (client === undefined) return refusedClient;
    if (form.get('grant_type') !== 'client_credentials') return json(400, { error: 'unsupported_grant_type' });
    const scopes = form.get('scope')?.split(' ').filter(Boolean) ?? client.scopes;
    if (scopes.some((scope) => !client.scopes.includes(scope))) return json(400, { error: 'invalid_scope' });
    const audience = form.get('audience') ?? client.audiences[0];
    // RFC 8707 speaks of resources; authorities that take audiences use the same error for them.
    if (audience !== undefined && !client.audiences.includes(audience)) return json(400, { error: 'invalid_target' });
    return json(200, {
      access_token: this.issue({ subject: client.clientId, audience, scopes }),
      token_type: 'Bearer',
      expires_in: Math.round(this.lifetimeMs / 1_000),
      scope: scopes.join(' '),
    });
  }

  /** Issues a signed token (RFC 9068) without a request over the network. */
  issue({ subject, audience, scopes }: Pick<Grant, 'subject' | 'audience' | 'scopes'>): string {
    const { issuer, now } = this.#options;
    const { kid, privateKey } = this.#keys.at(-1) as SigningKey;
    const issuedAt = Math.floor(now() / 1_000);
    const expiresAt = issuedAt + Math.round(this.lifetimeMs / 1_000);
    const claims = {
      iss: issuer,
      sub: subject,
      aud: audience,
      client_id: subject,
      scope: scopes.join(' '),
      iat: issuedAt,
      nbf: issuedAt,
      exp: expiresAt,
      jti: String(this.#grants.size + 1),
    };
    const signed = `${encoded({ alg: 'EdDSA', typ: 'at+jwt', kid })}.${encoded(claims)}`;
    const token = `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`;
    this.#grants.set(token, { issuer, subject, audience, scopes, expiresAtMs: expiresAt * 1_000 });
    return token;
  }

  /** By HTTP Basic or in the form (RFC 6749, section 2.3.1). */
  #authenticate(headers: Readonly<Record<string, string>>, form: URLSearchParams): OAuth2Client | undefined {
    const [, basic] = /^Basic (.+)$/i.exec(headers.authorization ?? '') ?? [];
    const decode = (part = '') => decodeURIComponent(part.replace(/\+/g, ' '));
    const [clientId, clientSecret] =
      basic === undefined
        ? [form.get('client_id'), form.get('client_secret')]
        : Buffer.from(basic, 'base64').toString().split(':').map(decode);
    const client = this.#clients.get(clientId ?? '');
    return client?.clientSecret === clientSecret ? client : undefined;
  }
}

export function json(status: number, body: object): HttpResponse {
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
  return { status, headers, body: JSON.stringify(body) };
}

/** The answer to an unknown client or a wrong secret. */
export const refusedClient: HttpResponse = {
  ...json(401, { error: 'invalid_client', error_description: 'unknown client, or wrong secret' }),
  headers: { 'content-type': 'application/json', 'www-authenticate': 'Basic realm="world"' },
};

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

/** PKCS #8 of an Ed25519 key, up to its 32 bytes (RFC 8410). */
const ed25519Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');

function privateKeyOf(label: string): KeyObject {
  const seed = Buffer.from(hash('sha256', label, 'hex'), 'hex');
  return createPrivateKey({ key: Buffer.concat([ed25519Prefix, seed]), format: 'der', type: 'pkcs8' });
}

function publicKeyOf({ kid, privateKey }: SigningKey): object {
  return { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid, alg: 'EdDSA', use: 'sig' };
}
