/**
 * A simulated node: the production actors, services, store and codec in a process of their own that can be crashed,
 * restarted and skewed. Its address stays with it, as that of a machine does.
 */
import type { Happening, HappeningType, StatemeshNode } from '../index.js';
import { createNode } from '../node.js';
import type { ConfigurationInput } from '../protocol/configuration.js';
import type { Store } from '../protocol/store.js';
import type { VirtualClock } from './clock.js';
import { createSimulatedConfigure } from './configure.js';
import type { SimulatedDisks } from './disk.js';
import type { Host, NetworkHub } from './network/hub.js';
import { type SimulatedTime, simulatedTime } from './node-ports.js';
import type { RandomStream } from './random.js';

/** What a node needs of its world. */
export interface Surroundings {
  readonly clock: VirtualClock;
  readonly hub: NetworkHub;
  readonly disks: SimulatedDisks;
  random(label: string): RandomStream;
}

interface Process {
  readonly node: StatemeshNode;
  readonly time: SimulatedTime;
  readonly host: Host;
  /** Why it did not start, if it did not. */
  failure: unknown;
}

export interface Heard {
  readonly nodeId: string;
  readonly atMs: number;
  readonly happening: Happening;
}

export class NodeProcess {
  readonly nodeId: string;
  readonly address: string;
  readonly segment: string;
  readonly heard: Heard[] = [];
  readonly #options: Partial<ConfigurationInput>;
  readonly #surroundings: Surroundings;
  #process: Process | undefined;
  #starts = 0;
  #skewMs = 0;

  constructor(
    identity: { nodeId: string; address: string; segment: string },
    options: Partial<ConfigurationInput>,
    surroundings: Surroundings,
  ) {
    this.nodeId = identity.nodeId;
    this.address = identity.address;
    this.segment = identity.segment;
    this.#options = options;
    this.#surroundings = surroundings;
  }

  get isUp(): boolean {
    return this.#process?.node.state === 'running';
  }

  get node(): StatemeshNode {
    if (this.#process === undefined) throw new Error(`${this.nodeId} is not up: start it first.`);
    if (this.#process.failure !== undefined) throw this.#process.failure;
    return this.#process.node;
  }

  get store(): Store | undefined {
    return this.#process?.node.actor.getSnapshot().context.store;
  }

  /** Begins a new process; it is up when the world has run a little. */
  start(): void {
    if (this.#process !== undefined) throw new Error(`${this.nodeId} is up already.`);
    const { clock, hub, disks, random } = this.#surroundings;
    this.#starts += 1;
    const stream = random(`machine ${this.address} start ${this.#starts}`);
    const host: Host = { address: this.address, segments: new Set([this.segment]) };
    const time = simulatedTime(clock, this.#skewMs);
    const node = createNode(
      {
        nodeId: this.nodeId,
        host: this.address,
        port: 9_000,
        lan: true,
        clusterKey: 'the key of a simulated cluster',
        clusterSalt: 'simulated',
        ...this.#options,
        dataDir: disks.directoryOf(this.address),
        services: { configure: createSimulatedConfigure() },
      },
      { network: hub.join(host), time, randomness: stream },
    );
    const process: Process = { node, time, host, failure: undefined };
    this.#process = process;
    node.actor.on('*', (happening) =>
      this.heard.push({ nodeId: this.nodeId, atMs: clock.nowMs, happening: happening as Happening }),
    );
    node.start().catch((error: unknown) => {
      process.failure = error;
    });
  }

  /** kill -9: the process runs no further code, and its files stay as they are. */
  crash(): void {
    const { disks, hub } = this.#surroundings;
    const process = this.#process;
    if (process === undefined) throw new Error(`${this.nodeId} is not up: it cannot crash.`);
    this.#process = undefined;
    process.time.revoke();
    hub.leave(process.host);
    disks.crash(this.address);
  }

  /** A graceful stop; done when the world has run a little. */
  async stop(): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    await process.node.stop();
    this.#process = undefined;
  }

  skew(byMs: number): void {
    this.#skewMs += byMs;
    this.#process?.time.skew(byMs);
  }

  count(type: HappeningType): number {
    return this.heard.filter(({ happening }) => happening.type === type).length;
  }
}
