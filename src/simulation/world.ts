/**
 * The deterministic world: production nodes in one process, on a virtual clock and a simulated network and disk, all drawn
 * from one seed. The same seed gives the same run.
 *
 * Nothing moves unless the world is told to: by `run`, by `until`, or by awaiting an operation on one of its nodes, which
 * runs the world for as long as that takes.
 */
import type { Collection, CollectionOptions, StatemeshNode } from '../index.js';
import type { ConfigurationInput } from '../protocol/configuration.js';
import { type Duration, millisecondsOf, VirtualClock } from './clock.js';
import { SimulatedDisks } from './disk.js';
import { NetworkHub } from './network/hub.js';
import { bothWays, cut, oneWay as fromTo } from './network/rules.js';
import type { Weather } from './network/weather.js';
import { NodeProcess } from './node.js';
import { pendingWork } from './pending-work.js';
import { type RandomStream, randomStream } from './random.js';

export interface WorldOptions {
  /** Draws everything: latencies, jitter, ids. */
  readonly seed: number;
  /** A run that fires more events is stuck in a loop, and fails. */
  readonly eventsMax?: number;
}

/** A node of a world. Operations on its collections run the world until they are done. */
export interface WorldNode {
  readonly nodeId: string;
  readonly isUp: boolean;
  /** The node as a program embeds it. What it promises settles only while the world runs. */
  readonly node: StatemeshNode;
  collection<T = unknown>(name: string, options?: CollectionOptions<T>): Collection<T>;
}

const eventsMaxDefault = 5_000_000;
/** How long an awaited operation may take in virtual time. */
const operationTimeoutMs = 60_000;

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

export class World {
  readonly #clock = new VirtualClock();
  readonly #disks = new SimulatedDisks();
  readonly #hub: NetworkHub;
  readonly #processes = new Map<WorldNode, NodeProcess>();
  readonly #seed: number;
  readonly #eventsMax: number;
  #addresses = 0;

  constructor({ seed, eventsMax = eventsMaxDefault }: WorldOptions) {
    this.#seed = seed;
    this.#eventsMax = eventsMax;
    this.#hub = new NetworkHub(this.#clock, (label) => this.#random(`network ${label}`));
  }

  /** Ms since the world began. */
  get nowMs(): number {
    return this.#clock.nowMs;
  }

  /** Events fired so far. */
  get events(): number {
    return this.#clock.events;
  }

  /** Connections that are open on at least one side. */
  get openStreams(): number {
    return this.#hub.openStreams;
  }

  /** Whether anything is still planned. */
  get pendingEvents(): boolean {
    return this.#clock.nextAtMs !== undefined;
  }

