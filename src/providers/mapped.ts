/**
 * A provider that changes the configurations of another one on their way: for example, sets fields or makes paths
 * absolute.
 */

import type { PeerNodeConfiguration, PeerNodeConfigurationProvider } from '../configuration/provider.js';
import { type Failure, failureOf } from '../core/errors.js';

/**
 * Wraps a provider.
 *
 * @param map May throw. Its error is reported as trouble, or thrown to the caller of `getConfiguration`
 */
export function mappedConfiguration(
  provider: PeerNodeConfigurationProvider,
  map: (configuration: PeerNodeConfiguration) => PeerNodeConfiguration,
): PeerNodeConfigurationProvider {
  const troubleListeners = new Set<(failure: Failure) => void>();
  return {
    getConfiguration: async () => map(await provider.getConfiguration()),
    onConfigurationChanged: (callback) =>
      provider.onConfigurationChanged((configuration) => {
        let mapped: PeerNodeConfiguration;
        try {
          mapped = map(configuration);
        } catch (error) {
          for (const listener of [...troubleListeners]) listener(failureOf(error));
          return;
        }
        callback(mapped);
      }),
    onTrouble(callback) {
      const listener = (failure: Failure) => callback(failure);
      troubleListeners.add(listener);
      const unsubscribe = provider.onTrouble?.(listener);
      return () => {
        troubleListeners.delete(listener);
        unsubscribe?.();
      };
    },
  };
}
