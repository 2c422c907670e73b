/**
 * A checker is an observer that knows an invariant and reports when it is violated.
 *
 * Each file in `checkers/` holds one checker. To add one, write it and put it on the list in `checkers/index.ts`, or
 * pass it to `createWorld`.
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
   * The time since which the local networks have been healthy: nothing cut, held up or lost, every process up and
   * connected with all nodes that it reaches, no disk full or failing, clocks close to each other. Undefined while
   * something is wrong. Faults of the cloud, or of the way to it, do not count.
   */
  readonly healthySinceMs: number | undefined;
  /** Whether networks, processes and clocks are healthy; disks do not count. */
  readonly isCalm: boolean;
  /** The longest time that a datagram or a segment takes on a local network, one way. */
  readonly latencyMaxMs: number;
  /**
   * The worst of all narrow or long lines, one way, in addition to `latencyMaxMs`. Without such a line: no latency and
   * unlimited bandwidth.
   */
  readonly slowest: LineQuality;
  /**
   * The number of connections between two nodes on local networks when all are healthy; undefined when there is no
   * path.
   */
  hopsBetween(from: NodeProcess, to: NodeProcess): number | undefined;
  /** The time since which nothing that one node sends reaches the other; undefined when it does. */
  cutSinceMs(from: NodeProcess, to: NodeProcess): number | undefined;
  /**
   * Whether writes of one node in a scope must reach the other when everything is healthy: within a site all writes,
   * and shared writes between all nodes that use the same cloud nodes.
   */
  shares(scope: Scope, a: NodeProcess, b: NodeProcess): boolean;
  /** What a token was issued for; undefined when no authority of the world has issued it. */
  grantOf(token: string): Grant | undefined;
  /** The ports on which a machine accepts connections. */
  portsOf(process: NodeProcess): readonly number[];
  /** The number of open datagram sockets of a machine. */
  datagramSocketsOf(process: NodeProcess): number;
  /** The peers, sessions and gateways of a node. */
  insideOf(process: NodeProcess): Inside;
  /** What is left of the world when all nodes have stopped. */
  readonly leftovers: { readonly streams: number; readonly sockets: number; readonly events: number };
  /** Runs the world until a promise settles. */
  complete<T>(promise: Promise<T>): Promise<T>;
}

/** Watches a world for a violation of one invariant. */
export interface Checker extends Observer {
  readonly name: string;
  readonly kind: BreachKind;
  /** Called often while the world runs, after an event. */
  look?(): void;
  /**
   * What the world lacks to be settled, in a word or two (`led`), as far as this checker can tell; undefined when
   * nothing is missing.
   */
  missing?(): string | undefined;
  /** Called when everything has healed and the nodes agree. */
  settled?(): Promise<void>;
  /** Called when all nodes have stopped and some time has passed since. */
  closed?(): void;
}

/**
 * Makes a checker for one world.
 *
 * @param report Records a breach; the world stops there
 */
export type CheckerFactory = (view: View, report: (message: string) => void) => Checker;
