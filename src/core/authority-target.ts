/**
 * Where an OAuth2 authority may send its clients. Its metadata is not trusted to name other machines: the client's
 * secret goes to those URLs, and the keys that verify tokens come from them.
 *
 * Invariants: a URL uses https, except on loopback. It lies on the authority's own origin, or on an origin that this
 * machine's configuration lists. It lies on loopback only if the authority does.
 */
import { isLoopback } from './address.js';

/** Whether a URL is safe to request: it uses https, or it is on this machine. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hostname } = new URL(text);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(bare(hostname)));
}

/** Whether a text is exactly one origin (RFC 6454) that is safe to request. */
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

/**
 * Whether a URL leads to this machine. Also covers the names and addresses that {@link isLoopback} does not recognize.
 */
function isOnLoopback(url: string): boolean {
  // A trailing dot marks a complete name; it is the same name.
  const host = bare(new URL(url).hostname).replace(/\.$/, '');
  return (
    isLoopback(host) || host.endsWith('.localhost') || /^(0\.0\.0\.0|::|::ffff:7f[0-9a-f]{2}:[0-9a-f]+)$/.test(host)
  );
}

/** The host without the brackets of an IPv6 address. */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
