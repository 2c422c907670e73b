/**
 * What a configuration with `role: "cloud"` must contain, as far as that can be checked without reading a file, and
 * what the node expects of access tokens.
 */
import type { TokenExpectation } from '../core/access-token.js';
import { isLoopback } from '../core/address.js';
import { StatemeshError } from '../core/errors.js';
import { tokenShapeOf } from '../core/token-shape.js';
import type { Configuration } from './schema.js';

/**
 * Checks the configuration of a cloud node.
 *
 * @param host Where it listens
 * @throws StatemeshError `configurationInvalid` naming every wrong field
 */
export function checkCloudConfiguration(configuration: Configuration, host: string): void {
  const problems = Object.entries(problemsOf(configuration, host)).filter(([, problem]) => problem !== undefined);
  if (problems.length === 0) return;
  const texts = problems.map(([field, problem]) => `${field}: ${problem}`);
  throw new StatemeshError('configurationInvalid', `Invalid configuration of a cloud node: ${texts.join('; ')}.`);
}

/**
 * What access tokens must say.
 *
 * @throws StatemeshError `configurationInvalid` unless the configuration is that of a cloud node
 */
export function expectationOf(configuration: Configuration): Omit<TokenExpectation, 'nowMs'> {
  const { authority, audience, scope } = configuration;
  if (authority === undefined || audience === undefined) {
    throw new StatemeshError('configurationInvalid', 'A cloud node needs an authority and an audience.');
  }
  const audiences = typeof audience === 'string' ? [audience] : audience;
  return { issuer: authority, audiences, scope, shape: tokenShapeOf(configuration) };
}

type Problems = Partial<Record<keyof Configuration, string | undefined>>;

function problemsOf(configuration: Configuration, host: string): Problems {
  const { authority, audience } = configuration;
  return {
    authority: authority === undefined ? 'the issuer of access tokens is missing' : problemOfAuthority(authority),
    audience: audience === undefined ? 'the audience of access tokens is missing' : undefined,
    ...problemsOfCertificate(configuration, host),
  };
}

function problemOfAuthority(authority: string): string | undefined {
  if (!URL.canParse(authority)) return 'it is not a URL';
  const { protocol, hostname, search, hash, username, password } = new URL(authority);
  if (search !== '' || hash !== '' || username !== '' || password !== '') {
    return 'an issuer has neither user, query nor fragment';
  }
  const isLocal = protocol === 'http:' && isLoopback(hostname.replace(/^\[|\]$/g, ''));
  return protocol === 'https:' || isLocal ? undefined : 'use https (http is allowed on loopback only)';
}

function problemsOfCertificate({ tlsCert, tlsKey, plaintextCloud }: Configuration, host: string): Problems {
  if (tlsCert !== undefined && tlsKey !== undefined) return {};
  if (tlsCert !== undefined) return { tlsKey: 'the private key of tlsCert is missing' };
  if (tlsKey !== undefined) return { tlsCert: 'the certificate of tlsKey is missing' };
  if (!plaintextCloud) return { tlsCert: 'the certificate is missing (on loopback, plaintextCloud works without one)' };
  return isLoopback(host)
    ? {}
    : { tlsCert: 'the certificate is missing, and plaintextCloud is allowed on a loopback host only' };
}
