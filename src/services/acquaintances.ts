/**
 * The known addresses of peers: of peers that have authenticated, of peers whose beacons carry the key of the cluster,
 * and of peers that are dialed. A listener keeps places for these addresses when many strangers connect.
 */
import { addressRange } from '../core/address-range.js';
import { limits } from '../core/limits.js';

/** The addresses of known peers; the address that was noted least recently is forgotten first. */
export class Acquaintances {
  readonly #ranges = new Set<string>();

  /** Notes that a peer is at this address. */
  note(host: string): void {
    const range = addressRange(host);
    this.#ranges.delete(range);
    this.#ranges.add(range);
    if (this.#ranges.size <= limits.addressesKnownMax) return;
    for (const oldest of this.#ranges) {
      this.#ranges.delete(oldest);
      return;
    }
  }

  isFamiliar(host: string): boolean {
    return this.#ranges.has(addressRange(host));
  }
}
