/**
 * What happens in a run of the swarm, as data: the options of the nodes, the writes and their times, and the faults and
 * their times. A plan is drawn from the seed, so it can be drawn again; it consists of lists, so it can be shortened.
 */

import type { ConfigurationInput } from '../../configuration/schema.js';
import { limits } from '../../core/limits.js';
import { kinds, readOptions, wholeNumber } from '../../core/options.js';
import { type DiskFailure, diskFailures } from '../failing-disk.js';
import type { Topology } from '../network/topology.js';
import type { Moment } from '../node.js';
import { simulationShape } from '../options.js';
import { type RandomStream, randomStream } from '../random.js';

type At<Kind, Details> = { readonly atMs: number; readonly kind: Kind } & Readonly<Details>;

/** Nodes are given by their number, from 0. */
export type Fault =
  | At<'partition', { group: readonly number[]; oneWay: boolean }>
  | At<'heal', object>
  | At<'clog', { from: number; to: number; forMs: number }>
  | At<'weather', { loss: number; duplication: number; latencyMs: number }>
  /** Breaks the open connections between two nodes, at any place within a frame. */
  | At<'reset', { from: number; to: number }>
  | At<'crash' | 'stop', { node: number; downMs: number }>
  | At<'crashAt', { node: number; moment: Moment; downMs: number }>
  | At<'skew', { node: number; byMs: number }>
  | At<'fillDisk', { node: number; forMs: number }>
  /** Reads or writes fail for a while. Cloud nodes are numbered after the others. */
  | At<'failDisk', { node: number; failure: DiskFailure; forMs: number }>
  /** The state that `restore` puts back. */
  | At<'backUp', { node: number }>
  /** Killed, and started with the files of the last backup. */
  | At<'restore', { node: number; downMs: number }>
  /** Killed, and the end of its log is gone. */
  | At<'tear', { node: number; shareKept: number; downMs: number }>
  | At<'cloudCrash', { cloud: number; downMs: number }>
  /** Nothing passes between a node and a cloud node until the next heal. */
  | At<'uplink', { node: number; cloud: number }>
  | At<'authority', { trouble: AuthorityTrouble; forMs: number }>
  /** An operator disables a cloud peer on one node, and enables it again on another. */
  | At<'maintenance', { node: number; cloud: number; other: number; forMs: number }>
  /** A node may not lead for a while. */
  | At<'ineligible', { node: number; forMs: number }>
  /** Some fields change, for good. */
  | At<'reconfigure', { node: number; partial: Partial<ConfigurationInput>; isWritten: 'now' | 'then' }>
  /** Continues under another NodeId, and after a while under its own again. */
  | At<'rename', { node: number; nodeId: string; forMs: number; isWritten: 'now' | 'then' }>
  /**
   * Is asked to listen at an impossible address, to take an identity whose database is invalid, or for an invalid
   * field: the change must have no effect.
   */
  | At<'misconfigure', { node: number; what: 'address' | 'database' | 'field' }>
  /** Several reconfigurations at once: the last wins. */
  | At<'waver', { node: number; ports: readonly number[] }>
  /** The cluster key is replaced on all nodes, in three steps. */
  | At<'rotate', { key: string; stepMs: number }>
  /** Is asked to listen on a port that another program occupies for a while. */
  | At<'occupy', { node: number; port: number; forMs: number }>
  /** Is asked for another NodeId and another port, while its disk has no room for another database. */
  | At<'cramp', { node: number; nodeId: string; port: number; forMs: number }>
  /** Learns the addresses of some other nodes as they are now, even if they change later. */
  | At<'acquaint', { node: number; peers: readonly number[] }>
  /** The line between two nodes has this bandwidth and latency from then on. */
  | At<'link', { from: number; to: number; bytesPerSecond: number; roundTripMs: number }>
  /** The line between a node and a cloud node. */
  | At<'cloudLink', { node: number; cloud: number; bytesPerSecond: number; roundTripMs: number }>
  /** Unknown machines connect for a while. Cloud nodes are numbered after the others. */
  | At<'strangers', { node: number; perSecond: number; says: 'nothing' | 'noise'; forMs: number }>;

