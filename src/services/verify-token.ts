/**
 * Checks access tokens on a cloud node: their signature by the keys of the authority, and their claims.
 *
 * The keys are kept for all sessions of the node, so a token costs a signature check and no request.
 */
import type { CryptoKey } from 'jose';
import { fromPromise } from 'xstate';
import type { VerifiedToken, VerifyTokenInput } from '../actors/slots.js';
import { expectationOf } from '../configuration/cloud.js';
import { checkClaims, checkType, tokenAlgorithms, tokenRefused } from '../core/access-token.js';
import { StatemeshError, systemCodeOf } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { TokenType } from '../core/token-shape.js';
import type { Http, Time } from '../ports/ports.js';
import type { AuthorityKeys, KeySet } from './authority-keys.js';

/** A token whose signature is right. */
export interface SignedToken {
  readonly payload: Uint8Array;
  readonly protectedHeader: { readonly typ?: unknown; readonly b64?: unknown };
}

/** What checks signatures. */
export interface SignatureCheck {
  loadKeys(): AuthorityKeysClass | Promise<AuthorityKeysClass>;
  /** Rejects as `compactVerify` of `jose` does: with the code {@link keyUnknown} when no key fits. */
  verify(token: string, keys: KeySet): Promise<SignedToken>;
}

type AuthorityKeysClass = typeof AuthorityKeys;

/**
 * @throws StatemeshError `tokenRefused`, `authorityUnavailable`, `authorityInvalid`, `certificateInvalid`, `cancelled`
 */
export function createVerifyToken(ports: { readonly http: Http; readonly time: Time }, check = byJose) {
  let keys: AuthorityKeys | undefined;
  return fromPromise<VerifiedToken, VerifyTokenInput>(async ({ input: { token, configuration, ca }, signal }) => {
    const expected = expectationOf(configuration);
    const source = { authority: expected.issuer, ca, origins: configuration.authorityOrigins };
    const AuthorityKeys = await check.loadKeys();
    if (keys === undefined || !keys.isOf(source)) keys = new AuthorityKeys(ports, source);
    const payload = payloadOf(
      await verifySignature(token.reveal(), { keys, check, signal }),
      expected.shape.tokenTypes,
    );
    return checkClaims(payload, { ...expected, nowMs: ports.time.now() });
  });
}

interface Verification {
  readonly keys: AuthorityKeys;
  readonly check: SignatureCheck;
  readonly signal: AbortSignal;
}

/** A token that the authority has signed. */
async function verifySignature(token: string, { keys, check, signal }: Verification): Promise<SignedToken> {
  if (token.length > limits.tokenLengthMax) throw tokenRefused('it is too long');
  const present = await keys.get(signal);
  try {
    return await check.verify(token, present);
  } catch (error) {
    if (systemCodeOf(error) !== keyUnknown) throw refusalOf(error);
  }
  // The key is unknown: the authority may have a new one.
  const newer = await keys.newerThan(present, signal);
  if (newer === undefined) throw tokenRefused('it is signed with an unknown key');
  try {
    return await check.verify(token, newer);
  } catch (error) {
    throw refusalOf(error);
  }
}

/** Loaded on demand: members verify no tokens. */
const byJose: SignatureCheck = {
  loadKeys: async () => (await import('./authority-keys.js')).AuthorityKeys,
  verify: verifyByJose,
};

async function verifyByJose(token: string, keys: KeySet): Promise<SignedToken> {
  const { compactVerify } = await import('jose');
  const options = { algorithms: [...tokenAlgorithms] };
  try {
    return await compactVerify(token, keys, options);
  } catch (error) {
    // The token names no key, and several keys would fit.
    if (systemCodeOf(error) !== keyAmbiguous) throw error;
    let tried = 0;
    for await (const key of error as AsyncIterable<CryptoKey>) {
      tried += 1;
      if (tried > keysTriedMax) break;
      try {
        return await compactVerify(token, key, options);
      } catch {}
    }
    throw error;
  }
}

/** The code of the error for a token that no key of the authority fits. */
export const keyUnknown = 'ERR_JWKS_NO_MATCHING_KEY';
const keyAmbiguous = 'ERR_JWKS_MULTIPLE_MATCHING_KEYS';
/** How many keys are tried for a token that names none. */
export const keysTriedMax = 8;

function payloadOf({ payload, protectedHeader }: SignedToken, types: readonly TokenType[]): unknown {
  // RFC 7519, section 7.2, and RFC 7797, section 7: a token is never unencoded.
  if (protectedHeader.b64 === false) throw tokenRefused('it is not a token');
  checkType(protectedHeader.typ, types);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    // Without the reason as cause, which quotes the token.
    throw tokenRefused('it is not a token');
  }
}

function refusalOf(error: unknown): StatemeshError {
  if ((error as { name?: unknown }).name === 'StatemeshError') return error as StatemeshError;
  const code = systemCodeOf(error) ?? '';
  if (code === 'ERR_JWKS_INVALID') {
    return new StatemeshError('authorityInvalid', 'The authority of access tokens publishes an invalid key.', {
      cause: error,
    });
  }
  if (code === keyUnknown) return tokenRefused('it is signed with an unknown key', error);
  if (code === 'ERR_JOSE_ALG_NOT_ALLOWED' || code === 'ERR_JOSE_NOT_SUPPORTED') {
    return tokenRefused('it is signed with an algorithm that is not allowed', error);
  }
  if (code === 'ERR_JWS_INVALID') return tokenRefused('it is not a token', error);
  return tokenRefused('its signature is invalid', error);
}
