/**
 * The configuration of a simulated node is the production one, but for the stretching of the key (scrypt runs on another thread for as
 * long as the machine likes, which no virtual clock can order) and for certificates: worlds have no files of them.
 */
import { hash } from 'node:crypto';
import { fromPromise } from 'xstate';
import { assert } from '../core/errors.js';
import { ClusterKeys } from '../core/keys.js';
import { parseConfiguration } from '../protocol/configuration.js';
import type { ServerCertificate } from '../protocol/ports.js';
import type { Configured } from '../protocol/services.js';

export interface SimulatedConfigureOptions {
  /** The authorities that the node trusts. */
  readonly ca: string;
  /** What a cloud node shows to who dials it; others have none. */
  readonly certificate: ServerCertificate | undefined;
}

export function createSimulatedConfigure({ ca, certificate }: SimulatedConfigureOptions) {
  return fromPromise<Configured, { configuration: () => unknown }>(async ({ input }) => {
    const { configuration, keySource } = parseConfiguration(input.configuration());
    const common = { configuration, ca, initialPeers: [] };
    if (configuration.role === 'cloud') {
      assert(certificate !== undefined, 'A cloud node stands in the open, with a certificate.');
      return { ...common, security: { kind: 'server', server: certificate }, keys: undefined };
    }
    if (keySource === undefined) return { ...common, security: { kind: 'none' }, keys: undefined };
    const root = Buffer.from(hash('sha256', `${keySource.salt}/${keySource.passphrase}`, 'hex'), 'hex');
    const keys = new ClusterKeys(root);
    return { ...common, security: keys.security, keys };
  });
}
