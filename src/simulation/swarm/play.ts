/**
 * Plays a plan in a world and reports which invariant was violated: while it runs, after everything has healed, and
 * when all nodes have stopped.
 */

import type { ConfigurationInput } from '../../configuration/schema.js';
import { type ErrorCode, failureOf, messageOf } from '../../core/errors.js';
import { kinds, readOptions } from '../../core/options.js';
import type { OAuth2Configuration } from '../../remote-peers/remote-peer.js';
import type { Authority } from '../authority.js';
import type { Backup } from '../disk.js';
import type { Line } from '../faults.js';
import { clusterKeyOfWorlds, defaultPort } from '../node.js';
import { simulationShape } from '../options.js';
import { type Breach, BreachError, type Verdict } from '../verdict.js';
import { createWorld, type InitialPeerInput, type World, type WorldOptions } from '../world.js';
import type { WorldNode } from '../world-node.js';
import type { AuthorityTrouble, Fault, Plan, PlannedWrite } from './plan.js';
import { setStage } from './stage.js';

/** The options of the world that a plan leaves open. */
export type PlayPlanOptions = Pick<WorldOptions, 'trace' | 'records' | 'settleAlways'>;

/** Why a write may be refused in a world of faults. */
const refusals: ReadonlySet<ErrorCode> = new Set([
  ...(['notRunning', 'storeClosed', 'diskFull', 'databaseUnavailable'] as const),
]);
/** Why a reconfiguration may be refused: for the same reasons. */
const refusalsOfReconfiguring = refusals;
/** Why an impossible reconfiguration is refused, and others that are merged with it. */
const refusalsOfMisconfiguring: ReadonlySet<ErrorCode> = new Set([
  ...refusalsOfReconfiguring,
  ...(['addressUnavailable', 'portInUse', 'databaseForeign', 'configurationInvalid'] as const),
]);
/** A cloud peer can be changed only where it is known already. */
const refusalsOfChanges: ReadonlySet<ErrorCode> = new Set([...refusals, 'peerUnknown']);

/** How long a healed world may take to agree: longer than the longest backoff, and than any clock was ahead. */
const liveWithinMs = 240_000;
/** How often written bytes cross each line on their way at most. */
const passagesMax = 3;
/** Round trips in which nodes find each other, identify themselves and compare clocks, several times over. */
const roundTripsMax = 100;
/** Bytes of a write besides its document. */
const writeOverheadBytes = 500;

const openKinds = { trace: kinds.any, records: kinds.function, settleAlways: kinds.boolean };
const playPlanShape = simulationShape<PlayPlanOptions>('playPlan', openKinds);

/**
 * Plays a plan to its end, or to the first breach, which the verdict reports.
 *
 * @throws StatemeshError `requestInvalid` for wrong options, and nothing else
 */
export async function playPlan(plan: Plan, options: PlayPlanOptions = {}): Promise<Verdict> {
  const world = createWorld({ ...readOptions(options, playPlanShape), seed: plan.seed });
  const run = new Run(plan, world);
  let breach: Verdict['breach'];
  try {
    await run.play();
    await run.recover();
    await world.close();
  } catch (error) {
    const { nowMs: atMs } = world;
    const crash = { kind: 'crash', checker: 'world', message: stackOf(error), atMs } as const;
    breach = error instanceof BreachError ? error.breach : crash;
    await world.close().catch(() => {});
  }
  const { events, nowMs: virtualMs, traceHash } = world;
  return { seed: plan.seed, breach, events, virtualMs, acknowledged: run.acknowledged, traceHash };
}

export interface PerformOptions extends PlayPlanOptions, Pick<WorldOptions, 'pace'> {
  /** Ends the performance. */
  readonly signal: AbortSignal;
  /** Called when the nodes exist: a viewer may change the world between its events. */
  onStage(world: World, nodes: readonly WorldNode[]): void;
  /** Called with a sentence at each turn: everything planned has happened, or an invariant was violated. */
  onTurn(what: string): void;
}

