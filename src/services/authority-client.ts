/**
 * Sends requests to an OAuth2 authority, for tokens and for the keys of tokens: finds its metadata, checks the
 * endpoints that it names, and pauses when it reports overload.
 *
 * Invariants: no text of the authority is repeated. An authority that has asked for a pause receives no request from
 * any part of the node before the pause is over.
 */
import { isTargetOf, originOf } from '../core/authority-target.js';
import { type Failure, failureOf, isStatemeshError, StatemeshError } from '../core/errors.js';
import { retryAfterMs } from '../core/retry-after.js';
import type { Http, HttpRequest, HttpResponse, Time } from '../ports/ports.js';

/** An authority, and what is accepted in its answers. */
export interface AuthoritySource {
  readonly authority: string;
  readonly ca: string | undefined;
  /** Origins at which it may have endpoints, besides its own. */
  readonly origins: readonly string[];
}

/** The metadata of an authority; its issuer has been checked. */
export type AuthorityMetadata = Readonly<Record<string, unknown>>;

/** Authorities whose pauses (`Retry-After`) are remembered. */
const pausesMax = 64;

export class AuthorityClient {
  readonly #http: Http;
  readonly #time: Time;
  /** By the authority's origin. */
  readonly #pauses = new Map<string, { readonly untilMs: number; readonly failure: Failure }>();

  constructor({ http, time }: { readonly http: Http; readonly time: Time }) {
    this.#http = http;
    this.#time = time;
  }

  /**
   * @param name The name of the authority in messages: `The authority of "cloud-1"`
   * @throws StatemeshError `authorityUnavailable` (also during a pause that it asked for), `authorityInvalid`,
   * `certificateInvalid`, `cancelled`
   */
  async ask(request: HttpRequest, name: string): Promise<HttpResponse> {
    const key = originOf(request.url);
    this.#assertNoPause(key);
    const response = await this.#http.request(request);
    if (response.status < 500 && response.status !== 429) return response;
    const failure: Failure = {
      code: 'authorityUnavailable',
      message: `${name} answers with status ${response.status}.`,
    };
    const waitMs = retryAfterMs(response.headers, this.#time.now());
    if (waitMs !== undefined) this.#pause(key, failure, waitMs);
    throw new StatemeshError(failure.code, failure.message, { retryAfterMs: waitMs });
  }

  /**
   * The first metadata document that `check` accepts: that of OpenID Connect Discovery, else that of RFC 8414, for any
   * answer of the first address. Undefined when there is none at all.
   *
   * @throws StatemeshError as {@link ask}, and the error of `check` for the first document, when no other is accepted
   */
  async metadata<T>(
    { authority, ca }: AuthoritySource,
    { name, signal, check }: { name: string; signal: AbortSignal; check(metadata: AuthorityMetadata): T },
  ): Promise<T | undefined> {
    const problems: unknown[] = [];
    for (const url of metadataUrls(authority)) {
      try {
        const headers = { accept: 'application/json' };
        const response = await this.ask({ method: 'GET', url, headers, body: undefined, ca, signal }, name);
        const metadata = documentIn(response);
        if (metadata !== undefined) return check(metadata);
      } catch (error) {
        if (signal.aborted || !isAnswered(error)) throw error;
        problems.push(error);
      }
    }
    if (problems.length > 0) throw problems[0];
    return undefined;
  }

  #assertNoPause(key: string): void {
    const pause = this.#pauses.get(key);
    if (pause === undefined) return;
    const leftMs = pause.untilMs - this.#time.monotonicMs();
    if (leftMs > 0) throw new StatemeshError(pause.failure.code, pause.failure.message, { retryAfterMs: leftMs });
    this.#pauses.delete(key);
  }

  #pause(key: string, failure: Failure, waitMs: number): void {
    this.#pauses.delete(key);
    this.#pauses.set(key, { untilMs: this.#time.monotonicMs() + waitMs, failure });
    const [oldest] = this.#pauses.keys();
    if (this.#pauses.size > pausesMax && oldest !== undefined) this.#pauses.delete(oldest);
  }
}

/** Whether the authority can be asked at another address: it has answered, and has not asked for a pause. */
function isAnswered(error: unknown): boolean {
  if (!isStatemeshError(error) || failureOf(error).retryAfterMs !== undefined) return false;
  return (
    error.code === 'authorityInvalid' || (error.code === 'authorityUnavailable' && / status \d+\.$/.test(error.message))
  );
}

/** The address of OpenID Connect, which appends to the path, and that of RFC 8414, which inserts before the path. */
function metadataUrls(authority: string): string[] {
  const { origin, pathname } = new URL(authority);
  const path = pathname.replace(/\/$/, '');
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ];
}

/** Reads the body as JSON, with any content type. */
function documentIn({ status, body }: HttpResponse): AuthorityMetadata | undefined {
  if (status !== 200) return undefined;
  const value = jsonIn(body);
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as AuthorityMetadata)
    : undefined;
}

export function jsonIn(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/**
 * An endpoint that the metadata names; `foreign` when it is at an origin that is not allowed; undefined when there is
 * none.
 */
export function endpointIn(
  metadata: AuthorityMetadata,
  field: 'token_endpoint' | 'jwks_uri',
  { authority, origins }: AuthoritySource,
): { readonly url: string } | 'foreign' | undefined {
  const url = metadata[field];
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined;
  return isTargetOf(authority, url, origins) ? { url } : 'foreign';
}
