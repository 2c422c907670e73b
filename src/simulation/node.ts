/**
 * A simulated node: the production actors, services, store and codec in a simulated process that can be crashed,
 * restarted and skewed. Its address and its disk stay, as those of a machine do.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type AnyActorLogic, fromPromise, type InspectionEvent } from 'xstate';
import type { OpenStoreInput } from '../actors/slots.js';
import type { Reconfiguration } from '../configuration/reconfiguration.js';
import type { ConfigurationInput } from '../configuration/schema.js';
import { allScopes } from '../core/author.js';
import type { Run } from '../core/entry.js';
import { failureOf, StatemeshError } from '../core/errors.js';
import type { Hlc } from '../core/hlc.js';
import type { NodeId } from '../core/ids.js';
import type { NodeEvent, StatemeshNode } from '../index.js';
import { createNode } from '../node/node.js';
import type { Listening, Network, ServerCertificate } from '../ports/ports.js';
import type { Commit, Store } from '../ports/store.js';
import { staticConfiguration } from '../providers/static.js';
import { createRequestToken } from '../services/request-token.js';
import { databaseError } from '../store/sqlite-errors.js';
import { openSqliteStore, type SqliteStore } from '../store/sqlite-store.js';
import type { VirtualClock } from './clock.js';
import { createSimulatedConfigure } from './configure.js';
import type { SimulatedDisks } from './disk.js';
import { access, type DiskFailure } from './failing-disk.js';
import { issue } from './network/certificates.js';
import type { Host, NetworkHub } from './network/hub.js';
import { type SimulatedTime, simulatedTime } from './node-ports.js';
import type { PendingWork } from './pending-work.js';
import type { RandomStream } from './random.js';
import { createSimulatedVerifyToken } from './verify-token.js';
import { simulatedHttp } from './web/http.js';

/** An event that a node has emitted. */
export interface Heard {
  readonly nodeId: string;
  readonly atMs: number;
  readonly nodeEvent: NodeEvent;
}

/** A write whose caller has been told that it is on disk. */
export interface Acknowledged {
  readonly nodeId: NodeId;
  readonly hlc: Hlc;
}

/** Observes a process, and changes nothing. */
export interface ProcessObserver {
  /** A process has opened a database, after a recovery if one was needed. */
  opened?(process: NodeProcess, store: Store): void;
  /**
   * @param nodeId The owner of the database, if not the present identity: a process that changes its identity has two
   * databases for a moment
   */
  committed?(process: NodeProcess, commit: Commit, nodeId?: NodeId): void;
  acknowledged?(process: NodeProcess, write: Acknowledged): void;
  happened?(process: NodeProcess, heard: Heard): void;
  /** Killed, or stopped gracefully. */
  ended?(process: NodeProcess): void;
}

/** All observers of a process. */
export interface ProcessObservers {
  tell<Name extends keyof ProcessObserver>(name: Name, ...args: Parameters<NonNullable<ProcessObserver[Name]>>): void;
}

/** The identity of a machine, independent of its processes. */
export interface MachineIdentity {
  readonly nodeId: string;
  /** A readable name: its NodeId, with a count where other machines have the same one. */
  readonly name: string;
  readonly address: string;
  /** The local networks that it is on. */
  readonly segments: Iterable<string>;
  /** Its name on the network; its address if it has no name. */
  readonly hostName: string;
  /** For a public machine: the certificate that it presents. */
  readonly certificate: ServerCertificate | undefined;
}

/** What a node needs of its world. */
export interface Surroundings {
  readonly clock: VirtualClock;
  readonly hub: NetworkHub;
  readonly disks: SimulatedDisks;
  readonly pending: PendingWork;
  readonly observers: ProcessObservers;
  /** The authorities that nodes trust. */
  readonly ca: string;
  random(label: string): RandomStream;
  /** Receives every event and snapshot of the actors; undefined when there is no inspector, because it costs time. */
  readonly inspect: ((process: NodeProcess, event: InspectionEvent) => void) | undefined;
}

interface Process {
  readonly node: StatemeshNode;
  readonly time: SimulatedTime;
  readonly host: Host;
  /** Open databases: two while the identity changes. */
  readonly stores: Set<SqliteStore>;
  readonly life: Life;
}

