/**
 * The network port of one process, and the cleanup of everything that it has opened when it ends.
 *
 * A process that closes its network receives the close of every connection. A crashed process receives nothing: no
 * handler is called and no promise settles, otherwise it would continue like a ghost.
 */

import { dialByRing, type SingleDialOptions } from '../../adapters/dial-by-ring.js';
import { dialCancelled } from '../../adapters/dialing.js';
import { dialError } from '../../adapters/network-errors.js';
import { isPort } from '../../core/address.js';
import { StatemeshError } from '../../core/errors.js';
import type {
  Connection,
  DatagramOptions,
  Datagrams,
  DialOptions,
  Listening,
  ListenOptions,
  Network,
} from '../../ports/ports.js';
import type { DatagramExchange, DatagramSocket } from './datagrams.js';
import type { Taps } from './delivery.js';
import { Dialing } from './dialing.js';
import { systemError } from './errors.js';
import { Listener } from './listener.js';
import type { Machine } from './machine.js';
import type { Routes } from './routes.js';
import type { Stream } from './stream.js';
import type { Endpoint, StreamEnd } from './stream-end.js';

export interface ProcessSurroundings {
  readonly machine: Machine;
  readonly routes: Routes;
  readonly taps: Taps;
  readonly exchange: DatagramExchange;
  /** The address of a name or an address; undefined for an unknown name. */
  resolve(host: string): string | undefined;
  openStream(dialer: Endpoint, listener: Endpoint): Stream;
  listenerAt(address: string, port: number): Listener | undefined;
}

export class ProcessNetwork implements Network {
  readonly #around: ProcessSurroundings;
  readonly #listeners = new Map<Listener, number>();
  readonly #dialings = new Set<Dialing>();
  readonly #ends = new Set<StreamEnd>();
  readonly #sockets = new Set<DatagramSocket>();
  #isClosed = false;
  #isGone = false;

  constructor(around: ProcessSurroundings) {
    this.#around = around;
  }

  async listen(options: ListenOptions): Promise<Listening> {
    if (this.#isGone) return never();
    this.#assertOpen();
    const { machine, routes, taps } = this.#around;
    machine.assertFree(options.host, options.port);
    const port = options.port === 0 ? machine.freePort() : options.port;
    const listener = new Listener(options, routes.clock, taps, (end) => this.#own(end));
    machine.listeners.set(port, listener);
    this.#listeners.set(listener, port);
    return {
      host: options.host,
      port,
      protect: (how) => listener.protect(how),
      close: async () => this.#closeListener(listener),
    };
  }

  async dial(options: DialOptions): Promise<Connection> {
    const { clock } = this.#around.routes;
    return dialByRing(
      options,
      (once) => this.#dialOnce(once),
      () => clock.nowMs,
    );
  }

  async #dialOnce(options: SingleDialOptions): Promise<Connection> {
    if (this.#isGone) return never();
    this.#assertOpen();
    const { machine, routes, taps, resolve, openStream, listenerAt } = this.#around;
    const { port, signal } = options;
    if (signal.aborted) throw dialCancelled(options);
    if (!isPort(port)) throw dialError(systemError('ERR_SOCKET_BAD_PORT'), options.host, port);
    const host = resolve(options.host);
    if (host === undefined) throw dialError(systemError('ENOTFOUND'), options.host, port);
    return new Promise((opened, failed) => {
      const stream = openStream({ address: machine.address, port: machine.freePort() }, { address: host, port });
      this.#own(stream.dialed);
      const dialing = new Dialing({
        dial: options,
        clock: routes.clock,
        taps,
        stream,
        isAdmitted: () => routes.segments.mayDial(machine.address, host),
        listener: () => listenerAt(host, port),
        opened,
        failed,
        settled: () => this.#dialings.delete(dialing),
      });
      this.#dialings.add(dialing);
    });
  }

  async openDatagrams(options: DatagramOptions): Promise<Datagrams> {
    if (this.#isGone) return never();
    this.#assertOpen();
    const { machine, exchange } = this.#around;
    const socket: DatagramSocket = { address: machine.address, options };
    exchange.open(socket);
    this.#sockets.add(socket);
    return {
      broadcast: (bytes) => exchange.broadcast(socket, typeof bytes === 'function' ? bytes() : bytes),
      close: () => this.#closeSocket(socket),
    };
  }

  closeAll(): Promise<void> {
    this.#isClosed = true;
    for (const listener of [...this.#listeners.keys()]) this.#closeListener(listener);
    for (const dialing of [...this.#dialings]) dialing.cancel();
    for (const end of [...this.#ends]) end.destroy();
    for (const socket of [...this.#sockets]) this.#closeSocket(socket);
    // After the events that the ends have just scheduled for their handlers.
    return new Promise((resolve) => this.#around.routes.clock.schedule(0, () => this.#isGone || resolve()));
  }

  /** The process is gone, whether or not it has closed anything before. Its connections end for the other sides. */
  leave(): void {
    this.#isGone = true;
    this.#isClosed = true;
    for (const listener of [...this.#listeners.keys()]) this.#closeListener(listener);
    for (const dialing of [...this.#dialings]) dialing.abandon();
    for (const end of [...this.#ends]) end.vanish();
    for (const socket of [...this.#sockets]) this.#closeSocket(socket);
  }

  #own(end: StreamEnd): void {
    this.#ends.add(end);
    end.onClose(() => this.#ends.delete(end));
  }

  #closeListener(listener: Listener): void {
    const port = this.#listeners.get(listener);
    if (port === undefined) return;
    this.#listeners.delete(listener);
    this.#around.machine.listeners.delete(port);
    listener.close();
  }

  #closeSocket(socket: DatagramSocket): void {
    this.#sockets.delete(socket);
    this.#around.exchange.close(socket);
  }

  #assertOpen(): void {
    if (!this.#isClosed) return;
    throw new StatemeshError('notRunning', 'The network was closed: a node that has stopped opens no sockets.');
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
