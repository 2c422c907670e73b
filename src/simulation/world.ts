/**
 * The deterministic world: production nodes in one process, on a virtual clock and a simulated network and disk, all
 * drawn from one seed. The same seed gives the same run.
 *
 * Nothing moves unless the world is told to: by `run`, by `until`, or by awaiting an operation on one of its nodes,
 * which runs the world for as long as that takes. Meanwhile checkers watch; a breach ends the run.
 */

import { checkFields } from '../configuration/parse.js';
import type { Reconfiguration } from '../configuration/reconfiguration.js';
import { type ConfigurationInput, configurationSchema } from '../configuration/schema.js';
import { allScopes } from '../core/author.js';
import { isNodeId } from '../core/ids.js';
import { type Kind, kinds, objectWith, oneOf, readOptions, wholeNumber } from '../core/options.js';
import type { InspectorRecord } from '../inspector/records.js';
import type { ServerCertificate } from '../ports/ports.js';
import { type Authority, type AuthorityOptions, defaultAudience } from './authority.js';
import type { CheckerFactory } from './checker.js';
import { allCheckers } from './checkers/index.js';
import { type Duration, millisecondsOf, VirtualClock } from './clock.js';
import { SimulatedDisks } from './disk.js';
import { Faults, type WorldParts } from './faults.js';
import { Health } from './health.js';
import { insides } from './inside.js';
import { Internet } from './internet.js';
import { NetworkHub } from './network/hub.js';
import type { Topology } from './network/topology.js';
import { defaultPort, type Heard, type NodeProcess, type Surroundings } from './node.js';
import { type Observer, Observers } from './observer.js';
import { checkArguments, duration, simulationShape } from './options.js';
import { Oversight } from './oversight.js';
import { PendingWork } from './pending-work.js';
import { Population, type Variables } from './population.js';
import { randomStream } from './random.js';
import { Records } from './records.js';
import { Sites } from './sites.js';
import { Timeline } from './timeline.js';
import { Trace, type TraceSink } from './trace.js';
import type { Grant, OAuth2Client } from './web/oauth2.js';
import { handleOf, type WorldNode } from './world-node.js';

/** The options of a world. */
export interface WorldOptions {
  /** Draws everything: latencies, jitter, ids. */
  readonly seed: number;
  /** A run that fires more events is stuck in a loop, and fails. Default 5,000,000. */
  readonly eventsMax?: number;
  /** The invariants to check while the world runs. Default: all invariants of statemesh. */
  readonly checkers?: readonly CheckerFactory[];
  /**
   * Takes a line for each frame, state, commit and emitted event. It makes runs several times slower, and changes
   * nothing.
   */
  readonly trace?: TraceSink | undefined;
  /**
   * Takes what the inspector shows: each event and each state of each actor. It makes runs several times slower, and
   * changes nothing.
   */
  readonly records?: ((record: InspectorRecord) => void) | undefined;
  /** Waits until it is time for a moment of the world: for viewers. Default: time passes as fast as it can. */
  readonly pace?: ((atMs: number) => Promise<void>) | undefined;
  /** Waits for promises after every event, not only where there are some: slower, and the same run. */
  readonly settleAlways?: boolean;
}

type NodesOf<Ids extends readonly string[]> = { -readonly [Index in keyof Ids]: WorldNode };
export type InitialPeerInput = NonNullable<ConfigurationInput['initialRemotePeers']>[number];

interface NodesOptions extends Partial<ConfigurationInput> {
  /** The environment variables of the nodes. */
  readonly environment?: Variables;
}

/** The options of a LAN of a world. */
export interface LanOptions extends NodesOptions {
  readonly topology?: Topology;
}

/** The options of cloud nodes of a world. */
export interface CloudOptions extends Omit<NodesOptions, 'authority' | 'role'> {
  /** The authority that issues the tokens that they accept. */
  readonly authority: Authority;
  /** Replaces the certificate that the authority of the world signs for the names and addresses of the nodes. */
  readonly certificate?: ServerCertificate;
}

