/** Checks the configuration, reads the certificates it names, and derives the keys of the cluster, which takes a moment on purpose. */
import { fromPromise } from 'xstate';
import { deriveClusterKeys } from '../core/keys.js';
import { type Configuration, parseConfiguration } from '../protocol/configuration.js';
import { initialPeerDocuments } from '../protocol/initial-peers.js';
import type { ListenSecurity, Randomness } from '../protocol/ports.js';
import type { Configured } from '../protocol/services.js';
import { readAuthorities, readServerCertificate } from './certificates.js';

export function createConfigure({ randomness }: { randomness: Randomness }) {
  return fromPromise<Configured, { configuration: () => unknown }>(async ({ input }) => {
    const { configuration, keySource, initialRemotePeers } = parseConfiguration(input.configuration());
    const ca = configuration.ca === undefined ? undefined : await readAuthorities(configuration.ca);
    const keys = keySource === undefined ? undefined : await deriveClusterKeys(keySource);
    const nonce = () => randomness.token();
    const others = {
      configuration,
      ca,
      keys,
      initialPeers: initialPeerDocuments(initialRemotePeers, { keys, nonce }),
      initialRemotePeers: () => initialRemotePeers,
    };
    if (configuration.role === 'cloud') {
      return { ...others, security: await cloudSecurity(configuration) };
    }
    return { ...others, security: keys?.security ?? { kind: 'none' } };
  });
}

/** Without a certificate only where the configuration's check has found that nobody else can listen in. */
async function cloudSecurity({ tlsCert, tlsKey }: Configuration): Promise<ListenSecurity> {
  if (tlsCert === undefined || tlsKey === undefined) return { kind: 'none' };
  return { kind: 'server', server: await readServerCertificate(tlsCert, tlsKey) };
}
