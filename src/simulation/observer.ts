/**
 * What can be seen of a world while it runs. Checkers and traces are observers: they hear of things at the moment at which
 * they happen, and change nothing.
 */
import type { Hlc } from '../core/hlc.js';
import type { NodeId } from '../core/ids.js';
import type { Happening } from '../protocol/events.js';
import type { Commit, Store } from '../protocol/store.js';
import type { Delivery } from './network/delivery.js';
import type { NodeProcess } from './node.js';

/** What a node has told the outside world. */
export interface Heard {
  readonly nodeId: string;
  readonly atMs: number;
  readonly happening: Happening;
}

/** A write whose caller has been told that it is on disk. */
export interface Acknowledged {
  readonly nodeId: NodeId;
  readonly hlc: Hlc;
}

/** Hears what happens in a world, and changes nothing. */
export interface Observer {
  /** A process has opened a database, after a recovery if there was one to be done. */
  opened?(process: NodeProcess, store: Store): void;
  /** @param nodeId Whose database it is, if not that of the present identity: a process that changes its identity has two of them for a moment */
  committed?(process: NodeProcess, commit: Commit, nodeId?: NodeId): void;
  acknowledged?(process: NodeProcess, write: Acknowledged): void;
  happened?(process: NodeProcess, heard: Heard): void;
  delivered?(delivery: Delivery): void;
  /** Killed, or stopped in good order. */
  ended?(process: NodeProcess): void;
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
