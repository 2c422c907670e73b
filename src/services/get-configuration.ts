/** Asks the provider for the configuration, once. */
import { fromPromise } from 'xstate';
import type { PeerNodeConfigurationProvider } from '../configuration/provider.js';

export function createGetConfiguration(provider: PeerNodeConfigurationProvider) {
  return fromPromise<() => unknown, object>(async () => {
    const configuration = await provider.getConfiguration();
    return () => configuration;
  });
}
