/**
 * Datagrams: each goes to all sockets that listen on the port and can be reached, including the sender's. They may be
 * lost, duplicated, delayed and reordered.
 */
import { limits } from '../../core/limits.js';
import type { DatagramOptions } from '../../ports/ports.js';
import type { Taps } from './delivery.js';
import type { Route, Routes } from './routes.js';
import type { Holdable } from './rule-list.js';

/** The largest payload of a datagram (UDP over IPv4). */
const datagramBytesMax = 65_507;

export interface DatagramSocket {
  readonly address: string;
  readonly options: DatagramOptions;
}

export class DatagramExchange {
  readonly #routes: Routes;
  readonly #taps: Taps;
  /** In the order of opening. */
  readonly #sockets = new Set<DatagramSocket>();
  readonly #reportedAtMs = new WeakMap<DatagramSocket, number>();

  constructor(routes: Routes, taps: Taps) {
    this.#routes = routes;
    this.#taps = taps;
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  openSocketsOf(address: string): number {
    return [...this.#sockets].filter((socket) => socket.address === address).length;
  }

  open(socket: DatagramSocket): void {
    this.#sockets.add(socket);
  }

  close(socket: DatagramSocket): void {
    this.#sockets.delete(socket);
  }

  broadcast(sender: DatagramSocket, bytes: Uint8Array): void {
    if (!this.#sockets.has(sender)) return;
    const { address, options } = sender;
    if (bytes.length > datagramBytesMax) {
      this.#reportTooLarge(sender);
      return;
    }
    this.#taps.onBroadcast?.({ atMs: this.#routes.clock.nowMs, from: address, port: options.port, bytes });
    for (const hearer of this.#sockets) {
      if (hearer.options.port === options.port && this.#canHear(sender, hearer)) this.#send(address, hearer, bytes);
    }
  }

  /** Sends a datagram in a segment under a claimed sender. No rule concerns it, because its true source is unknown. */
  inject(segment: string, port: number, bytes: Uint8Array, senderHost: string): void {
    const { segments, clock } = this.#routes;
    for (const hearer of this.#sockets) {
      if (hearer.options.port !== port || !segments.has(segment, hearer.address)) continue;
      const latencyMs = this.#routes.of(senderHost, hearer.address).drawLatencyMs();
      clock.schedule(latencyMs, () => this.#deliver(senderHost, hearer, bytes));
    }
  }

  #canHear(sender: DatagramSocket, hearer: DatagramSocket): boolean {
    if (sender.address === hearer.address) return true;
    if (sender.options.scope === 'loopback' || hearer.options.scope === 'loopback') return false;
    return this.#routes.of(sender.address, hearer.address).isLocal;
  }

  #send(from: string, hearer: DatagramSocket, bytes: Uint8Array): void {
    const route = this.#routes.of(from, hearer.address);
    // A single packet does not wait for the streams: routers let it go between theirs.
    const busyMs = route.bottleneck?.busyMs(bytes.length) ?? 0;
    const depart = (latencyMs: number) =>
      void this.#routes.clock.schedule(latencyMs + busyMs, () => this.#deliver(from, hearer, bytes), true);
    if (route.isClear) depart(route.drawLatencyMs());
    else this.#judge(route, bytes, depart);
  }

  #judge(route: Route, bytes: Uint8Array, depart: (latencyMs: number) => void): void {
    const answer = route.ask('datagram', bytes.length);
    if (answer === undefined) {
      depart(route.drawLatencyMs());
      return;
    }
    const { verdict, by } = answer;
    switch (verdict.verdict) {
      case 'pass':
        depart(verdict.latencyMs + route.lineLatencyMs);
        break;
      case 'delay':
        depart(verdict.byMs + route.drawLatencyMs());
        break;
      case 'duplicate':
        depart(route.drawLatencyMs());
        depart(route.drawLatencyMs());
        break;
      case 'hold': {
        const held: Holdable = { release: () => this.#judge(route, bytes, depart) };
        this.#routes.rules.hold(held, by, verdict.untilMs);
        break;
      }
      case 'drop':
      case 'refuse':
      case 'reset':
        break;
    }
  }

  #deliver(from: string, hearer: DatagramSocket, bytes: Uint8Array): void {
    if (!this.#sockets.has(hearer)) return;
    const { nowMs: atMs } = this.#routes.clock;
    this.#taps.onDelivery?.({ atMs, from, to: hearer.address, kind: 'datagram', bytes });
    hearer.options.received(bytes, from);
  }

  #reportTooLarge(sender: DatagramSocket): void {
    const { nowMs } = this.#routes.clock;
    const lastMs = this.#reportedAtMs.get(sender);
    if (lastMs !== undefined && nowMs - lastMs < limits.datagramReportIntervalMs) return;
    this.#reportedAtMs.set(sender, nowMs);
    const message = `A datagram of more than ${datagramBytesMax} bytes could not be sent (EMSGSIZE).`;
    this.#routes.clock.schedule(0, () => {
      if (this.#sockets.has(sender)) sender.options.failed({ code: 'addressUnavailable', message });
    });
  }
}
