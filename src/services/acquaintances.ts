/**
 * At which addresses peers are known to be: those that have proved who they are, those whose beacons bear the key of the cluster, and
 * those that are dialed. A listener keeps places for them when strangers come in great numbers.
 */
import { addressRange } from '../core/address-range.js';
import { limits } from '../core/limits.js';

/** The addresses of known peers; the one that was heard of least recently is forgotten first. */
export class Acquaintances {
  readonly #ranges = new Set<string>();

  /** A peer is at this address. */
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
