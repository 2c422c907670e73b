/** Checks the configuration and derives the keys of the cluster, which takes a moment on purpose. */
import { fromPromise } from 'xstate';
import { deriveClusterKeys } from '../core/keys.js';
import { parseConfiguration } from '../protocol/configuration.js';
import type { Configured } from '../protocol/services.js';

export function createConfigure() {
  return fromPromise<Configured, { configuration: () => unknown }>(async ({ input }) => {
    const { configuration, keySource } = parseConfiguration(input.configuration());
    if (keySource === undefined) return { configuration, security: { kind: 'none' }, keys: undefined, ...none };
    const keys = await deriveClusterKeys(keySource);
    return { configuration, security: keys.security, keys, ...none };
  });
}

const none = { ca: undefined, initialPeers: [] };
