/**
 * Certificates of the simulated network: a text that says who signed it and for which hosts. There is no cryptography,
 * because the simulation is only about who trusts whom.
 *
 * `world-ca <name>` is an authority, and `world-ca <name> for <host> <host>` is a certificate that it has signed.
 * Several authorities stand on a line each, as certificates do in a file. The authorities of the system have signed
 * nothing in a world, so a node without a configured authority trusts no certificate.
 */
import { Secret } from '../../core/secret.js';
import type { ServerCertificate } from '../../ports/ports.js';

/** The text of an authority, for nodes that trust it. */
export function authorityText(name: string): string {
  return `world-ca ${name}`;
}

/** Signs a certificate for a server that is reached by any of these hosts, names or addresses. */
export function issue(authority: string, hosts: readonly string[]): ServerCertificate {
  const certificate = `${authority} for ${hosts.join(' ')}`;
  return { certificate, key: new Secret(`the key of ${certificate}`) };
}

/** Whether a certificate is valid for the dialed host, for a node that trusts these authorities. */
export function isTrusted(certificate: string, { ca, host }: { ca: string | undefined; host: string }): boolean {
  const [, signer, hosts = ''] = /^(world-ca \S+) for (.+)$/.exec(certificate) ?? [];
  if (signer === undefined) return false;
  return hosts.split(' ').includes(host.toLowerCase()) && (ca ?? '').split('\n').includes(signer);
}
