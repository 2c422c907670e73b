/**
 * Checks access tokens by the production service, but verifies signatures synchronously: `jose` verifies by WebCrypto,
 * which settles on another thread in real time, and no virtual clock can order that.
 */
import { constants, createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto';
import { tokenAlgorithms, tokenRefused } from '../core/access-token.js';
import type { Http, Time } from '../ports/ports.js';
import { AuthorityKeys, type KeySet } from '../services/authority-keys.js';
import { createVerifyToken, keysTriedMax, keyUnknown, type SignedToken } from '../services/verify-token.js';

export function createSimulatedVerifyToken(ports: { readonly http: Http; readonly time: Time }) {
  return createVerifyToken(ports, { loadKeys: () => AuthorityKeys, verify: verifySynchronously });
}

type Algorithm = (typeof tokenAlgorithms)[number];

interface Signed {
  readonly alg: Algorithm;
  readonly kid: unknown;
  readonly typ: unknown;
  readonly claims: Buffer;
  readonly signed: Buffer;
  readonly signature: Buffer;
}

async function verifySynchronously(token: string, keys: KeySet): Promise<SignedToken> {
  const parsed = parse(token);
  const candidates = keysFor(parsed, keys);
  if (candidates.length === 0) throw Object.assign(new Error('No key fits.'), { code: keyUnknown });
  if (!candidates.some((key) => isSigned(parsed, key))) throw tokenRefused('its signature is invalid');
  return { payload: parsed.claims, protectedHeader: { typ: parsed.typ } };
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
    claims: Buffer.from(claims, 'base64url'),
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
