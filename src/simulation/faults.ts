/**
 * Faults that can be injected into a world: into its network, its processes, their clocks and their disks. Every fault
 * is reported to the observers, so that traces show it and checkers know that the world is not healthy.
 */
import { type Kind, kinds, objectWith, oneOf, readOptions, wholeNumber } from '../core/options.js';
import { type Duration, millisecondsOf, type VirtualClock } from './clock.js';
import type { Backup, SimulatedDisks } from './disk.js';
import { type DiskFailure, diskFailures } from './failing-disk.js';
import type { Health } from './health.js';
import type { NetworkHub } from './network/hub.js';
import { type Rule, rulePlaces } from './network/rule.js';
import type { Weather } from './network/weather.js';
import { type Moment, moments, type NodeProcess } from './node.js';
import type { Observers } from './observer.js';
import { checkArguments, duration, simulationShape } from './options.js';
import { Strangers, type StrangersOptions } from './strangers.js';
import type { WorldNode } from './world-node.js';

/** The parts of a world that faults act on. */
export interface WorldParts {
  readonly clock: VirtualClock;
  readonly hub: NetworkHub;
  readonly disks: SimulatedDisks;
  readonly health: Health;
  readonly observers: Observers;
  processOf(node: WorldNode): NodeProcess;
}

/** A datagram on a local network, such as a beacon. */
export interface Datagram {
  readonly bytes: Uint8Array;
  /** The address that its sender has, or claims to have. */
  readonly from: string;
  readonly port: number;
}

/** A machine of a world, as the network sees it: a node, or an authority. */
export type Place = Pick<WorldNode, 'name' | 'address'>;

/** A line between two machines, as its owner would describe it. */
export interface Line {
  /** Bandwidth, each way unless `backBytesPerSecond` says otherwise. All connections between the machines share it. */
  readonly bytesPerSecond: number;
  /** Bandwidth from the second machine to the first. */
  readonly backBytesPerSecond?: number;
  /** Round-trip time, in addition to the latency of the weather. */
  readonly roundTripMs: number;
}

const partitionShape = simulationShape<{ readonly oneWay?: boolean }>('partition', { oneWay: kinds.boolean });
const weatherShape = simulationShape<Partial<Weather>>('weather', {
  latencyMs: kinds.amount,
  jitterMs: kinds.amount,
  loss: kinds.share,
  duplication: kinds.share,
});
const lineShape = simulationShape<Line>(
  'link',
  { bytesPerSecond: kinds.amount, backBytesPerSecond: kinds.amount, roundTripMs: kinds.amount },
  ...(['bytesPerSecond', 'roundTripMs'] as const),
);

const strangersShape = simulationShape<StrangersOptions>(
  'strangers',
  { perSecond: kinds.amount, says: oneOf('nothing', 'noise') },
  ...(['perSecond', 'says'] as const),
);
const bytes: Kind = { takes: 'a Uint8Array', accepts: (value) => value instanceof Uint8Array };
const port = wholeNumber(1, 65_535);
const ruleShape = simulationShape<Rule>(
  'rule',
  {
    name: kinds.filledText,
    place: oneOf(...rulePlaces),
    concerns: kinds.function,
    untilMs: kinds.amount,
    judge: kinds.function,
  },
  ...(['name', 'place', 'judge'] as const),
);
const datagramShape = simulationShape<Datagram>(
  'inject',
  { bytes, from: kinds.text, port },
  ...(['bytes', 'from', 'port'] as const),
);

/** How many machines the strangers at one node dial from. */
const strangersMachines = 2;

export abstract class Faults {
  protected abstract readonly parts: WorldParts;
  /** Strangers that have not ended yet. */
  readonly #strangers = new Set<Strangers>();
  #strangersCalled = 0;