/** Given by reference, so that it is stored unchanged. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: that is how configurations refer to the environment.
const secretOfEnvironment = '${CLOUD_SECRET}';

const eventsMaxDefault = 5_000_000;
/** How long an awaited operation may take in virtual time. */
const operationTimeoutMs = 60_000;
/** How often checkers look, in virtual time. */
const lookEveryMs = 25;
/** Events that come after all nodes have stopped (a connection that lingers) come within this time. */
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
  return new World(readOptions(options, worldShape));
}

const worldShape = simulationShape<WorldOptions>(
  'createWorld',
  {
    seed: { takes: 'a finite number', accepts: Number.isFinite },
    eventsMax: wholeNumber(1),
    checkers: kinds.list,
    trace: kinds.any,
    records: kinds.function,
    pace: kinds.function,
    settleAlways: kinds.boolean,
  },
  'seed',
);
const withinShape = (method: string) =>
  simulationShape<{ readonly within: Duration }>(method, { within: duration }, 'within');
const writtenKind = oneOf('now', 'then', 'never');
const reconfigureShape = simulationShape<{ readonly isWritten?: 'now' | 'then' | 'never' }>('reconfigure', {
  isWritten: writtenKind,
});
const configurationKinds = Object.fromEntries(
  Object.keys(configurationSchema.shape).map((name) => [name, kinds.any]),
) as unknown as { readonly [Name in keyof ConfigurationInput]-?: Kind };
const segmentKind = kinds.filledText;
const nodeIdsKind = {
  takes: 'a list of NodeIds',
  accepts: (value: unknown) => Array.isArray(value) && value.every(isNodeId),
};
const authorityShape = simulationShape<AuthorityOptions>('authority', { issuer: kinds.filledText, lifetime: duration });
const lanShape = simulationShape<LanOptions>('lan', {
  ...configurationKinds,
  topology: oneOf('mesh', 'ring', 'chain', 'star'),
  environment: objectWith(),
});
const cloudShape = simulationShape<CloudOptions>(
  'cloud',
  { ...configurationKinds, authority: objectWith('register'), environment: objectWith(), certificate: objectWith() },
  'authority',
);

/** Machines, networks, disks and clocks in virtual time, with real nodes in them. Made by {@link createWorld}. */
export class World extends Faults {
  protected readonly parts: WorldParts;
  readonly #seed: number;
  readonly #clock = new VirtualClock();
  readonly #disks = new SimulatedDisks();
  readonly #observers = new Observers();
  readonly #hub: NetworkHub;
  readonly #internet: Internet;
  readonly #population: Population;
  readonly #processes = new Map<WorldNode, NodeProcess>();
  readonly #timeline: Timeline;
  readonly #health: Health;
  readonly #sites: Sites;
  readonly #trace: Trace;
  readonly #oversight: Oversight;

