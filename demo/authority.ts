/**
 * A real OAuth2 authority on loopback: oidc-provider, with the client credentials grant and JWT access tokens.
 *
 * Invariant: clients and keys live as long as the process; nothing is stored.
 */
import { generateKeyPair, type KeyObject } from 'node:crypto';
import { createServer as createPlainServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import Provider from 'oidc-provider';
// @ts-expect-error: its types leave this out
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';

export interface AuthorityOptions {
  readonly clients: readonly { readonly id: string; readonly secret: string }[];
  readonly scope: string;
  readonly audience: string;
  /** The lifetime of a token, in seconds. */
  readonly lifetimeSeconds: number;
  /** 0: the system chooses. */
  readonly port?: number;
  /** PEM; plain HTTP without. */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

export interface Authority {
  /** The issuer, for the configuration of nodes. */
  readonly url: string;
  /** The tokens issued so far: tests check that they do not show up where they must not. */
  readonly tokens: readonly string[];
  close(): Promise<void>;
}

export async function startAuthority(options: AuthorityOptions): Promise<Authority> {
  const { tls, port = 0 } = options;
  const server = tls === undefined ? createPlainServer() : createServer({ cert: tls.certificate, key: tls.key });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  const provider = providerOf(url, options, privateKey);
  const tokens: string[] = [];
  provider.on('grant.success', (ctx) => {
    tokens.push((ctx.body as { access_token: string }).access_token);
  });
  server.on('request', provider.callback());
  return {
    url,
    tokens,
    close: () => close(server as Server),
  };
}

/** A class of its own: with its default in-memory store the provider warns against production use. */
class Volatile extends MemoryAdapter {}

function providerOf(url: string, options: AuthorityOptions, key: KeyObject): Provider {
  const { clients, scope, audience, lifetimeSeconds } = options;
  const resource = {
    scope,
    audience,
    accessTokenFormat: 'jwt' as const,
    accessTokenTTL: lifetimeSeconds,
    jwt: { sign: { alg: 'ES256' as const } },
  };
  return new Provider(url, {
    adapter: Volatile,
    clients: clients.map(({ id, secret }) => ({
      client_id: id,
      client_secret: secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: 'ES256',
    })),
    scopes: [scope],
    ttl: { ClientCredentials: lifetimeSeconds },
    cookies: { keys: ['no browser comes here'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        // Accepts every audience that a client names, and one for clients that name none.
        defaultResource: () => `urn:audience:${audience}`,
        getResourceServerInfo: () => resource,
      },
    },
    jwks: { keys: [{ ...key.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'demo' }] },
  } as never);
}

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
