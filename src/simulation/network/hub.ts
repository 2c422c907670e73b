/**
 * The simulated network: all machines, the segments that connect them, and the rules that decide what becomes of everything
 * that one sends to another.
 *
 * Invariants:
 * - Bytes of one direction of a stream arrive in the order in which they were sent, or not at all.
 * - A partition breaks nothing by itself: what is sent into it waits, and arrives when it heals. That is what a cable does,
 *   and it is why silence has to be noticed by heartbeats.
 * - A process that is gone closes its streams on the other side, as far as the network lets that through.
 * - What happens depends on nothing but the seed and the order of what was asked for.
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

/** Nothing is lost so often in a row, but once in thousands of times. */
const resendsMax = 5;

/** One process on the network. Its address is that of its machine: a new process of the same node may have the same one. */
export interface Host {
  readonly address: string;
  /** The local networks that its machine is on; with two of them it is a bridge. */
  readonly segments: ReadonlySet<string>;
  /** What is said over connections that it accepts, for those who listen in; frames when left out. */
  readonly speaks?: Speech;
}

export class NetworkHub implements Taps {
  /** Called with all that reaches its destination. Costs nothing when unused. */
  onDelivery: ((delivery: Delivery) => void) | undefined;
  /** Called with all that is said by datagram, before anything has happened to it: for beacons that are to be played back. */
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

  /** What the network does, in order: the first rule that answers wins, and last comes the weather, which lets all pass. */
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

  /** How long a parcel takes at most, one way, as far as the weather goes; the lost ones are sent again, and few so often as that. */
  get latencyMaxMs(): number {
    const { latencyMs, jitterMs, loss } = this.#weather;
    return latencyMs + jitterMs + (loss > 0 ? resendsMax * retransmitAfterMs : 0);
  }

  /** The worst of all lines that are not as all others are. */
  get slowest(): LineQuality {
    const lines = [...this.#lines.values()];
    return {
      bytesPerSecond: Math.min(...lines.map(({ bytesPerSecond }) => bytesPerSecond)),
      latencyMs: Math.max(0, ...lines.map(({ latencyMs }) => latencyMs)),
    };
  }

  /** What becomes of everything that no rule concerns. */
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

  /** A process is gone, crashed or stopped: its sockets with it, and it hears of nothing any more. */
  leave(host: Host): void {
    this.#processes.get(host)?.leave();
  }

  /** Says how the machines of a segment are wired; a mesh when nothing was said. */
  segment(name: string, topology: Topology): void {
    this.#routes.segments.setTopology(name, topology);
  }

  /** Moves a machine to other segments, as a laptop is carried. */
  move(address: string, segments: ReadonlySet<string>): void {
    this.#routes.segments.place(address, segments);
  }

  /** Puts a machine where every other one reaches it, under a name and by its address. */
  publish(address: string, name: string): void {
    this.#names.set(name.toLowerCase(), address);
    this.#routes.segments.publish(address);
  }

  /** Where a machine accepts connections. */
  portsOf(address: string): readonly number[] {
    return [...(this.#machines.get(address)?.listeners.keys() ?? [])];
  }

  /** How many datagram sockets a machine has open. */
  datagramSocketsOf(address: string): number {
    return this.#exchange.openSocketsOf(address);
  }

  /** Some other program of a machine listens on a port. @returns Whether the port was free */
  occupy(address: string, port: number): boolean {
    return this.#machines.get(address)?.occupy(port) ?? false;
  }

  /** It does not any more. */
  vacate(address: string, port: number): void {
    this.#machines.get(address)?.occupied.delete(port);
  }

  /** Whether two machines are on one local network, and wired to each other, faults aside. */
  areLocal(a: string, b: string): boolean {
    return this.#routes.of(a, b).isLocal;
  }

  /** Whether anything that one machine sends can get to the other, faults aside. */
  reach(from: string, to: string): boolean {
    return this.#routes.of(from, to).isReachable;
  }

  /** Nothing passes from one address to the other until `heal`, or until the result is called. One way only. */
  cut(from: string, to: string): () => void {
    return this.rules.add(cut(oneWay(from, to), `cut ${from} -> ${to}`));
  }

  /** Holds up what one address sends to another for some time. */
  clog(from: string, to: string, forMs: number): () => void {
    const untilMs = this.#routes.clock.nowMs + forMs;
    return this.rules.add(clog(oneWay(from, to), untilMs, `clog ${from} -> ${to}`));
  }

  /** How narrow and long the line from one address to the other is; undefined makes it as all others are. It outlasts `heal`. */
  line(from: string, to: string, quality: LineQuality | undefined): void {
    this.#routes.of(from, to).quality = quality;
    if (quality === undefined) this.#lines.delete(`${from} ${to}`);
    else this.#lines.set(`${from} ${to}`, quality);
  }

  /** The line from one address to the other, if it is not as all others are. */
  lineBetween(from: string, to: string): LineQuality | undefined {
    return this.#lines.get(`${from} ${to}`);
  }

  /** Breaks all streams between two machines now. */
  reset(a: string, b: string): void {
    for (const stream of [...this.#streams]) if (stream.isBetween(a, b)) stream.break();
  }

  /** Ends all faults and bad weather. What has waited goes on its way now, stale as it is. */
  heal(): void {
    this.#endDamage = [];
    this.#weather = fairWeather;
    this.#routes.pace = paceOf(fairWeather);
    this.rules.clear();
  }

  /** Says something by datagram to all in a segment who listen on a port, forged or played back. */
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