export const authorityTroubles = ['down', 'slow', 'rubbish', 'refuse', 'fail', 'hang', 'rotate'] as const;
export type AuthorityTrouble = (typeof authorityTroubles)[number];

/** A write at its time. */
export interface PlannedWrite {
  readonly atMs: number;
  readonly node: number;
  readonly key: string;
  /** Undefined means a delete. */
  readonly value: number | undefined;
  /** The size to which the document is padded. */
  readonly bytes?: number;
}

/**
 * How the nodes are wired: as one local network, as two that one node connects, or as two that only the cloud connects.
 */
export type Wiring = Topology | 'bridge' | 'sites';

/** A run of a world as data: the nodes, their writes, and the faults. */
export interface Plan {
  readonly seed: number;
  readonly nodes: number;
  readonly wiring: Wiring;
  /** The number of cloud nodes. They are numbered after the other writers. */
  readonly clouds: number;
  /** The lifetime of an access token. */
  readonly tokenLifetimeMs: number;
  readonly durationMs: number;
  readonly options: Partial<ConfigurationInput>;
  readonly writes: readonly PlannedWrite[];
  readonly faults: readonly Fault[];
}

/** All kinds of trouble that can be drawn. */
export const faultDomains = [
  'network',
  'crash',
  'clock',
  'disk',
  'cloud',
  'reconfiguration',
  'links',
  'strangers',
] as const;
/** A kind of trouble that can be drawn. */
export type FaultDomain = (typeof faultDomains)[number];

/** The parameters from which a plan is drawn. */
export interface PlanOptions {
  readonly seed: number;
  /** The minimum and maximum number of nodes. */
  readonly nodes: readonly [number, number];
  readonly durationMs: number;
  /** The allowed kinds of faults; all by default. */
  readonly faults?: readonly FaultDomain[];
}

const planKinds = {
  nodes: {
    takes: 'a list of two whole numbers from 1, the smaller one first',
    accepts: (value: unknown) =>
      Array.isArray(value) &&
      value.length === 2 &&
      value.every((count) => wholeNumber(1).accepts(count)) &&
      value[0] <= value[1],
  },
  durationMs: kinds.amount,
  faults: {
    takes: `a list of some of ${faultDomains.join(', ')}`,
    accepts: (value: unknown) => Array.isArray(value) && value.every((domain) => faultDomains.includes(domain)),
  },
};
const planShape = simulationShape<PlanOptions>(
  'drawPlan',
  { seed: { takes: 'a finite number', accepts: Number.isFinite }, ...planKinds },
  ...(['seed', 'nodes', 'durationMs'] as const),
);

export function drawPlan(options: PlanOptions): Plan {
  const {
    seed,
    nodes: [fewest, most],
    durationMs,
    faults = faultDomains,
  } = readOptions(options, planShape);
  const nodes = fewest + randomStream(seed, 'plan nodes').below(most - fewest + 1);
  const cloud = randomStream(seed, 'plan clouds');
  const clouds = cloud.pick([0, 1, 1, 2]);
  const wiring = randomStream(seed, 'plan wiring').pick(wirings);
  return {
    seed,
    nodes,
    wiring: clouds > 0 && cloud.float() < 0.2 ? 'sites' : wiring,
    clouds,
    tokenLifetimeMs: cloud.pick([20_000, 60_000, 3_600_000]),
    durationMs,
    options: drawOptions(randomStream(seed, 'plan options')),
    writes: [
      ...drawWrites(randomStream(seed, 'plan writes'), nodes + clouds, durationMs),
      ...(faults.includes('links') ? drawLargeWrites(randomStream(seed, 'plan large writes'), nodes, durationMs) : []),
    ].sort((a, b) => a.atMs - b.atMs),
    // Each domain draws for itself, so that leaving one out does not change the others.
    faults: faultDomains
      .filter((domain) => faults.includes(domain))
      .flatMap((domain) => streamsOf(domain).map((label) => ({ label, draw: draws[label] })))
      .flatMap(({ label, draw }) =>
        drawFaults(randomStream(seed, `plan ${label}`), { draw, nodes, clouds, durationMs }),
      )
      .sort((a, b) => a.atMs - b.atMs),
  };
}

