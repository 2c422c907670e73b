/**
 * The checkers of a world, and what they have found. The first breach counts, and ends the run: later breaches may be
 * its consequences.
 */
import { messageOf } from '../core/errors.js';
import type { Checker, CheckerFactory, View } from './checker.js';
import { pendingIn } from './checkers/agreement.js';
import type { VirtualClock } from './clock.js';
import type { Health } from './health.js';
import type { NetworkHub } from './network/hub.js';
import type { NodeProcess } from './node.js';
import type { Sites } from './sites.js';
import { type Breach, BreachError, type BreachKind } from './verdict.js';

export interface OversightOptions extends Pick<View, 'insideOf' | 'grantOf'> {
  readonly checkers: readonly CheckerFactory[];
  readonly clock: VirtualClock;
  readonly hub: NetworkHub;
  readonly health: Health;
  readonly sites: Sites;
  processes(): readonly NodeProcess[];
  complete<T>(promise: Promise<T>): Promise<T>;
}

/** How often checkers look at a world in which nothing happens, in virtual time. */
const restMs = 500;

export class Oversight {
  readonly checkers: readonly Checker[];
  readonly #options: OversightOptions;
  #breach: Breach | undefined;
  #hasStirred = true;
  #lookedAtMs = 0;

  constructor(options: OversightOptions) {
    this.#options = options;
    const view = viewOf(options);
    this.checkers = options.checkers.map((create) => {
      const checker: Checker = create(view, (message) => this.#blame(checker.kind, checker.name, message));
      return checker;
    });
  }

  /** Something other than heartbeats has happened, so the next look is useful. */
  stir(): void {
    this.#hasStirred = true;
  }

  /** Lets the checkers look: soon after an event, otherwise from time to time, because silence counts too. */
  look(): void {
    const { nowMs } = this.#options.clock;
    if (!this.#hasStirred && nowMs < this.#lookedAtMs + restMs) return;
    this.#hasStirred = false;
    this.#lookedAtMs = nowMs;
    this.#options.health.look();
    for (const checker of this.checkers) checker.look?.();
  }

  /** @throws BreachError when a checker has found a breach */
  check(): void {
    if (this.#breach !== undefined) throw new BreachError(this.#breach);
  }

  /** What the world lacks to be settled; undefined when it is settled. */
  unsettled(isAgreed: () => boolean): string | undefined {
    const processes = this.#options.processes();
    if (processes.some(({ isUp }) => !isUp)) return 'up';
    if (!this.#options.health.isMeshed()) return 'connected';
    if (!isAgreed()) return 'agreed';
    if (processes.some((process) => pendingIn(process) !== undefined)) return 'at rest';
    for (const checker of this.checkers) {
      const what = checker.missing?.();
      if (what !== undefined) return what;
    }
    return undefined;
  }

  /**
   * The world has not settled in time.
   *
   * @throws BreachError of kind `liveness`
   */
  blameUnsettled(what: string, within: string | number): never {
    const states = this.#options.processes().map((process) => `${process.nodeId}: ${stateOf(process)}`);
    this.#blame('liveness', 'agreement', `Not all nodes are ${what} within ${within}. ${states.join('; ')}`);
    throw new BreachError(this.#breach as Breach);
  }

  /**
   * Everything has healed, and the nodes agree.
   *
   * @throws BreachError
   */
  async settled(): Promise<void> {
    for (const checker of this.checkers) {
      await checker.settled?.();
      this.check();
    }
  }

  /**
   * All nodes have stopped.
   *
   * @throws BreachError
   */
  closed(): void {
    for (const checker of this.checkers) checker.closed?.();
    this.check();
  }

  #blame(kind: BreachKind, checker: string, message: string): void {
    this.#breach ??= { kind, checker, message, atMs: this.#options.clock.nowMs };
  }
}

function stateOf(process: NodeProcess): string {
  if (process.isUp) return pendingIn(process) ?? 'at rest';
  return process.failure === undefined ? 'down' : `down, since ${messageOf(process.failure)}`;
}

function viewOf({ clock, hub, health, sites, processes, insideOf, grantOf, complete }: OversightOptions): View {
  return {
    get nowMs() {
      return clock.nowMs;
    },
    get processes() {
      return processes();
    },
    get healthySinceMs() {
      return health.healthySinceMs;
    },
    get isCalm() {
      return health.isCalm;
    },
    get latencyMaxMs() {
      return hub.latencyMaxMs;
    },
    get slowest() {
      return hub.slowest;
    },
    get leftovers() {
      return { streams: hub.openStreams, sockets: hub.openSockets, events: clock.planned };
    },
    hopsBetween: (from, to) => health.hopsBetween(from, to),
    cutSinceMs: (from, to) => health.cutSinceMs(from, to),
    shares: (scope, a, b) => sites.shares(scope, a, b),
    portsOf: ({ address }) => hub.portsOf(address),
    datagramSocketsOf: ({ address }) => hub.datagramSocketsOf(address),
    grantOf,
    insideOf,
    complete,
  };
}
