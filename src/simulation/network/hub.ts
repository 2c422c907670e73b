/**
 * The simulated network: all machines, the segments that connect them, and the rules that decide what happens to
 * everything that is sent.
 *
 * Invariants:
 * - Bytes of one direction of a stream arrive in the order in which they were sent, or not at all.
 * - A partition breaks nothing by itself: bytes that are sent into it wait, and arrive when it heals. A pulled cable
 *   does the same, and that is why heartbeats must notice silence.
 * - A process that is gone closes its streams on the other side, as far as the network lets that through.
 * - What happens depends only on the seed and on the order of requests.
 */
import type { Network } from '../../ports/ports.js';
import type { VirtualClock } from '../clock.js';
import type { RandomStream } from '../random.js';
import type { LineQuality } from './bottleneck.js';
import { DatagramExchange } from './datagrams.js';
import type { Broadcast, Delivery, Speech, Taps } from './delivery.js';
import { Machine } from './machine.js';
import { ProcessNetwork } from './process-network.js';
import { Routes } from './routes.js';
import type { RuleList } from './rule-list.js';
import { clog, cut, oneWay, retransmitAfterMs } from './rules.js';
import { Stream } from './stream.js';
import type { Endpoint } from './stream-end.js';
import type { Topology } from './topology.js';
import { damageOf, fairWeather, paceOf, type Weather } from './weather.js';

/** A parcel is lost this often in a row only once in thousands of times. */
const resendsMax = 5;

/**
 * One process on the network. Its address is that of its machine: a new process of the same node may have the same one.
 */
export interface Host {
  readonly address: string;
  /** The local networks of its machine; a machine with two of them is a bridge. */
  readonly segments: ReadonlySet<string>;
  /** What connections that it accepts carry, for observers; frames by default. */
  readonly speaks?: Speech;
}

export class NetworkHub implements Taps {
  /** Called with everything that reaches its destination. Costs nothing when unused. */
  onDelivery: ((delivery: Delivery) => void) | undefined;
  /** Called with every datagram that is sent, before any rule applies: for replaying beacons. */
  onBroadcast: ((broadcast: Broadcast) => void) | undefined;
  readonly #routes: Routes;
  readonly #exchange: DatagramExchange;
  readonly #machines = new Map<string, Machine>();
  readonly #processes = new WeakMap<Host, ProcessNetwork>();
  /** Addresses by the names of their machines. */
  readonly #names = new Map<string, string>();
  readonly #streams = new Set<Stream>();
  /** By the addresses of both ends. */
  readonly #lines = new Map<string, LineQuality>();
  #weather = fairWeather;
  #streamCount = 0;
  #endDamage: (() => void)[] = [];

  /** `random` makes the sub-stream of a label. */
  constructor(clock: VirtualClock, random: (label: string) => RandomStream) {
    this.#routes = new Routes(clock, random, paceOf(fairWeather));
    this.#exchange = new DatagramExchange(this.#routes, this);
  }

