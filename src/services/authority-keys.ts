/**
 * The public keys of an OAuth2 authority. They are found through its metadata document (OpenID Connect Discovery, RFC
 * 8414), kept for a while, and fetched again when a token names an unknown key, because keys are rotated.
 *
 * Invariants: at most one request is in progress, however many callers wait for it. No token can make this node ask
 * more often than `limits.authorityKeysCooldownMs`. When no caller waits any more, the request is given up.
 */
import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import { isSafeUrl } from '../core/authority-target.js';
import { backoffMs } from '../core/backoff.js';
import { failureOf, StatemeshError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Http, Time } from '../ports/ports.js';
import {
  AuthorityClient,
  type AuthorityMetadata,
  type AuthoritySource,
  endpointIn,
  jsonIn,
} from './authority-client.js';

/** Finds the key of a token by its header. */
export type KeySet = ReturnType<typeof createLocalJWKSet>;

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
  readonly #client: AuthorityClient;
  readonly #time: Time;
  readonly #source: AuthoritySource;
  #keysUrl: string | undefined;
  #latest: Fetched | undefined;
  #failed: { readonly error: unknown; readonly untilMs: number } | undefined;
  #failures = 0;
  #request: Request | undefined;

  constructor(ports: { http: Http; time: Time }, source: AuthoritySource) {
    this.#client = new AuthorityClient(ports);
    this.#time = ports.time;
    this.#source = source;
  }

  isOf(source: AuthoritySource): boolean {
    return JSON.stringify(source) === JSON.stringify(this.#source);
  }

  /** @throws StatemeshError `authorityUnavailable`, `authorityInvalid`, `certificateInvalid`, `cancelled` */
  async get(signal: AbortSignal): Promise<KeySet> {
    const latest = this.#latest;
    if (latest === undefined) return (await this.#fetch(signal)).keys;
    const ageMs = this.#time.monotonicMs() - latest.atMs;
    if (ageMs < limits.authorityKeysFreshMs) return latest.keys;
    const fetched = this.#fetch(signal);
    try {
      return (
        await (ageMs < limits.authorityKeysStaleMaxMs
          ? this.#within(limits.authorityKeysPatienceMs, fetched, latest)
          : fetched)
      ).keys;
    } catch (error) {
      // A page that says "maintenance" withdraws no key, nor does an answer that stops midway: only another key set
      // does.
      if (ageMs < limits.authorityKeysStaleMaxMs && failureOf(error).code !== 'cancelled') return latest.keys;
      throw error;
    }
  }

  /**
   * Keys that are newer than `keys`; undefined when it is too early to fetch any.
   *
   * @throws as {@link AuthorityKeys.get}
   */
  async newerThan(keys: KeySet, signal: AbortSignal): Promise<KeySet | undefined> {
    const latest = this.#latest;
    if (latest === undefined) return undefined;
    if (latest.keys !== keys) return latest.keys;
    if (this.#time.monotonicMs() - latest.atMs < limits.authorityKeysCooldownMs) return undefined;
    return (await this.#fetch(signal)).keys;
  }

  /** The promise's value, or `otherwise` when that takes too long. */
  #within<T>(ms: number, promise: Promise<T>, otherwise: T): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#time.after(ms, () => resolve(otherwise));
      promise.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** Joins the request in progress, or starts one. */
  async #fetch(signal: AbortSignal): Promise<Fetched> {
    const failed = this.#failed;
    if (failed !== undefined && this.#time.monotonicMs() < failed.untilMs) throw failed.error;
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
        this.#failures = 0;
        forget();
      },
      (error: unknown) => {
        // A request that was given up says nothing about the authority.
        if (!abort.signal.aborted) this.#noteFailure(error);
        forget();
      },
    );
    abort.signal.addEventListener('abort', forget, { once: true });
    return request;
  }

  /** Without jitter: one request stands for all waiting callers. */
  #noteFailure(error: unknown): void {
    const growing = {
      firstMs: limits.authorityBackoffFirstMs,
      maxMs: limits.authorityBackoffMaxMs,
      attempt: this.#failures,
      random: 1,
    };
    const waitMs = Math.max(backoffMs(growing), failureOf(error).retryAfterMs ?? 0);
    this.#failures += 1;
    this.#failed = { error, untilMs: this.#time.monotonicMs() + waitMs };
  }

  async #ask(signal: AbortSignal): Promise<Fetched> {
    // The address is kept between attempts, so that a slow authority gets through all its answers in the end.
    this.#keysUrl ??= await this.#findKeys(signal);
    const url = this.#keysUrl;
    try {
      const headers = { accept: 'application/json' };
      const request = { method: 'GET', url, headers, body: undefined, ca: this.#source.ca, signal } as const;
      const { status, body } = await this.#client.ask(request, name);
      const keys = keySetOf(status === 200 ? jsonIn(body) : undefined);
      this.#keysUrl = undefined;
      return { keys, atMs: this.#time.monotonicMs() };
    } catch (error) {
      if (!signal.aborted) this.#keysUrl = undefined;
      throw error;
    }
  }

  async #findKeys(signal: AbortSignal): Promise<string> {
    if (!isSafeUrl(this.#source.authority)) throw invalid('is not an https URL');
    const check = (metadata: AuthorityMetadata) => this.#keysUrlIn(metadata);
    const url = await this.#client.metadata(this.#source, { name, signal, check });
    if (url !== undefined) return url;
    throw invalid('has no metadata document: configure the issuer exactly as it calls itself');
  }

  #keysUrlIn(metadata: AuthorityMetadata): string {
    if (metadata.issuer !== this.#source.authority) throw invalid('names another issuer than the configured authority');
    const endpoint = endpointIn(metadata, 'jwks_uri', this.#source);
    if (endpoint === undefined) throw invalid('names no https address of its keys');
    if (endpoint !== 'foreign') return endpoint.url;
    throw invalid(
      'has its keys at another origin, or not by https: if that origin is right, list it as `authorityOrigins`',
    );
  }
}

const name = 'The authority of access tokens';

function keySetOf(keys: unknown): KeySet {
  try {
    return createLocalJWKSet(keys as JSONWebKeySet);
  } catch {
    throw invalid('has no key set at the address that it names');
  }
}

function invalid(reason: string): StatemeshError {
  return new StatemeshError('authorityInvalid', `${name} ${reason}.`);
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = (): void => reject(new StatemeshError('cancelled', 'The keys are not needed any more.'));
    if (signal.aborted) cancel();
    signal.addEventListener('abort', cancel, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', cancel));
  });
}