  get nodes(): readonly WorldNode[] {
    return [...this.#processes.keys()];
  }

  /** Starts nodes on one local network: they hear each other's beacons. */
  lan<const Ids extends readonly string[]>(
    segment: string,
    nodeIds: Ids,
    options: Partial<ConfigurationInput> = {},
  ): { -readonly [Index in keyof Ids]: WorldNode } {
    const nodes = nodeIds.map((nodeId) => {
      this.#addresses += 1;
      const address = `10.0.${this.#addresses >> 8}.${this.#addresses & 255}`;
      const surroundings = {
        clock: this.#clock,
        hub: this.#hub,
        disks: this.#disks,
        random: (label: string) => this.#random(label),
      };
      const process = new NodeProcess({ nodeId, address, segment }, options, surroundings);
      const node: WorldNode = {
        nodeId,
        get isUp() {
          return process.isUp;
        },
        get node() {
          return process.node;
        },
        collection: (name, collectionOptions) => this.#awaiting(process, name, collectionOptions),
      };
      this.#processes.set(node, process);
      process.start();
      return node;
    });
    return nodes as { -readonly [Index in keyof Ids]: WorldNode };
  }

  /** Lets time pass. @throws Error when more than `eventsMax` events were fired */
  async run(duration: Duration): Promise<void> {
    const endMs = this.#clock.nowMs + millisecondsOf(duration);
    await pendingWork();
    while ((this.#clock.nextAtMs ?? Number.POSITIVE_INFINITY) <= endMs) await this.#step();
    this.#clock.advanceTo(endMs);
  }

  /** Runs until something holds. @throws Error when it does not within the time */
  async until(isTrue: () => boolean, { within }: { readonly within: Duration }): Promise<void> {
    const endMs = this.#clock.nowMs + millisecondsOf(within);
    await pendingWork();
    while (!isTrue()) {
      const nextAtMs = this.#clock.nextAtMs;
      if (nextAtMs === undefined || nextAtMs > endMs) {
        throw new Error(`Seed ${this.#seed}: not within ${within}, at ${this.#clock.nowMs.toFixed(1)} ms: ${isTrue}`);
      }
      await this.#step();
    }
  }

  /** Whether all nodes that are up hold the same entries. */
  converged(): boolean {
    const stores = [...this.#processes.values()].flatMap(({ isUp, store }) => (isUp && store ? [store] : []));
    return new Set(stores.map((store) => store.digest(['cluster', 'shared']))).size <= 1;
  }

  /** Whether each node that is up has a session with each other one of its network. */
  meshed(): boolean {
    const up = [...this.#processes.values()].filter(({ isUp }) => isUp);
    return up.every(({ node, nodeId, segment }) => {
      const connected = new Set(
        node.peers.filter(({ state }) => state === 'connected').map((peer) => peer.nodeId as string),
      );
      return up.every((other) => other.segment !== segment || other.nodeId === nodeId || connected.has(other.nodeId));
    });
  }

  /** Nothing passes between the two groups until `heal`; with `oneWay`, only from the first to the second nothing. */
  partition(from: readonly WorldNode[], to: readonly WorldNode[], { oneWay = false } = {}): void {
    const [a, b] = [from, to].map((nodes) => nodes.map((node) => this.#of(node).address)) as [string[], string[]];
    this.#hub.rules.add(cut(oneWay ? fromTo(a, b) : bothWays(a, b), 'partition'));
  }

  /** Ends partitions and bad weather. What has waited in a partition arrives now. */
  heal(): void {
    this.#hub.heal();
  }

  /** Holds up what one node sends to another. */
  clog(from: WorldNode, to: WorldNode, duration: Duration): void {
    this.#hub.clog(this.#of(from).address, this.#of(to).address, millisecondsOf(duration));
  }

  /** The share of datagrams that are lost. */
  loss(share: number): void {
    this.weather({ loss: share });
  }

  weather(changes: Partial<Weather>): void {
    this.#hub.weather = { ...this.#hub.weather, ...changes };
  }

  /** kill -9. What was not committed is lost; what was acknowledged is not. */
  crash(node: WorldNode): void {
    this.#of(node).crash();
  }

  /** Starts a node again, after a crash or a stop, on what is on its disk. */
  restart(node: WorldNode): void {
    this.#of(node).start();
  }

  /** Stops a node in good order. */
  async stop(node: WorldNode): Promise<void> {
    await this.complete(this.#of(node).stop());
  }

  /** Moves the wall clock of a node. */
  skew(node: WorldNode, by: Duration): void {
    this.#of(node).skew(millisecondsOf(by));
  }

  /** What a node has told the outside world, with the time. */
  heard(node: WorldNode): NodeProcess['heard'] {
    return this.#of(node).heard;
  }

  /** Runs the world until a promise of one of its nodes settles. @throws what the promise rejects with */
  async complete<T>(promise: Promise<T>): Promise<T> {
    const endMs = this.#clock.nowMs + operationTimeoutMs;
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await pendingWork();
    while (!isSettled) {
      if ((this.#clock.nextAtMs ?? Number.POSITIVE_INFINITY) > endMs) {
        throw new Error(`Seed ${this.#seed}: an operation has not finished within ${operationTimeoutMs} ms.`);
      }
      await this.#step();
    }
    return promise;
  }

  /** Stops what is up and removes the files. */
  async close(): Promise<void> {
    this.heal();
    for (const process of this.#processes.values()) await this.complete(process.stop());
    this.#disks.remove();
  }

  async #step(): Promise<void> {
    this.#clock.step();
    if (this.#clock.events > this.#eventsMax) {
      throw new Error(`Seed ${this.#seed}: more than ${this.#eventsMax} events: something is going round in circles.`);
    }
    await pendingWork();
  }

  #of(node: WorldNode): NodeProcess {
    const process = this.#processes.get(node);
    if (process === undefined) throw new Error(`${node.nodeId} is not of this world.`);
    return process;
  }

  #random(label: string): RandomStream {
    return randomStream(this.#seed, label);
  }

  /** A collection whose promises run the world. Streams are left as they are: they end when their reader says so. */
  #awaiting<T>(process: NodeProcess, name: string, options?: CollectionOptions<T>): Collection<T> {
    const collection = process.node.collection<T>(name, options);
    const streams: readonly PropertyKey[] = ['changes', 'watch', 'name'];
    return new Proxy(collection, {
      get: (target, property) => {
        const member = Reflect.get(target, property) as unknown;
        if (typeof member !== 'function' || streams.includes(property)) return member;
        return (...args: unknown[]) => this.complete((member as (...args: unknown[]) => Promise<unknown>)(...args));
      },
    });
  }
}