/** A requested configuration change, and whether the operator has written it down. */
interface Edit {
  readonly partial: Partial<ConfigurationInput>;
  readonly isWritten: boolean;
}

interface Life {
  isOver: boolean;
  /** The process was killed and emits no events any more. */
  isKilled: boolean;
}

/** The exact moments at which a process can be killed. */
export const moments = ['commit', 'acknowledgement'] as const;
export type Moment = (typeof moments)[number];

/** Longest latency of a disk operation, in virtual ms: others act meanwhile. Most disks are fast. */
const diskLatenciesMaxMs = [1, 1, 20];
/** Longest time to open another database. */
const openingsMaxMs = [1, 20, 1_000];
/** File names that the configuration of a cloud node must contain. The files are never read: worlds have none. */
export const certificateFiles = { tlsCert: 'certificate.pem', tlsKey: 'key.pem' };
/** The default use of a node's environment: the secret that it shows to the authority of the world. */
const secretVariablesOfWorlds = [{ name: 'CLOUD_SECRET', origin: 'https://authority.world' }];
export const clusterKeyOfWorlds = 'the key of a simulated cluster';
/** The default port of nodes. */
export const defaultPort = 9_000;
const all = Number.MAX_SAFE_INTEGER;
const nothingToDo: Reconfiguration = { changes: [], tookMs: 0, writesHeldMs: 0, connectionsRefusedMs: 0 };
/** Small, so that checkpoints happen in short runs too. */
const walAutocheckpointPages = 64;

export class NodeProcess {
  readonly name: string;
  readonly address: string;
  readonly hostName: string;
  readonly segments: Set<string>;
  /** The environment variables of its processes. */
  readonly environment = new Map<string, string>();
  readonly heard: Heard[] = [];
  readonly #certificate: ServerCertificate | undefined;
  readonly #surroundings: Surroundings;
  /**
   * What its operator has written down for later processes: initially and since then. A refused change is removed
   * again.
   */
  readonly #written: Partial<ConfigurationInput> & { readonly nodeId: string };
  #edits: readonly Edit[] = [];
  #configuration: Partial<ConfigurationInput> & { readonly nodeId: string };
  /**
   * The longest heartbeat and election intervals that it was ever configured with: work that started under them may
   * still be in progress.
   */
  readonly #slowest = { heartbeatIntervalMs: 0, electionIntervalMs: 0 };
  #process: Process | undefined;
  #starts = 0;
  #openings = 0;
  #skewMs = 0;
  #isDiskFull = false;
  #diskFailure: DiskFailure | undefined;
  #dyingAt: Moment | undefined;
  /** Why the last process did not start, if it did not. */
  #failure: unknown;

  constructor(identity: MachineIdentity, options: Partial<ConfigurationInput>, surroundings: Surroundings) {
    this.name = identity.name;
    this.address = identity.address;
    this.hostName = identity.hostName;
    this.segments = new Set(identity.segments);
    this.#certificate = identity.certificate;
    this.#written = { ...options, nodeId: identity.nodeId };
    this.#configuration = this.#written;
    this.#surroundings = surroundings;
    this.#slow(options);
  }

