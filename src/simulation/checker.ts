/**
 * What a checker is: an observer that knows what must hold, and says when it does not.
 *
 * One a file in `checkers/`. To add one, write it and put it on the list in `checkers/index.ts`, or pass it to `createWorld`.
 */
import type { Scope } from '../core/author.js';
import type { Inside } from './inside.js';
import type { LineQuality } from './network/bottleneck.js';
import type { NodeProcess } from './node.js';
import type { Observer } from './observer.js';
import type { BreachKind } from './verdict.js';
import type { Grant } from './web/oauth2.js';

/** What a checker may look at. */
export interface View {
  readonly nowMs: number;
  readonly processes: readonly NodeProcess[];
  /**
   * Since when everything has been well on the local networks: nothing cut, held up or lost, every process up and connected with all that
   * it reaches, no disk full or failing, clocks close to each other. Undefined while something is wrong. Whatever is wrong with the cloud, or with
   * the way to it, does not count.
   */
  readonly healthySinceMs: number | undefined;
  /** Whether networks, processes and clocks are well, whatever is wrong with disks. */
  readonly isCalm: boolean;
  /** How long a datagram or a segment takes at most on a local network, one way. */
  readonly latencyMaxMs: number;
  /** The worst that a line does that is narrow or long, one way, on top of that: no latency and no end of bytes when there is none. */
  readonly slowest: LineQuality;
  /** How many connections lie between two nodes on local networks when all are well; undefined when there is no way. */
  hopsBetween(from: NodeProcess, to: NodeProcess): number | undefined;
  /** Whether what one sends does not reach the other, and since when; undefined when it does. */
  cutSinceMs(from: NodeProcess, to: NodeProcess): number | undefined;
  /**
   * Whether what one node writes in a scope is to reach the other, when all is well: within a site everything, and what is shared between
   * all that use the same cloud nodes.
   */
  shares(scope: Scope, a: NodeProcess, b: NodeProcess): boolean;
  /** What an authority of the world has issued a token for; undefined when none has. */
  grantOf(token: string): Grant | undefined;
  /** The ports on which a machine accepts connections. */
  portsOf(process: NodeProcess): readonly number[];
  /** How many datagram sockets it has open. */
  datagramSocketsOf(process: NodeProcess): number;
  /** The peers, sessions and gateways of a node. */
  insideOf(process: NodeProcess): Inside;
  /** What is left of the world when everybody has stopped. */
  readonly leftovers: { readonly streams: number; readonly sockets: number; readonly events: number };
  /** Runs the world until a promise settles. */
  complete<T>(promise: Promise<T>): Promise<T>;
}

/** Watches a world for a promise that is broken. */
export interface Checker extends Observer {
  readonly name: string;
  readonly kind: BreachKind;
  /** Called often while the world runs, after an event. */
  look?(): void;
  /** What is missing for the world to be settled, in a word or two (`led`), as far as this checker can tell; undefined when nothing is. */
  missing?(): string | undefined;
  /** Called when everything has healed, and the nodes agree. */
  settled?(): Promise<void>;
  /** Called when everybody has stopped, and time has passed since. */
  closed?(): void;
}

/** Makes a checker for one world. @param report Takes note of what is broken; the world stops there */
export type CheckerFactory = (view: View, report: (message: string) => void) => Checker;