const performShape = simulationShape<PerformOptions>(
  'performPlan',
  {
    ...openKinds,
    pace: kinds.function,
    signal: kinds.signal,
    onStage: kinds.function,
    onTurn: kinds.function,
  },
  ...(['signal', 'onStage', 'onTurn'] as const),
);

/**
 * Plays a plan for viewers. In the end everything heals, and the world continues without planned events until it is
 * told to end. A breach is reported, and ends the performance.
 */
export async function performPlan(plan: Plan, options: PerformOptions): Promise<Verdict['breach']> {
  const { signal, onStage, onTurn, ...others } = readOptions(options, performShape);
  const world = createWorld({ ...others, seed: plan.seed, eventsMax: Number.MAX_SAFE_INTEGER });
  try {
    const run = new Run(plan, world);
    onStage(world, world.nodes);
    await untilAborted(run.play(), signal);
    if (!signal.aborted) onTurn('all that was planned has happened: the world is healed');
    if (!signal.aborted) await untilAborted(run.recover(), signal);
    while (!signal.aborted) await world.run(lookOnMs);
    return undefined;
  } catch (error) {
    if (!(error instanceof BreachError)) throw error;
    onTurn(`broken: ${error.breach.message}`);
    return error.breach;
  } finally {
    world.abandon();
  }
}

const lookOnMs = 100;

async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  // Its result after that is irrelevant.
  work.catch(() => {});
  const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  await Promise.race([work, aborted]);
}

type CloudFault = Extract<Fault, { kind: 'cloudCrash' | 'uplink' | 'authority' | 'maintenance' | 'ineligible' }>;
type Reconfiguring = Extract<
  Fault,
  { kind: 'reconfigure' | 'rename' | 'misconfigure' | 'waver' | 'rotate' | 'occupy' | 'cramp' | 'acquaint' }
>;

interface Step {
  readonly atMs: number;
  act(): void | Promise<void>;
}

class Run {
  acknowledged = 0;
  #breach: Breach | undefined;
  readonly #plan: Plan;
  readonly #world: World;
  readonly #nodes: readonly WorldNode[];
  readonly #clouds: readonly WorldNode[];
  readonly #cloudPeers: ReadonlyMap<WorldNode, readonly InitialPeerInput[]>;
  readonly #authority: Authority | undefined;
  #isRotating = false;
  /** Steps that end the effects of earlier faults. */
  readonly #due: Step[] = [];
  readonly #backups = new Map<WorldNode, Backup>();
  readonly #nodeIds: ReadonlyMap<WorldNode, string>;
  #clusterKey = clusterKeyOfWorlds;
  /** For each node, its impossible requests: how many so far, and how many are pending. */
  readonly #impossible = new Map<WorldNode, { asked: number; waiting: number }>();
  readonly #occupied = new Map<WorldNode, Set<number>>();
  /** By the names of both ends. */
  readonly #lines = new Map<string, Line>();

  constructor(plan: Plan, world: World) {
    this.#plan = plan;
    this.#world = world;
    const { nodes, clouds, cloudPeers, authority } = setStage(world, plan);
    this.#cloudPeers = cloudPeers;
    this.#nodes = nodes;
    this.#clouds = clouds;
    this.#authority = authority;
    this.#nodeIds = new Map(nodes.map((node) => [node, node.nodeId]));
  }

