/**
 * Discovery by UDP: announces this node and reports the nodes that it hears.
 *
 * Only changes are reported: a node that appears, moves or has restarted, and a node that has been silent for too long.
 * A beacon only suggests whom to dial; it does not prove that a node is alive.
 */
import { fromCallback } from 'xstate';
import type { DiscoveryCommand, DiscoveryReport, Mailbox } from '../actors/mailboxes.js';
import type { DiscoveryInput } from '../actors/slots.js';
import { type Failure, failureOf } from '../core/errors.js';
import type { Boot, NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { Datagrams, Network, Time, Timer } from '../ports/ports.js';
import { type Beacon, type BeaconCluster, decodeBeacon, encodeBeacon } from '../wire/beacon.js';
import type { Identity } from '../wire/messages.js';
import type { Acquaintances } from './acquaintances.js';

interface Surroundings {
  readonly network: Network;
  readonly time: Time;
  readonly acquaintances: Acquaintances;
}

export function createDiscovery({ network, time, acquaintances }: Surroundings) {
  // Continues when discovery restarts: receivers ignore an old number of a known boot.
  let sequence = 0;
  return fromCallback<DiscoveryCommand, DiscoveryInput>(({ input, receive }) => {
    if (!input.configuration.discovery) return;
    const { parent, identity, configuration, keys } = input;
    let { port } = identity;
    let datagrams: Datagrams | undefined;
    let timer: Timer | undefined;
    let stopped = false;
    let isAnswering = false;
    receive((command) => {
      ({ port } = command);
      timer?.cancel();
      if (datagrams !== undefined) beat();
    });
    const clusters: readonly BeaconCluster[] = keys?.all ?? [open];
    const [own = open] = clusters;
    const listener = new BeaconListener({
      parent,
      identity,
      clusters,
      time,
      acquaintances,
      intervalMs: configuration.beaconIntervalMs,
      answerDouble: () => {
        // One beacon answers all doubles, and they cannot put it off.
        if (stopped || isAnswering) return;
        isAnswering = true;
        timer?.cancel();
        timer = time.after(answerMsOf(configuration.beaconIntervalMs), beat);
      },
    });

    const beat = () => {
      const { nodeId, boot } = identity;
      isAnswering = false;
      datagrams?.broadcast(() => {
        // Each network gets a number of its own; otherwise a receiver on two networks would take the second beacon for
        // a copy of the first.
        sequence += 1;
        return encodeBeacon({ nodeId, boot, port, sequence }, own);
      });
      listener.dropSilent();
      timer = time.after(configuration.beaconIntervalMs, beat);
    };
    network
      .openDatagrams({
        port: configuration.discoveryPort,
        scope: configuration.lan ? 'lan' : 'loopback',
        received: (bytes, host) => listener.hear(bytes, host),
        failed: (failure) => parent.send({ type: 'discovery.failed', failure }),
        interfacesChanged: () => parent.send({ type: 'interfaces.changed' }),
      })
      .then(
        (opened) => {
          datagrams = opened;
          if (stopped) opened.close();
          else beat();
        },
        // Without discovery the node continues with the peers that it knows.
        (error) => parent.send({ type: 'discovery.failed', failure: failureOf(error) }),
      );
    return () => {
      stopped = true;
      timer?.cancel();
      datagrams?.close();
    };
  });
}

/** A double gets a beacon after this time, and answers: both know of each other long before their next beacons. */
function answerMsOf(intervalMs: number): number {
  return Math.min(limits.doubleAnswerMs, intervalMs);
}

/** With security `none`. */
const open: BeaconCluster = { clusterHash: '', beaconKey: undefined };

interface Heard {
  readonly beacon: Beacon;
  /** Where its beacons come from: one place for each network that both nodes are on. */
  readonly places: Map<string, Place>;
  /** When it was last reported. */
  reportedAtMs: number;
  /** Boots of the node that have ended: their beacons can only be replays. */
  readonly retired: Boot[];
}

interface Place {
  readonly port: number;
  readonly atMs: number;
}

/** Boots that are remembered for each node, and doubles of this node. */
const endedBootsMax = 16;

interface ListenerOptions {
  readonly parent: Mailbox<DiscoveryReport>;
  readonly identity: Identity;
  readonly clusters: readonly BeaconCluster[];
  readonly time: Time;
  readonly acquaintances: Acquaintances;
  readonly intervalMs: number;
  /** Sends a beacon soon. Called twice for each double at most. */
  answerDouble(): void;
}

/** Possibly another process with this node's NodeId: the first beacon heard from it. */
interface Double {
  readonly sequence: number;
  readonly atMs: number;
  heardAtMs: number;
  isReported: boolean;
}

const foreignBeacon: Failure = {
  code: 'wrongClusterKey',
  message:
    'A node there announces itself with another cluster key or salt. If it is one of ours, configure the same key and salt on both; if not, give the clusters different values of discoveryPort.',
};

/** Which nodes were heard when: bounded in number and in rate, because any machine can send. */
class BeaconListener {
  readonly #options: ListenerOptions;
  readonly #heard = new Map<NodeId, Heard>();
  readonly #doubles = new Map<Boot, Double>();
  /** Hosts with beacons of other clusters, and when they were reported. */
  readonly #foreign = new Map<string, number>();
  #secondStartedMs = 0;
  /** By host, so that a flooding host loses only its own beacons. */
  readonly #heardThisSecond = new Map<string, number>();

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  hear(bytes: Uint8Array, host: string): void {
    const { parent, identity, clusters, time } = this.#options;
    if (!this.#hasRoomFor(host)) return;
    const decoded = decodeBeacon(bytes, ...clusters);
    // Compares the boot, not the NodeId: that is how a double is noticed.
    if (!decoded.ok && decoded.reason !== 'malformed') this.#tellForeign(host);
    if (!decoded.ok || decoded.beacon.boot === identity.boot) return;
    const { beacon } = decoded;
    if (beacon.nodeId === identity.nodeId) {
      this.#suspect(beacon, host);
      return;
    }
    const before = this.#heard.get(beacon.nodeId);
    if (before === undefined && this.#heard.size >= limits.peersMax) return;
    if (before?.beacon.boot === beacon.boot && beacon.sequence <= before.beacon.sequence) return;
    if (before?.retired.includes(beacon.boot)) return;
    this.#options.acquaintances.note(host);
    const isAnew = before?.beacon.boot !== beacon.boot;
    const retired = before === undefined ? [] : before.retired;
    if (before !== undefined && isAnew) retired.push(before.beacon.boot);
    const places = isAnew ? new Map<string, Place>() : before.places;
    const isNews = places.get(host)?.port !== beacon.port;
    const atMs = time.monotonicMs();
    // Moved to the end: the first entries are those that were heard longest ago.
    places.delete(host);
    places.set(host, { port: beacon.port, atMs });
    const isTold = isNews || atMs - (before?.reportedAtMs ?? 0) >= limits.heardAgainMs;
    this.#heard.set(beacon.nodeId, {
      beacon,
      places,
      reportedAtMs: isTold ? atMs : (before?.reportedAtMs ?? 0),
      retired: retired.slice(-endedBootsMax),
    });
    if (isNews) {
      parent.send({ type: 'peer.discovered', nodeId: beacon.nodeId, address: { host, port: beacon.port } });
      this.#forgetOldest(beacon.nodeId, places);
    } else if (isTold) {
      parent.send({ type: 'peer.heard', nodeId: beacon.nodeId });
    }
  }

  /** Two nodes with different keys never connect, and each would believe that it is alone. */
  #tellForeign(host: string): void {
    const { parent, time } = this.#options;
    const atMs = time.monotonicMs();
    const toldAtMs = this.#foreign.get(host);
    if (toldAtMs !== undefined && atMs - toldAtMs < limits.refusalNewsMs) return;
    if (toldAtMs === undefined && this.#foreign.size >= limits.refusalsRememberedMax) return;
    this.#foreign.set(host, atMs);
    parent.send({ type: 'beacon.foreign', host, failure: foreignBeacon });
  }

  #forgetOldest(nodeId: NodeId, places: Map<string, Place>): void {
    const [[host, { port }] = ['', { port: 0 }]] = places;
    if (places.size <= limits.addressesPerPeerMax) return;
    places.delete(host);
    this.#options.parent.send({ type: 'peer.vanished', nodeId, address: { host, port } });
  }

  /**
   * Reports a double once, and only if it continues to send beacons. A replay of this node's own beacons from before a
   * restart, or a late one, comes at once and then stops. This is no proof (the handshake decides); it only reduces
   * false alarms. A double is answered, because it sends its next beacon soon if it lives.
   */
  #suspect({ boot, sequence, port }: Beacon, host: string): void {
    const { parent, time, intervalMs, answerDouble } = this.#options;
    const atMs = time.monotonicMs();
    const double = this.#doubles.get(boot);
    if (double === undefined) {
      this.#forgetSilentDouble(atMs);
      if (this.#doubles.size >= endedBootsMax) return;
      this.#doubles.set(boot, { sequence, atMs, heardAtMs: atMs, isReported: false });
      answerDouble();
      return;
    }
    double.heardAtMs = atMs;
    const isLater = sequence > double.sequence && atMs - double.atMs >= answerMsOf(intervalMs) / 2;
    if (double.isReported || !isLater) return;
    double.isReported = true;
    parent.send({ type: 'beacon.duplicated', address: { host, port }, boot });
    // It may have heard only one beacon of ours yet.
    answerDouble();
  }

  /** Makes room: replays of many former boots would otherwise hide a double that comes later. */
  #forgetSilentDouble(nowMs: number): void {
    if (this.#doubles.size < endedBootsMax) return;
    for (const [boot, { heardAtMs }] of this.#doubles) {
      if (nowMs - heardAtMs < limits.beaconGoneMs) continue;
      this.#doubles.delete(boot);
      return;
    }
  }

  dropSilent(): void {
    const now = this.#options.time.monotonicMs();
    for (const [nodeId, { places }] of this.#heard) {
      const silent = [...places].filter(([, { atMs }]) => now - atMs >= limits.beaconGoneMs);
      for (const [host] of silent) places.delete(host);
      if (places.size === 0) {
        this.#heard.delete(nodeId);
        this.#options.parent.send({ type: 'peer.vanished', nodeId });
        continue;
      }
      for (const [host, { port }] of silent) {
        this.#options.parent.send({ type: 'peer.vanished', nodeId, address: { host, port } });
      }
    }
  }

  #hasRoomFor(host: string): boolean {
    const now = this.#options.time.monotonicMs();
    if (now - this.#secondStartedMs >= 1_000) {
      this.#secondStartedMs = now;
      this.#heardThisSecond.clear();
    }
    const count = (this.#heardThisSecond.get(host) ?? 0) + 1;
    if (count === 1 && this.#heardThisSecond.size >= limits.beaconHostsPerSecondMax) return false;
    this.#heardThisSecond.set(host, count);
    return count <= limits.beaconsPerSecondMax;
  }
}
