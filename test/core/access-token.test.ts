/**
 * Tokens of well-known authorities: headers and claims as their documentation shows them, with our scope and audience.
 */
import { describe, expect, it } from '@jest/globals';
import { checkClaims, checkType } from '../../src/core/access-token.js';
import { failureOf } from '../../src/core/errors.js';
import {
  type AuthorityPreset,
  authorityPresets,
  type TokenShapeSettings,
  tokenShapeOf,
} from '../../src/core/token-shape.js';

const nowMs = Date.UTC(2026, 0, 1);
const times = { iat: nowMs / 1_000, nbf: nowMs / 1_000, exp: nowMs / 1_000 + 3_600 };

interface Token {
  readonly header: { readonly alg: string; readonly kid: string; readonly typ?: string };
  readonly claims: Readonly<Record<string, unknown>>;
}

interface Authority {
  readonly issuer: string;
  readonly audience: string;
  readonly scope: string;
  /** Accepted tokens, by the name in the authority's documentation. */
  readonly taken: Readonly<Record<string, Token & { readonly subject: string }>>;
  /** Other tokens that the authority signs with the same keys, or for other clients. */
  readonly refused: Readonly<Record<string, Token>>;
}

const tenant = '72f988bf-86f1-41af-91ab-2d7cd011db47';
const entraHeader = { typ: 'JWT', alg: 'RS256', kid: 'i6lGk3FZzxRcUb2C3nEQ7syHJlY' };
const entraClaims = {
  ...times,
  aud: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
  tid: tenant,
  ver: '2.0',
  rh: 'I',
  uti: 'Bx1234',
  iss: `https://login.microsoftonline.com/${tenant}/v2.0`,
};
const entraApp = {
  ...entraClaims,
  azp: '6731de76-14a6-49ae-97bc-6eba6914391e',
  azpacr: '1',
  oid: '690222be-ff1a-4d56-abd1-7e4f7d38e474',
  sub: '690222be-ff1a-4d56-abd1-7e4f7d38e474',
};
const entraUser = {
  ...entraClaims,
  azp: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
  azpacr: '0',
  name: 'Abe Lincoln',
  oid: '690222be-ff1a-4d56-abd1-7e4f7d38e474',
  preferred_username: 'abeli@microsoft.com',
  sub: 'HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ',
};

const oktaHeader = { alg: 'RS256', kid: '45js03w0djwedsw' };
const oktaClaims = {
  ...times,
  ver: 1,
  jti: 'AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE',
  aud: 'api://default',
  iss: 'https://example.okta.com/oauth2/default',
};

const auth0Header = { alg: 'RS256', typ: 'JWT', kid: 'NEVBNUNBOTgxRkE5OUQzQzc4OTBEMEFENDQ5MzAxRTNBMEVERUU0MA' };
const auth0Claims = { iss: 'https://shop.eu.auth0.com/', iat: times.iat, exp: times.exp };

const keycloakHeader = { alg: 'RS256', typ: 'JWT', kid: 'FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE' };
const keycloakClaims = {
  ...times,
  jti: 'trrtcc:5a1b',
  iss: 'https://login.example.com/realms/shop',
  aud: ['account', 'statemesh'],
  sub: 'b8f5c7a4-2c8e-4a5f-9a3d-0b8f9f9c2d11',
  azp: 'till',
  acr: '1',
  'allowed-origins': ['/*'],
  realm_access: { roles: ['default-roles-shop', 'offline_access', 'sync'] },
  resource_access: { account: { roles: ['manage-account', 'view-profile'] } },
};

const cognitoHeader = { kid: '1234example=', alg: 'RS256' };
const cognitoClaims = {
  iss: 'https://cognito-idp.us-west-2.amazonaws.com/us-west-2_example',
  version: 2,
  auth_time: times.iat,
  iat: times.iat,
  exp: times.exp,
  jti: 'dddddddd-eeee-1111-2222-123456789012',
};
const cognitoUser = { sub: 'aaaaaaaa-bbbb-cccc-dddd-example', username: 'my-test-user' };

