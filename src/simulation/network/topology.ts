/** Which hosts of one segment are wired to each other. Pure: places are counted in the order in which hosts joined. */

/**
 * `mesh`: every host to every other. `ring`: each to its predecessor and its successor, the last to the first. `chain`:
 * a ring that is open between the last and the first. `star`: every host to the first only.
 */
export type Topology = 'mesh' | 'ring' | 'chain' | 'star';

/** The places that the host at `index` of `count` reaches, in ascending order, without its own. */
export function neighbors(topology: Topology, index: number, count: number): number[] {
  const others = Array.from({ length: count }, (_, place) => place).filter((place) => place !== index);
  return others.filter((place) => areNeighbors(topology, index, place, count));
}

export function areNeighbors(topology: Topology, a: number, b: number, count: number): boolean {
  const distance = Math.abs(a - b);
  if (distance === 0) return false;
  switch (topology) {
    case 'mesh':
      return true;
    case 'ring':
      return distance === 1 || distance === count - 1;
    case 'chain':
      return distance === 1;
    case 'star':
      return a === 0 || b === 0;
  }
}
