/** The source of a node's configuration, which also reports each change. See docs/architecture.md. */
import type { Failure } from '../core/errors.js';
import type { ConfigurationInput } from './schema.js';

/** A configuration as its user writes it. */
export type PeerNodeConfiguration = ConfigurationInput;

/** Supplies the configuration of a node, and reports changes. */
export interface PeerNodeConfigurationProvider {
  /**
   * @throws StatemeshError if there is no configuration, or it cannot be read; the user who starts the node sees the
   * message
   */
  getConfiguration(): Promise<PeerNodeConfiguration>;
  /**
   * Calls back with the complete configuration at each change. The node checks the fields and refuses wrong ones.
   * Subscribe before the first read, and you miss nothing.
   *
   * @returns A function that unsubscribes
   */
  onConfigurationChanged(callback: (configuration: PeerNodeConfiguration) => void): () => void;
  /**
   * Calls back with the reason why a change cannot be read, such as a file that is not JSON or a server that does not
   * answer; the last good configuration stays in force. Not every provider has such failures. A failure from before the
   * first subscription, such as a server that was away at the start, goes to the first subscriber.
   */
  onTrouble?(callback: (failure: Failure) => void): () => void;
}
