/**
 * The deterministic world: production nodes in one process, on a virtual clock and a simulated network and disk, all drawn
 * from one seed. The same seed gives the same run.
 *
 * Nothing moves unless the world is told to: by `run`, by `until`, or by awaiting an operation on one of its nodes, which
 * runs the world for as long as that takes. While it moves, checkers watch; what one of them finds broken ends the run.
 */
import type { ConfigurationInput } from '../protocol/configuration.js';
import type { CheckerFactory } from './checker.js';
import { allCheckers } from './checkers/index.js';
import { type Duration, millisecondsOf, VirtualClock } from './clock.js';
import { SimulatedDisks } from './disk.js';
import { Faults, type WorldParts } from './faults.js';
import { Health } from './health.js';
import { insides } from './inside.js';
import { NetworkHub } from './network/hub.js';
import type { Topology } from './network/topology.js';
import { NodeProcess, type Surroundings } from './node.js';
import { type Heard, Observers } from './observer.js';
import { allScopes } from './oplog.js';
import { Oversight } from './oversight.js';
import { PendingWork } from './pending-work.js';
import { randomStream } from './random.js';
import { Timeline } from './timeline.js';
import { Trace, type TraceSink } from './trace.js';
import { handleOf, type WorldNode } from './world-node.js';

export interface WorldOptions {
  /** Draws everything: latencies, jitter, ids. */
  readonly seed: number;
  /** A run that fires more events is stuck in a loop, and fails. Default 5,000,000. */
  readonly eventsMax?: number;
  /** What must hold while the world runs. Default: everything that statemesh promises. */
  readonly checkers?: readonly CheckerFactory[];
  /** Takes a line for each frame, state, commit and happening. It makes runs several times slower, and changes nothing. */
  readonly trace?: TraceSink | undefined;
  /** Waits for promises after every event, not only where there are some: slower, and the same run. */
  readonly settleAlways?: boolean;
}

const eventsMaxDefault = 5_000_000;
/** How long an awaited operation may take in virtual time. */
const operationTimeoutMs = 60_000;
/** How often checkers look around, in virtual time. */
const lookEveryMs = 25;
/** What still happens after everybody has stopped (a connection that lingers) happens within this time. */
const afterlifeMs = 30_000;

/**
 * Makes a world without nodes, at time 0.
 *
 * @example
 * const world = createWorld({ seed: 7 });
 * const [a, b] = world.lan('office', ['node-a', 'node-b']);
 * await world.run('10s');
 * world.partition([a], [b]);
 * await a.collection('articles').put('a1', { name: 'Espresso' });
 * world.heal();
 * await world.until(() => world.converged(), { within: '30s' });
 * console.log(await b.collection('articles').get('a1'));
 * await world.close();
 */
export function createWorld(options: WorldOptions): World {
  return new World(options);
}

export class World extends Faults {
  protected readonly parts: WorldParts;
  readonly #seed: number;
  readonly #clock = new VirtualClock();
  readonly #disks = new SimulatedDisks();
  readonly #observers = new Observers();
  readonly #hub: NetworkHub;
  readonly #surroundings: Surroundings;
  readonly #processes = new Map<WorldNode, NodeProcess>();
  readonly #timeline: Timeline;
  readonly #health: Health;
  readonly #trace: Trace;
  readonly #oversight: Oversight;
  #addresses = 0;

