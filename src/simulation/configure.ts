/**
 * The configuration of a simulated node is the production one, but for the stretching of the key (scrypt runs on another thread for as
 * long as the machine likes, which no virtual clock can order) and for certificates: worlds have no files of them.
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
  /** What it shows to who dials it while it is a cloud node. */
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

/** scrypt would take its time, and on a thread, which a world cannot wait for. */
async function derive(passphrase: string, salt: string): Promise<Uint8Array> {
  return Buffer.from(hash('sha256', `${salt}/${passphrase}`, 'hex'), 'hex');
}
