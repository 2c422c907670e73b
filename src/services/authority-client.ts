/**
 * How this node asks an OAuth2 authority, whether for tokens or for the keys of tokens: where its metadata is, where it may send us,
 * and how long it is left alone when it says that it has too much to do.
 *
 * Invariants: no text of the authority is repeated; an authority that has asked for a pause is not asked before it is over, by
 * whatever part of the node.
 */
import { isTargetOf, originOf } from '../core/authority-target.js';
import { type Failure, failureOf, isStatemeshError, StatemeshError } from '../core/errors.js';
import { retryAfterMs } from '../core/retry-after.js';
import type { Http, HttpRequest, HttpResponse, Time } from '../ports/ports.js';

/** Whom to ask, and what is believed of its answers. */
export interface AuthoritySource {
  readonly authority: string;
  readonly ca: string | undefined;
  /** At which it may have endpoints, besides its own. */
  readonly origins: readonly string[];
}

/** What the metadata of an authority says; its issuer was compared. */
export type AuthorityMetadata = Readonly<Record<string, unknown>>;

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
   * @param name How messages call the authority: `The authority of "cloud-1"`
   * @throws StatemeshError `authorityUnavailable` (also while it wants to be left alone), `authorityInvalid`, `certificateInvalid`, `cancelled`
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
   * The first metadata document that `isUsable`: that of OpenID Connect Discovery, then that of RFC 8414, whatever the first address
   * answers. Undefined when there is none at all.
   *
   * @throws StatemeshError as {@link ask}, and what `check` throws of the first that is a document, when no other will do
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

/** Whether it can be asked at another address: it has answered, and does not want to be left alone. */
function isAnswered(error: unknown): boolean {
  if (!isStatemeshError(error) || failureOf(error).retryAfterMs !== undefined) return false;
  return (
    error.code === 'authorityInvalid' || (error.code === 'authorityUnavailable' && / status \d+\.$/.test(error.message))
  );
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

/** Whatever its content type says. */
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

/** An endpoint that the metadata names; `foreign` when it is where this authority may not send us; undefined when there is none. */
export function endpointIn(
  metadata: AuthorityMetadata,
  field: 'token_endpoint' | 'jwks_uri',
  { authority, origins }: AuthoritySource,
): { readonly url: string } | 'foreign' | undefined {
  const url = metadata[field];
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined;
  return isTargetOf(authority, url, origins) ? { url } : 'foreign';
}
