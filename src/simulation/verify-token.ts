/**
 * Checks access tokens as the production service does, with the same keys and the same claims, but verifies signatures
 * synchronously: `jose` verifies by WebCrypto, which settles on another thread in real time, and no virtual clock can
 * order that.
 */
import { constants, createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto';
import { fromPromise } from 'xstate';
import type { VerifiedToken, VerifyTokenInput } from '../actors/slots.js';
import { expectationOf } from '../configuration/cloud.js';
import { checkClaims, checkType, tokenAlgorithms, tokenRefused } from '../core/access-token.js';
import { limits } from '../core/limits.js';
import type { Http, Time } from '../ports/ports.js';
import { AuthorityKeys, type KeySet } from '../services/authority-keys.js';

export function createSimulatedVerifyToken(ports: { readonly http: Http; readonly time: Time }) {
  let keys: AuthorityKeys | undefined;
  return fromPromise<VerifiedToken, VerifyTokenInput>(async ({ input: { token, configuration, ca }, signal }) => {
    const expected = expectationOf(configuration);
    const source = { authority: expected.issuer, ca, origins: configuration.authorityOrigins };
    if (keys === undefined || !keys.isOf(source)) keys = new AuthorityKeys(ports, source);
    const { claims, typ } = await claimsOf(token.reveal(), keys, signal);
    checkType(typ, expected.shape.tokenTypes);
    return checkClaims(claims, { ...expected, nowMs: ports.time.now() });
  });
}

type Algorithm = (typeof tokenAlgorithms)[number];

interface Signed {
  readonly alg: Algorithm;
  readonly kid: unknown;
  readonly typ: unknown;
  readonly claims: string;
  readonly signed: Buffer;
  readonly signature: Buffer;
}

/** The claims of a token that the authority has signed, and the claims that it makes. */
async function claimsOf(
  token: string,
  keys: AuthorityKeys,
  signal: AbortSignal,
): Promise<{ claims: unknown; typ: unknown }> {
  if (token.length > limits.tokenLengthMax) throw tokenRefused('it is too long');
  const present = await keys.get(signal);
  const parsed = parse(token);
  let candidates = keysFor(parsed, present);
  if (candidates.length === 0) {
    // The key is unknown: the authority may have a new one.
    const newer = await keys.newerThan(present, signal);
    candidates = newer === undefined ? [] : keysFor(parsed, newer);
    if (candidates.length === 0) throw tokenRefused('it is signed with an unknown key');
  }
  if (!candidates.some((key) => isSigned(parsed, key))) throw tokenRefused('its signature is invalid');
  const claims = jsonOf(parsed.claims);
  if (claims === undefined) throw tokenRefused('it is not a token');
  return { claims, typ: parsed.typ };
}

function parse(token: string): Signed {
  const [header = '', claims = '', signature, ...rest] = token.split('.');
  const { alg, kid, typ } = jsonOf(decoded(header)) ?? {};
  if (signature === undefined || rest.length > 0 || typeof alg !== 'string') throw tokenRefused('it is not a token');
  if (!isAllowed(alg)) throw tokenRefused('it is signed with an algorithm that is not allowed');
  return {
    alg,
    kid,
    typ,
    claims: decoded(claims),
    signed: Buffer.from(`${header}.${claims}`),
    signature: Buffer.from(signature, 'base64url'),
  };
}

function isAllowed(alg: string): alg is Algorithm {
  return tokenAlgorithms.some((allowed) => allowed === alg);
}

const keyTypes: Readonly<Record<Algorithm, string>> = { RS256: 'RSA', PS256: 'RSA', ES256: 'EC', EdDSA: 'OKP' };

/** The keys that may have signed a token: by its key id if it names one, otherwise all keys of the type. */
function keysFor({ alg, kid }: Signed, keys: KeySet): readonly KeyObject[] {
  const suitable = (keys.jwks().keys as readonly JsonWebKey[]).filter(
    (key) => key.kty === keyTypes[alg] && (key.alg ?? alg) === alg && (kid === undefined || key.kid === kid),
  );
  return suitable.slice(0, keysTriedMax).map((key) => createPublicKey({ key, format: 'jwk' }));
}

const keysTriedMax = 8;

function isSigned({ alg, signed, signature }: Signed, key: KeyObject): boolean {
  switch (alg) {
    case 'RS256':
      return verify('sha256', signed, key, signature);
    case 'PS256':
      return verify('sha256', signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }, signature);
    case 'ES256':
      return verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature);
    case 'EdDSA':
      return verify(null, signed, key, signature);
  }
}

function decoded(part: string): string {
  return Buffer.from(part, 'base64url').toString();
}

function jsonOf(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
