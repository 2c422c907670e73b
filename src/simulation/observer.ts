/**
 * What can be seen of a world while it runs. Checkers and traces are observers: they are called at the moment of an
 * event, and change nothing.
 */
import type { Delivery } from './network/delivery.js';
import type { NodeProcess, ProcessObserver } from './node.js';

/** Observes a world, and changes nothing. */
export interface Observer extends ProcessObserver {
  delivered?(delivery: Delivery): void;
  /** The disk of a machine has lost data that it had promised to keep. */
  diskLost?(process: NodeProcess): void;
  /** The world was changed: a fault, or the end of one. */
  meddled?(what: string, partition?: readonly (readonly string[])[]): void;
}

/** Calls all observers. */
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