const authorities: Readonly<Record<AuthorityPreset, Authority>> = {
  entra: {
    issuer: entraClaims.iss,
    audience: entraClaims.aud,
    scope: 'Sync.All',
    taken: {
      'client credentials': {
        header: entraHeader,
        subject: entraApp.sub,
        claims: { ...entraApp, idtyp: 'app', roles: ['Other.Read', 'Sync.All'] },
      },
      'of a user': {
        header: entraHeader,
        subject: entraUser.sub,
        claims: { ...entraUser, scp: 'access_as_user Sync.All' },
      },
      'version 1, to the same audience': {
        header: entraHeader,
        subject: entraApp.sub,
        claims: { ...entraApp, azp: undefined, appid: entraApp.azp, appidacr: '1', ver: '1.0', roles: ['Sync.All'] },
      },
    },
    refused: {
      'an ID token with roles': { header: entraHeader, claims: { ...entraUser, azp: undefined, roles: ['Sync.All'] } },
      'no role': { header: entraHeader, claims: entraApp },
      'another tenant': {
        header: entraHeader,
        claims: { ...entraApp, iss: 'https://login.microsoftonline.com/else/v2.0', roles: ['Sync.All'] },
      },
      'another API': { header: entraHeader, claims: { ...entraApp, aud: 'api://else', roles: ['Sync.All'] } },
      'the scope where this authority never has it': {
        header: entraHeader,
        claims: { ...entraApp, scope: 'Sync.All' },
      },
    },
  },
  okta: {
    issuer: oktaClaims.iss,
    audience: 'api://default',
    scope: 'entgldb:sync',
    taken: {
      'client credentials': {
        header: oktaHeader,
        subject: '0oabskvc6442nkvQO0h7',
        claims: { ...oktaClaims, cid: '0oabskvc6442nkvQO0h7', sub: '0oabskvc6442nkvQO0h7', scp: ['entgldb:sync'] },
      },
      'of a user': {
        header: oktaHeader,
        subject: 'user@example.com',
        claims: {
          ...oktaClaims,
          cid: 'nmdP1fcyvdVO11AL7ECm',
          uid: '00ugrenMeqvYla4HW0g3',
          sub: 'user@example.com',
          scp: ['openid', 'entgldb:sync'],
        },
      },
    },
    refused: {
      'an ID token': {
        header: oktaHeader,
        claims: { ...oktaClaims, sub: '00uid4BxXw6I6TV4m0g3', amr: ['pwd'], idp: '00ok1u7AsAkrwdZL3z0g3' },
      },
      'no scope': { header: oktaHeader, claims: { ...oktaClaims, sub: 'x', scp: ['openid'] } },
    },
  },
  auth0: {
    issuer: auth0Claims.iss,
    audience: 'https://cloud.example.com',
    scope: 'entgldb:sync',
    taken: {
      'client credentials': {
        header: auth0Header,
        subject: 'my_client_id@clients',
        claims: {
          ...auth0Claims,
          sub: 'my_client_id@clients',
          aud: 'https://cloud.example.com',
          azp: 'my_client_id',
          scope: 'read:articles entgldb:sync',
          gty: 'client-credentials',
          permissions: ['read:articles', 'entgldb:sync'],
        },
      },
      'of a user, to two audiences': {
        header: auth0Header,
        subject: 'auth0|123456',
        claims: {
          ...auth0Claims,
          sub: 'auth0|123456',
          azp: 'my_client_id',
          scope: 'openid profile entgldb:sync',
          aud: ['https://cloud.example.com', 'https://shop.eu.auth0.com/userinfo'],
        },
      },
      'with the profile of RFC 9068': {
        header: { ...auth0Header, typ: 'at+jwt' },
        subject: 'auth0|123456',
        claims: {
          ...auth0Claims,
          sub: 'auth0|123456',
          aud: 'https://cloud.example.com',
          client_id: 'my_client_id',
          scope: 'entgldb:sync',
          jti: 'URNxgBqRXYKRLxhZ',
        },
      },
    },
    refused: {
      'an ID token': {
        header: auth0Header,
        claims: { ...auth0Claims, sub: 'auth0|123456', aud: 'https://cloud.example.com', sid: 'a', name: 'Jane Doe' },
      },
      'of the user information only': {
        header: auth0Header,
        claims: { ...auth0Claims, sub: 'x', aud: 'https://shop.eu.auth0.com/userinfo', scope: 'entgldb:sync' },
      },
    },
  },
  keycloak: {
    issuer: keycloakClaims.iss,
    audience: 'statemesh',
    scope: 'entgldb:sync',
    taken: {
      'client credentials': {
        header: keycloakHeader,
        subject: keycloakClaims.sub,
        claims: {
          ...keycloakClaims,
          typ: 'Bearer',
          scope: 'profile email entgldb:sync',
          client_id: 'till',
          clientHost: '172.17.0.1',
          preferred_username: 'service-account-till',
          email_verified: false,
        },
      },
      'with the header of RFC 9068': {
        header: { ...keycloakHeader, typ: 'at+jwt' },
        subject: keycloakClaims.sub,
        claims: { ...keycloakClaims, typ: 'Bearer', scope: 'entgldb:sync' },
      },
    },
    refused: {
      'an ID token': { header: keycloakHeader, claims: { ...keycloakClaims, typ: 'ID', scope: 'entgldb:sync' } },
      'a refresh token': {
        header: keycloakHeader,
        claims: { ...keycloakClaims, typ: 'Refresh', scope: 'entgldb:sync' },
      },
      'without an audience mapper': {
        header: keycloakHeader,
        claims: { ...keycloakClaims, typ: 'Bearer', aud: 'account', scope: 'entgldb:sync' },
      },
    },
  },
  cognito: {
    issuer: cognitoClaims.iss,
    audience: 'xxxxxxxxxxxxexample',
    scope: 'statemesh/sync',
    taken: {
      'client credentials': {
        header: cognitoHeader,
        subject: 'xxxxxxxxxxxxexample',
        claims: {
          ...cognitoClaims,
          sub: 'xxxxxxxxxxxxexample',
          client_id: 'xxxxxxxxxxxxexample',
          token_use: 'access',
          scope: 'statemesh/sync statemesh/read',
        },
      },
      'of a user': {
        header: cognitoHeader,
        subject: cognitoUser.sub,
        claims: {
          ...cognitoClaims,
          ...cognitoUser,
          client_id: 'xxxxxxxxxxxxexample',
          token_use: 'access',
          scope: 'openid statemesh/sync',
          'cognito:groups': ['tills'],
          origin_jti: 'aaaaaaaa',
        },
      },
    },
    refused: {
      'an ID token': {
        header: cognitoHeader,
        claims: {
          ...cognitoClaims,
          ...cognitoUser,
          aud: 'xxxxxxxxxxxxexample',
          client_id: 'xxxxxxxxxxxxexample',
          token_use: 'id',
          scope: 'statemesh/sync',
        },
      },
      'another client': {
        header: cognitoHeader,
        claims: { ...cognitoClaims, sub: 'other', client_id: 'other', token_use: 'access', scope: 'statemesh/sync' },
      },
    },
  },
};

