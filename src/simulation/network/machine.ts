/** A machine on the network: an address, and the ports in use there. Processes come and go; the machine stays. */
import { listenError } from '../../adapters/network-errors.js';
import { isPort } from '../../core/address.js';
import type { Speech } from './delivery.js';
import { systemError } from './errors.js';
import type { Listener } from './listener.js';

/** The range that Linux assigns from. */
const ephemeralPorts = { first: 32_768, last: 60_999 } as const;
const anyAddress = ['0.0.0.0', '::'];

export class Machine {
  readonly address: string;
  readonly listeners = new Map<number, Listener>();
  /** Ports on which another program of the machine listens. It answers no connection. */
  readonly occupied = new Set<number>();
  #nextPort: number = ephemeralPorts.first;

  constructor(
    address: string,
    readonly speaks: Speech,
  ) {
    this.address = address;
  }

  /** A free port for one end of a connection that is dialed from here, or for a listener on any port. */
  freePort(): number {
    do {
      this.#nextPort = this.#nextPort === ephemeralPorts.last ? ephemeralPorts.first : this.#nextPort + 1;
    } while (!this.#isFree(this.#nextPort));
    return this.#nextPort;
  }

  /**
   * Checks that a port can be listened on.
   *
   * @throws StatemeshError `portInUse`, `addressUnavailable`
   */
  assertFree(host: string, port: number): void {
    if (host !== this.address && !anyAddress.includes(host))
      throw listenError(systemError('EADDRNOTAVAIL'), host, port);
    if (!isPort(port)) throw listenError(systemError('ERR_SOCKET_BAD_PORT'), host, port);
    if (!this.#isFree(port)) throw listenError(systemError('EADDRINUSE'), host, port);
  }

  /** @returns Whether the port was free */
  occupy(port: number): boolean {
    if (!this.#isFree(port)) return false;
    this.occupied.add(port);
    return true;
  }

  #isFree(port: number): boolean {
    return !this.listeners.has(port) && !this.occupied.has(port);
  }
}
