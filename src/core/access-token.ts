/**
 * What the claims of an access token must say before a cloud node accepts it (RFC 9068, RFC 7519). The signature is
 * checked elsewhere.
 *
 * A refusal names the class of the fault but never the expected value, because the sender of the token reads it.
 */
import { StatemeshError } from './errors.js';
import { limits } from './limits.js';
import { type Claims, claimNamed, type TokenShape, type TokenType } from './token-shape.js';

/** Asymmetric algorithms only: with a symmetric one, a node that can verify a token could also forge one. */
export const tokenAlgorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

/**
 * Refuses a token whose type is not accepted. Authorities sign other things with the same keys, such as logout tokens
 * and ID tokens (RFC 8725, section 3.11).
 *
 * @param typ The `typ` of the token's header
 * @throws StatemeshError `tokenRefused`
 */
export function checkType(typ: unknown, allowed: readonly TokenType[]): void {
  const type = typ === undefined ? 'absent' : mediaTypeOf(typ);
  if (allowed.some((each) => each.toLowerCase() === type)) return;
  throw tokenRefused('it is of a type that is not taken');
}

/** The media type in lower case, without the optional prefix `application/` (RFC 7515, section 4.1.9). */
function mediaTypeOf(typ: unknown): string | undefined {
  if (typeof typ !== 'string' || /^(application\/)?absent$/i.test(typ)) return undefined;
  return typ.toLowerCase().replace(/^application\//, '');
}

export interface TokenExpectation {
  readonly issuer: string;
  /** The token must name one of these. */
  readonly audiences: readonly string[];
  readonly scope: string;
  readonly shape: TokenShape;
  /** Wall clock, ms since 1970. */
  readonly nowMs: number;
}

/** The subject of an accepted token and its end: the token's expiry plus the tolerance for clocks that differ. */
export interface TokenGrant {
  readonly subject: string;
  /** Wall clock, ms since 1970. */
  readonly expiresAtMs: number;
  /** From now on, ms. */
  readonly lifetimeMs: number;
}

/** The latest time that a `Date` can hold. */
const timeMaxMs = 8.64e15;

/**
 * Checks the claims of a token against what this node expects.
 *
 * @param payload The payload of a token whose signature is valid
 * @throws StatemeshError `tokenRefused`
 */
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
  if (typeof subject !== 'string' || subject === '' || subject.length > limits.tokenSubjectLengthMax) {
    throw tokenRefused('it names no subject');
  }
  return { subject, expiresAtMs, lifetimeMs: expiresAtMs - nowMs };
}

export function tokenRefused(reason: string, cause?: unknown): StatemeshError {
  return new StatemeshError('tokenRefused', `The access token is refused: ${reason}.`, { cause });
}

/** Scopes separated by spaces (RFC 8693, section 4.2), or the array that some authorities send. */
function scopesOf(scopes: unknown): readonly unknown[] {
  return typeof scopes === 'string' ? scopes.split(' ') : listOf(scopes);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
