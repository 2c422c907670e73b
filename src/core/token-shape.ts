/**
 * How the access tokens of well-known authorities differ from RFC 9068: what their header says, which claims hold scope
 * and audience, and what tells an access token from other tokens that the authority signs with the same keys.
 *
 * Sources: Entra ID "Access token claims reference", Okta "Validate access tokens", Auth0 "Access token profiles",
 * Keycloak "Server administration: OIDC token mappings", Amazon Cognito "Understanding the access token".
 */
import { own } from './own.js';

/** The type that a token's header may declare: an access token (RFC 9068), any JWT, or none. */
export const tokenTypes = ['at+jwt', 'JWT', 'absent'] as const;
export type TokenType = (typeof tokenTypes)[number];

/** The claims of a token whose signature is valid. */
export type Claims = Readonly<Record<string, unknown>>;

/** How an authority writes its access tokens. */
export interface TokenShape {
  readonly tokenTypes: readonly TokenType[];
  /** The claims that may hold the scope; one of them suffices. */
  readonly scopeClaims: readonly string[];
  readonly audienceClaim: string;
  /** Whether the claims are those of an access token: an ID token with the same header must not pass. */
  isAccessToken(claims: Claims): boolean;
}

export const authorityPresets = ['entra', 'okta', 'auth0', 'keycloak', 'cognito'] as const;
export type AuthorityPreset = (typeof authorityPresets)[number];

/** RFC 9068. */
const standard: TokenShape = {
  tokenTypes: ['at+jwt'],
  scopeClaims: ['scope'],
  audienceClaim: 'aud',
  isAccessToken: () => true,
};

const presets: Readonly<Record<AuthorityPreset, TokenShape>> = {
  entra: {
    ...standard,
    tokenTypes: ['at+jwt', 'JWT'],
    // Scopes that a user consented to, and roles assigned to an application.
    scopeClaims: ['scp', 'roles'],
    // The client that requested the token (v2, v1). An ID token, which may have roles, has neither.
    isAccessToken: (claims) => isText(own(claims, 'azp')) || isText(own(claims, 'appid')),
  },
  // Okta's ID tokens have no `scp`.
  okta: { ...standard, tokenTypes: ['at+jwt', 'JWT', 'absent'], scopeClaims: ['scp'] },
  // Auth0's ID tokens have no `scope`.
  auth0: { ...standard, tokenTypes: ['at+jwt', 'JWT'] },
  keycloak: {
    ...standard,
    tokenTypes: ['at+jwt', 'JWT'],
    // ID, refresh and logout tokens have another value here.
    isAccessToken: (claims) => own(claims, 'typ') === 'Bearer',
  },
  cognito: {
    tokenTypes: ['at+jwt', 'JWT', 'absent'],
    scopeClaims: ['scope'],
    audienceClaim: 'client_id',
    isAccessToken: (claims) => own(claims, 'token_use') === 'access',
  },
};

/** The settings of a cloud node that tell how its authority writes tokens. */
export interface TokenShapeSettings {
  readonly authorityPreset?: AuthorityPreset | undefined;
  readonly scopeClaim?: string | undefined;
  readonly audienceClaim?: string | undefined;
  readonly tokenTypes?: readonly TokenType[] | undefined;
}

/** The shape of the preset, or of RFC 9068 without a preset. Settings of their own override the preset. */
export function tokenShapeOf({
  authorityPreset,
  scopeClaim,
  audienceClaim,
  tokenTypes,
}: TokenShapeSettings): TokenShape {
  const preset = authorityPreset === undefined ? standard : presets[authorityPreset];
  return {
    ...preset,
    tokenTypes: tokenTypes ?? preset.tokenTypes,
    scopeClaims: scopeClaim === undefined ? preset.scopeClaims : [scopeClaim],
    audienceClaim: audienceClaim ?? preset.audienceClaim,
  };
}

/**
 * The claim with a configured name. Dots name a claim within another one (`realm_access.roles`), unless there is a
 * claim with exactly this name, such as `https://example.com/roles`.
 */
export function claimNamed(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name) || !name.includes('.')) return own(claims, name);
  let claim: unknown = claims;
  for (const part of name.split('.')) {
    if (typeof claim !== 'object' || claim === null || Array.isArray(claim)) return undefined;
    claim = own(claim as Claims, part);
  }
  return claim;
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}
