/**
 * The public keys of an OAuth2 authority: found by its metadata document (OpenID Connect Discovery, RFC 8414), kept for a while,
 * and asked for again when a token names a key that is not among them, since keys are rotated.
 *
 * Invariants: at most one request is under way, whoever waits for it, and nobody can make this node ask more often than
 * {@link cooldownMs}; when nobody waits any more, it is given up.
 */
import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import { isLoopback } from '../core/address.js';
import { isStatemeshError, StatemeshError } from '../core/errors.js';
import type { Http, HttpResponse, Time } from '../protocol/ports.js';

export const cooldownMs = 10_000;
/** Then they are asked for again: a key that was withdrawn must not be believed for ever. */
export const freshMs = 600_000;
/** While the authority cannot be reached, those that it had last are believed for so long. */
export const staleMaxMs = 3_600_000;
/** After a failure: who waits is told of it, without a new request. */
export const failedMs = 1_000;

/** How long a token waits for newer keys while there are others. */
const patienceMs = 2_000;

/** Finds the key of a token by its header. */
export type KeySet = ReturnType<typeof createLocalJWKSet>;

interface Source {
  readonly authority: string;
  readonly ca: string | undefined;
}

interface Fetched {
  readonly keys: KeySet;
  readonly atMs: number;
}

interface Request {
  readonly abort: AbortController;
  readonly fetched: Promise<Fetched>;
  waiting: number;
}

export class AuthorityKeys {
  readonly #http: Http;
  readonly #time: Time;
  readonly #source: Source;
  #keysUrl: string | undefined;
  #latest: Fetched | undefined;
  #failed: { readonly error: unknown; readonly atMs: number } | undefined;
  #request: Request | undefined;

  constructor(ports: { http: Http; time: Time }, source: Source) {
    this.#http = ports.http;
    this.#time = ports.time;
    this.#source = source;
  }

  isOf({ authority, ca }: Source): boolean {
    return authority === this.#source.authority && ca === this.#source.ca;
  }

  /** @throws StatemeshError `authorityUnavailable`, `authorityInvalid`, `certificateInvalid`, `cancelled` */
  async get(signal: AbortSignal): Promise<KeySet> {
    const latest = this.#latest;
    if (latest === undefined) return (await this.#fetch(signal)).keys;
    const ageMs = this.#time.monotonicMs() - latest.atMs;
    if (ageMs < freshMs) return latest.keys;
    const fetched = this.#fetch(signal);
    try {
      return (await (ageMs < staleMaxMs ? this.#within(patienceMs, fetched, latest) : fetched)).keys;
    } catch (error) {
      const isAway = isStatemeshError(error) && error.code === 'authorityUnavailable';
      if (isAway && ageMs < staleMaxMs) return latest.keys;
      throw error;
    }
  }

  /** Newer ones than `keys`; undefined when it is too early to ask for any. @throws as {@link AuthorityKeys.get} */
  async newerThan(keys: KeySet, signal: AbortSignal): Promise<KeySet | undefined> {
    const latest = this.#latest;
    if (latest === undefined) return undefined;
    if (latest.keys !== keys) return latest.keys;
    if (this.#time.monotonicMs() - latest.atMs < cooldownMs) return undefined;
    return (await this.#fetch(signal)).keys;
  }

  /** The promise's value, or another when that takes too long. */
  #within<T>(ms: number, promise: Promise<T>, otherwise: T): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#time.after(ms, () => resolve(otherwise));
      promise.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** Joins the request that is under way, or begins one. */
  async #fetch(signal: AbortSignal): Promise<Fetched> {
    const failed = this.#failed;
    if (failed !== undefined && this.#time.monotonicMs() - failed.atMs < failedMs) throw failed.error;
    this.#request ??= this.#begin();
    const request = this.#request;
    request.waiting += 1;
    try {
      return await unlessAborted(request.fetched, signal);
    } finally {
      request.waiting -= 1;
      if (request.waiting === 0) request.abort.abort();
    }
  }

  #begin(): Request {
    const abort = new AbortController();
    const fetched = this.#ask(abort.signal);
    const request = { abort, fetched, waiting: 0 };
    const forget = (): void => {
      if (this.#request === request) this.#request = undefined;
    };
    fetched.then(
      (latest) => {
        this.#latest = latest;
        this.#failed = undefined;
        forget();
      },
      (error: unknown) => {
        // What was given up says nothing of the authority.
        if (!abort.signal.aborted) this.#failed = { error, atMs: this.#time.monotonicMs() };
        forget();
      },
    );
    abort.signal.addEventListener('abort', forget, { once: true });
    return request;
  }

  async #ask(signal: AbortSignal): Promise<Fetched> {
    // What is known already need not be asked for again: a slow authority so comes to an end with its answers.
    this.#keysUrl ??= await this.#findKeys(signal);
    const url = this.#keysUrl;
    try {
      const keys = keySetOf(jsonOf(await this.#get(url, signal)));
      this.#keysUrl = undefined;
      return { keys, atMs: this.#time.monotonicMs() };
    } catch (error) {
      if (!signal.aborted) this.#keysUrl = undefined;
      throw error;
    }
  }

  async #findKeys(signal: AbortSignal): Promise<string> {
    const { jwks_uri: keysUrl, issuer } = await this.#metadata(signal);
    if (issuer !== this.#source.authority) throw invalid('names another issuer than the configured authority');
    if (typeof keysUrl !== 'string' || !isSafe(keysUrl)) throw invalid('names no https address of its keys');
    return keysUrl;
  }

  async #metadata(signal: AbortSignal): Promise<Record<string, unknown>> {
    const { authority } = this.#source;
    if (!isSafe(authority)) throw invalid('is no https URL');
    for (const url of metadataUrls(authority)) {
      const response = await this.#get(url, signal);
      const metadata = jsonOf(response);
      if (typeof metadata === 'object' && metadata !== null) return metadata as Record<string, unknown>;
      if (response.status !== 404) break;
    }
    throw invalid('has no metadata document: configure the issuer exactly as it calls itself');
  }

  async #get(url: string, signal: AbortSignal): Promise<HttpResponse> {
    const headers = { accept: 'application/json' };
    const { ca } = this.#source;
    const response = await this.#http.request({ method: 'GET', url, headers, body: undefined, ca, signal });
    if (response.status >= 500 || response.status === 429) {
      throw new StatemeshError('authorityUnavailable', `The authority answers with status ${response.status}.`);
    }
    return response;
  }
}

/** That of OpenID Connect, which is appended, and that of RFC 8414, which is inserted before the path. */
function metadataUrls(authority: string): string[] {
  const { origin, pathname } = new URL(authority);
  const path = pathname.replace(/\/$/, '');
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ];
}

/** Keys that came in the clear could be anybody's. */
function isSafe(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replace(/^\[|\]$/g, '')));
}

function keySetOf(keys: unknown): KeySet {
  try {
    return createLocalJWKSet(keys as JSONWebKeySet);
  } catch {
    throw invalid('has no set of keys at the address that it names');
  }
}

function jsonOf({ status, body }: HttpResponse): unknown {
  if (status !== 200) return undefined;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function invalid(reason: string): StatemeshError {
  return new StatemeshError('authorityInvalid', `The authority of access tokens ${reason}.`);
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = (): void => reject(new StatemeshError('cancelled', 'Nobody waits for the keys any more.'));
    if (signal.aborted) cancel();
    signal.addEventListener('abort', cancel, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', cancel));
  });
}
