/** A provider whose configurations are changed on their way: fields put over those that it gives, paths made absolute. */

import type { PeerNodeConfiguration, PeerNodeConfigurationProvider } from '../configuration/provider.js';
import { type Failure, failureOf } from '../core/errors.js';

/** @param map May throw: what it throws is told as trouble, or to whoever asks */
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
