/**
 * Where an OAuth2 authority may send those who ask it: what its metadata names is not believed of other machines, since a client's
 * secret goes there, and the keys come from there by which tokens are believed.
 *
 * Invariants: https only, but for loopback; on the authority's own origin, or on one that this machine's configuration lists; on
 * loopback only for an authority on loopback.
 */
import { isLoopback } from './address.js';

/** Whether a URL may be asked at all: by https, or on this machine. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hostname } = new URL(text);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(bare(hostname)));
}

/** Whether a text is an origin (RFC 6454) that may be asked, and nothing more. */
export function isSafeOrigin(text: string): boolean {
  return isSafeUrl(text) && `${new URL(text).origin}/` === `${text.replace(/\/$/, '')}/`;
}

/** Whether the authority may send its clients to a URL. */
export function isTargetOf(authority: string, target: string, origins: readonly string[]): boolean {
  if (!isSafeUrl(target)) return false;
  const { origin } = new URL(target);
  if (origin === originOf(authority)) return true;
  if (isOnLoopback(target) && !isOnLoopback(authority)) return false;
  return origins.some((listed) => originOf(listed) === origin);
}

export function originOf(url: string): string {
  return new URL(url).origin;
}

/** Names and addresses that lead to this machine, those among them that {@link isLoopback} would not call so without asking. */
function isOnLoopback(url: string): boolean {
  // With the dot of a complete name, it is the same name.
  const host = bare(new URL(url).hostname).replace(/\.$/, '');
  return (
    isLoopback(host) || host.endsWith('.localhost') || /^(0\.0\.0\.0|::|::ffff:7f[0-9a-f]{2}:[0-9a-f]+)$/.test(host)
  );
}

/** Without the brackets of an IPv6 address. */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