/** Mostly meshes, as most clusters are. */
const wirings: readonly Wiring[] = ['mesh', 'mesh', 'mesh', 'mesh', 'ring', 'star', 'chain', 'bridge'];

function drawOptions(random: RandomStream): Plan['options'] {
  return {
    heartbeatIntervalMs: random.pick([250, 1_000, 1_000, 3_000]),
    syncIntervalMs: random.pick([500, 2_000, 2_000, 10_000]),
    beaconIntervalMs: random.pick([1_000, 5_000, 5_000]),
  };
}

/** From few documents, which collide, to many. */
const keysInAll = [3, 20, 200];

/** Names that mean something to JavaScript: documents and nodes may have them. */
const treacherousKeys = ['__proto__', 'constructor', 'toString'];
const treacherousNodeIds = ['constructor', 'hasOwnProperty', 'isPrototypeOf', 'toString', 'valueOf'];

function keyOf(number: number): string {
  return treacherousKeys[number] ?? `k${number}`;
}
const burstWrites = 400;

function drawWrites(random: RandomStream, nodes: number, durationMs: number): PlannedWrite[] {
  // From a trickle to a steady stream.
  const meanGapMs = random.pick([50, 200, 1_000]);
  const keys = random.pick(keysInAll);
  const writes: PlannedWrite[] = [];
  const draw = (atMs: number): PlannedWrite => {
    const value = random.float() < 0.2 ? undefined : writes.length;
    const write = { atMs, node: random.below(nodes), key: keyOf(random.below(keys)), value };
    return random.float() < 0.02 ? { ...write, bytes: random.pick([1_000, 100_000, 300_000]) } : write;
  };
  for (let atMs = random.float() * meanGapMs; atMs < durationMs; atMs += random.float() * 2 * meanGapMs) {
    const write = draw(atMs);
    writes.push(write);
    const kind = random.float();
    if (kind < 0.05) {
      // Two nodes write the same document at the same instant: often with the same stamp.
      writes.push({ ...draw(atMs), node: (write.node + 1) % nodes, key: write.key });
    } else if (kind < 0.1) {
      // Several writes in one transaction, some to the same document.
      for (let count = random.below(4); count >= 0; count -= 1) writes.push({ ...draw(atMs), node: write.node });
    } else if (kind < 0.103) {
      for (let count = burstWrites; count > 0; count -= 1) writes.push({ ...draw(atMs), node: write.node });
    }
  }
  return writes;
}

/** In some runs, one or two documents that take minutes on a narrow line. */
function drawLargeWrites(random: RandomStream, nodes: number, durationMs: number): PlannedWrite[] {
  if (random.float() < 0.7) return [];
  return Array.from({ length: 1 + random.below(2) }, (_, value) => ({
    atMs: random.float() * durationMs,
    node: random.below(nodes),
    key: `large-${random.below(2)}`,
    value,
    bytes: Math.round(logUniform(random, 300_000, limits.documentBytesMax - 100)),
  }));
}

/** As many between 1 and 10 as between 10 and 100. */
function logUniform(random: RandomStream, least: number, most: number): number {
  return least * (most / least) ** random.float();
}

/** From a modem to a fast network, and from the next room to beyond several satellites. */
function drawLine(random: RandomStream): { bytesPerSecond: number; roundTripMs: number } {
  return {
    bytesPerSecond: Math.round(logUniform(random, 4_000, 125_000_000)),
    roundTripMs: Number(logUniform(random, 1, 5_000).toPrecision(3)),
  };
}

/** Obstacles and failing disks draw for themselves, too, so that everything else stays the same without them. */
type FaultStream = FaultDomain | 'obstacles' | 'failing disks';

function streamsOf(domain: FaultDomain): readonly FaultStream[] {
  if (domain === 'reconfiguration') return [domain, 'obstacles'];
  return domain === 'disk' ? [domain, 'failing disks'] : [domain];
}

/** Between two faults. In some runs a domain is quiet, because one fault may hide what another shows. */
const meanGapsMs = [2_000, 6_000, 20_000, Number.POSITIVE_INFINITY];
/** Each group of strangers opens hundreds of connections. */
const meanGapsOfStrangersMs = [30_000, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];

