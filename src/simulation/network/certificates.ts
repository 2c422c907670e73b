/**
 * Certificates as simulated networks know them: a text that says who has signed it and for which hosts. No cryptography, since
 * what is simulated is who trusts whom.
 *
 * `world-ca <name>` is an authority, and `world-ca <name> for <host> <host>` what it has signed. Several authorities stand on a line each,
 * as certificates do in a file. The authorities of the system have signed nothing in a world, so who trusts no other trusts nobody.
 */
import { Secret } from '../../core/secret.js';
import type { ServerCertificate } from '../../ports/ports.js';

/** The text of an authority, for those who are to trust it. */
export function authorityText(name: string): string {
  return `world-ca ${name}`;
}

/** What an authority signs for a server that is reached by any of these hosts, names or addresses. */
export function issue(authority: string, hosts: readonly string[]): ServerCertificate {
  const certificate = `${authority} for ${hosts.join(' ')}`;
  return { certificate, key: new Secret(`the key of ${certificate}`) };
}

/** Whether a certificate holds for a host that was dialed, in the eyes of who trusts these authorities. */
export function isTrusted(certificate: string, { ca, host }: { ca: string | undefined; host: string }): boolean {
  const [, signer, hosts = ''] = /^(world-ca \S+) for (.+)$/.exec(certificate) ?? [];
  if (signer === undefined) return false;
  return hosts.split(' ').includes(host.toLowerCase()) && (ca ?? '').split('\n').includes(signer);
}
