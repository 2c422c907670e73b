/**
 * The simulated network: streams that stay ordered and break whole, datagrams that may be lost, duplicated and reordered.
 *
 * Invariants:
 * - Bytes of one direction of a stream arrive in the order in which they were sent, or not at all.
 * - A partition breaks nothing by itself: what is sent into it waits, and arrives when it heals. That is what a cable does,
 *   and it is why silence has to be noticed by heartbeats.
 * - A process that is gone closes its streams on the other side, as far as the network lets that through.
 */
import type { Failure } from '../core/errors.js';
import { StatemeshError } from '../core/errors.js';
import type {
  Connection,
  ConnectionHandlers,
  ConnectionSecurity,
  DatagramOptions,
  Datagrams,
  DialOptions,
  Listening,
  ListenOptions,
  Network,
} from '../protocol/ports.js';
import type { VirtualClock } from './clock.js';
import type { Delivery } from './observer.js';
import type { RandomStream } from './random.js';

/** What the network does to what one host sends to another. */
export interface Weather {
  /** One way, in ms, before jitter. */
  readonly latencyMs: number;
  /** Added at random, up to so much. */
  readonly jitterMs: number;
  /** The share of datagrams that are lost, and of those that come twice. */
  readonly loss: number;
  readonly duplication: number;
}

export const fairWeather: Weather = { latencyMs: 0.3, jitterMs: 0.2, loss: 0, duplication: 0 };

interface Listener {
  readonly host: Host;
  readonly options: ListenOptions;
}

interface DatagramSocket {
  readonly host: Host;
  readonly options: DatagramOptions;
}

/** One process on the network. Its address is its own: a new process of the same node may have the same one. */
export interface Host {
  readonly address: string;
  /** Hosts of other segments do not hear its datagrams. */
  readonly segment: string;
}

/** All hosts, and what is between them. */
export class NetworkHub {
  weather: Weather = fairWeather;
  delivered: ((delivery: Delivery) => void) | undefined;
  streamCount = 0;
  readonly #clock: VirtualClock;
  readonly #random: RandomStream;
  readonly #listeners = new Map<string, Listener>();
  readonly #datagrams = new Set<DatagramSocket>();
  /** Ordered pairs of addresses between which nothing passes. */
  readonly #cut = new Set<string>();
  readonly #cloggedUntilMs = new Map<string, number>();
  /** What was sent into a cut, in order. */
  readonly #waiting: (() => void)[] = [];
  readonly #streams = new Set<Stream>();
  readonly #gone = new WeakSet<Host>();
  #nextPort = 40_000;

  constructor(clock: VirtualClock, random: RandomStream) {
    this.#clock = clock;
    this.#random = random;
  }

  /** The network as a process of this host sees it. */
  join(host: Host): Network & { leave(): void } {
    return new HostNetwork(this, host);
  }

  get latencyMaxMs(): number {
    return this.weather.latencyMs + this.weather.jitterMs;
  }

