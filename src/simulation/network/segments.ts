/**
 * Which machines are on which local networks, which are public, and so which machines reach each other.
 *
 * A public machine is on no local network. Machines on a local network can dial it and receive its answers, but it
 * cannot dial them: a router stands between.
 *
 * Invariant: a machine keeps its place in a segment while it is in it, whatever happens to its processes. Places follow
 * the order of joining, because a ring or a star depends on it.
 */
import { areNeighbors, type Topology } from './topology.js';

interface Segment {
  topology: Topology;
  readonly addresses: string[];
}

export class Segments {
  readonly #segments = new Map<string, Segment>();
  readonly #public = new Set<string>();
  readonly #changed: () => void;

  /** `changed` is called when connectivity may have changed. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  setTopology(name: string, topology: Topology): void {
    const segment = this.#of(name);
    if (segment.topology === topology) return;
    segment.topology = topology;
    this.#changed();
  }

  /** Puts a machine into exactly these segments. */
  place(address: string, names: ReadonlySet<string>): void {
    let isChanged = false;
    for (const name of names) this.#of(name);
    for (const [name, { addresses }] of this.#segments) {
      const index = addresses.indexOf(address);
      if (names.has(name) === index >= 0) continue;
      if (index < 0) addresses.push(address);
      else addresses.splice(index, 1);
      isChanged = true;
    }
    if (isChanged) this.#changed();
  }

  /** Makes a machine public: all machines reach it. */
  publish(address: string): void {
    if (this.#public.has(address)) return;
    this.#public.add(address);
    this.#changed();
  }

  isPublic(address: string): boolean {
    return this.#public.has(address);
  }

  has(name: string, address: string): boolean {
    return this.#segments.get(name)?.addresses.includes(address) ?? false;
  }

  /** Whether bytes of one machine can reach the other, if only as an answer. */
  reach(from: string, to: string): boolean {
    return this.#public.has(from) || this.#public.has(to) || this.areLocal(from, to);
  }

  /** Whether one machine may open a connection to the other. */
  mayDial(from: string, to: string): boolean {
    return this.#public.has(to) || this.areLocal(from, to);
  }

  /** Whether two machines are wired to each other on a local network: they receive each other's datagrams. */
  areLocal(from: string, to: string): boolean {
    if (from === to) return true;
    for (const { topology, addresses } of this.#segments.values()) {
      const [a, b] = [addresses.indexOf(from), addresses.indexOf(to)];
      if (a >= 0 && b >= 0 && areNeighbors(topology, a, b, addresses.length)) return true;
    }
    return false;
  }

  #of(name: string): Segment {
    const known = this.#segments.get(name);
    if (known !== undefined) return known;
    const segment: Segment = { topology: 'mesh', addresses: [] };
    this.#segments.set(name, segment);
    return segment;
  }
}
