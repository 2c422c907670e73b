/**
 * Discovery by UDP: announces this node and reports whom it hears.
 *
 * Only changes are reported: a node that appears, moves or has started anew, and one that has been silent for too long. A
 * beacon only suggests whom to dial; it proves nothing about who is alive.
 */
import { type EventObject, fromCallback } from 'xstate';
import { failureOf } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import { type Beacon, type BeaconCluster, decodeBeacon, encodeBeacon } from '../protocol/beacon.js';
import type { DiscoveryReport, Mailbox } from '../protocol/events.js';
import type { Identity } from '../protocol/messages.js';
import type { Datagrams, Network, Time, Timer } from '../protocol/ports.js';
import type { DiscoveryInput } from '../protocol/services.js';

export function createDiscovery({ network, time }: { network: Network; time: Time }) {
  return fromCallback<EventObject, DiscoveryInput>(({ input }) => {
    if (!input.configuration.discovery) return;
    const { parent, identity, configuration, keys } = input;
    const cluster = { clusterHash: keys?.clusterHash ?? '', beaconKey: keys?.beaconKey };
    const listener = new BeaconListener({ parent, identity, cluster, time });
    let datagrams: Datagrams | undefined;
    let timer: Timer | undefined;
    let sequence = 0;
    let stopped = false;

    const beat = () => {
      sequence += 1;
      const { nodeId, boot, port } = identity;
      datagrams?.broadcast(encodeBeacon({ nodeId, boot, port, sequence }, cluster));
      listener.dropSilent();
      timer = time.after(configuration.beaconIntervalMs, beat);
    };
    network
      .openDatagrams({
        port: configuration.discoveryPort,
        scope: configuration.lan ? 'lan' : 'loopback',
        received: (bytes, host) => listener.hear(bytes, host),
        failed: (failure) => parent.send({ type: 'discovery.failed', failure }),
      })
      .then(
        (opened) => {
          datagrams = opened;
          if (stopped) opened.close();
          else beat();
        },
        // Without discovery the node goes on with the peers it knows.
        (error) => parent.send({ type: 'discovery.failed', failure: failureOf(error) }),
      );
    return () => {
      stopped = true;
      timer?.cancel();
      datagrams?.close();
    };
  });
}

interface Heard {
  readonly host: string;
  readonly beacon: Beacon;
  readonly atMs: number;
}

interface ListenerOptions {
  readonly parent: Mailbox<DiscoveryReport>;
  readonly identity: Identity;
  readonly cluster: BeaconCluster;
  readonly time: Time;
}

/** Who was heard when: bounded in number and in rate, since anyone can send. */
class BeaconListener {
  readonly #options: ListenerOptions;
  readonly #heard = new Map<NodeId, Heard>();
  #duplicateBoot: string | undefined;
  #secondStartedMs = 0;
  #heardThisSecond = 0;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  hear(bytes: Uint8Array, host: string): void {
    const { parent, identity, cluster, time } = this.#options;
    if (!this.#hasRoomNow()) return;
    const decoded = decodeBeacon(bytes, cluster);
    // Our own boot, not our own NodeId: that is how a double is noticed.
    if (!decoded.ok || decoded.beacon.boot === identity.boot) return;
    const { beacon } = decoded;
    if (beacon.nodeId === identity.nodeId) {
      if (this.#duplicateBoot === beacon.boot) return;
      this.#duplicateBoot = beacon.boot;
      parent.send({ type: 'beacon.duplicated', host, boot: beacon.boot });
      return;
    }
    const before = this.#heard.get(beacon.nodeId);
    if (before === undefined && this.#heard.size >= limits.peersMax) return;
    if (before?.beacon.boot === beacon.boot && beacon.sequence <= before.beacon.sequence) return;
    this.#heard.set(beacon.nodeId, { host, beacon, atMs: time.monotonicMs() });
    const isNews = before?.beacon.boot !== beacon.boot || before.host !== host || before.beacon.port !== beacon.port;
    if (isNews) {
      parent.send({ type: 'peer.discovered', nodeId: beacon.nodeId, address: { host, port: beacon.port } });
    }
  }

  dropSilent(): void {
    const now = this.#options.time.monotonicMs();
    for (const [nodeId, { atMs }] of this.#heard) {
      if (now - atMs < limits.beaconGoneMs) continue;
      this.#heard.delete(nodeId);
      this.#options.parent.send({ type: 'peer.vanished', nodeId });
    }
  }

  #hasRoomNow(): boolean {
    const now = this.#options.time.monotonicMs();
    if (now - this.#secondStartedMs >= 1_000) {
      this.#secondStartedMs = now;
      this.#heardThisSecond = 0;
    }
    this.#heardThisSecond += 1;
    return this.#heardThisSecond <= limits.beaconsPerSecondMax;
  }
}
