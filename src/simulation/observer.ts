/**
 * What can be seen of a world while it runs. Checkers and traces are observers: they hear of things at the moment at which
 * they happen, and change nothing.
 */
import type { Delivery } from './network/delivery.js';
import type { NodeProcess, ProcessObserver } from './node.js';

/** Hears what happens in a world, and changes nothing. */
export interface Observer extends ProcessObserver {
  delivered?(delivery: Delivery): void;
  /** The disk of a machine has lost what it had promised to keep. */
  diskLost?(process: NodeProcess): void;
  /** Somebody has meddled with the world: a fault, or the end of one. */
  meddled?(what: string, partition?: readonly (readonly string[])[]): void;
}

/** Tells all observers. */
export class Observers {
  readonly #observers: Observer[] = [];

  add(observer: Observer): void {
    this.#observers.push(observer);
  }

  tell<Name extends keyof Observer>(name: Name, ...args: Parameters<NonNullable<Observer[Name]>>): void {
    for (const observer of this.#observers) {
      const listener = observer[name] as ((...args: unknown[]) => void) | undefined;
      listener?.apply(observer, args);
    }
  }
}