  get openSockets(): number {
    return this.#listeners.size + this.#datagrams.size;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  /** Nothing passes from one address to the other until `heal`. One way only. */
  cut(from: string, to: string): void {
    this.#cut.add(pairOf(from, to));
  }

  /** Lets everything pass again; what has waited arrives now, stale as it is. */
  heal(): void {
    this.#cut.clear();
    for (const deliver of this.#waiting.splice(0)) deliver();
  }

  /** Holds up what one address sends to another for some time. */
  clog(from: string, to: string, forMs: number): void {
    this.#cloggedUntilMs.set(pairOf(from, to), this.#clock.nowMs + forMs);
  }

  isCut(from: string, to: string): boolean {
    return this.#cut.has(pairOf(from, to));
  }

  /** Delivers after the latency of the moment, or after the heal. Never before what was sent earlier: see `Stream`. */
  carry(from: string, to: string, notBeforeMs: number, deliver: () => void, isQuiet = false): number {
    const { latencyMs, jitterMs } = this.weather;
    const latency = from === to ? 0.02 : latencyMs + this.#random.float() * jitterMs;
    const free = Math.max(this.#clock.nowMs, this.#cloggedUntilMs.get(pairOf(from, to)) ?? 0);
    const atMs = Math.max(notBeforeMs, free + latency);
    this.#clock.schedule(
      atMs - this.#clock.nowMs,
      () => {
        if (this.isCut(from, to)) this.#waiting.push(deliver);
        else deliver();
      },
      isQuiet,
    );
    return atMs;
  }

  async listen(host: Host, options: ListenOptions): Promise<Listening> {
    const port = options.port === 0 ? this.#freePort(host.address) : options.port;
    const key = `${host.address}:${port}`;
    if (this.#listeners.has(key)) {
      throw new StatemeshError('portInUse', `Port ${port} of ${host.address} is taken: choose another one.`);
    }
    const listener = { host, options };
    this.#listeners.set(key, listener);
    return {
      host: host.address,
      port,
      close: async () => {
        if (this.#listeners.get(key) === listener) this.#listeners.delete(key);
      },
    };
  }

  dial(host: Host, options: DialOptions): Promise<Connection> {
    return new Promise((resolve, reject) => {
      let isSettled = false;
      const settle = (finish: () => void): void => {
        if (isSettled) return;
        isSettled = true;
        timeout.cancel();
        finish();
      };
      // A process that is gone hears of nothing any more, or it would go on like a ghost.
      const fail = (code: StatemeshError['code'], message: string) =>
        settle(() => this.#gone.has(host) || reject(new StatemeshError(code, message)));
      const target = `${options.host}:${options.port}`;
      const timeout = this.#clock.schedule(options.timeoutMs, () =>
        fail('connectionTimeout', `${target} did not answer within ${options.timeoutMs} ms.`),
      );
      options.signal.addEventListener('abort', () => fail('cancelled', `The dial to ${target} was given up.`));
      if (options.signal.aborted) fail('cancelled', `The dial to ${target} was given up.`);
      this.carry(host.address, options.host, 0, () => {
        const listener = this.#listeners.get(target);
        const answer = (then: () => void) => this.carry(options.host, host.address, 0, then);
        if (this.#gone.has(host)) return;
        if (listener === undefined) {
          answer(() => fail('connectionRefused', `Nothing accepts connections at ${target}.`));
        } else if (!isSameKey(listener.options.security, options.security)) {
          const message = 'The other side does not have the same cluster key.';
          listener.options.refused({ code: 'wrongClusterKey', message }, `${host.address}:0`);
          answer(() => fail('wrongClusterKey', message));
        } else {
          const stream = new Stream(this, host, listener.host);
          this.#streams.add(stream);
          listener.options.accepted(stream.accepted);
          answer(() => {
            if (this.#gone.has(host)) return;
            if (isSettled) stream.dialed.destroy();
            settle(() => resolve(stream.dialed));
          });
        }
      });
    });
  }

  async openDatagrams(host: Host, options: DatagramOptions): Promise<Datagrams> {
    const socket = { host, options };
    this.#datagrams.add(socket);
    return {
      broadcast: (bytes) => this.#broadcast(socket, bytes),
      close: () => void this.#datagrams.delete(socket),
    };
  }

  #broadcast({ host, options }: DatagramSocket, bytes: Uint8Array): void {
    const { loss, duplication } = this.weather;
    for (const other of this.#datagrams) {
      if (other.host.segment !== host.segment || other.options.port !== options.port) continue;
      if (this.#random.float() < loss) continue;
      const copies = this.#random.float() < duplication ? 2 : 1;
      for (let copy = 0; copy < copies; copy += 1) {
        const isThere = () => this.#datagrams.has(other) && !this.isCut(host.address, other.host.address);
        const { latencyMs, jitterMs } = this.weather;
        this.#clock.schedule(latencyMs + this.#random.float() * jitterMs, () => {
          if (isThere()) other.options.received(bytes, host.address);
        });
      }
    }
  }

  /** A process is gone, crashed or stopped: its sockets with it. */
  leave(host: Host): void {
    this.#gone.add(host);
    for (const [key, listener] of this.#listeners) if (listener.host === host) this.#listeners.delete(key);
    for (const socket of this.#datagrams) if (socket.host === host) this.#datagrams.delete(socket);
    for (const stream of this.#streams) stream.abandon(host);
  }

  forget(stream: Stream): void {
    this.#streams.delete(stream);
  }

  schedule(callback: () => void): void {
    this.#clock.schedule(0, callback);
  }

  #freePort(address: string): number {
    while (this.#listeners.has(`${address}:${this.#nextPort}`)) this.#nextPort += 1;
    this.#nextPort += 1;
    return this.#nextPort - 1;
  }
}

class HostNetwork implements Network {
  readonly #hub: NetworkHub;
  readonly #host: Host;

  constructor(hub: NetworkHub, host: Host) {
    this.#hub = hub;
    this.#host = host;
  }

  listen(options: ListenOptions): Promise<Listening> {
    return this.#hub.listen(this.#host, options);
  }

  dial(options: DialOptions): Promise<Connection> {
    return this.#hub.dial(this.#host, options);
  }

  openDatagrams(options: DatagramOptions): Promise<Datagrams> {
    return this.#hub.openDatagrams(this.#host, options);
  }

  async closeAll(): Promise<void> {
    this.#hub.leave(this.#host);
  }

  leave(): void {
    this.#hub.leave(this.#host);
  }
}

/** Two ends of one stream. */
class Stream {
  readonly dialed: StreamEnd;
  readonly accepted: StreamEnd;
  readonly #hub: NetworkHub;

  constructor(hub: NetworkHub, dialer: Host, listener: Host) {
    this.#hub = hub;
    this.dialed = new StreamEnd(hub, dialer, listener, () => this.#ended());
    this.accepted = new StreamEnd(hub, listener, dialer, () => this.#ended());
    hub.streamCount += 1;
    this.dialed.stream = this.accepted.stream = hub.streamCount;
    this.dialed.other = this.accepted;
    this.accepted.other = this.dialed;
  }

  abandon(host: Host): void {
    if (this.dialed.host === host) this.dialed.vanish();
    if (this.accepted.host === host) this.accepted.vanish();
  }

  #ended(): void {
    if (this.dialed.isClosed && this.accepted.isClosed) this.#hub.forget(this);
  }
}

class StreamEnd implements Connection {
  other!: StreamEnd;
  stream = 0;
  readonly host: Host;
  readonly remoteHost: string;
  readonly remoteAddress: string;
  readonly #hub: NetworkHub;
  readonly #ended: () => void;
  #handlers: ConnectionHandlers | undefined;
  /** What came before anyone attached. */
  #early: (() => void)[] = [];
  #lastArrivalMs = 0;
  #hasEnded = false;
  isClosed = false;
  queuedBytes = 0;

  constructor(hub: NetworkHub, host: Host, remote: Host, ended: () => void) {
    this.#hub = hub;
    this.host = host;
    this.remoteHost = remote.address;
    this.remoteAddress = `${remote.address}:0`;
    this.#ended = ended;
  }

  attach(handlers: ConnectionHandlers): void {
    this.#hub.schedule(() => {
      this.#handlers = handlers;
      for (const tell of this.#early.splice(0)) tell();
    });
  }

  write(bytes: Uint8Array): boolean {
    if (this.isClosed || this.#hasEnded) return false;
    this.queuedBytes += bytes.length;
    const { other } = this;
    // Copied: what was handed to a socket is out of the writer's hands.
    const sent = bytes.slice();
    this.#carry(() => {
      this.queuedBytes -= bytes.length;
      this.#hub.delivered?.({
        from: this.host.address,
        to: other.host.address,
        kind: 'bytes',
        stream: this.stream,
        bytes: sent,
      });
      other.#tell((handlers) => handlers.data(sent));
    });
    return true;
  }

  end(): void {
    if (this.isClosed || this.#hasEnded) return;
    this.#hasEnded = true;
    this.#carry(() => this.other.#close(undefined));
    this.#close(undefined);
  }

  destroy(): void {
    if (this.isClosed) return;
    this.#carry(() => this.other.#close({ code: 'connectionLost', message: 'The other side reset the connection.' }));
    this.#close(undefined);
  }

  /** The process at this end is gone; nobody here hears anything any more. */
  vanish(): void {
    if (this.isClosed) return;
    this.#handlers = undefined;
    this.destroy();
  }

  #carry(deliver: () => void): void {
    this.#lastArrivalMs = this.#hub.carry(
      this.host.address,
      this.other.host.address,
      this.#lastArrivalMs,
      deliver,
      true,
    );
  }

  #close(failure: Failure | undefined): void {
    if (this.isClosed) return;
    this.#hub.schedule(() => this.#tellClosed(failure));
    this.isClosed = true;
    this.#ended();
  }

  #tellClosed(failure: Failure | undefined): void {
    const tell = () => this.#handlers?.closed(failure);
    if (this.#handlers === undefined) this.#early.push(tell);
    else tell();
  }

  #tell(tell: (handlers: ConnectionHandlers) => void): void {
    if (this.isClosed) return;
    if (this.#handlers === undefined) this.#early.push(() => this.#handlers && !this.isClosed && tell(this.#handlers));
    else tell(this.#handlers);
  }
}

function pairOf(from: string, to: string): string {
  return `${from} ${to}`;
}

function isSameKey(a: ConnectionSecurity, b: ConnectionSecurity): boolean {
  if (a.kind === 'none' || b.kind === 'none') return a.kind === b.kind;
  return a.keyId === b.keyId && Buffer.from(a.key).equals(b.key);
}
