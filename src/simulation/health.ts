/**
 * The health of a world: which faults are active, which nodes are connected, and since when everything has been
 * healthy. Checkers use it for invariants that hold only while nothing is wrong.
 *
 * All of this is about local networks: they must be healthy whatever happens to the cloud.
 */
import { limits } from '../core/limits.js';
import type { Inside } from './inside.js';
import type { Heard, NodeProcess } from './node.js';
import type { Observer } from './observer.js';

export interface HealthOptions {
  nowMs(): number;
  processes(): readonly NodeProcess[];
  insideOf(process: NodeProcess): Inside;
  /** Whether the network loses parcels, so that bytes may have to be sent again any number of times. */
  isLossy(): boolean;
  /** Whether two machines, by their addresses, are wired to each other on a local network. */
  areLocal(a: string, b: string): boolean;
}

interface Cut {
  readonly from: string;
  readonly to: string;
  readonly sinceMs: number;
}

export class Health implements Observer {
  readonly #options: HealthOptions;
  /** Cuts by ordered pair of addresses between which nothing passes. */
  readonly #cuts = new Map<string, Cut>();
  #cloggedUntilMs = 0;
  #isBent = false;
  #healthySinceMs: number | undefined;
  #hops: Map<NodeProcess, Map<NodeProcess, number>> | undefined;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  get healthySinceMs(): number | undefined {
    return this.#healthySinceMs;
  }

  cutSinceMs(from: NodeProcess, to: NodeProcess): number | undefined {
    return this.#cuts.get(`${from.address} ${to.address}`)?.sinceMs;
  }

  /** Cuts the way from one address to the other. */
  cut(from: string, to: string): void {
    const pair = `${from} ${to}`;
    if (!this.#cuts.has(pair)) this.#cuts.set(pair, { from, to, sinceMs: this.#options.nowMs() });
  }

  clogged(untilMs: number): void {
    this.#cloggedUntilMs = Math.max(this.#cloggedUntilMs, untilMs);
  }

  /** A custom rule is in force: the health is unknown until the next heal. */
  bent(): void {
    this.#isBent = true;
  }

  healed(): void {
    this.#isBent = false;
    this.#cuts.clear();
    this.#cloggedUntilMs = 0;
  }

  /** The machines have changed, or their connectivity. */
  rewired(): void {
    this.#hops = undefined;
    this.#healthySinceMs = undefined;
  }

  meddled(): void {
    this.#healthySinceMs = undefined;
  }

  happened(_: NodeProcess, { nodeEvent }: Heard): void {
    if (nodeEvent.type !== 'reconfiguration.finished') return;
    if (nodeEvent.changes.some(({ field }) => field === 'role')) this.rewired();
  }

  opened({ isCloud }: NodeProcess): void {
    if (!isCloud) this.#healthySinceMs = undefined;
  }

  ended({ isCloud }: NodeProcess): void {
    if (!isCloud) this.#healthySinceMs = undefined;
  }

  look(): void {
    if (!this.#isWell()) this.#healthySinceMs = undefined;
    else this.#healthySinceMs ??= this.#options.nowMs();
  }

  /** Whether each node that is up has a session with every other node that it reaches on a local network. */
  isMeshed(): boolean {
    const up = this.#options.processes().filter(({ isUp }) => isUp);
    return up.every((process) => {
      const connected = new Set(
        this.#options
          .insideOf(process)
          .sessions.flatMap(({ value, context }) => (value === 'synchronizing' ? [context.peer?.nodeId] : [])),
      );
      return up.every((other) => other === process || connected.has(other.nodeId) || !this.#areLocal(process, other));
    });
  }

  /** The number of connections on the shortest path over local networks; undefined when there is no path. */
  hopsBetween(from: NodeProcess, to: NodeProcess): number | undefined {
    this.#hops ??= new Map();
    let hops = this.#hops.get(from);
    if (hops === undefined) {
      hops = this.#hopsFrom(from);
      this.#hops.set(from, hops);
    }
    return hops.get(to);
  }

  #hopsFrom(from: NodeProcess): Map<NodeProcess, number> {
    const hops = new Map([[from, 0]]);
    // Iterating over a map visits entries in insertion order, also those that are added meanwhile: breadth first.
    for (const [process, count] of hops) {
      for (const other of this.#options.processes()) {
        if (!hops.has(other) && this.#areLocal(process, other)) hops.set(other, count + 1);
      }
    }
    return hops;
  }

  /** A cloud node is on no local network, wherever its machine is. */
  #areLocal(a: NodeProcess, b: NodeProcess): boolean {
    return !a.isCloud && !b.isCloud && this.#options.areLocal(a.address, b.address);
  }

  /** Whether only disks may be failing: networks, processes and clocks are healthy. */
  get isCalm(): boolean {
    const { processes: all, areLocal, isLossy, nowMs } = this.#options;
    const processes = all().filter(({ isCloud }) => !isCloud);
    const isCut = [...this.#cuts.values()].some(({ from, to }) => areLocal(from, to));
    if (this.#isBent || isLossy() || isCut || this.#cloggedUntilMs > nowMs()) return false;
    if (processes.length === 0 || processes.some(({ isUp }) => !isUp)) return false;
    const skews = processes.map(({ skewMs }) => skewMs);
    return Math.max(...skews) - Math.min(...skews) <= limits.clockDriftMaxMs / 2;
  }

  #isWell(): boolean {
    const processes = this.#options.processes().filter(({ isCloud }) => !isCloud);
    if (!this.isCalm || processes.some(({ isDiskSound }) => !isDiskSound)) return false;
    if (
      processes.some((process) =>
        this.#options.insideOf(process).sessions.some(({ context }) => context.parked.size > 0),
      )
    )
      return false;
    return this.isMeshed();
  }
}
