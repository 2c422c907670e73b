/**
 * Configures a simulated node as the production code does, with two exceptions. The key is not stretched: scrypt runs
 * on another thread and takes real time, which no virtual clock can order. And certificates do not come from files,
 * because worlds have none.
 */
import { hash } from 'node:crypto';
import { fromPromise } from 'xstate';
import type { Configured } from '../configuration/configured.js';
import { initialPeerDocuments } from '../configuration/initial-peers.js';
import { parseConfiguration } from '../configuration/parse.js';
import { deriveClusterKeys } from '../core/keys.js';
import type { Randomness, ServerCertificate } from '../ports/ports.js';

export interface SimulatedConfigureOptions {
  /** The authorities that the node trusts. */
  readonly ca: string;
  /** The certificate that it presents while it is a cloud node. */
  readonly certificate: ServerCertificate;
  readonly randomness: Randomness;
}

export function createSimulatedConfigure({ ca, certificate, randomness }: SimulatedConfigureOptions) {
  return fromPromise<Configured, { configuration: () => unknown }>(async ({ input }) => {
    const { configuration, keySource, initialRemotePeers } = parseConfiguration(input.configuration());
    const keys = keySource === undefined ? undefined : await deriveClusterKeys(keySource, derive);
    const nonce = () => randomness.token();
    const common = {
      configuration,
      ca,
      keys,
      initialPeers: initialPeerDocuments(initialRemotePeers, { keys, nonce }),
      initialRemotePeers: () => initialRemotePeers,
    };
    if (configuration.role === 'cloud') {
      return { ...common, security: { kind: 'server', server: certificate } };
    }
    return { ...common, security: keys?.security ?? { kind: 'none' } };
  });
}

/** Instead of scrypt, which runs on a thread that a world cannot wait for. */
async function derive(passphrase: string, salt: string): Promise<Uint8Array> {
  return Buffer.from(hash('sha256', `${salt}/${passphrase}`, 'hex'), 'hex');
}