  /**
   * What the network does, in order: the first rule that returns a verdict wins. The weather comes last and lets
   * everything pass.
   */
  get rules(): RuleList {
    return this.#routes.rules;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  /** Listeners and datagram sockets. */
  get openSockets(): number {
    const listeners = [...this.#machines.values()].reduce((sum, machine) => sum + machine.listeners.size, 0);
    return listeners + this.#exchange.openSockets;
  }

  /**
   * The longest time that the weather lets a parcel take, one way, including retransmissions of lost ones; few are lost
   * that often.
   */
  get latencyMaxMs(): number {
    const { latencyMs, jitterMs, loss } = this.#weather;
    return latencyMs + jitterMs + (loss > 0 ? resendsMax * retransmitAfterMs : 0);
  }

  /** The worst bandwidth and latency of all narrow or long lines. */
  get slowest(): LineQuality {
    const lines = [...this.#lines.values()];
    return {
      bytesPerSecond: Math.min(...lines.map(({ bytesPerSecond }) => bytesPerSecond)),
      latencyMs: Math.max(0, ...lines.map(({ latencyMs }) => latencyMs)),
    };
  }

  /** What happens to everything that no rule concerns. */
  get weather(): Weather {
    return this.#weather;
  }

  set weather(weather: Weather) {
    this.#weather = weather;
    this.#routes.pace = paceOf(weather);
    const before = this.#endDamage;
    this.#endDamage = damageOf(weather).map((rule) => this.rules.add(rule));
    for (const end of before) end();
  }

  /** The network as a process of this host sees it. */
  join(host: Host): Network {
    const { address, segments, speaks = 'bytes' } = host;
    this.#routes.segments.place(address, segments);
    const machine = this.#machines.get(address) ?? new Machine(address, speaks);
    this.#machines.set(address, machine);
    const network = new ProcessNetwork({
      machine,
      routes: this.#routes,
      taps: this,
      exchange: this.#exchange,
      openStream: (dialer, listener) => this.#openStream(dialer, listener),
      resolve: (name) => (isAddress.test(name) ? name : this.#names.get(name.toLowerCase())),
      listenerAt: (at, port) => this.#machines.get(at)?.listeners.get(port),
    });
    this.#processes.set(host, network);
    return network;
  }

  /** Removes a process that crashed or stopped, with its sockets: it receives nothing any more. */
  leave(host: Host): void {
    this.#processes.get(host)?.leave();
  }

  /** Sets how the machines of a segment are wired; a mesh by default. */
  segment(name: string, topology: Topology): void {
    this.#routes.segments.setTopology(name, topology);
  }

  /** Moves a machine to other segments, as a laptop is carried. */
  move(address: string, segments: ReadonlySet<string>): void {
    this.#routes.segments.place(address, segments);
  }

  /** Makes a machine public: every other machine reaches it, by a name and by its address. */
  publish(address: string, name: string): void {
    this.#names.set(name.toLowerCase(), address);
    this.#routes.segments.publish(address);
  }

  /** The ports on which a machine accepts connections. */
  portsOf(address: string): readonly number[] {
    return [...(this.#machines.get(address)?.listeners.keys() ?? [])];
  }

  /** The number of open datagram sockets of a machine. */
  datagramSocketsOf(address: string): number {
    return this.#exchange.openSocketsOf(address);
  }

  /**
   * Lets another program of a machine listen on a port.
   *
   * @returns Whether the port was free
   */
  occupy(address: string, port: number): boolean {
    return this.#machines.get(address)?.occupy(port) ?? false;
  }

  /** Ends the other program. */
  vacate(address: string, port: number): void {
    this.#machines.get(address)?.occupied.delete(port);
  }

  /** Whether two machines are on one local network and wired to each other, apart from faults. */
  areLocal(a: string, b: string): boolean {
    return this.#routes.of(a, b).isLocal;
  }

  /** Whether bytes of one machine can reach the other, apart from faults. */
  reach(from: string, to: string): boolean {
    return this.#routes.of(from, to).isReachable;
  }

  /**
   * Cuts the way from one address to the other, in this direction only, until `heal` or until the returned function is
   * called.
   */
  cut(from: string, to: string): () => void {
    return this.rules.add(cut(oneWay(from, to), `cut ${from} -> ${to}`));
  }

  /** Holds everything that one address sends to another for some time. */
  clog(from: string, to: string, forMs: number): () => void {
    const untilMs = this.#routes.clock.nowMs + forMs;
    return this.rules.add(clog(oneWay(from, to), untilMs, `clog ${from} -> ${to}`));
  }

  /**
   * Sets the bandwidth and latency of the line from one address to the other; undefined makes it like all others again.
   * It outlasts `heal`.
   */
  line(from: string, to: string, quality: LineQuality | undefined): void {
    this.#routes.of(from, to).quality = quality;
    if (quality === undefined) this.#lines.delete(`${from} ${to}`);
    else this.#lines.set(`${from} ${to}`, quality);
  }

  /** The line from one address to the other, if it is narrow or long. */
  lineBetween(from: string, to: string): LineQuality | undefined {
    return this.#lines.get(`${from} ${to}`);
  }

  /** Breaks all streams between two machines now. */
  reset(a: string, b: string): void {
    for (const stream of [...this.#streams]) if (stream.isBetween(a, b)) stream.break();
  }

  /** Ends all faults and bad weather. Bytes that waited are sent now, although they are old. */
  heal(): void {
    this.#endDamage = [];
    this.#weather = fairWeather;
    this.#routes.pace = paceOf(fairWeather);
    this.rules.clear();
  }

  /** Sends a forged or replayed datagram to all sockets in a segment that listen on the port. */
  inject(segment: string, port: number, bytes: Uint8Array, senderHost: string): void {
    this.#exchange.inject(segment, port, bytes, senderHost);
  }

  #speechBetween(dialer: string, listener: string): Speech {
    const speaks = (address: string) => this.#machines.get(address)?.speaks ?? 'bytes';
    return speaks(dialer) === 'noise' ? 'noise' : speaks(listener);
  }

  #openStream(dialer: Endpoint, listener: Endpoint): Stream {
    const forgotten = (stream: Stream) => void this.#streams.delete(stream);
    this.#streamCount += 1;
    const stream = new Stream({
      number: this.#streamCount,
      speech: this.#speechBetween(dialer.address, listener.address),
      routes: this.#routes,
      taps: this,
      dialer,
      listener,
      forgotten,
    });
    this.#streams.add(stream);
    return stream;
  }
}

/** IPv4 and IPv6 addresses; everything else is a name. */
const isAddress = /^[\d.]+$|:/;