interface FaultOptions {
  readonly draw: DrawFault;
  readonly nodes: number;
  readonly clouds: number;
  readonly durationMs: number;
}

function drawFaults(random: RandomStream, { draw, nodes, clouds, durationMs }: FaultOptions): Fault[] {
  const meanGapMs = random.pick(draw === draws.strangers ? meanGapsOfStrangersMs : meanGapsMs);
  const faults: Fault[] = [];
  for (let atMs = random.float() * meanGapMs; atMs < durationMs; atMs += random.float() * 2 * meanGapMs) {
    faults.push(draw(random, atMs, nodes, clouds));
  }
  return faults;
}

function drawPort(random: RandomStream): number {
  return 9_000 + random.below(5);
}

function drawPartial(random: RandomStream): Partial<ConfigurationInput> {
  switch (random.pick(['port', 'port', 'beats', 'beacons', 'election', 'discovery', 'several'] as const)) {
    case 'port':
      return { port: drawPort(random) };
    case 'beats':
      return { heartbeatIntervalMs: random.pick([250, 1_000, 3_000]), syncIntervalMs: random.pick([500, 2_000]) };
    case 'beacons':
      return { beaconIntervalMs: random.pick([1_000, 5_000]) };
    case 'election':
      return { eligible: random.float() < 0.5, electionIntervalMs: random.pick([1_000, 5_000]) };
    case 'discovery':
      return { discovery: random.float() < 0.3 };
    case 'several':
      return {
        port: drawPort(random),
        heartbeatIntervalMs: 1_000,
        eligible: true,
        discoveryPort: random.pick([25_000, 25_001]),
      };
  }
}

type DrawFault = (random: RandomStream, atMs: number, nodes: number, clouds: number) => Fault;

