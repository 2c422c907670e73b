/**
 * The common part of all providers: the last good configuration and the listeners.
 *
 * Invariants: each change goes once, in order, to all present listeners, even if it was noticed by a call of
 * `getConfiguration`. An equal configuration is not reported. The same trouble in a row is reported once. A trouble
 * without listeners waits for the first one. The watch runs only while there is a listener.
 */

import type { PeerNodeConfiguration } from '../configuration/provider.js';
import { type Failure, failureOf } from '../core/errors.js';

export class Source {
  readonly #watch: () => () => void;
  readonly #listeners = new Set<(configuration: PeerNodeConfiguration) => void>();
  readonly #troubleListeners = new Set<(failure: Failure) => void>();
  #stopWatching: (() => void) | undefined;
  #latest: string | undefined;
  #trouble: string | undefined;
  #untold: Failure | undefined;

  /** @param watch Starts to watch for changes, and returns how to stop; called for the first listener */
  constructor(watch: () => () => void = () => () => {}) {
    this.#watch = watch;
  }

  /**
   * Records a configuration that a caller of `getConfiguration` got. Listeners that have not heard of it hear of it
   * now; there is no second chance.
   *
   * @param trouble What is wrong although there is a good configuration
   */
  gave(configuration: PeerNodeConfiguration, trouble?: unknown): PeerNodeConfiguration {
    this.#latest ??= JSON.stringify(configuration);
    this.offer(configuration, trouble);
    return configuration;
  }

  offer(configuration: PeerNodeConfiguration, trouble?: unknown): void {
    if (trouble === undefined) this.#trouble = this.#untold = undefined;
    else this.fail(trouble);
    const text = JSON.stringify(configuration);
    if (text === this.#latest) return;
    this.#latest = text;
    for (const listener of [...this.#listeners]) listener(configuration);
  }

  fail(error: unknown): void {
    const failure = failureOf(error);
    if (failure.message === this.#trouble) return;
    this.#trouble = failure.message;
    this.#untold = this.#troubleListeners.size === 0 ? failure : undefined;
    for (const listener of [...this.#troubleListeners]) listener(failure);
  }

  readonly onConfigurationChanged = (callback: (configuration: PeerNodeConfiguration) => void): (() => void) => {
    // Wrapped, so that one function subscribed twice is called twice and unsubscribes once.
    const listener = (configuration: PeerNodeConfiguration) => callback(configuration);
    this.#listeners.add(listener);
    this.#stopWatching ??= this.#watch();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#stopWatching?.();
      this.#stopWatching = undefined;
    };
  };

  readonly onTrouble = (callback: (failure: Failure) => void): (() => void) => {
    const listener = (failure: Failure) => callback(failure);
    this.#troubleListeners.add(listener);
    // Later, because a caller does not expect a callback before its subscription has returned.
    if (this.#untold !== undefined) queueMicrotask(() => this.#tellUntold());
    return () => void this.#troubleListeners.delete(listener);
  };

  #tellUntold(): void {
    const failure = this.#untold;
    if (failure === undefined || this.#troubleListeners.size === 0) return;
    this.#untold = undefined;
    for (const listener of [...this.#troubleListeners]) listener(failure);
  }
}