  /** Plays all planned steps, in the order of time. */
  async play(): Promise<void> {
    const steps: Step[] = [
      ...this.#plan.writes.map((write) => ({ atMs: write.atMs, act: () => this.#write(write) })),
      ...this.#plan.faults.map((fault) => ({ atMs: fault.atMs, act: () => this.#strike(fault) })),
    ].sort((a, b) => a.atMs - b.atMs);
    for (const { atMs, act } of steps) {
      await this.#runTo(atMs);
      await act();
    }
    await this.#runTo(this.#plan.durationMs);
    if (this.#breach !== undefined) throw new BreachError(this.#breach);
  }

  /** Ends all faults, starts the nodes that are down, and waits until all agree. */
  async recover(): Promise<void> {
    this.#world.heal();
    this.#authority?.mend();
    this.#authority?.up();
    for (const node of this.#nodes) this.#reconfigure(node, this.#usual(node));
    for (const node of [...this.#nodes, ...this.#clouds]) {
      this.#world.freeDisk(node);
      this.#world.mendDisk(node);
      for (const port of this.#occupied.get(node) ?? []) this.#world.vacate(node, port);
      this.#world.unskew(node);
      this.#revive(node);
    }
    for (const node of this.#nodes) await this.#admit(node);
    await this.#world.settle({ within: this.#liveWithinMs });
  }

  /** Lines stay as they are: the narrowest may have to carry all written bytes, on each part of the longest path. */
  get #liveWithinMs(): number {
    const lines = [...this.#lines.values()];
    const bytesPerSecond = Math.min(...lines.map((line) => line.bytesPerSecond));
    const roundTripMs = Math.max(0, ...lines.map((line) => line.roundTripMs));
    const bytes = this.#plan.writes.reduce((sum, write) => sum + (write.bytes ?? 0) + writeOverheadBytes, 0);
    const hops = this.#nodes.length + this.#clouds.length;
    return liveWithinMs + (1_000 * passagesMax * hops * bytes) / bytesPerSecond + roundTripsMax * roundTripMs;
  }

  /** The configuration of a node at the end: its own identity, and the common settings of all nodes. */
  #usual(node: WorldNode): Partial<ConfigurationInput> {
    return {
      nodeId: this.#nodeIds.get(node) ?? node.nodeId,
      eligible: true,
      discovery: true,
      discoveryPort: undefined,
      clusterKey: this.#clusterKey,
      acceptedClusterKeys: undefined,
    };
  }

  /** When a node is up under its own identity, its cloud peers are enabled. */
  async #admit(node: WorldNode): Promise<void> {
    await this.#world.until(() => node.isUp, { within: liveWithinMs });
    await this.#world.reconfigure(node, this.#usual(node));
    if (this.#plan.faults.some(({ kind }) => kind === 'rotate')) await this.#saveSecrets(node);
    for (const { nodeId } of this.#clouds) {
      await this.#world
        .complete(node.node.enablePeer(nodeId))
        .catch((error: unknown) => this.#refusedChange(node, error));
    }
  }

  async #runTo(atMs: number): Promise<void> {
    for (;;) {
      const due = this.#due.sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined || due.atMs > atMs) break;
      this.#due.shift();
      await this.#world.run(Math.max(0, due.atMs - this.#world.nowMs));
      await due.act();
    }
    await this.#world.run(Math.max(0, atMs - this.#world.nowMs));
  }

  #write({ node: index, key, value, bytes = 0 }: PlannedWrite): void {
    const writers = [...this.#nodes, ...this.#clouds];
    const node = writers[index % writers.length] as WorldNode;
    if (!node.isUp) return;
    const things = node.node.collection<unknown>('things');
    const document = bytes === 0 ? value : { value, filling: 'x'.repeat(bytes) };
    const writing = value === undefined ? things.delete(key) : things.put(key, document);
    writing.then(
      (written) => {
        if (written !== undefined) this.acknowledged += 1;
      },
      (error: unknown) => this.#refused(node, error),
    );
  }

  /** A node that stops, or whose disk is full or fails, may refuse a write. It has no other reason. */
  #refused({ nodeId }: WorldNode, error: unknown, expected = refusals): void {
    const { code, message } = failureOf(error);
    if (expected.has(code)) return;
    const atMs = this.#world.nowMs;
    this.#breach ??= { kind: 'safety', checker: 'refusals', message: `${nodeId}: ${code}: ${message}`, atMs };
  }

  #refusedChange(node: WorldNode, error: unknown): void {
    this.#refused(node, error, refusalsOfChanges);
  }

  async #strike(fault: Fault): Promise<void> {
    const world = this.#world;
    switch (fault.kind) {
      case 'partition': {
        const group = this.#nodes.filter((_, index) => fault.group.includes(index));
        const others = this.#nodes.filter((node) => !group.includes(node));
        world.partition(group, others, { oneWay: fault.oneWay });
        break;
      }
      case 'heal':
        world.heal();
        break;
      case 'clog':
        world.clog(this.#node(fault.from), this.#node(fault.to), fault.forMs);
        break;
      case 'weather':
        world.weather({ loss: fault.loss, duplication: fault.duplication, latencyMs: fault.latencyMs });
        break;
      case 'reset':
        world.reset(this.#node(fault.from), this.#node(fault.to));
        break;
      case 'link':
        this.#link(this.#node(fault.from), this.#node(fault.to), fault);
        break;
      case 'cloudLink':
        this.#link(this.#node(fault.node), this.#cloud(fault.cloud), fault);
        break;
      case 'crash':
      case 'stop':
      case 'tear':
      case 'restore':
        await this.#fell(fault);
        break;
      case 'crashAt': {
        const node = this.#node(fault.node);
        if (!world.isThere(node)) break;
        world.crashAt(node, fault.moment);
        this.#later(fault.downMs, () => this.#revive(node));
        break;
      }
      case 'skew':
        world.skew(this.#node(fault.node), fault.byMs);
        break;
      case 'fillDisk': {
        const node = this.#node(fault.node);
        world.fillDisk(node);
        this.#later(fault.forMs, () => world.freeDisk(node));
        break;
      }
      case 'strangers': {
        const { perSecond, says, forMs } = fault;
        this.#later(forMs, world.strangers(this.#machine(fault.node), { perSecond, says }));
        break;
      }
      case 'failDisk': {
        const node = this.#machine(fault.node);
        world.failDisk(node, fault.failure);
        this.#later(fault.forMs, () => world.mendDisk(node));
        break;
      }
      case 'backUp': {
        const node = this.#node(fault.node);
        this.#backups.set(node, world.backUp(node));
        break;
      }
      case 'reconfigure':
      case 'rename':
      case 'misconfigure':
      case 'waver':
      case 'rotate':
      case 'occupy':
      case 'cramp':
      case 'acquaint':
        this.#strikeConfiguration(fault);
        break;
      default:
        this.#strikeCloud(fault);
    }
  }

  #link(a: WorldNode, b: WorldNode | undefined, { bytesPerSecond, roundTripMs }: Line): void {
    if (b === undefined || a === b) return;
    const line = { bytesPerSecond, roundTripMs };
    this.#lines.set([a.name, b.name].sort().join(), line);
    this.#world.link(a, b, line);
  }

  #strikeConfiguration(fault: Reconfiguring): void {
    switch (fault.kind) {
      case 'reconfigure':
        this.#reconfigure(this.#node(fault.node), fault.partial, { isWritten: fault.isWritten });
        break;
      case 'rename': {
        const node = this.#node(fault.node);
        const { nodeId, isWritten } = fault;
        this.#reconfigure(node, { nodeId }, { isWritten });
        this.#later(fault.forMs, () => this.#reconfigure(node, { nodeId: this.#nodeIds.get(node) ?? nodeId }));
        break;
      }
      case 'misconfigure':
        this.#misconfigure(this.#node(fault.node), fault.what);
        break;
      case 'waver':
        for (const port of fault.ports) this.#reconfigure(this.#node(fault.node), { port });
        break;
      case 'rotate': {
        // One rotation after the other; otherwise the nodes would have no key in common.
        if (this.#isRotating) break;
        this.#isRotating = true;
        const [old, key] = [this.#clusterKey, fault.key];
        this.#clusterKey = key;
        const all = (partial: Partial<ConfigurationInput>) => {
          for (const node of this.#nodes) this.#reconfigure(node, partial);
        };
        all({ clusterKey: old, acceptedClusterKeys: [key] });
        this.#later(fault.stepMs, () => all({ clusterKey: key, acceptedClusterKeys: [old] }));
        this.#later(2 * fault.stepMs, () => {
          this.#isRotating = false;
          all({ clusterKey: key, acceptedClusterKeys: [] });
        });
        break;
      }
      case 'occupy':
        this.#occupy(this.#node(fault.node), fault.port, fault.forMs);
        break;
      case 'cramp': {
        const node = this.#node(fault.node);
        this.#world.fillDisk(node);
        const { nodeId, port } = fault;
        this.#reconfigure(node, { nodeId, port }, { isWritten: 'then', isImpossible: true });
        this.#later(fault.forMs, () => this.#world.freeDisk(node));
        break;
      }
      case 'acquaint': {
        const peers = fault.peers.map((index) => this.#node(index));
        const knownPeers = peers.map((peer) => ({ nodeId: peer.nodeId, address: `${peer.address}:${portOf(peer)}` }));
        this.#reconfigure(this.#node(fault.node), { knownPeers });
        break;
      }
    }
  }

  /**
   * The reconfiguration may succeed all the same, when something that it waits for takes longer than the occupation.
   */
  #occupy(node: WorldNode, port: number, forMs: number): void {
    if (!this.#world.occupy(node, port)) return;
    const occupied = this.#occupied.get(node) ?? new Set();
    this.#occupied.set(node, occupied.add(port));
    this.#reconfigure(node, { port }, { isWritten: 'then', isImpossible: true });
    this.#later(forMs, () => {
      occupied.delete(port);
      this.#world.vacate(node, port);
    });
  }

  /**
   * A key that was dropped while there was no leader invalidates the secrets that were sealed with it: an operator
   * saves them again.
   */
  async #saveSecrets(node: WorldNode): Promise<void> {
    for (const { nodeId, address, oAuth2 } of this.#cloudPeers.get(node) ?? []) {
      const saving = node.node.addCloudPeer(nodeId, address, oAuth2 as OAuth2Configuration);
      await this.#world.complete(saving).catch((error: unknown) => this.#refused(node, error));
    }
  }

  /** By a call, not in the file, so that the next process starts. */
  #misconfigure(node: WorldNode, what: 'address' | 'database' | 'field'): void {
    const partial = { address: { host: '10.99.0.1' }, database: { nodeId: 'foreign' }, field: { port: -1 } }[what];
    if (what === 'database') this.#world.spoil(node, 'foreign');
    this.#reconfigure(node, partial, { isWritten: 'never', isImpossible: true });
  }

