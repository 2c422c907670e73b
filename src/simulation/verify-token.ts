/**
 * Checks access tokens as the production service does, but at once: `jose` verifies by WebCrypto, which settles on another thread for as
 * long as the machine likes, and no virtual clock can order that.
 *
 * The keys of an authority come over the simulated network and are kept: they are asked for again when they are old, or when a token names
 * one that is not among them, but that only now and then, or tokens with made-up key ids would have the authority flooded.
 */
import { createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto';
import { fromPromise } from 'xstate';
import { messageOf, StatemeshError } from '../core/errors.js';
import type { Configuration } from '../protocol/configuration.js';
import type { Http, Time } from '../protocol/ports.js';
import type { VerifiedToken, VerifyTokenInput } from '../protocol/services.js';

/** How far the clocks of authority and node may be apart. */
const toleranceMs = 30_000;
/** How long keys are good without asking again. */
const keysAgeMaxMs = 600_000;
/** The shortest time between two questions that unknown keys give rise to. */
const cooldownMs = 30_000;

export interface SimulatedVerifyTokenOptions {
  readonly http: Http;
  readonly time: Time;
}

export function createSimulatedVerifyToken({ http, time }: SimulatedVerifyTokenOptions) {
  const authorities = new Map<string, AuthorityKeys>();
  const keysOf = (authority: string, ca: string | undefined): AuthorityKeys => {
    const known = authorities.get(authority) ?? new AuthorityKeys(authority, { http, time, ca });
    authorities.set(authority, known);
    return known;
  };
  return fromPromise<VerifiedToken, VerifyTokenInput>(async ({ input: { token, configuration, ca }, signal }) => {
    const { authority } = configuration;
    if (authority === undefined) {
      throw new StatemeshError('configurationInvalid', 'Invalid configuration: authority: a cloud node needs one.');
    }
    const { header, claims, signed, signature } = taken(token.reveal());
    const key = await keysOf(authority, ca).get(header.kid, signal);
    if (header.alg !== 'EdDSA' || !verify(null, signed, key, signature)) throw refused('its signature is wrong');
    const nowMs = time.now();
    assertClaims(claims, { ...configuration, authority }, nowMs);
    const expiresAtMs = claims.exp * 1_000;
    return { subject: claims.sub, expiresAtMs, lifetimeMs: expiresAtMs - nowMs };
  });
}

interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string | readonly string[] | undefined;
  readonly scope: string | undefined;
  readonly nbf: number | undefined;
  readonly exp: number;
}

function assertClaims(
  { iss, aud, exp, nbf, scope: scopes = '' }: Claims,
  { authority, audience, scope }: Configuration & { readonly authority: string },
  nowMs: number,
): void {
  if (iss !== authority) throw refused(`it was issued by ${iss}, not by ${authority}`);
  if (audience !== undefined && ![aud].flat().includes(audience)) throw refused(`it is not for ${audience}`);
  if (exp * 1_000 <= nowMs - toleranceMs) throw refused('it has expired: ask for another one, and check the clocks');
  if ((nbf ?? 0) * 1_000 > nowMs + toleranceMs) throw refused('it is not valid yet: check the clocks');
  if (!scopes.split(' ').includes(scope)) throw refused(`it has not the scope ${scope}`);
}

/** The parts of a token (RFC 7519). @throws StatemeshError `tokenRefused` when it is none */
function taken(token: string) {
  const [header = '', claims = '', signature, ...rest] = token.split('.');
  const parsed = { header: jsonOf(decoded(header)), claims: jsonOf(decoded(claims)) };
  if (signature === undefined || rest.length > 0 || parsed.header === undefined || !isClaims(parsed.claims)) {
    throw refused('it is no signed token');
  }
  return {
    header: parsed.header,
    claims: parsed.claims,
    signed: Buffer.from(`${header}.${claims}`),
    signature: Buffer.from(signature, 'base64url'),
  };
}