  constructor({
    seed,
    eventsMax = eventsMaxDefault,
    checkers = allCheckers,
    trace,
    settleAlways = false,
  }: WorldOptions) {
    super();
    const clock = this.#clock;
    const pending = new PendingWork(settleAlways);
    const random = (label: string) => randomStream(seed, label);
    this.#seed = seed;
    this.#hub = new NetworkHub(clock, (label) => random(`network ${label}`));
    this.#trace = new Trace({
      nowMs: () => clock.nowMs,
      nameOf: (address) => this.#all.find((process) => process.address === address)?.name ?? address,
      diskRoot: this.#disks.root,
      sink: trace,
    });
    const inspect: Surroundings['inspect'] =
      trace === undefined ? undefined : (process, event) => this.#trace.inspected(process, event);
    const { hub, observers, disks } = { hub: this.#hub, observers: this.#observers, disks: this.#disks };
    this.#surroundings = { clock, hub, disks, pending, observers, random, inspect };
    const insideOf = insides(() => clock.events);
    this.#health = new Health({
      insideOf,
      nowMs: () => clock.nowMs,
      processes: () => this.#all,
      isLossy: () => hub.weather.loss > 0,
      reaches: (from, to) => hub.reach(from.address, to.address),
    });
    this.#oversight = new Oversight({
      checkers,
      clock,
      hub,
      health: this.#health,
      insideOf,
      processes: () => this.#all,
      complete: (promise) => this.complete(promise),
    });
    const parts = { clock, hub, disks, observers, health: this.#health };
    this.parts = { ...parts, processOf: (node) => this.#of(node) };
    const stir = () => this.#oversight.stir();
    const stirring = { opened: stir, ended: stir, committed: stir, happened: stir, meddled: stir };
    for (const observer of [this.#trace, this.#health, stirring, ...this.#oversight.checkers]) observers.add(observer);
    hub.onDelivery = (delivery) => observers.tell('delivered', delivery);
    this.#timeline = new Timeline({
      clock,
      pending,
      eventsMax,
      lookEveryMs,
      look: () => this.#oversight.look(),
      check: () => this.#oversight.check(),
    });
  }

  /** Ms since the world began. */
  get nowMs(): number {
    return this.#clock.nowMs;
  }

  /** Events fired so far. */
  get events(): number {
    return this.#clock.events;
  }

  /** Over everything that was delivered, committed and told so far: equal for equal runs. */
  get traceHash(): string {
    return this.#trace.hash;
  }

  get nodes(): readonly WorldNode[] {
    return [...this.#processes.keys()];
  }

  /**
   * Starts nodes on one local network: they hear each other's beacons. In another topology than a mesh only neighbours reach each
   * other, in the order of the nodes.
   */
  lan<const Ids extends readonly string[]>(
    segment: string,
    nodeIds: Ids,
    { topology = 'mesh', ...options }: Partial<ConfigurationInput> & { readonly topology?: Topology } = {},
  ): { -readonly [Index in keyof Ids]: WorldNode } {
    this.#hub.segment(segment, topology);
    const nodes = nodeIds.map((nodeId) => {
      const process = this.#newMachine(nodeId, [segment], options);
      process.start();
      return this.#handOut(process);
    });
    return nodes as { -readonly [Index in keyof Ids]: WorldNode };
  }

  /** Puts a node on another local network, too: a bridge between the two. */
  bridge(node: WorldNode, segment: string): void {
    this.meddle(`bridge ${node.nodeId} to ${segment}`);
    const process = this.#of(node);
    process.segments.add(segment);
    this.#hub.move(process.address, process.segments);
    this.#health.rewired();
  }

  /** Lets time pass. @throws BreachError; Error when more than `eventsMax` events were fired */
  async run(duration: Duration): Promise<void> {
    const endMs = this.#clock.nowMs + millisecondsOf(duration);
    await this.#timeline.advance(endMs, () => false);
    this.#clock.advanceTo(endMs);
  }

  /** Runs until something holds, which is looked at once a virtual ms. @throws Error when it does not within the time */
  async until(isTrue: () => boolean, { within }: { readonly within: Duration }): Promise<void> {
    let lookedAtMs = Number.NEGATIVE_INFINITY;
    const isDue = () => {
      const { nowMs, nextAtMs = Number.POSITIVE_INFINITY } = this.#clock;
      // Before a pause in any case, or what has come true meanwhile would be noticed at its end.
      if (Math.max(nowMs, nextAtMs) < lookedAtMs + 1) return false;
      lookedAtMs = nowMs;
      return isTrue();
    };
    if ((await this.#timeline.advance(this.#clock.nowMs + millisecondsOf(within), isDue)) || isTrue()) return;
    throw new Error(`Seed ${this.#seed}: not within ${within}, at ${this.#clock.nowMs.toFixed(1)} ms: ${isTrue}`);
  }

  /** Runs the world until a promise of one of its nodes settles. @throws what the promise rejects with */
  async complete<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    if (await this.#timeline.advance(this.#clock.nowMs + operationTimeoutMs, () => isSettled)) return promise;
    throw new Error(`Seed ${this.#seed}: an operation has not finished within ${operationTimeoutMs} ms.`);
  }

  /** Whether all nodes that are up hold the same entries. */
  converged(): boolean {
    const stores = this.#all.flatMap(({ isUp, store }) => (isUp && store ? [store] : []));
    return new Set(stores.map((store) => store.digest(allScopes))).size <= 1;
  }

  /** Whether each node that is up has a session with each other one that it can reach. */
  meshed(): boolean {
    return this.#health.isMeshed();
  }

  /**
   * Runs until all nodes are up, connected, agreed and at rest, and then asks the checkers about what must hold at the end of all
   * things: that nothing acknowledged is missing, and that the last writes have won.
   * @throws BreachError of kind `liveness` when that is not reached in time, or of what a checker finds
   */
  async settle({ within }: { readonly within: Duration }): Promise<void> {
    const missing = () => this.#oversight.unsettled(() => this.converged());
    let lookAtMs = 0;
    const isSettled = () => {
      if (this.#clock.nowMs < lookAtMs) return false;
      lookAtMs = this.#clock.nowMs + lookEveryMs;
      return missing() === undefined;
    };
    await this.#timeline.advance(this.#clock.nowMs + millisecondsOf(within), isSettled);
    const what = missing();
    if (what !== undefined) this.#oversight.blameUnsettled(what, within);
    await this.#oversight.settled();
  }

  /** Stops a node in good order. */
  async stop(node: WorldNode): Promise<void> {
    this.meddle(`stop ${node.nodeId}`);
    await this.complete(this.#of(node).stop());
  }

  /** Starts another machine, under the same NodeId, on a copy of a node's files: what a careless administrator does. */
  clone(node: WorldNode): WorldNode {
    const { nodeId, segments, options, address } = this.#of(node);
    this.meddle(`clone ${nodeId}`);
    const process = this.#newMachine(nodeId, segments, options);
    this.#disks.clone(address, process.address);
    process.start();
    return this.#handOut(process);
  }

  /** Whether a node has a process, in whatever state. */
  isThere(node: WorldNode): boolean {
    return this.#of(node).isThere;
  }

  /** What a node has told the outside world, with the time. */
  heard(node: WorldNode): readonly Heard[] {
    return this.#of(node).heard;
  }

  /** Stops what is up, and removes the files. @throws BreachError of kind `leak` when something is left over */
  async close(): Promise<void> {
    try {
      this.heal();
      for (const process of this.#all) await this.complete(process.stop());
      await this.run(afterlifeMs);
      this.#oversight.closed();
    } finally {
      for (const process of this.#all) if (process.isThere) process.crash();
      this.#disks.remove();
    }
  }

  get #all(): readonly NodeProcess[] {
    return [...this.#processes.values()];
  }

  #newMachine(nodeId: string, segments: Iterable<string>, options: Partial<ConfigurationInput>): NodeProcess {
    this.#addresses += 1;
    const address = `10.0.${this.#addresses >> 8}.${this.#addresses & 255}`;
    const namesakes = this.#all.filter((process) => process.nodeId === nodeId).length;
    const name = namesakes === 0 ? nodeId : `${nodeId}(${namesakes + 1})`;
    return new NodeProcess({ nodeId, name, address, segments }, options, this.#surroundings);
  }

  #handOut(process: NodeProcess): WorldNode {
    const node = handleOf(process, (promise) => this.complete(promise));
    this.#processes.set(node, process);
    this.#health.rewired();
    return node;
  }

  #of(node: WorldNode): NodeProcess {
    const process = this.#processes.get(node);
    if (process === undefined) throw new Error(`${node.nodeId} is not of this world.`);
    return process;
  }
}
