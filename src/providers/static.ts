/** A configuration that a program holds and may change. */
import type { PeerNodeConfiguration, PeerNodeConfigurationProvider } from '../configuration/provider.js';
import { Source } from './source.js';

/** A configuration that changes when the program says so. */
export interface StaticConfiguration extends PeerNodeConfigurationProvider {
  /** Replaces the whole configuration; listeners hear of it at once. */
  update(configuration: PeerNodeConfiguration): void;
}

/**
 * Makes a provider over a configuration of the program.
 *
 * @example
 * const provider = staticConfiguration({ nodeId: 'shop-1', clusterKey, clusterSalt });
 * const node = createNode(provider);
 * await node.start();
 * provider.update({ nodeId: 'shop-1', clusterKey, clusterSalt, port: 9001 });
 */
export function staticConfiguration(configuration: PeerNodeConfiguration): StaticConfiguration {
  const source = new Source();
  let present = configuration;
  return {
    getConfiguration: async () => source.gave(present),
    onConfigurationChanged: source.onConfigurationChanged,
    update(next) {
      present = next;
      source.offer(next);
    },
  };
}
