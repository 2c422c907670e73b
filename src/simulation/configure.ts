/**
 * The configuration of a simulated node is the production one, but for the stretching of the key: scrypt runs on another
 * thread for as long as the machine likes, which no virtual clock can order.
 */
import { hash } from 'node:crypto';
import { fromPromise } from 'xstate';
import { ClusterKeys } from '../core/keys.js';
import { parseConfiguration } from '../protocol/configuration.js';
import type { Configured } from '../protocol/services.js';

export function createSimulatedConfigure() {
  return fromPromise<Configured, { configuration: () => unknown }>(async ({ input }) => {
    const { configuration, keySource } = parseConfiguration(input.configuration());
    if (keySource === undefined) return { configuration, security: { kind: 'none' }, keys: undefined, ...none };
    const root = Buffer.from(hash('sha256', `${keySource.salt}/${keySource.passphrase}`, 'hex'), 'hex');
    const keys = new ClusterKeys(root);
    return { configuration, security: keys.security, keys, ...none };
  });
}

const none = { ca: undefined, initialPeers: [] };