  /** The NodeId of its process; while it is down, that of the next process. */
  get nodeId(): NodeId {
    return this.store?.nodeId ?? (this.#configuration.nodeId as NodeId);
  }

  /** The configuration that its operator has written down. */
  get wanted(): Partial<ConfigurationInput> {
    return this.#configuration;
  }

  /** The same, with the longest intervals that it ever had. */
  get options(): Partial<ConfigurationInput> {
    const { heartbeatIntervalMs, electionIntervalMs } = this.#slowest;
    return {
      ...this.#configuration,
      ...(heartbeatIntervalMs > 0 && { heartbeatIntervalMs }),
      ...(electionIntervalMs > 0 && { electionIntervalMs }),
    };
  }

  /** Whether it is a cloud node. */
  get isCloud(): boolean {
    const { configured } = this.#process?.node.actor.getSnapshot().context ?? {};
    return (configured?.configuration ?? this.#configuration).role === 'cloud';
  }

  get isUp(): boolean {
    return this.#process?.node.state === 'running';
  }

  /** Whether there is a process, in any state. */
  get isThere(): boolean {
    return this.#process !== undefined;
  }

  /** Why the last process did not start. */
  get failure(): unknown {
    return this.#failure;
  }

  get skewMs(): number {
    return this.#skewMs;
  }

  get isDiskFull(): boolean {
    return this.#isDiskFull;
  }

  /** How its disk fails; undefined while it does not. */
  get diskFailure(): DiskFailure | undefined {
    return this.#diskFailure;
  }

  /** Whether its disk has no fault. */
  get isDiskSound(): boolean {
    return !this.#isDiskFull && this.#diskFailure === undefined;
  }

  get node(): StatemeshNode {
    if (this.#process !== undefined) return this.#process.node;
    throw this.#failure ?? new Error(`${this.nodeId} is not up: start it first.`);
  }

  /** The number of databases that its process has open. */
  get openDatabases(): number {
    return this.#process?.stores.size ?? 0;
  }

  get store(): Store | undefined {
    return this.#process?.node.actor.getSnapshot().context.store;
  }

  /** Starts a new process; it is up after the world has run a little. */
  start(): void {
    if (this.#process !== undefined) throw new Error(`${this.nodeId} is up already.`);
    const { clock, hub, disks, pending, random, inspect, ca } = this.#surroundings;
    this.#starts += 1;
    const stream = random(`machine ${this.address} start ${this.#starts}`);
    const host: Host = { address: this.address, segments: this.segments };
    const time = simulatedTime(clock, this.#skewMs);
    const network = notingNetwork(hub.join(host), pending);
    const http = simulatedHttp({ network, time, settled: () => pending.note() });
    const environment = { get: (name: string) => this.environment.get(name) };
    // The actor reports events while it is being created, before there is a process to ask.
    const life: Life = { isOver: false, isKilled: false };
    const openStore = fromPromise<Store, OpenStoreInput>(({ input, signal }) =>
      this.#openStore(process, input, { randomness: stream, signal }),
    );
    const node = createNode(
      // A written configuration is refused when the process starts, not when it is created.
      staticConfiguration({
        host: this.address,
        port: defaultPort,
        lan: true,
        clusterKey: clusterKeyOfWorlds,
        clusterSalt: 'simulated',
        secretVariables: secretVariablesOfWorlds,
        ...(this.#certificate === undefined ? {} : certificateFiles),
        ...this.#configuration,
        dataDir: disks.directoryOf(this.address),
      }),
      {
        ports: { network, time, randomness: stream, http, environment },
        services: {
          configure: createSimulatedConfigure({
            ca,
            certificate: this.#certificate ?? issue(ca, [this.address]),
            randomness: stream,
          }),
          openStore,
          verifyToken: noted(createSimulatedVerifyToken({ http, time }), pending),
          requestToken: noted(createRequestToken({ http, time, environment }), pending),
        },
        ...(inspect === undefined ? {} : { inspect: (event) => life.isOver || inspect(this, event) }),
      },
    );
    const process: Process = { node, time, host, stores: new Set(), life };
    this.#process = process;
    this.#failure = undefined;
    node.actor.on('*', (nodeEvent) => this.#hear(process, nodeEvent as NodeEvent));
    node.actor.subscribe({ complete: () => this.#end(process), error: () => this.#end(process) });
    node.start().catch((error: unknown) => {
      if (process.life.isOver) this.#failure = error;
    });
  }

  /** kill -9: the process runs no further code, and its files stay as they are. */
  crash(): void {
    const { disks, hub } = this.#surroundings;
    const process = this.#process;
    if (process === undefined) throw new Error(`${this.nodeId} is not up: it cannot crash.`);
    process.life.isKilled = true;
    process.time.revoke();
    hub.leave(process.host);
    disks.crash(this.address);
    this.#end(process);
    for (const store of process.stores) store.abandon();
  }

  /**
   * Kills the process when it next has written to disk, or when it next reports that to a caller; undefined cancels
   * this.
   */
  crashAt(moment: Moment | undefined): void {
    this.#dyingAt = moment;
  }

  /** Stops gracefully; done after the world has run a little. */
  async stop(): Promise<void> {
    await this.#process?.node.stop();
  }

  /**
   * Asks the process for another configuration. Its operator writes it down at once, when it is in force, or not at
   * all. Without a process it is only written down.
   */
  async reconfigure(
    partial: Partial<ConfigurationInput>,
    isWritten: 'now' | 'then' | 'never',
  ): Promise<Reconfiguration> {
    this.#slow(partial);
    // In the order of the requests, whenever they are written down: a later request replaces an earlier one.
    const edit: Edit = { partial, isWritten: isWritten === 'now' };
    this.#edit([...this.#edits, edit]);
    const process = this.#process;
    if (process === undefined) return nothingToDo;
    this.#surroundings.pending.note();
    try {
      const done = await process.node.reconfigure(partial);
      if (process.life.isKilled) return new Promise(() => {});
      const isKept = isWritten !== 'never';
      this.#edit(this.#edits.map((each) => (each === edit ? { partial, isWritten: isKept } : each)));
      return done;
    } catch (error) {
      if (process.life.isKilled) return new Promise(() => {});
      // When a node has stopped, it is still unknown whether it accepts the change.
      if (failureOf(error).code !== 'notRunning') this.#edit(this.#edits.filter((each) => each !== edit));
      throw error;
    }
  }

  #edit(edits: readonly Edit[]): void {
    this.#edits = edits;
    const written = edits.filter(({ isWritten }) => isWritten).map(({ partial }) => partial);
    this.#configuration = Object.assign({}, this.#written, ...written);
  }

  /** All entries of a database of this machine that no process has open. */
  async readAside(nodeId: NodeId): Promise<readonly Run[]> {
    const { clock, disks, random } = this.#surroundings;
    const path = join(disks.directoryOf(this.address), `${nodeId}.db`);
    if (!existsSync(path)) return [];
    const randomness = random(`aside ${this.address} ${nodeId}`);
    const time = simulatedTime(clock, this.#skewMs);
    const store = await openSqliteStore({ path, nodeId, time, randomness, isLocked: false });
    try {
      const everything = { after: new Map(), scopes: allScopes, except: new Set<never>() };
      const { runs } = await store.read({ ...everything, entriesMax: all, bytesMax: all });
      return runs;
    } finally {
      store.abandon();
    }
  }

  #slow({ heartbeatIntervalMs = 0, electionIntervalMs = 0 }: Partial<ConfigurationInput>): void {
    const slowest = this.#slowest;
    slowest.heartbeatIntervalMs = Math.max(slowest.heartbeatIntervalMs, heartbeatIntervalMs);
    slowest.electionIntervalMs = Math.max(slowest.electionIntervalMs, electionIntervalMs);
  }

  skew(byMs: number): void {
    this.#skewMs += byMs;
    this.#process?.time.skew(byMs);
  }

  /** Sets whether the database may grow. */
  fillDisk(isFull: boolean): void {
    this.#isDiskFull = isFull;
    for (const store of this.#process?.stores ?? []) store.limitPages(isFull ? 1 : undefined);
  }

  /** Sets how the disk fails from now on; undefined ends the failure. */
  failDisk(failure: DiskFailure | undefined): void {
    this.#diskFailure = failure;
  }

  async #openStore(
    process: Process,
    input: OpenStoreInput,
    { randomness, signal }: { readonly randomness: RandomStream; readonly signal: AbortSignal },
  ): Promise<Store> {
    const { dataDir, nodeId } = input.configuration;
    const { observers } = this.#surroundings;
    const path = join(dataDir, `${nodeId}.db`);
    await this.#openSlowly(process, signal);
    if (this.#isDiskFull && !existsSync(path)) {
      throw new StatemeshError('diskFull', `${path}: The disk is full: make room for another database.`);
    }
    openingMeets(this.#diskFailure, path);
    const store = await openSqliteStore({
      path,
      nodeId: nodeId as NodeId,
      time: process.time,
      onDisk: (kind) => access(this.#diskFailure, kind),
      randomness,
      walAutocheckpointPages,
      isLocked: false,
      onCommitted: (commit) => {
        observers.tell('committed', this, commit, nodeId as NodeId);
        this.#dieAt('commit', process);
      },
    });
    process.stores.add(store);
    const close = store.close.bind(store);
    store.close = () => close().finally(() => process.stores.delete(store));
    if (process.life.isOver) {
      store.abandon();
      return store;
    }
    if (this.#isDiskFull) store.limitPages(1);
    const write = store.write.bind(store);
    store.write = (writes) =>
      write(writes).then((written) => {
        // A process that is gone acknowledges nothing.
        if (process.life.isOver) return new Promise(() => {});
        for (const each of written) {
          if (each !== undefined) observers.tell('acknowledged', this, { nodeId: store.nodeId, hlc: each.hlc });
        }
        this.#dieAt('acknowledgement', process);
        return written;
      });
    this.#slowDown(store, process);
    observers.tell('opened', this, store);
    return store;
  }

  /**
   * Slow while another database serves: otherwise no event could come while a node is about to change its NodeId. It
   * never opens for a node that has stopped.
   */
  async #openSlowly({ stores, time, life }: Process, signal: AbortSignal): Promise<void> {
    if (stores.size === 0) return;
    const disk = this.#surroundings.random(`opening ${this.address} ${this.#openings}`);
    this.#openings += 1;
    await time.pause(disk.float() * disk.pick(openingsMaxMs));
    if (life.isOver || signal.aborted) await new Promise(() => {});
  }

  /** Sending and receiving also take time after the work; otherwise no event could come between. */
  #slowDown(store: SqliteStore, { time }: Process): void {
    const disk = this.#surroundings.random(`disk ${this.address} start ${this.#starts}`);
    const latencyMaxMs = disk.pick(diskLatenciesMaxMs);
    const later = async <T>(result: Promise<T>): Promise<T> => {
      const value = await result;
      await time.pause(disk.float() * latencyMaxMs);
      return value;
    };
    const [read, apply] = [store.read.bind(store), store.apply.bind(store)];
    store.read = (options) => later(read(options));
    store.apply = (runs, origin) => later(apply(runs, origin));
  }

  #end(process: Process): void {
    if (process.life.isOver) return;
    this.#surroundings.observers.tell('ended', this);
    process.life.isOver = true;
    this.#process = undefined;
    this.#dyingAt = undefined;
  }

  #dieAt(moment: Moment, process: Process): void {
    if (this.#dyingAt === moment && this.#process === process) this.crash();
  }

  #hear(process: Process, nodeEvent: NodeEvent): void {
    if (process.life.isOver) return;
    const heard = { nodeId: this.nodeId, atMs: this.#surroundings.clock.nowMs, nodeEvent };
    this.heard.push(heard);
    this.#surroundings.observers.tell('happened', this, heard);
  }
}

/**
 * Throws when the disk fails: then it cannot open a database.
 *
 * @throws StatemeshError `diskFull`, `databaseUnavailable`
 */
function openingMeets(failure: DiskFailure | undefined, path: string): void {
  try {
    access(failure, 'write');
  } catch (error) {
    throw databaseError(error, path);
  }
}

/**
 * A service that reports when it begins and ends: the first promise that it awaits may already have settled, and its
 * end is reported to the actor that waits for it.
 */
function noted<Logic extends AnyActorLogic>(logic: Logic, pending: PendingWork): Logic {
  return {
    ...logic,
    start: (...args: Parameters<NonNullable<Logic['start']>>) => {
      pending.note();
      logic.start?.(args[0], args[1]);
    },
    transition: (...args: Parameters<Logic['transition']>) => {
      pending.note();
      return logic.transition(args[0], args[1], args[2]);
    },
  };
}

/** A network that reports each request for a promise: some of them settle at once. */
function notingNetwork(network: Network, pending: PendingWork): Network {
  const noted = <T>(promise: Promise<T>): Promise<T> => {
    pending.note();
    return promise;
  };
  return {
    listen: async (options): Promise<Listening> => {
      const listening = await noted(network.listen(options));
      return { ...listening, close: () => noted(listening.close()) };
    },
    dial: (options) => noted(network.dial(options)),
    openDatagrams: (options) => noted(network.openDatagrams(options)),
    closeAll: () => noted(network.closeAll()),
  };
}