const draws: Readonly<Record<FaultStream, DrawFault>> = {
  network(random, atMs, nodes) {
    switch (random.pick(['partition', 'heal', 'heal', 'clog', 'weather', 'reset'] as const)) {
      case 'partition': {
        const group = Array.from({ length: nodes }, (_, node) => node).filter(() => random.float() < 0.5);
        return { atMs, kind: 'partition', group, oneWay: random.float() < 0.3 };
      }
      case 'heal':
        return { atMs, kind: 'heal' };
      case 'clog': {
        const forMs = random.pick([100, 2_000, 8_000]);
        return { atMs, kind: 'clog', from: random.below(nodes), to: random.below(nodes), forMs };
      }
      case 'weather':
        return {
          atMs,
          kind: 'weather',
          loss: random.pick([0, 0.01, 0.2]),
          duplication: random.pick([0, 0.1]),
          latencyMs: random.pick([0.3, 5, 100]),
        };
      case 'reset':
        return { atMs, kind: 'reset', from: random.below(nodes), to: random.below(nodes) };
    }
  },
  crash(random, atMs, nodes) {
    const node = random.below(nodes);
    const downMs = random.pick([0, 100, 2_000, 10_000]);
    const kind = random.pick(['crash', 'stop', 'crashAt'] as const);
    if (kind !== 'crashAt') return { atMs, kind, node, downMs };
    return { atMs, kind, node, moment: random.pick(['commit', 'acknowledgement']), downMs };
  },
  clock(random, atMs, nodes) {
    // Mostly within what nodes tolerate, sometimes beyond.
    const reachMs = random.pick([50, 20_000, 20_000, 90_000]);
    return { atMs, kind: 'skew', node: random.below(nodes), byMs: Math.round((random.float() * 2 - 1) * reachMs) };
  },
  disk(random, atMs, nodes) {
    const node = random.below(nodes);
    const downMs = random.pick([0, 500, 5_000]);
    switch (random.pick(['fillDisk', 'backUp', 'backUp', 'restore', 'tear'] as const)) {
      case 'fillDisk':
        return { atMs, kind: 'fillDisk', node, forMs: random.pick([500, 5_000]) };
      case 'backUp':
        return { atMs, kind: 'backUp', node };
      case 'restore':
        return { atMs, kind: 'restore', node, downMs };
      case 'tear':
        return { atMs, kind: 'tear', node, shareKept: random.float(), downMs };
    }
  },
  'failing disks'(random, atMs, nodes, clouds) {
    const node = random.below(nodes + clouds);
    return {
      atMs,
      kind: 'failDisk',
      node,
      failure: random.pick(diskFailures),
      forMs: random.pick([200, 3_000, 20_000]),
    };
  },
  reconfiguration(random, atMs, nodes) {
    const node = random.below(nodes);
    const isWritten = random.pick(['now', 'then'] as const);
    const kinds = ['reconfigure', 'reconfigure', 'rename', 'rename', 'misconfigure', 'waver', 'rotate'] as const;
    const kind = random.pick(kinds);
    switch (kind) {
      case 'reconfigure':
        return { atMs, kind, node, partial: drawPartial(random), isWritten };
      case 'rename': {
        // Before all others in the order of elections, or after them.
        const [name, number] = [random.pick(['a', 'node-b', 'z']), random.below(3)];
        // A different one for each node; otherwise two nodes would have the same NodeId.
        const treacherous = name === 'node-b' && number === 0 ? treacherousNodeIds[node] : undefined;
        const nodeId = treacherous ?? `${name}-${node}-${number}`;
        return { atMs, kind, node, nodeId, forMs: random.pick([200, 3_000, 15_000]), isWritten };
      }
      case 'misconfigure':
        return { atMs, kind, node, what: random.pick(['address', 'database', 'field']) };
      case 'waver':
        return { atMs, kind, node, ports: Array.from({ length: 2 + random.below(4) }, () => drawPort(random)) };
      case 'rotate':
        return { atMs, kind, key: `a key of ${atMs.toFixed(0)} ms`, stepMs: random.pick([100, 3_000]) };
    }
  },
  obstacles(random, atMs, nodes) {
    const node = random.below(nodes);
    const forMs = random.pick([0, 100, 2_000, 10_000]);
    const kind = random.pick(['occupy', 'cramp', 'acquaint'] as const);
    switch (kind) {
      case 'occupy':
        return { atMs, kind, node, port: 9_100 + random.below(3), forMs };
      case 'cramp':
        return {
          atMs,
          kind,
          node,
          nodeId: `${random.pick(['b', 'y'])}-${node}-${random.below(5)}`,
          port: drawPort(random),
          forMs,
        };
      case 'acquaint':
        return { atMs, kind, node, peers: Array.from({ length: random.below(nodes) }, () => random.below(nodes)) };
    }
  },
  links(random, atMs, nodes, clouds) {
    // Most lines exist from the start.
    const at = { atMs: random.float() < 0.7 ? 0 : atMs };
    const [node, line] = [random.below(nodes), drawLine(random)];
    if (clouds > 0 && random.float() < 0.4) {
      return { ...at, kind: 'cloudLink', node, cloud: random.below(clouds), ...line };
    }
    return { ...at, kind: 'link', from: node, to: random.below(nodes), ...line };
  },
  strangers(random, atMs, nodes, clouds) {
    return {
      atMs,
      kind: 'strangers',
      node: random.below(nodes + clouds),
      perSecond: random.pick([1, 10, 10, 100]),
      says: random.pick(['nothing', 'noise']),
      forMs: random.pick([2_000, 8_000, 20_000]),
    };
  },
  cloud(random, atMs, nodes, clouds) {
    const forMs = random.pick([500, 5_000, 20_000]);
    const ineligible = { atMs, kind: 'ineligible', node: random.below(nodes), forMs } as const;
    if (clouds === 0) return ineligible;
    const [node, other, cloud] = [random.below(nodes), random.below(nodes), random.below(clouds)];
    switch (random.pick(['cloudCrash', 'uplink', 'authority', 'authority', 'maintenance', 'ineligible'] as const)) {
      case 'cloudCrash':
        return { atMs, kind: 'cloudCrash', cloud, downMs: forMs };
      case 'uplink':
        return { atMs, kind: 'uplink', node, cloud };
      case 'authority':
        return { atMs, kind: 'authority', trouble: random.pick(authorityTroubles), forMs };
      case 'maintenance':
        return { atMs, kind: 'maintenance', node, cloud, other, forMs };
      case 'ineligible':
        return ineligible;
    }
  },
};