  #reconfigure(
    node: WorldNode,
    partial: Partial<ConfigurationInput>,
    { isWritten = 'now', isImpossible = false }: ReconfigureOptions = {},
  ): void {
    const impossible = this.#impossible.get(node) ?? { asked: 0, waiting: 0 };
    this.#impossible.set(node, impossible);
    if (isImpossible) {
      impossible.asked += 1;
      impossible.waiting += 1;
    }
    const { asked, waiting } = impossible;
    const refused = (error: unknown) => {
      // Several requests become one, which fails when one of them is impossible.
      const isTainted = waiting > 0 || impossible.asked > asked;
      this.#refused(node, error, isTainted ? refusalsOfMisconfiguring : refusalsOfReconfiguring);
    };
    this.#world
      .reconfiguring(node, partial, isWritten)
      .then(() => {}, refused)
      .then(() => {
        if (isImpossible) impossible.waiting -= 1;
      });
  }

  /** Faults on the way to the cloud, or of the nodes that could connect to it. */
  #strikeCloud(fault: CloudFault): void {
    const world = this.#world;
    switch (fault.kind) {
      case 'cloudCrash': {
        const cloud = this.#cloud(fault.cloud);
        if (cloud === undefined || !world.isThere(cloud)) break;
        world.crash(cloud);
        this.#later(fault.downMs, () => this.#revive(cloud));
        break;
      }
      case 'uplink': {
        const cloud = this.#cloud(fault.cloud);
        if (cloud !== undefined) world.partition([this.#node(fault.node)], [cloud]);
        break;
      }
      case 'authority':
        this.#trouble(fault.trouble, fault.forMs);
        break;
      case 'maintenance': {
        const cloud = this.#cloud(fault.cloud);
        if (cloud === undefined) break;
        this.#change(this.#node(fault.node), (node) => node.disablePeer(cloud.nodeId));
        this.#later(fault.forMs, () => this.#change(this.#node(fault.other), (node) => node.enablePeer(cloud.nodeId)));
        break;
      }
      case 'ineligible': {
        const node = this.#node(fault.node);
        const set = (isEligible: boolean) => node.isUp && node.node.setEligible(isEligible).catch(ended);
        set(false);
        this.#later(fault.forMs, () => void set(true));
        break;
      }
    }
  }

  #trouble(trouble: AuthorityTrouble, forMs: number): void {
    const authority = this.#authority;
    if (authority === undefined) return;
    if (trouble === 'rotate') {
      authority.rotateKeys();
      return;
    }
    if (trouble === 'slow') authority.slow('800ms');
    else authority[trouble]();
    this.#later(forMs, () => {
      authority.mend();
      authority.up();
    });
  }

  #change(node: WorldNode, change: (node: WorldNode['node']) => Promise<unknown>): void {
    if (node.isUp) change(node.node).catch((error: unknown) => this.#refusedChange(node, error));
  }

  #cloud(index: number): WorldNode | undefined {
    return this.#clouds[index % this.#clouds.length];
  }

  /** Faults that take a node down for a while. */
  async #fell(fault: Extract<Fault, { kind: 'crash' | 'stop' | 'tear' | 'restore' }>): Promise<void> {
    const world = this.#world;
    const node = this.#node(fault.node);
    if (!world.isThere(node)) return;
    const backup = this.#backups.get(node);
    if (fault.kind === 'restore' && backup === undefined) return;
    if (fault.kind === 'stop') await world.stop(node);
    else world.crash(node);
    if (fault.kind === 'tear') world.tear(node, fault.shareKept);
    if (fault.kind === 'restore' && backup !== undefined) world.restore(node, backup);
    this.#later(fault.downMs, () => this.#revive(node));
  }

  /** The fault may have had no effect (no write, no crash), or another step may have started the node meanwhile. */
  #revive(node: WorldNode): void {
    if (this.#world.isThere(node)) this.#world.spare(node);
    else this.#world.restart(node);
  }

  #later(afterMs: number, act: () => void): void {
    this.#due.push({ atMs: this.#world.nowMs + afterMs, act });
  }

  #machine(index: number): WorldNode {
    const machines = [...this.#nodes, ...this.#clouds];
    return machines[index % machines.length] as WorldNode;
  }

  #node(index: number): WorldNode {
    return this.#nodes[index % this.#nodes.length] as WorldNode;
  }
}

interface ReconfigureOptions {
  readonly isWritten?: 'now' | 'then' | 'never';
  /** Whether it must fail, unless the obstacle is gone by the time of its turn. */
  readonly isImpossible?: boolean;
}

function portOf(node: WorldNode): number {
  const listening = node.isUp ? node.node.actor.getSnapshot().context.listening : undefined;
  return listening?.port ?? defaultPort;
}

/** The process that was asked is gone: checkers judge that. */
function ended(): void {}

function stackOf(error: unknown): string {
  const { stack } = error as { stack?: unknown };
  return typeof stack === 'string' ? stack : messageOf(error);
}
