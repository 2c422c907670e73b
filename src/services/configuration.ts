/** Checks the configuration, reads the certificates it names, and derives the keys of the cluster, which takes a moment on purpose. */
import { fromPromise } from 'xstate';
import { deriveClusterKeys } from '../core/keys.js';
import { type Configuration, parseConfiguration } from '../protocol/configuration.js';
import type { ListenSecurity } from '../protocol/ports.js';
import type { Configured } from '../protocol/services.js';
import { readAuthorities, readServerCertificate } from './certificates.js';

export function createConfigure() {
  return fromPromise<Configured, { configuration: () => unknown }>(async ({ input }) => {
    const { configuration, keySource } = parseConfiguration(input.configuration());
    const ca = configuration.ca === undefined ? undefined : await readAuthorities(configuration.ca);
    const others = { configuration, ca, initialPeers: [] };
    if (configuration.role === 'cloud') {
      return { ...others, security: await cloudSecurity(configuration), keys: undefined };
    }
    if (keySource === undefined) return { ...others, security: { kind: 'none' }, keys: undefined };
    const keys = await deriveClusterKeys(keySource);
    return { ...others, security: keys.security, keys };
  });
}

/** Without a certificate only where the configuration's check has found that nobody else can listen in. */
async function cloudSecurity({ tlsCert, tlsKey }: Configuration): Promise<ListenSecurity> {
  if (tlsCert === undefined || tlsKey === undefined) return { kind: 'none' };
  return { kind: 'server', server: await readServerCertificate(tlsCert, tlsKey) };
}
