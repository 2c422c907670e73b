/**
 * Unknown machines that dial one node at a steady pace; none of their connections ever identifies itself. Each occupies
 * a place until the node has waited long enough, needs the place, or receives bytes that it does not understand.
 *
 * They draw no random numbers: a world without them runs as before.
 */
import type { Connection, Network, Timer } from '../ports/ports.js';
import type { VirtualClock } from './clock.js';
import type { Host, NetworkHub } from './network/hub.js';

/** Machines that belong to no node and connect to one. */
export interface StrangersOptions {
  /** Connections that they open, all together. */
  readonly perSecond: number;
  /** `nothing`: they open, and wait. `noise`: bytes that belong to no protocol. */
  readonly says: 'nothing' | 'noise';
}

export interface StrangersSurroundings {
  readonly clock: VirtualClock;
  readonly hub: NetworkHub;
  /** The machine that they dial, on any port on which it listens. */
  readonly target: string;
  /** The addresses that they dial from, and their network. */
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
    // No listener is there at the moment.
    if (port === undefined || machine === undefined) return;
    // Leaving the network ends the dials that are still in progress.
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
