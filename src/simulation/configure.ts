/**
 * Configures a simulated node by the production code, with two exceptions. The key is not stretched: scrypt runs on
 * another thread and takes real time, which no virtual clock can order. And certificates do not come from files,
 * because worlds have none.
 */
import { hash } from 'node:crypto';
import type { Randomness, ServerCertificate } from '../ports/ports.js';
import { createConfigure } from '../services/configure.js';

export interface SimulatedConfigureOptions {
  /** The authorities that the node trusts. */
  readonly ca: string;
  /** The certificate that it presents while it is a cloud node. */
  readonly certificate: ServerCertificate;
  readonly randomness: Randomness;
}

export function createSimulatedConfigure({ ca, certificate, randomness }: SimulatedConfigureOptions) {
  const certificates = { authorities: async () => ca, server: async () => certificate };
  return createConfigure({ randomness, derive, certificates });
}

async function derive(passphrase: string, salt: string): Promise<Uint8Array> {
  return Buffer.from(hash('sha256', `${salt}/${passphrase}`, 'hex'), 'hex');
}