  constructor({
    seed,
    eventsMax = eventsMaxDefault,
    checkers = allCheckers,
    trace,
    records,
    pace,
    settleAlways = false,
  }: WorldOptions) {
    super();
    const clock = this.#clock;
    const pending = new PendingWork(settleAlways);
    const random = (label: string) => randomStream(seed, label);
    this.#seed = seed;
    this.#hub = new NetworkHub(clock, (label) => random(`network ${label}`));
    const meddle = (what: string) => this.meddle(what);
    this.#internet = new Internet({ clock, hub: this.#hub, seed, meddle });
    this.#trace = new Trace({
      nowMs: () => clock.nowMs,
      nameOf: (address) => this.#nameOf(address),
      diskRoot: this.#disks.root,
      sink: trace,
    });
    const inspected = [
      ...(trace === undefined ? [] : [this.#trace]),
      ...(records === undefined
        ? []
        : [new Records({ nowMs: () => clock.nowMs, diskRoot: this.#disks.root, sink: records })]),
    ];
    const inspect: Surroundings['inspect'] =
      inspected.length === 0
        ? undefined
        : (process, event) => {
            for (const each of inspected) each.inspected(process, event);
          };
    const { hub, observers, disks } = { hub: this.#hub, observers: this.#observers, disks: this.#disks };
    const { ca } = this.#internet;
    const processes = () => this.#all;
    const surroundings = { clock, hub, disks, pending, observers, ca, random, inspect };
    this.#population = new Population({ internet: this.#internet, surroundings, processes });
    const eventOf = () => clock.events;
    const insideOf = insides(eventOf);
    this.#health = new Health({
      insideOf,
      nowMs: () => clock.nowMs,
      processes,
      isLossy: () => hub.weather.loss > 0,
      areLocal: (a, b) => hub.areLocal(a, b),
    });
    const isOneSite = (a: NodeProcess, b: NodeProcess) => this.#health.hopsBetween(a, b) !== undefined;
    this.#sites = new Sites({ processes, insideOf, isOneSite, eventOf });
    this.#oversight = new Oversight({
      checkers,
      clock,
      hub,
      health: this.#health,
      sites: this.#sites,
      insideOf,
      grantOf: (token) => this.#grantOf(token),
      processes,
      complete: (promise) => this.complete(promise),
    });
    const parts = { clock, hub, disks, observers, health: this.#health };
    this.parts = { ...parts, processOf: (node) => this.#of(node) };
    const stir = () => this.#oversight.stir();
    const stirring = { opened: stir, ended: stir, committed: stir, happened: stir, meddled: stir };
    const all = new Set<Observer>([this.#trace, ...inspected, this.#health, stirring, ...this.#oversight.checkers]);
    for (const observer of all) observers.add(observer);
    hub.onDelivery = (delivery) => observers.tell('delivered', delivery);
    this.#timeline = new Timeline({
      clock,
      pending,
      eventsMax,
      lookEveryMs,
      pace,
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

  /** A hash over everything that was delivered, committed and reported so far; equal for equal runs. */
  get traceHash(): string {
    return this.#trace.hash;
  }

  get nodes(): readonly WorldNode[] {
    return [...this.#processes.keys()];
  }

  /** The authorities of the world, in the order of creation. */
  get authorities(): readonly Authority[] {
    return this.#internet.authorities;
  }

  /**
   * Starts nodes on one local network: they receive each other's beacons. In a topology other than a mesh only
   * neighbors reach each other, in the order of the nodes. They trust the certificates of the world.
   */
  lan<const Ids extends readonly string[]>(segment: string, nodeIds: Ids, options: LanOptions = {}): NodesOf<Ids> {
    checkArguments('lan', { segment, nodeIds }, { segment: segmentKind, nodeIds: nodeIdsKind });
    const { topology = 'mesh', environment = {}, ...configuration } = readOptions(options, lanShape);
    checkFields(configuration);
    this.#hub.segment(segment, topology);
    const machine = { configuration, environment };
    const nodes = nodeIds.map((nodeId) => this.#begin(this.#population.local(nodeId, [segment], machine)));
    return nodes as NodesOf<Ids>;
  }

  /**
   * Makes a public OAuth2 authority; by default at `https://authority.world`.
   *
   * @example
   * const authority = world.authority();
   * const client = authority.register({ clientId: 'office', clientSecret: 'open sesame' });
   * const [cloud] = world.cloud(['cloud-1'], { authority });
   * world.lan('office', ['node-a', 'node-b'], {
   *   initialRemotePeers: [world.cloudPeer(cloud, client)],
   *   environment: { CLOUD_SECRET: client.clientSecret },
   * });
   */
  authority(options: AuthorityOptions = {}): Authority {
    return this.#internet.authority(readOptions(options, authorityShape));
  }

  /** Starts cloud nodes, each on a public machine with its NodeId as its name: `cloud-1.world`, port 9000. */
  cloud<const Ids extends readonly string[]>(nodeIds: Ids, given: CloudOptions): NodesOf<Ids> {
    checkArguments('cloud', { nodeIds }, { nodeIds: nodeIdsKind });
    const { authority, environment = {}, certificate, ...options } = readOptions(given, cloudShape);
    checkFields(options);
    const fixed = { role: 'cloud', authority: authority.issuer, audience: defaultAudience } as const;
    const machine = { configuration: { ...fixed, ...options }, environment, certificate };
    const nodes = nodeIds.map((nodeId) => this.#begin(this.#population.cloud(nodeId, machine)));
    return nodes as NodesOf<Ids>;
  }

  /**
   * The entry of a cloud node in the `initialRemotePeers` of other nodes; by default the secret is taken from their
   * environment.
   */
  cloudPeer(cloud: WorldNode, client: OAuth2Client, clientSecret = secretOfEnvironment): InitialPeerInput {
    const { nodeId, hostName, options } = this.#of(cloud);
    const { clientId, scopes, audiences } = client;
    const [audience] = audiences;
    return {
      nodeId,
      address: `${hostName}:${options.port ?? defaultPort}`,
      type: 'CloudRemote',
      oAuth2: {
        authority: options.authority ?? '',
        clientId,
        clientSecret,
        scopes: [...scopes],
        ...(audience === undefined ? {} : { audience }),
      },
    };
  }

  /** Adds a node to another local network: it becomes a bridge between the two. */
  bridge(node: WorldNode, segment: string): void {
    checkArguments('bridge', { segment }, { segment: segmentKind });
    this.meddle(`bridge ${node.nodeId} to ${segment}`);
    const process = this.#of(node);
    process.segments.add(segment);
    this.#hub.move(process.address, process.segments);
    this.#health.rewired();
  }

  /**
   * Lets time pass.
   *
   * @throws BreachError; Error when more than `eventsMax` events were fired
   */
  async run(time: Duration): Promise<void> {
    checkArguments('run', { duration: time }, { duration });
    const endMs = this.#clock.nowMs + millisecondsOf(time);
    await this.#timeline.advance(endMs, () => false);
    this.#clock.advanceTo(endMs);
  }

  /**
   * Runs until `isTrue` holds, which is checked once per virtual ms.
   *
   * @throws Error when it does not hold within the time
   */
  async until(isTrue: () => boolean, options: { readonly within: Duration }): Promise<void> {
    checkArguments('until', { isTrue }, { isTrue: kinds.function });
    const { within } = readOptions(options, withinShape('until'));
    let lookedAtMs = Number.NEGATIVE_INFINITY;
    const isDue = () => {
      const { nowMs, nextAtMs = Number.POSITIVE_INFINITY } = this.#clock;
      // Checked before a pause in any case; otherwise a condition that became true would be noticed only after the
      // pause.
      if (Math.max(nowMs, nextAtMs) < lookedAtMs + 1) return false;
      lookedAtMs = nowMs;
      return isTrue();
    };
    if ((await this.#timeline.advance(this.#clock.nowMs + millisecondsOf(within), isDue)) || isTrue()) return;
    throw new Error(`Seed ${this.#seed}: not within ${within}, at ${this.#clock.nowMs.toFixed(1)} ms: ${isTrue}`);
  }

  /**
   * Runs the world until a promise of one of its nodes settles.
   *
   * @throws the promise's rejection
   */
  async complete<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    if (await this.#timeline.advance(this.#clock.nowMs + operationTimeoutMs, () => isSettled)) return promise;
    throw new Error(`Seed ${this.#seed}: an operation has not finished within ${operationTimeoutMs} ms.`);
  }

  /**
   * Whether all nodes that are up hold the same entries: within each site all of them, and between sites that use the
   * same cloud nodes the shared ones.
   */
  converged(): boolean {
    return allScopes.every((scope) =>
      this.#sites.groups(scope).every((group) => {
        const stores = group.flatMap(({ isUp, store }) => (isUp && store ? [store] : []));
        return new Set(stores.map((store) => store.digest([scope]))).size <= 1;
      }),
    );
  }

  /** Whether each node that is up has a session with every other node that it reaches on a local network. */
  meshed(): boolean {
    return this.#health.isMeshed();
  }

  /**
   * Runs until all nodes are up, connected, agreed and at rest, and then runs the final checks: that no acknowledged
   * write is missing, and that the last writes have won.
   *
   * @throws BreachError of kind `liveness` when that is not reached in time, or of another kind when a checker finds a
   * breach
   */
  async settle(options: { readonly within: Duration }): Promise<void> {
    const { within } = readOptions(options, withinShape('settle'));
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

  /** Stops a node gracefully. */
  async stop(node: WorldNode): Promise<void> {
    this.meddle(`stop ${node.nodeId}`);
    await this.complete(this.#of(node).stop());
  }

  /**
   * Asks a node for another configuration, and runs the world until it is in force. The operator of the machine writes
   * it down at once, so that a later process has it, only when it is in force, or never.
   *
   * @throws the error with which the node refuses it
   *
   * @example
   * const [a] = world.lan('office', ['node-a', 'node-b']);
   * await world.reconfigure(a, { nodeId: 'node-c' });
   */
  async reconfigure(
    node: WorldNode,
    partial: Partial<ConfigurationInput>,
    options: { readonly isWritten?: 'now' | 'then' | 'never' } = {},
  ): Promise<Reconfiguration> {
    const { isWritten = 'now' } = readOptions(options, reconfigureShape);
    return this.complete(this.reconfiguring(node, partial, isWritten));
  }

  /** The same, without letting time pass. */
  reconfiguring(
    node: WorldNode,
    partial: Partial<ConfigurationInput>,
    isWritten: 'now' | 'then' | 'never',
  ): Promise<Reconfiguration> {
    checkArguments('reconfiguring', { partial, isWritten }, { partial: objectWith(), isWritten: writtenKind });
    // Names only: the values may be secrets.
    this.meddle(`reconfigure ${Object.keys(partial).join(' ')} of ${node.name}`);
    return this.#of(node).reconfigure(partial, isWritten);
  }

  /** Puts a file that is not a database in the place of a database that a node does not have open. */
  spoil(node: WorldNode, nodeId: string): void {
    checkArguments('spoil', { nodeId }, { nodeId: kinds.filledText });
    this.meddle(`spoil ${nodeId} of ${node.name}`);
    this.#disks.spoil(this.#of(node).address, `${nodeId}.db`);
  }

  /**
   * Starts another machine, under the same NodeId, on a copy of a node's files: the mistake of a careless
   * administrator.
   */
  clone(node: WorldNode): WorldNode {
    const original = this.#of(node);
    this.meddle(`clone ${original.nodeId}`);
    const process = this.#population.copy(original);
    this.#disks.clone(original.address, process.address);
    return this.#begin(process);
  }

  /** Whether a node has a process, in any state. */
  isThere(node: WorldNode): boolean {
    return this.#of(node).isThere;
  }

  /** The events that a node has emitted, with their times. */
  heard(node: WorldNode): readonly Heard[] {
    return this.#of(node).heard;
  }

  /**
   * Stops the running nodes, and removes the files.
   *
   * @throws BreachError of kind `leak` when something is left over
   */
  async close(): Promise<void> {
    try {
      this.heal();
      this.dismissStrangers();
      for (const process of this.#all) await this.complete(process.stop());
      for (const authority of this.authorities) authority.close();
      await this.run(afterlifeMs);
      this.#oversight.closed();
    } finally {
      this.abandon();
    }
  }

  /** Kills the running nodes and removes the files, without checking for leaks. */
  abandon(): void {
    this.dismissStrangers();
    for (const process of this.#all) if (process.isThere) process.crash();
    this.#disks.remove();
  }

  get #all(): readonly NodeProcess[] {
    return [...this.#processes.values()];
  }

  #begin(process: NodeProcess): WorldNode {
    process.start();
    const node = handleOf(process, (promise) => this.complete(promise));
    this.#processes.set(node, process);
    this.#health.rewired();
    return node;
  }

  #nameOf(address: string): string {
    const process = this.#all.find((candidate) => candidate.address === address);
    return process?.name ?? this.#internet.authorityAt(address)?.name ?? address;
  }

  #grantOf(token: string): Grant | undefined {
    for (const authority of this.authorities) {
      const grant = authority.grantOf(token);
      if (grant !== undefined) return grant;
    }
    return undefined;
  }

  #of(node: WorldNode): NodeProcess {
    const process = this.#processes.get(node);
    if (process === undefined) throw new Error(`${node.nodeId} is not of this world.`);
    return process;
  }
}