  /** Cuts the network between the two groups until `heal`; with `oneWay`, only from the first to the second. */
  partition(from: readonly Place[], to: readonly Place[], options: { readonly oneWay?: boolean } = {}): void {
    const { oneWay = false } = readOptions(options, partitionShape);
    const groups = [from, to].map((places) => places.map(({ name }) => name));
    this.meddle(`partition ${namesOf(from)} ${oneWay ? '>' : '|'} ${namesOf(to)}`, groups);
    for (const a of from) {
      for (const b of to) {
        this.#cut(a, b);
        if (!oneWay) this.#cut(b, a);
      }
    }
  }

  /** Ends partitions, clogs and bad weather. Bytes that waited in a partition arrive now, although they are old. */
  heal(): void {
    this.meddle('heal', []);
    this.parts.hub.heal();
    this.parts.health.healed();
  }

  /** Delays everything that one node sends to another. */
  clog(from: Place, to: Place, time: Duration): void {
    checkArguments('clog', { duration: time }, { duration });
    this.meddle(`clog ${from.name} > ${to.name} ${time}`);
    const forMs = millisecondsOf(time);
    this.parts.hub.clog(from.address, to.address, forMs);
    this.parts.health.clogged(this.parts.clock.nowMs + forMs);
  }

  /**
   * Makes the line between two machines narrow and long; `undefined` makes it like all others again. A line is not a
   * fault: it stays when the world heals, and the world counts as healthy meanwhile.
   *
   * @example
   * const [a, b] = world.lan('office', ['node-a', 'node-b']);
   * world.link(a, b, { bytesPerSecond: 8_000, roundTripMs: 4_000 });
   */
  link(a: Place, b: Place, given: Line | undefined): void {
    const line = given === undefined ? undefined : readOptions(given, lineShape);
    this.meddle(`link ${a.name} - ${b.name} ${line === undefined ? 'as usual' : JSON.stringify(line)}`);
    const { hub } = this.parts;
    const way = (bytesPerSecond: number) => ({ bytesPerSecond, latencyMs: (line?.roundTripMs ?? 0) / 2 });
    hub.line(a.address, b.address, line && way(line.bytesPerSecond));
    hub.line(b.address, a.address, line && way(line.backBytesPerSecond ?? line.bytesPerSecond));
  }

