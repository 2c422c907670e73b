/**
 * What all providers have in common: the last good configuration, and those who want to hear of another one.
 *
 * Invariants: each change is told once, in order, to everybody who listens at that moment; what says the same is told to nobody; the
 * same trouble in a row is told once. What is listened to runs only while somebody listens.
 */
import { type Failure, failureOf } from '../core/errors.js';
import type { PeerNodeConfiguration } from '../protocol/provider.js';

export class Source {
  readonly #watch: () => () => void;
  readonly #listeners = new Set<(configuration: PeerNodeConfiguration) => void>();
  readonly #troubleListeners = new Set<(failure: Failure) => void>();
  #stopWatching: (() => void) | undefined;
  #latest: string | undefined;
  #trouble: string | undefined;

  /** @param watch Begins to look for changes, and gives how to end it; called for the first listener */
  constructor(watch: () => () => void = () => () => {}) {
    this.#watch = watch;
  }

  /** What has been given out: only what differs from it is a change. */
  gave(configuration: PeerNodeConfiguration): PeerNodeConfiguration {
    this.#latest = JSON.stringify(configuration);
    return configuration;
  }

  offer(configuration: PeerNodeConfiguration): void {
    this.#trouble = undefined;
    const text = JSON.stringify(configuration);
    if (text === this.#latest) return;
    this.#latest = text;
    for (const listener of [...this.#listeners]) listener(configuration);
  }

  fail(error: unknown): void {
    const failure = failureOf(error);
    if (failure.message === this.#trouble) return;
    this.#trouble = failure.message;
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
    return () => void this.#troubleListeners.delete(listener);
  };
}
