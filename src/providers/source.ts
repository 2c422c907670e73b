/**
 * What all providers have in common: the last good configuration, and those who want to hear of another one.
 *
 * Invariants: each change is told once, in order, to everybody who listens at that moment, whoever noticed it, be it by asking; what
 * says the same is told to nobody; the same trouble in a row is told once, and one that nobody heard waits for the first who listens.
 * What is listened to runs only while somebody listens.
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

  /** @param watch Begins to look for changes, and gives how to end it; called for the first listener */
  constructor(watch: () => () => void = () => () => {}) {
    this.#watch = watch;
  }

  /**
   * What has been given to somebody who asked. Those who listen hear of it, too, if they have not yet: there is no second chance.
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
    // Wrapped, so that one function that listens twice is heard twice and leaves once.
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
    // Later, since nobody expects to be called while he still subscribes.
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
