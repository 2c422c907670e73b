/** Where a node gets its configuration from, and hears of each change: the interface of the seed document "Dynamic Reconfiguration". */
import type { Failure } from '../core/errors.js';
import type { ConfigurationInput } from './schema.js';

/** A configuration as its user writes it. */
export type PeerNodeConfiguration = ConfigurationInput;

/** Where a node gets its configuration, and hears of changes. */
export interface PeerNodeConfigurationProvider {
  /** @throws StatemeshError when there is none, or it cannot be read: what it says is shown to whoever starts the node */
  getConfiguration(): Promise<PeerNodeConfiguration>;
  /**
   * Hears of each change, whole. Whether the fields are right is checked by the node, which refuses what is wrong. Who listens before
   * he asks misses no change in between.
   * @returns how to stop hearing of them
   */
  onConfigurationChanged(callback: (configuration: PeerNodeConfiguration) => void): () => void;
  /**
   * Hears what keeps a change from being read, such as a file that is no JSON or a server that is away; the last good configuration
   * stays. Not every provider has such troubles. What nobody has heard, such as a server that was away at the start, is told to the
   * first who listens.
   */
  onTrouble?(callback: (failure: Failure) => void): () => void;
}
