/**
 * What an access token must say for a cloud node to take it (RFC 9068, RFC 7519). Whether it says so with a valid signature is
 * checked elsewhere.
 *
 * A refusal names its class and nothing of what was expected: it goes to whoever showed the token.
 */
import { StatemeshError } from './errors.js';
import { limits } from './limits.js';
import { type Claims, claimNamed, type TokenShape, type TokenType } from './token-shape.js';

/** Asymmetric ones only: with a public key anybody could make the others. */
export const tokenAlgorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

/**
 * Whether a token says that it is of a type that is taken: authorities sign other things with the same keys, such as logout tokens and
 * ID tokens (RFC 8725, section 3.11).
 *
 * @param typ Of its header @throws StatemeshError `tokenRefused`
 */
export function checkType(typ: unknown, allowed: readonly TokenType[]): void {
  const type = typ === undefined ? 'absent' : mediaTypeOf(typ);
  if (allowed.some((each) => each.toLowerCase() === type)) return;
  throw tokenRefused('it is of a type that is not taken');
}

/** In lower case, without the `application/` that may be left out (RFC 7515, section 4.1.9). */
function mediaTypeOf(typ: unknown): string | undefined {
  if (typeof typ !== 'string' || /^(application\/)?absent$/i.test(typ)) return undefined;
  return typ.toLowerCase().replace(/^application\//, '');
}

export interface TokenExpectation {
  readonly issuer: string;
  /** One of them. */
  readonly audiences: readonly string[];
  readonly scope: string;
  readonly shape: TokenShape;
  /** Wall clock, ms since 1970. */
  readonly nowMs: number;
}

/** Whom a token names, and how long it is good: until its expiry and the tolerance for clocks that differ. */
export interface TokenGrant {
  readonly subject: string;
  /** Wall clock, ms since 1970. */
  readonly expiresAtMs: number;
  /** From now on, ms. */
  readonly lifetimeMs: number;
}

/** The latest time that a `Date` can tell. */
const timeMaxMs = 8.64e15;
const subjectLengthMax = 256;

/** @param payload Of a token whose signature holds @throws StatemeshError `tokenRefused` */
export function checkClaims(
  payload: unknown,
  { issuer, audiences, scope, shape, nowMs }: TokenExpectation,
): TokenGrant {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) throw tokenRefused('it has no claims');
  const claims = payload as Claims;
  const { iss, exp, nbf, sub, client_id: clientId } = claims;
  if (iss !== issuer) throw tokenRefused('it comes from another issuer');
  if (!shape.isAccessToken(claims)) throw tokenRefused('it is of a type that is not taken');
  const audience = claimNamed(claims, shape.audienceClaim);
  if (!listOf(audience).some((each) => audiences.some((ours) => ours === each))) {
    throw tokenRefused('it is for another audience');
  }
  if (!isTime(exp)) throw tokenRefused('it does not say when it expires');
  const expiresAtMs = Math.min(exp * 1_000 + limits.tokenClockToleranceMs, timeMaxMs);
  if (expiresAtMs <= nowMs) throw tokenRefused('it has expired');
  if (nbf !== undefined && !(isTime(nbf) && nbf * 1_000 - limits.tokenClockToleranceMs <= nowMs)) {
    throw tokenRefused('it is not valid yet');
  }
  const scopes = shape.scopeClaims.flatMap((name) => scopesOf(claimNamed(claims, name)));
  if (!scopes.includes(scope)) throw tokenRefused('it lacks the scope');
  const subject = sub ?? clientId;
  if (typeof subject !== 'string' || subject === '' || subject.length > subjectLengthMax) {
    throw tokenRefused('it names no subject');
  }
  return { subject, expiresAtMs, lifetimeMs: expiresAtMs - nowMs };
}

export function tokenRefused(reason: string, cause?: unknown): StatemeshError {
  return new StatemeshError('tokenRefused', `The access token is refused: ${reason}.`, { cause });
}

/** Space separated (RFC 8693, section 4.2), or an array, as some authorities have it. */
function scopesOf(scopes: unknown): readonly unknown[] {
  return typeof scopes === 'string' ? scopes.split(' ') : listOf(scopes);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