function check({ header, claims }: Token, { issuer, audience, scope }: Authority, settings: TokenShapeSettings) {
  const shape = tokenShapeOf(settings);
  checkType(header.typ, shape.tokenTypes);
  return checkClaims(JSON.parse(JSON.stringify(claims)), { issuer, audiences: [audience], scope, shape, nowMs });
}

function refusalOf(...args: Parameters<typeof check>): { readonly code: string; readonly message: string } {
  try {
    check(...args);
  } catch (error) {
    return failureOf(error);
  }
  throw new Error('It was taken.');
}

describe.each(authorityPresets)('tokens of %s', (authorityPreset) => {
  const authority = authorities[authorityPreset];

  it.each(Object.keys(authority.taken))('an access token, %s -> accepted with the preset', (name) => {
    const token = authority.taken[name] as Authority['taken'][string];
    expect(check(token, authority, { authorityPreset }).subject).toBe(token.subject);
  });

  it.each(Object.keys(authority.refused))('%s -> tokenRefused, without the expected value', (name) => {
    const { code, message } = refusalOf(authority.refused[name] as Token, authority, { authorityPreset });
    expect(code).toBe('tokenRefused');
    for (const expected of [authority.issuer, authority.audience, authority.scope, authorityPreset]) {
      expect(message).not.toContain(expected);
    }
  });
});