  /**
   * Unknown machines keep connecting to a node, on the local network or in the open, and occupy places. The returned
   * function ends them; `heal` does not: all invariants hold meanwhile.
   *
   * @example
   * const [a] = world.lan('office', ['node-a']);
   * const end = world.strangers(a, { perSecond: 40, says: 'nothing' });
   */
  strangers(node: WorldNode, given: StrangersOptions): () => void {
    const options = readOptions(given, strangersShape);
    const { clock, hub, processOf } = this.parts;
    const { name, address, segments, isCloud } = processOf(node);
    this.meddle(`strangers at ${name} ${JSON.stringify(options)}`);
    this.#strangersCalled += 1;
    const number = this.#strangersCalled;
    // A network that only they and the node share, so that the node's neighbors stay its neighbors.
    const segment = `strangers ${number}`;
    const addresses = Array.from({ length: strangersMachines }, (_, index) => `10.66.${number}.${index + 1}`);
    if (!isCloud) {
      segments.add(segment);
      hub.move(address, segments);
    }
    const strangers = new Strangers(options, { clock, hub, target: address, addresses, segment });
    this.#strangers.add(strangers);
    return () => {
      if (!this.#strangers.delete(strangers)) return;
      this.meddle(`end of strangers at ${name}`);
      strangers.end();
    };
  }

  /** Breaks the open connections between two nodes, in the middle of the bytes in flight. */
  reset(a: Place, b: Place): void {
    this.meddle(`reset ${a.name} - ${b.name}`);
    this.parts.hub.reset(a.address, b.address);
  }

  /**
   * Eavesdrops: the returned list receives every datagram that is sent from now on, whether or not a node receives it.
   */
  overhear(): readonly Datagram[] {
    const overheard: Datagram[] = [];
    const others = this.parts.hub.onBroadcast;
    this.parts.hub.onBroadcast = (broadcast) => {
      others?.(broadcast);
      const { from, port, bytes } = broadcast;
      overheard.push({ from, port, bytes });
    };
    return overheard;
  }

  /**
   * Sends a datagram to all nodes on a local network with the sender that the datagram names: a forged one, or the
   * replay of an overheard one.
   */
  inject(segment: string, datagram: Datagram): void {
    checkArguments('inject', { segment }, { segment: kinds.filledText });
    const { bytes, from, port } = readOptions(datagram, datagramShape);
    this.meddle(`inject ${bytes.length} bytes into ${segment} as ${from}`);
    this.parts.hub.inject(segment, port, bytes, from);
  }

  /** Sets the share of datagrams that are lost, and of segments that are sent again. */
  loss(share: number): void {
    checkArguments('loss', { share }, { share: kinds.share });
    this.weather({ loss: share });
  }

  weather(given: Partial<Weather>): void {
    const changes = readOptions(given, weatherShape);
    this.meddle(`weather ${JSON.stringify(changes)}`);
    this.parts.hub.weather = { ...this.parts.hub.weather, ...changes };
  }

  /**
   * Adds a rule to the network: the first rule that returns a verdict on a parcel wins. The returned function removes
   * the rule; `heal` removes all rules. Until then the world does not count as healthy.
   *
   * @example
   * const end = world.rule(rules.latency({ kind: 'lognormal', medianMs: 30, sigma: 1, maxMs: 2_000 }));
   */
  rule(given: Rule): () => void {
    const rule = readOptions(given, ruleShape);
    this.meddle(`rule ${rule.name}`);
    const end = this.parts.hub.rules.add(rule);
    this.parts.health.bent();
    return () => {
      this.meddle(`end of rule ${rule.name}`);
      end();
    };
  }

  /** Sets environment variables of a node, for its present and later processes; undefined removes one. */
  environment(node: WorldNode, variables: Readonly<Record<string, string | undefined>>): void {
    checkArguments('environment', { variables }, { variables: objectWith() });
    // Names only: the values are secrets.
    this.meddle(`set ${Object.keys(variables).join(' ')} of ${node.nodeId}`);
    const { environment } = this.parts.processOf(node);
    for (const [name, value] of Object.entries(variables)) {
      if (value === undefined) environment.delete(name);
      else environment.set(name, value);
    }
  }

  /** kill -9. Uncommitted writes are lost; acknowledged writes are not. */
  crash(node: WorldNode): void {
    this.meddle(`crash ${node.nodeId}`);
    this.parts.processOf(node).crash();
  }

  /**
   * kill -9 at the next moment of a kind: when a write is on disk but unreported, or when its caller has just been
   * told.
   */
  crashAt(node: WorldNode, moment: Moment): void {
    checkArguments('crashAt', { moment }, { moment: oneOf(...moments) });
    this.meddle(`crash ${node.nodeId} at ${moment}`);
    this.parts.processOf(node).crashAt(moment);
  }

  /** Cancels {@link World.crashAt}, if its moment has not come. */
  spare(node: WorldNode): void {
    this.meddle(`spare ${node.nodeId}`);
    this.parts.processOf(node).crashAt(undefined);
  }

  /** Starts a node again, after a crash or a stop, with the files on its disk. */
  restart(node: WorldNode): void {
    this.meddle(`restart ${node.nodeId}`);
    this.parts.processOf(node).start();
  }

  /** Moves the wall clock of a node, now and for its later processes. */
  skew(node: WorldNode, by: Duration): void {
    const byMs = millisecondsOf(by);
    this.meddle(`skew ${node.nodeId} ${by}`);
    this.parts.processOf(node).skew(byMs);
  }

  /** Sets the wall clock of a node right. */
  unskew(node: WorldNode): void {
    this.skew(node, -this.parts.processOf(node).skewMs);
  }

  /**
   * Lets another program of the machine listen on a port.
   *
   * @returns Whether the port was free
   */
  occupy(node: WorldNode, at: number): boolean {
    checkArguments('occupy', { port: at }, { port });
    this.meddle(`occupy port ${at} of ${node.name}`);
    return this.parts.hub.occupy(node.address, at);
  }

  /** Ends the other program. */
  vacate(node: WorldNode, at: number): void {
    checkArguments('vacate', { port: at }, { port });
    this.meddle(`vacate port ${at} of ${node.name}`);
    this.parts.hub.vacate(node.address, at);
  }

  /** Leaves no room on the disk of a node for a growing database or for another one. */
  fillDisk(node: WorldNode): void {
    this.meddle(`fill the disk of ${node.nodeId}`);
    this.parts.processOf(node).fillDisk(true);
  }

  freeDisk(node: WorldNode): void {
    this.meddle(`free the disk of ${node.nodeId}`);
    this.parts.processOf(node).fillDisk(false);
  }

  /**
   * Lets the disk of a node fail from now on, in one way: its operations fail with an error. A running process
   * continues.
   */
  failDisk(node: WorldNode, failure: DiskFailure): void {
    checkArguments('failDisk', { failure }, { failure: oneOf(...diskFailures) });
    this.meddle(`fail the disk of ${node.nodeId}: ${failure}`);
    this.parts.processOf(node).failDisk(failure);
  }

  mendDisk(node: WorldNode): void {
    this.meddle(`mend the disk of ${node.nodeId}`);
    this.parts.processOf(node).failDisk(undefined);
  }

  /** A copy of a node's files as they are, running or not. */
  backUp(node: WorldNode): Backup {
    return this.parts.disks.backUp(this.parts.processOf(node).address, this.parts.clock.nowMs);
  }

  /** Replaces the files of a stopped node by a backup. Later writes are gone from this disk. */
  restore(node: WorldNode, backup: Backup): void {
    const process = this.#down(node);
    this.meddle(`restore ${node.nodeId} as of ${backup.atMs.toFixed(0)} ms`);
    this.parts.disks.restore(process.address, backup);
    this.parts.observers.tell('diskLost', process);
  }

  /** Cuts the end off the write-ahead log of a stopped node: the disk broke its promise. */
  tear(node: WorldNode, shareKept: number): void {
    checkArguments('tear', { shareKept }, { shareKept: kinds.share });
    const process = this.#down(node);
    this.meddle(`tear the log of ${node.nodeId} to ${shareKept}`);
    if (this.parts.disks.tear(process.address, shareKept)) this.parts.observers.tell('diskLost', process);
  }

  /** Overwrites the files of a stopped node with noise: its database is damaged beyond repair. */
  damage(node: WorldNode): void {
    const process = this.#down(node);
    this.meddle(`damage the database of ${node.nodeId}`);
    this.parts.disks.damage(process.address);
    this.parts.observers.tell('diskLost', process);
  }

  /** Moves the files of a stopped node away: it starts empty, and receives what its peers have. */
  wipe(node: WorldNode): void {
    const process = this.#down(node);
    this.meddle(`wipe ${node.nodeId}`);
    this.parts.disks.wipe(process.address);
    this.parts.observers.tell('diskLost', process);
  }

  protected dismissStrangers(): void {
    for (const strangers of this.#strangers) strangers.end();
    this.#strangers.clear();
  }

  /** @param partition The groups of names that cannot hear each other from now on, if that changes */
  protected meddle(what: string, partition?: readonly (readonly string[])[]): void {
    this.parts.observers.tell('meddled', what, ...(partition === undefined ? [] : [partition]));
  }

  #down(node: WorldNode): NodeProcess {
    const process = this.parts.processOf(node);
    if (process.isThere) throw new Error(`${node.nodeId} is up: crash or stop it before you touch its disk.`);
    return process;
  }

  #cut(from: Place, to: Place): void {
    this.parts.hub.cut(from.address, to.address);
    this.parts.health.cut(from.address, to.address);
  }
}

function namesOf(places: readonly Place[]): string {
  return places.map(({ name }) => name).join(' ');
}