function isClaims(claims: Record<string, unknown> | undefined): claims is Record<string, unknown> & Claims {
  const { iss, sub, exp, nbf = 0, scope = '' } = claims ?? {};
  const areTexts = [iss, sub, scope].every((text) => typeof text === 'string');
  return areTexts && [exp, nbf].every(Number.isFinite);
}

function jsonOf(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function decoded(part: string): string {
  return Buffer.from(part, 'base64url').toString();
}

function refused(reason: string): StatemeshError {
  return new StatemeshError('tokenRefused', `The access token is refused: ${reason}.`);
}

interface KeysOptions extends SimulatedVerifyTokenOptions {
  readonly ca: string | undefined;
}

/** The published keys of one authority. */
class AuthorityKeys {
  readonly #authority: string;
  readonly #options: KeysOptions;
  #keys: ReadonlyMap<string, KeyObject> = new Map();
  #loadedAtMs = Number.NEGATIVE_INFINITY;
  /** All who wait for the keys wait for the same answer. */
  #loading: Promise<void> | undefined;

  constructor(authority: string, options: KeysOptions) {
    this.#authority = authority;
    this.#options = options;
  }

  /** @throws StatemeshError `authorityUnavailable`, `cancelled`, `tokenRefused` */
  async get(kid: unknown, signal: AbortSignal): Promise<KeyObject> {
    if (this.#ageMs > keysAgeMaxMs) await this.#load();
    const isKnown = typeof kid === 'string' && this.#keys.has(kid);
    if (!isKnown && this.#ageMs > cooldownMs) await this.#load();
    if (signal.aborted) throw new StatemeshError('cancelled', 'Nobody waits for the token to be checked any more.');
    const key = typeof kid === 'string' ? this.#keys.get(kid) : undefined;
    if (key === undefined) throw refused('the authority knows no key of that id');
    return key;
  }

  get #ageMs(): number {
    return this.#options.time.monotonicMs() - this.#loadedAtMs;
  }

  #load(): Promise<void> {
    this.#loading ??= this.#fetchKeys().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #fetchKeys(): Promise<void> {
    const base = this.#authority.replace(/\/$/, '');
    const metadata = await this.#getJson(`${base}/.well-known/openid-configuration`);
    if (metadata.issuer !== this.#authority || typeof metadata.jwks_uri !== 'string') {
      throw this.#unavailable('what answers there is another one');
    }
    const { keys } = await this.#getJson(metadata.jwks_uri);
    if (!Array.isArray(keys)) throw this.#unavailable('it publishes no keys');
    this.#keys = keysByIdOf(keys);
    this.#loadedAtMs = this.#options.time.monotonicMs();
  }

  async #getJson(url: string): Promise<Record<string, unknown>> {
    const { http, ca } = this.#options;
    // Of nobody who waits: others may wait for the same keys.
    const { signal } = new AbortController();
    const request = {
      method: 'GET',
      url,
      headers: { accept: 'application/json' },
      body: undefined,
      ca,
      signal,
    } as const;
    const response = await http.request(request).catch((error: unknown) => {
      throw this.#unavailable(messageOf(error), error);
    });
    if (response.status !== 200) throw this.#unavailable(`it answers ${response.status}`);
    const document = jsonOf(response.body);
    if (document === undefined) throw this.#unavailable('it answers no JSON');
    return document;
  }

  #unavailable(reason: string, cause?: unknown): StatemeshError {
    const message = `The keys of ${this.#authority} cannot be had: ${reason}.`;
    return new StatemeshError('authorityUnavailable', message, { cause });
  }
}

/** Those that it can be: an authority may publish others, for others. */
function keysByIdOf(keys: readonly JsonWebKey[]): ReadonlyMap<string, KeyObject> {
  const ours = keys.filter(({ kty, crv }) => kty === 'OKP' && crv === 'Ed25519');
  return new Map(ours.map((key) => [String(key.kid), createPublicKey({ key, format: 'jwk' })]));
}