describe('settings of claims', () => {
  const keycloak = authorities.keycloak;
  const token: Token = keycloak.taken['client credentials'] as Token;
  const withClaims = (claims: object): Token => ({ ...token, claims: { ...token.claims, ...claims } });

  it('a setting beside a preset -> overrides the preset; other fields keep the preset', () => {
    const settings = { authorityPreset: 'keycloak', scopeClaim: 'realm_access.roles' } as const;
    expect(check(token, { ...keycloak, scope: 'sync' }, settings)).toBeDefined();
    expect(refusalOf(token, keycloak, settings).message).toMatch(/scope/);
    expect(refusalOf(withClaims({ typ: 'ID' }), { ...keycloak, scope: 'sync' }, settings).message).toMatch(/type/);
    expect(
      check(token, { ...keycloak, audience: 'till' }, { authorityPreset: 'keycloak', audienceClaim: 'azp' }),
    ).toBeDefined();
    expect(refusalOf(token, keycloak, { authorityPreset: 'keycloak', tokenTypes: ['at+jwt'] }).message).toMatch(/type/);
  });

  it('claim names without a preset -> those claims are read, as a text or a list', () => {
    const settings = { scopeClaim: 'scp', audienceClaim: 'client_id', tokenTypes: ['JWT'] } as const;
    const authority = { ...keycloak, audience: 'till' };
    expect(check(withClaims({ scp: 'a entgldb:sync' }), authority, settings)).toBeDefined();
    expect(check(withClaims({ scp: ['a', 'entgldb:sync'] }), authority, settings)).toBeDefined();
    expect(check(withClaims({ scp: ['entgldb:sync'], client_id: ['till'] }), authority, settings)).toBeDefined();
    for (const scp of [undefined, null, 7, {}, { 'entgldb:sync': true }, [['entgldb:sync']], 'entgldb:syncing']) {
      expect(refusalOf(withClaims({ scp }), authority, settings).message).toMatch(/scope/);
    }
  });

  it('a claim whose name contains dots, like a namespace -> is read by its whole name', () => {
    const scopeClaim = 'https://example.com/roles';
    const named = withClaims({ [scopeClaim]: ['entgldb:sync'] });
    expect(check(named, keycloak, { scopeClaim, tokenTypes: ['JWT'] })).toBeDefined();
  });

  it.each([
    'constructor',
    'toString',
    '__proto__',
    'constructor.name',
    'realm_access.constructor.name',
    'scope.length',
    'a..b',
    '.',
  ])('a claim named %j, which no token has -> tokenRefused, for scope and for audience', (name) => {
    for (const expected of ['Object', '', '0', 'undefined']) {
      const authority = { ...keycloak, audience: expected, scope: expected };
      const tokenTypes = ['JWT'] as const;
      expect(
        refusalOf(token, { ...authority, audience: keycloak.audience }, { scopeClaim: name, tokenTypes }).message,
      ).toMatch(/scope/);
      expect(refusalOf(token, authority, { audienceClaim: name, tokenTypes }).message).toMatch(/audience/);
    }
  });
});
