/**
 * Machines that nobody knows, on the way to one node: they dial it at a steady pace, and none of their connections ever says who it
 * is. Each takes a place until the node has waited for long enough, needs the place, or does not understand what it hears.
 *
 * They draw nothing: a world without them runs as before.
 */
import type { Connection, Network, Timer } from '../ports/ports.js';
import type { VirtualClock } from './clock.js';
import type { Host, NetworkHub } from './network/hub.js';

/** Machines that belong to nobody and connect to a node. */
export interface StrangersOptions {
  /** Connections that they open, all together. */
  readonly perSecond: number;
  /** `nothing`: they open, and wait. `noise`: bytes that belong to no protocol. */
  readonly says: 'nothing' | 'noise';
}

export interface StrangersSurroundings {
  readonly clock: VirtualClock;
  readonly hub: NetworkHub;
  /** The machine that they dial, on whatever port it listens. */
  readonly target: string;
  /** Where they dial from, and on which network. */
  readonly addresses: readonly string[];
  readonly segment: string;
}

const noise = new TextEncoder().encode('Is anybody there?\r\n\r\n');
const dialTimeoutMs = 10_000;

export class Strangers {
  readonly #options: StrangersOptions;
  readonly #around: StrangersSurroundings;
  readonly #machines: readonly { readonly host: Host; readonly network: Network }[];
  #dials = 0;
  #timer: Timer | undefined;

  constructor(options: StrangersOptions, around: StrangersSurroundings) {
    this.#options = options;
    this.#around = around;
    this.#machines = around.addresses.map((address) => {
      const host: Host = { address, segments: new Set([around.segment]), speaks: 'noise' };
      return { host, network: around.hub.join(host) };
    });
    this.#schedule();
  }

  /** They hang up, and do not come back. */
  end(): void {
    this.#timer?.cancel();
    for (const { host } of this.#machines) this.#around.hub.leave(host);
  }

  #schedule(): void {
    this.#timer = this.#around.clock.schedule(1_000 / this.#options.perSecond, () => {
      this.#dial();
      this.#schedule();
    });
  }

  #dial(): void {
    const { hub, target } = this.#around;
    const ports = hub.portsOf(target);
    const port = ports[this.#dials % ports.length];
    const machine = this.#machines[this.#dials % this.#machines.length];
    this.#dials += 1;
    // Nobody is there at the moment.
    if (port === undefined || machine === undefined) return;
    // Leaving the network ends the dials that are still under way.
    const { signal } = new AbortController();
    machine.network.dial({ host: target, port, security: { kind: 'none' }, timeoutMs: dialTimeoutMs, signal }).then(
      (connection) => this.#opened(connection),
      () => {},
    );
  }

  #opened(connection: Connection): void {
    connection.attach({ data: () => {}, drained: () => {}, closed: () => {} });
    if (this.#options.says === 'noise') connection.write(noise);
  }
}
